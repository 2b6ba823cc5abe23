//! The settings of the encryption condition.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::ENABLED;
use crate::settings::catalogue::{SettingKind as Kind, group, setting, value};

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable,
};

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

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::Encryption,
    name: "encryption",
    title: "Encryption",
    summary: "Encrypts messages to the OpenPGP keys of their recipients: each of them gets a PGP/MIME message that nobody else can open.",
    groups: &[
        group("encryption", "The condition", &[
            ENABLED,
            setting("when_no_key", "Recipients without a valid key", "", Kind::Choice(&[
                value("send_plain", "Send unencrypted", "Recipients with a key still get the message encrypted."),
                value("refuse", "Reject (550)", "The message is rejected for all recipients, and the reply names those without a key."),
            ])),
        ]),
    ],
    lists: &[],
    settings: |written| &written.encryption,
};

impl ConditionSettings for Encryption {
    fn policy(&self, _: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled,
            // It makes several messages of one, which only the queue can take all or none of.
            disables_fast_path: true,
            needs_content: true,
            when_unavailable: WhenUnavailable::Defer,
            timeout: None,
        }
    }
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
