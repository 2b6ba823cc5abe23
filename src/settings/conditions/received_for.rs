//! The settings of the Received-for condition.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::{DISABLES_FAST_PATH, ENABLED};
use crate::settings::catalogue::group;

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable,
};

/// Makes one message of each recipient, who is named in its Received field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReceivedFor {
    /// The feature is on.
    pub enabled: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
}

impl Default for ReceivedFor {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path: true,
        }
    }
}

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::ReceivedFor,
    name: "received_for",
    title: "Received-for header",
    summary: "Makes one message for each recipient, who is named in its Received field: servers behind us see whom it was for.",
    groups: &[
        group("received_for", "The condition", &[
            ENABLED,
            DISABLES_FAST_PATH,
        ]),
    ],
    lists: &[],
    settings: |written| &written.received_for,
};

impl ConditionSettings for ReceivedFor {
    fn policy(&self, _: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled,
            disables_fast_path: self.disables_fast_path,
            // It makes several messages of one, each of which would need the content.
            needs_content: true,
            when_unavailable: WhenUnavailable::Defer,
            timeout: None,
        }
    }
}
