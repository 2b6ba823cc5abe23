//! The settings of the encryption condition.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::ENABLED;
use crate::settings::catalogue::{SettingGroup, SettingKind as Kind, group, setting, value};

use super::{ConditionDescription, ConditionKind, ConditionSettings, Directory, WhenUnavailable};
use crate::settings::FieldErrors;

/// Encrypts messages to the OpenPGP keys of their recipients. A message that it concerns always takes
/// the standard path, since it makes several messages of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Encryption {
    /// The feature is on.
    pub enabled: bool,
    /// What happens to a message when some recipient has no key.
    pub when_no_key: WhenNoKey,
}

pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::Encryption,
    name: "encryption",
    title: "Encryption",
    summary: "Encrypts messages to the OpenPGP keys of their recipients: each of them gets a PGP/MIME message that nobody else can open.",
    groups: GROUPS,
    lists: &[],
    settings: |written| &written.encryption,
};

#[rustfmt::skip]
const GROUPS: &[SettingGroup] = &[
    group("encryption", "The condition", &[
        ENABLED,
        setting("when_no_key", "Recipients without a valid key", "", Kind::Choice(&[
            value("send_plain", "Send unencrypted", "Recipients with a key still get the message encrypted."),
            value("refuse", "Reject (550)", "The message is rejected for all recipients, and the reply names those without a key."),
        ])),
    ]),
];

impl ConditionSettings for Encryption {
    fn is_on(&self) -> bool {
        self.enabled
    }

    fn disables_fast_path(&self) -> bool {
        // It makes several messages of one, which only the queue can take all or none of.
        true
    }

    fn needs_content(&self) -> bool {
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

/// What happens to a message when some recipient has no valid key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenNoKey {
    /// Those without a key get it as it is.
    #[default]
    SendPlain,
    /// It is refused for all of them, and the reply names those without a key.
    Refuse,
}
