//! What an operator can do to rows, in words, and the buttons that ask for it.

use crate::message::RowState;
use crate::queue::QueueAction;

/// A button that asks for an action.
pub(super) struct Button {
    pub(super) action: QueueAction,
    pub(super) label: &'static str,
    /// What was done to a recipient then.
    pub(super) done: &'static str,
    /// What it means, in one sentence.
    pub(super) meaning: &'static str,
}

impl Button {
    pub(super) const fn of(action: QueueAction) -> Self {
        let (label, done, meaning) = match action {
            QueueAction::Retry => (
                "Retry now",
                "Due now",
                "Tries each recipient at once instead of at its next time, and those again that were found damaged; \
                 nothing is deleted.",
            ),
            QueueAction::Hold => (
                "Hold",
                "Held",
                "Keeps each recipient in the queue, untried, until somebody releases it.",
            ),
            QueueAction::Release => (
                "Release",
                "Released",
                "Lets held and quarantined recipients go on: each is tried at once, and then by the schedule.",
            ),
            QueueAction::Return => (
                "Return to sender",
                "Returned to the sender",
                "Gives up: each recipient leaves the queue, and its sender gets a report that delivery failed.",
            ),
            QueueAction::Purge => (
                "Purge",
                "Purged",
                "Deletes each recipient from the queue for good, without telling the sender.",
            ),
        };
        Self {
            action,
            label,
            done,
            meaning,
        }
    }

    /// One for each action.
    pub(super) fn all() -> Vec<Self> {
        QueueAction::ALL.iter().copied().map(Self::of).collect()
    }

    /// The action that a row in this state most likely asks for: the one button beside it.
    pub(super) fn likely(state: RowState) -> Self {
        let likely = [QueueAction::Retry, QueueAction::Release];
        let action = likely.into_iter().find(|action| action.concerns(state));
        Self::of(action.unwrap_or(QueueAction::Purge))
    }

    /// The recipients leave the queue.
    pub(super) const fn is_grave(&self) -> bool {
        matches!(self.action, QueueAction::Return | QueueAction::Purge)
    }
}
