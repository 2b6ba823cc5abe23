//! What an operator may do with recipients that wait.

use crate::message::RowState;
use crate::message::words::words;

words! {
    /// One thing to do. Leased rows (an attempt is under way) obey when the attempt ends.
    QueueAction as Action {
        /// Try now.
        Retry => "retry",
        /// Keep back.
        Hold => "hold",
        /// Let what was kept back go on.
        Release => "release",
        /// Fail with a report to the sender.
        Return => "return",
        /// Delete without a report.
        Purge => "purge",
    }
}

impl QueueAction {
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
}
