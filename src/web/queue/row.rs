//! One row of the queue as the pages show it.

use std::time::Duration;

use jiff::Timestamp;

use super::actions::{Button, likely_button};
use crate::message::RowState;
use crate::message::queue_listing::QueueItem;
use crate::settings::Settings;
use crate::web::wording;

/// In words.
pub(super) struct QueueRow {
    pub(super) id: i64,
    pub(super) age: String,
    pub(super) size: String,
    pub(super) sender: String,
    pub(super) recipient: String,
    pub(super) next_hop: String,
    pub(super) is_paused: bool,
    pub(super) state: &'static str,
    pub(super) reason: String,
    pub(super) attempts: u64,
    pub(super) next_attempt: String,
    pub(super) last_reply: String,
    /// What it most likely asks for.
    pub(super) button: Button,
}

impl QueueRow {
    pub(super) fn of(item: QueueItem, settings: &Settings, now: Timestamp) -> Self {
        let is_paused = settings.is_paused(&item.next_hop);
        Self {
            id: item.id.0,
            age: age(item.received_at, now),
            size: wording::bytes(item.size_bytes),
            sender: wording::sender(item.sender),
            recipient: item.recipient,
            is_paused,
            next_hop: item.next_hop,
            state: item.state.as_str(),
            button: likely_button(item.state),
            reason: wording::word(&item.reason),
            attempts: item.attempts,
            next_attempt: next_attempt(item.state, item.next_attempt_at, is_paused, now),
            last_reply: item.last_reply,
        }
    }
}

/// How long ago; a dash where a damaged row does not say it.
pub(super) fn age(received_at: Timestamp, now: Timestamp) -> String {
    if received_at == Timestamp::UNIX_EPOCH {
        return "—".to_owned();
    }
    wording::age(between(received_at, now))
}

/// When the row is tried next.
pub(super) fn next_attempt(
    state: RowState,
    due: Timestamp,
    is_paused: bool,
    now: Timestamp,
) -> String {
    match state {
        RowState::Delivering => "under way".to_owned(),
        RowState::Held | RowState::Quarantined => "when released".to_owned(),
        RowState::Damaged => "when repaired".to_owned(),
        RowState::Waiting | RowState::Uncertain if is_paused => "when resumed".to_owned(),
        RowState::Waiting | RowState::Uncertain => {
            let wait = between(now, due);
            if wait.is_zero() {
                "now".to_owned()
            } else {
                format!("in {}", wording::age(wait))
            }
        }
    }
}

/// The time from one moment to a later one; nothing when it is not later.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_attempt_depends_on_the_state() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        for (state, due, is_paused, expected) in [
            (RowState::Waiting, 10, false, "now"),
            (RowState::Waiting, 160, false, "in 1 min 0 s"),
            (RowState::Uncertain, 160, true, "when resumed"),
            (RowState::Held, 160, true, "when released"),
            (RowState::Delivering, 0, false, "under way"),
            (RowState::Damaged, 0, false, "when repaired"),
        ] {
            assert_eq!(next_attempt(state, at(due), is_paused, at(100)), expected);
        }
        assert_eq!(age(Timestamp::UNIX_EPOCH, at(100)), "—");
        assert_eq!(age(at(40), at(100)), "1 min 0 s");
    }
}
