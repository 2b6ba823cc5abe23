//! Where the pages of the conditions are, and how many messages each condition diverted.

use crate::message::DiskReason;
use crate::settings::conditions::ConditionDescription;
use crate::statistics::{ByReason, Window};
use crate::web::{Context, wording};

pub(super) const TITLE: &str = "Conditions";

/// The list of the conditions; their pages are below it.
pub(super) const PATH: &str = "/settings/conditions";

/// The page of a condition.
pub(super) fn path_of(condition: &ConditionDescription) -> String {
    format!("{PATH}/{}", condition.name.replace('_', "-"))
}

/// Messages that a condition diverted in the last day.
pub(super) struct Diverted {
    pub(super) count: String,
    /// The word of the reason, for the link to them; none when there are none.
    pub(super) reason: Option<String>,
}

impl Diverted {
    pub(super) fn by(name: &str, counts: &ByReason) -> Self {
        let reason = DiskReason::Condition(name.into());
        let count = counts.of(&reason);
        Self {
            count: wording::count(count),
            reason: (count > 0).then(|| reason.to_string()),
        }
    }

    pub(super) fn now(name: &str, context: &Context) -> Self {
        Self::by(name, &context.statistics.disk_reasons(Window::Day))
    }
}
