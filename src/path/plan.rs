//! What is stored of a message that was not delivered to everybody: step 315 of the patent's Figure 3B,
//! "identify the failed destinations".

use std::sync::Arc;

use jiff::Timestamp;

use super::each::is_told;
use super::flight::{Flight, Group, State};
use crate::limits;
use crate::message::{DiskReason, Message, Outcome, RowId, RowState};
use crate::queue::{Failed, FailureReason, Lease, QueuedRow, schedule};
use crate::settings::Settings;
use crate::store::NewRow;

/// One row to be stored.
pub(super) struct Planned {
    /// Its recipient's position in the envelope.
    position: usize,
    /// Its attempt goes on.
    pub(super) leased: bool,
    /// The row.
    pub(super) row: NewRow,
}

/// What is stored of a message.
pub(super) struct Plan {
    /// Who waits.
    pub(super) rows: Vec<Planned>,
    /// Who failed.
    pub(super) failed: Vec<Failed>,
    /// Their places in the envelope.
    failed_places: Vec<usize>,
}

/// What was stored, and who holds it.
pub(super) struct Stored {
    /// What was stored.
    pub(super) plan: Plan,
    /// Over the rows whose attempts go on.
    pub(super) lease: Lease,
    /// Groups that had ended when the rows were planned.
    pub(super) ended_before: usize,
    /// From here on the rows' time counts.
    pub(super) kept_from: Timestamp,
}

impl Stored {
    /// The rows of a group whose attempt goes on.
    pub(super) fn rows_of(&self, group: &Group) -> Vec<QueuedRow> {
        let in_group = |planned: &&Planned| group.recipients.contains(&planned.position);
        let rows = self.plan.rows.iter().filter(in_group);
        rows.map(|planned| QueuedRow {
            id: planned.row.id,
            position: planned.position,
            attempts: planned.row.attempts,
            kept_from: self.kept_from,
            read_at: std::time::Instant::now(),
            delay_reported: false,
        })
        .collect()
    }
}

impl Plan {
    /// Whether nothing is to be stored: nobody waits, and nobody wants a report.
    pub(super) fn is_empty(&self, message: &Message) -> bool {
        let reported = |failed: &Failed| failed.is_reported(message);
        self.rows.is_empty() && !self.failed.iter().any(reported)
    }

    /// The places of those who wait or failed.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let rows = self.rows.iter().map(|planned| planned.position);
        rows.chain(self.failed_places.iter().copied())
    }

    /// What `flight` leaves to be stored now, with `ids` by position. With `each` the client is told of
    /// whom it can be told.
    pub(super) fn of(flight: &Flight, settings: &Settings, ids: &[RowId], each: bool) -> Self {
        let mut plan = Self {
            rows: Vec::new(),
            failed: Vec::new(),
            failed_places: Vec::new(),
        };
        let standings = flight.standings();
        let now = Timestamp::now();
        for (position, state) in flight.states.iter().enumerate() {
            let row = Blank {
                message: &flight.message,
                position,
                id: ids[position],
                now,
                settings,
            };
            if each && is_told(standings[position], settings) {
                continue;
            }
            match state {
                State::Known | State::Ended(Outcome::Delivered(_)) => {}
                State::Ended(Outcome::Refused(reply)) => {
                    plan.failed_places.push(position);
                    plan.failed.push(Failed {
                        recipient: flight.message.envelope.recipients[position].clone(),
                        failure: FailureReason::Refused,
                        reply: reply.clone(),
                    });
                }
                State::Ended(outcome) => plan.rows.push(row.of_ended(outcome)),
                State::Pending => plan.rows.push(row.of_pending(flight)),
            }
        }
        plan
    }
}

/// What is known of a row before its recipient's state is looked at.
struct Blank<'a> {
    message: &'a Message,
    position: usize,
    id: RowId,
    now: Timestamp,
    settings: &'a Settings,
}

impl Blank<'_> {
    fn of_ended(&self, outcome: &Outcome) -> Planned {
        let reason = match outcome {
            Outcome::Deferred(reason, _) => reason.clone(),
            _ => DiskReason::Uncertain,
        };
        let deferral = matches!(outcome, Outcome::Deferred(..)).then_some(&reason);
        let tried = !schedule::was_not_tried(deferral);
        let situation = schedule::Situation {
            attempts: u32::from(tried),
            now: self.now,
            expires_at: schedule::expiry(self.message.received_at, self.settings),
            dice: rand::random(),
        };
        let next = schedule::after_attempt(outcome.kind(), deferral, situation, self.settings);
        let (state, at) = match next {
            schedule::NextStep::Again { state, at } => (state, at),
            // It has run out of time while it arrived: the runner fails it with a report.
            schedule::NextStep::Done | schedule::NextStep::Fail(_) => (RowState::Waiting, self.now),
        };
        let row = self.row(state, reason, at, outcome.reply().to_string(), tried);
        self.planned(row, false)
    }

    /// At the deadline a pending recipient is deferred, or uncertain when its dot was handed over.
    fn of_pending(&self, flight: &Flight) -> Planned {
        let group = flight
            .underway
            .iter()
            .find(|group| group.group.recipients.contains(&self.position));
        let (state, leased, at) = match group {
            Some(group) if group.handed_over.is_set() => {
                (RowState::Uncertain, true, self.now + limits::UNCERTAIN_WAIT)
            }
            Some(group) if group.begun => (RowState::Delivering, true, self.now),
            _ => (RowState::Waiting, false, self.now),
        };
        let row = self.row(state, DiskReason::AckDeadline, at, String::new(), false);
        self.planned(row, leased)
    }

    fn row(
        &self,
        state: RowState,
        reason: DiskReason,
        next_attempt_at: Timestamp,
        last_reply: String,
        tried: bool,
    ) -> NewRow {
        let recipient = self.message.envelope.recipients[self.position].clone();
        NewRow {
            id: self.id,
            next_hop: Arc::clone(recipient.next_hop(self.settings).name()),
            recipient,
            state,
            reason,
            attempts: u32::from(tried),
            last_reply,
            next_attempt_at,
        }
    }

    fn planned(&self, row: NewRow, leased: bool) -> Planned {
        Planned {
            position: self.position,
            leased,
            row,
        }
    }
}
