//! What an operator may do with recipients that wait.

use serde::Deserialize;
use utoipa::ToSchema;

/// One thing to do. Leased rows (an attempt is under way) obey when the attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Try now.
    Retry,
    /// Keep back.
    Hold,
    /// Let what was kept back go on.
    Release,
    /// Delete without a report.
    Purge,
    /// Fail with a report to the sender.
    Return,
}

impl Action {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Purge => "purge",
            Self::Return => "return",
        }
    }
}
