//! The conditions: which path a message takes, and whether it may pass (Figure 4 of the patent).
//!
//! [`decision`] is pure: from the facts about a message it says which conditions are present, in the
//! order in which they are asked. [`Conditions::check`] carries that out: each check asks its
//! service or its rules and comes back with a [`CheckVerdict`](verdict::CheckVerdict); the first decisive answer wins and is named.
//! What they change of a message is put together in a [`Draft`](draft::Draft).
//!
//! One condition a file: which messages it concerns and what it asks, as a [`ConditionCheck`]. A check never
//! touches the disk and knows nothing of paths. [`service`] bounds the time it takes and how many run at
//! once, and has the breaker before its service.

mod antispam;
mod antivirus;
mod blackhole_lists;
mod blocks;
mod check;
mod content_filter;
mod decision;
mod directory;
mod draft;
mod draft_reader;
mod encryption;
mod envelope_pipeline;
mod facts;
mod from_field;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod header;
mod ldap_masquerading;
mod ldap_relaying;
mod milter;
mod new_body;
mod own;
mod pipeline;
mod received_for;
mod resources;
mod sender_check;
mod service;
mod service_access;
mod service_stream;
mod services;
#[cfg(test)]
mod testing;
mod verdict;
mod words;
mod zone_services;

use crate::settings::conditions::ConditionKind;

pub use blackhole_lists::{Listing, LookedUp, TryOut, Weighed};
pub use content_filter::{RuleAnswers, RuleSays, Ruling};
pub use decision::{Condition, needs_content, standard_path_without_content};
#[cfg(test)]
pub(crate) use directory::testing as directory_testing;
pub use envelope_pipeline::EnvelopeOutcome;
pub use facts::EnvelopeFacts;
pub use ldap_masquerading::OfficialSender;
pub use ldap_relaying::DirectoryRoute;
pub use own::leads_through;
pub use pipeline::{Accepted, CheckOutcome, CheckRun, QuarantineCause};
pub use resources::CheckResources;
pub use service::{ServiceFigures, ServiceState};
pub use services::Conditions;

use check::ConditionCheck;

/// The check of each kind of condition.
fn check_of(kind: ConditionKind) -> &'static ConditionCheck {
    match kind {
        ConditionKind::SenderCheck => &sender_check::CHECK,
        ConditionKind::BlackholeLists => &blackhole_lists::CHECK,
        ConditionKind::LdapRelaying => &ldap_relaying::CHECK,
        ConditionKind::Own => &own::CHECK,
        ConditionKind::ContentFilter => &content_filter::CHECK,
        ConditionKind::Antivirus => &antivirus::CHECK,
        ConditionKind::Antispam => &antispam::CHECK,
        ConditionKind::LdapMasquerading => &ldap_masquerading::CHECK,
        ConditionKind::Milter => &milter::CHECK,
        ConditionKind::Encryption => &encryption::CHECK,
        ConditionKind::ReceivedFor => &received_for::CHECK,
    }
}
