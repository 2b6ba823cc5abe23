//! One row of the queue as the pages show it.

use jiff::Timestamp;

use super::button::Button;
use crate::message::RowState;
use crate::message::queue_listing::QueueItem;
use crate::settings::Settings;
use crate::web::wording;

/// The row, as it stands at a moment.
pub(super) struct QueueRow {
    pub(super) item: QueueItem,
    /// Its next hop is paused.
    pub(super) is_paused: bool,
    now: Timestamp,
}

impl QueueRow {
    pub(super) fn of(item: QueueItem, settings: &Settings, now: Timestamp) -> Self {
        Self {
            is_paused: settings.is_paused(&item.next_hop),
            item,
            now,
        }
    }

    /// What it most likely asks for.
    pub(super) fn button(&self) -> Button {
        Button::likely(self.item.state)
    }

    /// How long ago its message came; a dash where a damaged row does not say it.
    pub(super) fn age(&self) -> String {
        match self.item.received_at {
            unknown if unknown == Timestamp::UNIX_EPOCH => "—".to_owned(),
            received_at => wording::age(wording::between(received_at, self.now)),
        }
    }

    /// When the row is tried next.
    pub(super) fn next_attempt(&self) -> String {
        let waits_for = match self.item.state {
            RowState::Delivering => "under way",
            RowState::Held | RowState::Quarantined => "when released",
            RowState::Damaged => "when repaired",
            RowState::Waiting | RowState::Uncertain if self.is_paused => "when resumed",
            RowState::Waiting | RowState::Uncertain => {
                return wording::until(self.item.next_attempt_at, self.now);
            }
        };
        waits_for.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MessageId, RowId};

    fn row(state: RowState, received: i64, due: i64, is_paused: bool) -> QueueRow {
        let at = |second| Timestamp::from_second(second).expect("in range");
        QueueRow {
            item: QueueItem {
                id: RowId(1),
                message_id: MessageId::from_i64(1),
                sender: String::new(),
                recipient: String::new(),
                next_hop: String::new(),
                state,
                reason: String::new(),
                attempts: 0,
                last_reply: String::new(),
                size_bytes: 0,
                received_at: at(received),
                next_attempt_at: at(due),
            },
            is_paused,
            now: at(100),
        }
    }

    #[test]
    fn the_next_attempt_depends_on_the_state() {
        for (state, due, is_paused, expected) in [
            (RowState::Waiting, 10, false, "now"),
            (RowState::Waiting, 160, false, "in 1 min 0 s"),
            (RowState::Uncertain, 160, true, "when resumed"),
            (RowState::Held, 160, true, "when released"),
            (RowState::Delivering, 0, false, "under way"),
            (RowState::Damaged, 0, false, "when repaired"),
        ] {
            assert_eq!(row(state, 40, due, is_paused).next_attempt(), expected);
        }
        assert_eq!(row(RowState::Waiting, 0, 0, false).age(), "—");
        assert_eq!(row(RowState::Waiting, 40, 0, false).age(), "1 min 0 s");
    }
}
