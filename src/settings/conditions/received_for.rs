//! The settings of the Received-for condition.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::{DISABLES_FAST_PATH, ENABLED};
use crate::settings::catalogue::{SettingGroup, group};

use super::{ConditionDescription, ConditionKind, ConditionSettings, Directory, WhenUnavailable};
use crate::settings::FieldErrors;

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

pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::ReceivedFor,
    name: "received_for",
    title: "Received-for header",
    summary: "Makes one message for each recipient, who is named in its Received field: servers behind us see whom it was for.",
    groups: GROUPS,
    lists: &[],
    settings: |written| &written.received_for,
};

#[rustfmt::skip]
const GROUPS: &[SettingGroup] = &[
    group("received_for", "The condition", &[
        ENABLED,
        DISABLES_FAST_PATH,
    ]),
];

impl ConditionSettings for ReceivedFor {
    fn is_on(&self) -> bool {
        self.enabled
    }

    fn disables_fast_path(&self) -> bool {
        self.disables_fast_path
    }

    fn needs_content(&self) -> bool {
        // It makes several messages of one, each of which would need the content.
        true
    }

    fn when_unavailable(&self) -> WhenUnavailable {
        WhenUnavailable::Defer
    }

    fn timeout(&self, _: &Directory) -> Option<Duration> {
        None
    }

    fn validate(&self, _: &Directory, _: &mut FieldErrors) {}
}
