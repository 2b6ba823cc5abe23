//! The settings of the sender check.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::{DISABLES_FAST_PATH, ENABLED, TIMEOUT, WHEN_UNAVAILABLE};
use crate::settings::catalogue::{SettingKind as Kind, group, setting, value};

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable,
};

/// Refuses senders whose domain does not exist, or takes no mail: such a message could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SenderCheck {
    /// The feature is on.
    pub enabled: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
    /// The longest wait for the DNS.
    pub timeout_seconds: u64,
    /// What happens when the DNS does not say.
    pub when_unavailable: WhenUnavailable,
    /// Clients in trusted networks, and those who have logged in, are not checked.
    pub exempt_trusted: bool,
}

impl Default for SenderCheck {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path: true,
            timeout_seconds: 10,
            when_unavailable: WhenUnavailable::Defer,
            exempt_trusted: true,
        }
    }
}

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::SenderCheck,
    name: "sender_check",
    title: "Sender check",
    summary: "Looks the sender’s domain up in the DNS: refuses one that does not exist, has no server, or takes no mail. Nobody could answer such a message.",
    groups: &[
        group("sender_check", "The condition", &[
            ENABLED,
            DISABLES_FAST_PATH,
            setting("exempt_trusted", "Trusted and authenticated clients", "", Kind::Choice(&[
                value("true", "Not checked", ""),
                value("false", "Checked", ""),
            ])),
        ]),
        group("sender_check", "The DNS", &[
            TIMEOUT,
            WHEN_UNAVAILABLE,
        ]),
    ],
    lists: &[],
    settings: |written| &written.sender_check,
};

impl ConditionSettings for SenderCheck {
    fn policy(&self, _: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled,
            disables_fast_path: self.disables_fast_path,
            needs_content: false,
            when_unavailable: self.when_unavailable,
            timeout: Some(Duration::from_secs(self.timeout_seconds)),
        }
    }
}
