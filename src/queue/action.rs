//! What an operator may do with recipients that wait.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::message::RowState;

/// One thing to do. Leased rows (an attempt is under way) obey when the attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Action)]
pub enum QueueAction {
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

impl QueueAction {
    /// All of them, the harmless ones first.
    pub const ALL: [Self; 5] = [
        Self::Retry,
        Self::Hold,
        Self::Release,
        Self::Return,
        Self::Purge,
    ];

    /// The action of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }

    /// Whether rows in this state are concerned; what is under way obeys when its attempt ends.
    #[must_use]
    pub const fn concerns(self, state: RowState) -> bool {
        use RowState::{Damaged, Delivering, Held, Quarantined, Uncertain, Waiting};
        match self {
            // What is damaged may have been repaired.
            Self::Retry => matches!(state, Waiting | Uncertain | Delivering | Damaged),
            Self::Hold => matches!(state, Waiting | Uncertain | Delivering),
            Self::Release => matches!(state, Held | Quarantined),
            Self::Purge | Self::Return => true,
        }
    }

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
