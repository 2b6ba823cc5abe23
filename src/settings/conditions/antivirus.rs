//! The settings of the antivirus condition.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::{
    CONNECTIONS, DISABLES_FAST_PATH, ENABLED, TIMEOUT, WHEN_UNAVAILABLE, server, when_found,
};
use crate::settings::catalogue::group;

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory, WhenFound,
    WhenUnavailable,
};
use crate::settings::FieldErrors;
use crate::settings::service_address::ServiceAddress;

/// Asks ClamAV's daemon whether a message holds malware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Antivirus {
    /// The feature is on.
    pub enabled: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
    /// Where clamd listens.
    pub server: Option<ServiceAddress>,
    /// The longest wait for its answer.
    pub timeout_seconds: u64,
    /// Connections at one time.
    pub connections_max: u32,
    /// What happens to an infected message.
    pub when_found: WhenFound,
    /// What happens when clamd cannot tell.
    pub when_unavailable: WhenUnavailable,
}

impl Default for Antivirus {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path: true,
            server: None,
            timeout_seconds: 30,
            connections_max: 10,
            when_found: WhenFound::Refuse,
            when_unavailable: WhenUnavailable::Defer,
        }
    }
}

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::Antivirus,
    name: "antivirus",
    title: "Antivirus",
    summary: "Asks ClamAV’s daemon, which knows what is in a message: refuses, quarantines or tags what is infected.",
    groups: &[
        group("antivirus", "The condition", &[
            ENABLED,
            DISABLES_FAST_PATH,
            when_found("Infected messages"),
        ]),
        group("antivirus", "clamd", &[
            server("Where clamd listens, like 127.0.0.1:3310 or unix:/run/clamav/clamd.ctl. For messages larger than its StreamMaxLength the check is unavailable."),
            TIMEOUT,
            CONNECTIONS,
            WHEN_UNAVAILABLE,
        ]),
    ],
    lists: &[],
    settings: |written| &written.antivirus,
};

impl ConditionSettings for Antivirus {
    fn policy(&self, _: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled,
            disables_fast_path: self.disables_fast_path,
            needs_content: true,
            when_unavailable: self.when_unavailable,
            timeout: Some(Duration::from_secs(self.timeout_seconds)),
        }
    }

    fn validate(&self, _: &Directory, errors: &mut FieldErrors) {
        if self.enabled && self.server.is_none() {
            errors.add("antivirus.server", "is needed to switch this on");
        }
    }
}
