//! What the administrator sets about the conditions (Figure 4 of the patent): for each a switch, the
//! question whether it disables the fast path, and parameters of its own.
//!
//! Every condition is one object among the settings, as it is written; what has to be prepared once,
//! not for every message, stands in [`Prepared`].

mod antivirus;
mod content_filter;
mod own;
mod received_for;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::patch::FieldErrors;
use super::written::Written;

pub use antivirus::Antivirus;
pub use content_filter::{
    Consequence, ContentAction, ContentFilter, ContentPart, ContentRule, PreparedRule, Question,
};
pub use own::{OwnCondition, PreparedOwn, is_field_name, pattern_of};
pub use received_for::ReceivedFor;

/// What it means when a check cannot tell: its service is down, too slow, or talks nonsense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnavailable {
    /// The message is put off: 451, the sender keeps it.
    #[default]
    Defer,
    /// The message goes on as if the check had found nothing.
    Pass,
}

/// What happens to a message in which a check found what it looks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFound {
    /// Refused in the session: the sender is told.
    #[default]
    Refuse,
    /// Taken, and kept back in the queue until an operator decides.
    Quarantine,
    /// Delivered with a header field that says what was found.
    Tag,
}

/// What of the conditions is looked at for every message, prepared.
#[derive(Debug, Default)]
pub struct Prepared {
    /// Some condition may concern a message; where none can, no message pays for the question.
    pub any: bool,
    /// The administrator's own conditions, in their order.
    pub own: Vec<PreparedOwn>,
    /// The rules of the content filter, in their order; also while it is off, to be tested.
    pub content_rules: Arc<[PreparedRule]>,
}

impl Prepared {
    /// Prepares what was validated.
    pub(super) fn of(written: &Written) -> Self {
        let own = own::prepare(&written.own_conditions);
        let any = written.content_filter.concerns_any()
            || written.antivirus.enabled
            || written.received_for.enabled
            || !own.is_empty();
        Self {
            any,
            own,
            content_rules: written.content_filter.prepared(),
        }
    }
}

impl Written {
    pub(super) fn validate_conditions(&self, errors: &mut FieldErrors) {
        self.content_filter.validate(errors);
        self.antivirus.validate(errors);
        own::validate(&self.own_conditions, errors);
    }
}

/// Notes a time-out that no check may have.
fn validate_timeout(errors: &mut FieldErrors, field: &str, seconds: u64) {
    if !(1..=120).contains(&seconds) {
        errors.add(field, "must be from 1 s to 2 min");
    }
}

/// Notes a number of connections that no service may be given.
fn validate_connections(errors: &mut FieldErrors, field: &str, connections: u32) {
    if !(1..=1_000).contains(&connections) {
        errors.add(field, "must be from 1 to 1,000");
    }
}
