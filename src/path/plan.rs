//! What is stored of a message that was not delivered to everybody: step 315 of the patent's Figure 3B,
//! "identify the failed destinations".

use std::sync::Arc;

use jiff::Timestamp;

use super::flight::{Flight, RecipientState};
use super::recipient_group::RecipientGroup;
use super::verdict::passes_on;
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
#[derive(Default)]
pub(super) struct StorePlan {
    /// Rows of recipients that wait.
    pub(super) rows: Vec<Planned>,
    /// Recipients that failed.
    pub(super) failed: Vec<Failed>,
    /// Their places in the envelope.
    failed_places: Vec<usize>,
}

/// What was stored, and the lease over it.
pub(super) struct Stored {
    /// What was stored.
    pub(super) plan: StorePlan,
    /// The lease over the rows whose attempts go on.
    pub(super) lease: Lease,
    /// Groups that had ended when the rows were planned.
    pub(super) ended_before: usize,
    /// From here on the rows' time counts.
    pub(super) kept_from: Timestamp,
}

impl Stored {
    /// The rows of a group whose attempt goes on, under a lease of their own.
    pub(super) fn rows_of(&mut self, group: &RecipientGroup) -> (Vec<QueuedRow>, Lease) {
        let in_group = |planned: &&Planned| group.recipients.contains(&planned.position);
        let rows = self.plan.rows.iter().filter(in_group);
        let rows = rows
            .map(|planned| QueuedRow::stored_now(&planned.row, planned.position, self.kept_from));
        let rows: Vec<QueuedRow> = rows.collect();
        let lease = self.lease.part(rows.iter().map(|row| row.id));
        (rows, lease)
    }
}

impl StorePlan {
    /// Whether nothing is to be stored: no recipient waits, and no report is wanted.
    pub(super) fn is_empty(&self, message: &Message) -> bool {
        let reported = |failed: &Failed| failed.is_reported(message);
        self.rows.is_empty() && !self.failed.iter().any(reported)
    }

    /// The places of those who wait or failed.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let rows = self.rows.iter().map(|planned| planned.position);
        rows.chain(self.failed_places.iter().copied())
    }

    /// What `flight` leaves to be stored now, with `ids` by position. With `per_recipient` nothing is stored
    /// of those whose own reply is passed on.
    pub(super) fn of(
        flight: &Flight,
        settings: &Settings,
        ids: &[RowId],
        per_recipient: bool,
    ) -> Self {
        let mut plan = Self::default();
        let outcomes = flight.outcomes();
        let now = Timestamp::now();
        for (position, state) in flight.states.iter().enumerate() {
            let row = Blank {
                message: &flight.message,
                position,
                id: ids[position],
                now,
                settings,
            };
            let (when_deferred, when_refused) = (settings.when_deferred, settings.when_refused);
            if per_recipient && passes_on(outcomes[position], when_deferred, when_refused) {
                continue;
            }
            let (row, leased) = match state {
                RecipientState::Known | RecipientState::Ended(Outcome::Delivered(_)) => continue,
                RecipientState::Ended(Outcome::Refused(reply)) => {
                    plan.failed_places.push(position);
                    plan.failed.push(Failed {
                        recipient: flight.message.envelope.recipients[position].clone(),
                        failure: FailureReason::Refused,
                        reply: reply.clone(),
                    });
                    continue;
                }
                RecipientState::Ended(outcome) => (row.of_ended(outcome), false),
                RecipientState::Pending => row.of_pending(flight),
            };
            plan.rows.push(Planned {
                position,
                leased,
                row,
            });
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
    fn of_ended(&self, outcome: &Outcome) -> NewRow {
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
        self.row(state, reason, at, outcome.reply().to_string(), tried)
    }

    /// At the deadline a pending recipient is deferred, or uncertain when its dot was handed over; and whether
    /// its attempt goes on.
    fn of_pending(&self, flight: &Flight) -> (NewRow, bool) {
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
        (row, leased)
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
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::path::testing::{DEFERS, IS_SILENT, REFUSES, Scene, TAKES, TestClient, next_hops};

    /// What is to be stored of a message of which one recipient is delivered, one deferred, one refused and
    /// one uncertain: the rows' positions, their states and whether they are leased, and who failed.
    async fn plan(patch: Value, per_recipient: bool) -> (Vec<(usize, RowState, bool)>, Vec<usize>) {
        let scene = Scene::new(patch).await;
        let (_servers, message) = next_hops(&[TAKES, DEFERS, REFUSES, IS_SILENT]).await;
        let dispatch = scene.dispatch(message, per_recipient);
        let mut flight = Flight::launch(&scene.context.delivery, &dispatch, &[]);
        let mut client = TestClient { is_there: true };
        let shutdown = CancellationToken::new();
        while !flight.has_unanswered_dot() || flight.ended.len() < 3 {
            let soon = tokio::time::Instant::now() + std::time::Duration::from_millis(100);
            flight.run(&mut client, soon, &shutdown).await;
        }
        let ids: Vec<RowId> = (0..4).map(RowId).collect();
        let plan = StorePlan::of(&flight, &scene.settings, &ids, per_recipient);
        assert!(!plan.is_empty(&flight.message));
        let rows = plan.rows.iter();
        let rows = rows.map(|planned| {
            assert_eq!(planned.row.id, RowId(planned.position as i64));
            (planned.position, planned.row.state, planned.leased)
        });
        (rows.collect(), plan.failed_places.clone())
    }

    #[tokio::test]
    async fn who_waits_and_who_failed_is_stored() {
        let waits = (1, RowState::Waiting, false);
        let uncertain = (3, RowState::Uncertain, true);
        let pass = || json!({"when_deferred": "pass"});
        let report = || json!({"when_refused": "report"});
        type Row<'a> = (Value, bool, &'a [(usize, RowState, bool)], &'a [usize]);
        let table: [Row<'_>; 4] = [
            (json!({}), false, &[waits, uncertain], &[2]),
            (json!({}), true, &[waits, uncertain], &[]),
            (pass(), true, &[uncertain], &[]),
            (report(), true, &[waits, uncertain], &[2]),
        ];
        for (patch, per_recipient, rows, failed) in table {
            let found = plan(patch.clone(), per_recipient).await;
            assert_eq!(
                found,
                (rows.to_vec(), failed.to_vec()),
                "{patch} {per_recipient}"
            );
        }
    }
}
