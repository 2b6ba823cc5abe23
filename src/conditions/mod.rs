//! The conditions: which path a message takes, and whether it may pass (Figure 4 of the patent).
//!
//! [`decide`] is pure: from the facts about a message it says which conditions are present, in the
//! order in which they are looked into. [`Conditions::examine`] carries that out: each check asks its
//! service or its rules and comes back with a [`Verdict`]; the first decisive answer wins and is named.
//! What they change of a message is put together in a [`Draft`].
//!
//! One condition a file. A check never touches the disk and knows nothing of paths or replies to
//! others; the time it may take, how many run at once, and when its service is left alone stands in
//! [`service`].

mod antivirus;
mod content_filter;
mod decision;
mod draft;
mod examination;
mod header;
mod mime;
mod service;
mod service_stream;
#[cfg(test)]
mod testing;
mod verdict;
mod words;

use std::sync::Arc;

use bytes::Bytes;

use crate::message::{MemoryBudget, MessageIds, Spool};
use crate::settings::Settings;

pub use content_filter::{RuleAnswers, RuleSays, Ruling};
pub use decision::{Condition, Decision, Facts, Present, decide};
pub use draft::Draft;
pub use examination::{End, Examination, Examined, Quarantine, Taken};
pub use header::{Field, Header};
pub use service::{Service, ServiceFigures, ServiceState};
pub use verdict::{Answer, Edit, Verdict};

/// What the checks work with. Shared by all sessions.
#[derive(Debug)]
pub struct Tools {
    /// Our name, which stands in the header fields that checks add.
    pub hostname: Arc<str>,
    /// Names for what is made out of a message.
    pub ids: Arc<MessageIds>,
    /// Where content goes that a check writes anew and that does not stay in memory.
    pub spool: Arc<Spool>,
    /// What all bodies together may hold in memory.
    pub budget: Arc<MemoryBudget>,
}

/// The checks with their services.
#[derive(Debug)]
pub struct Conditions {
    tools: Tools,
    content_filter: content_filter::ContentFilter,
    antivirus: Service,
}

impl Conditions {
    /// Conditions whose services have not been asked yet.
    #[must_use]
    pub fn new(tools: Tools) -> Self {
        Self {
            tools,
            content_filter: content_filter::ContentFilter::new(),
            antivirus: Service::new("clamd"),
        }
    }

    /// Asks the rules of the content filter about a message that is not on its way, all of them: also while
    /// the condition is off. Nothing is changed or sent.
    pub async fn test_content_filter(&self, settings: &Settings, message: Bytes) -> RuleAnswers {
        let rules = Arc::clone(&settings.conditions().content_rules);
        self.content_filter.test(rules, message).await
    }

    /// How the services fare, for the dashboard: those that were asked since the start.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceFigures> {
        let all = [&self.antivirus];
        all.into_iter().filter_map(Service::figures).collect()
    }
}
