//! The settings of the encryption condition.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// What happens to a message when some recipient has no valid key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenNoKey {
    /// Those without a key get it as it is.
    #[default]
    SendPlain,
    /// It is refused for all of them: the sender is told who has no key.
    Refuse,
}
