//! One attempt of the queue, and what becomes of its rows afterwards. A failed attempt is never
//! dropped: every way out of here changes the rows or leaves them to the next start.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::time::timeout;

use super::handed_over::OpenGate;
use super::leases::Lease;
use super::places::AttemptSlot;
use super::schedule::{self, NextStep, Situation};
use super::{Failed, FailureReason, HandedOver, Queue, QueueAction};
use crate::delivery::{AttemptResult, DeliveryRequest, TimeoutProfile};
use crate::limits;
use crate::message::trail::{Attempted, RecipientEvent, TrailEntry};
use crate::message::{DiskReason, Message, Outcome, RowId, RowState};
use crate::settings::{NextHop, Settings};
use crate::smtp::reply::Reply;
use crate::store::{NewQueued, NewRow, RowChange, RowUpdate};

/// A row of the queue whose attempt is under way.
#[derive(Clone, Debug)]
pub struct QueuedRow {
    /// The row.
    pub id: RowId,
    /// Its recipient's position in the message's envelope.
    pub position: usize,
    /// Attempts before this one.
    pub attempts: u32,
    /// From here on the time counts in which it has to be reached.
    pub kept_from: Timestamp,
    /// When that was looked up: a step of the clock since then counts.
    pub read_at: std::time::Instant,
    /// The delay was reported to its sender.
    pub delay_reported: bool,
}

impl QueuedRow {
    /// A row that was stored a moment ago, for the recipient at this position.
    #[must_use]
    pub fn stored_now(row: &NewRow, position: usize, kept_from: Timestamp) -> Self {
        Self {
            id: row.id,
            position,
            attempts: row.attempts,
            kept_from,
            read_at: std::time::Instant::now(),
            delay_reported: false,
        }
    }
}

/// Rows of one message for one next hop, under a lease.
#[derive(Debug)]
pub struct LeasedRows {
    /// The message.
    pub message: Arc<Message>,
    /// Where it goes.
    pub next_hop: Arc<NextHop>,
    /// The rows.
    pub rows: Vec<QueuedRow>,
    /// It ends when what became of them was given to the store.
    pub lease: Lease,
    /// What their attempt takes; none of the queue's when the fast path began it.
    pub place: Option<AttemptSlot>,
}

impl Queue {
    /// Tries rows with their next hop, from memory.
    pub fn start(self: &Arc<Self>, leased: LeasedRows) {
        let handed_over = HandedOver::default();
        let greeting = leased.place.as_ref().and_then(AttemptSlot::greeting);
        let point = OpenGate {
            handed_over: handed_over.clone(),
            greeting: greeting.map(|greeting| (greeting, Arc::clone(self))),
        };
        let request = DeliveryRequest {
            message: Arc::clone(&leased.message),
            recipients: leased.rows.iter().map(|row| row.position).collect(),
            next_hop: Arc::clone(&leased.next_hop),
            timeouts: TimeoutProfile::Queue,
            busy_wait: limits::QUEUE_CONNECT_WAIT,
            converts: true,
        };
        let delivery = Arc::clone(&self.tools.delivery);
        let attempt = async move { delivery.attempt(request, &point).await };
        self.follow(leased, attempt, handed_over);
    }

    /// Takes over an attempt that was begun, by the fast path say, whose rows are stored under a lease.
    pub fn follow(
        self: &Arc<Self>,
        leased: LeasedRows,
        attempt: impl Future<Output = AttemptResult> + Send + 'static,
        handed_over: HandedOver,
    ) {
        let queue = Arc::clone(self);
        self.attempts.spawn(async move {
            let attempt = queue.watched(attempt, &leased.rows, &handed_over);
            // A message that makes an attempt panic must not be forgotten, nor tried for ever at once.
            let attempt = AssertUnwindSafe(attempt).catch_unwind();
            let report = tokio::select! {
                report = attempt => Some(report.unwrap_or_else(|_| broken_off(&leased.rows))),
                () = queue.stop.cancelled() => None,
            };
            match report {
                Some(report) => queue.conclude(leased, report).await,
                None => drop(leased),
            }
            queue.room_is_free();
        });
    }

    /// The attempt, during which the rows become uncertain once the dot was handed over: should we
    /// crash then, they may have been delivered.
    async fn watched(
        &self,
        attempt: impl Future<Output = AttemptResult>,
        rows: &[QueuedRow],
        handed_over: &HandedOver,
    ) -> AttemptResult {
        tokio::pin!(attempt);
        tokio::select! {
            biased;
            report = &mut attempt => return report,
            () = handed_over.wait() => {}
        }
        // Most replies come at once, and then the mark would only be written to be removed; a change
        // that no caller waits for may take this long anyway.
        if let Ok(report) = timeout(limits::WRITER_LAZY_WAIT, &mut attempt).await {
            return report;
        }
        let uncertain = RowUpdate {
            state: Some(RowState::Uncertain),
            next_attempt_at: Some(self.tools.clock.now() + limits::UNCERTAIN_WAIT),
            ..RowUpdate::default()
        };
        let uncertain = uncertain.of_each(rows.iter().map(|row| row.id));
        self.tools.store.change(uncertain).await;
        attempt.await
    }

    /// Applies what an attempt meant to its rows.
    async fn conclude(&self, leased: LeasedRows, report: AttemptResult) {
        let LeasedRows {
            message,
            next_hop,
            mut rows,
            lease,
            place: _place,
        } = leased;
        let message = &message;
        let settings = self.tools.settings.snapshot();
        let now = self.tools.clock.now();
        for row in &mut rows {
            let steps = self.tools.clock.steps_since(row.read_at);
            row.kept_from = row
                .kept_from
                .checked_add(steps)
                .map_or(now, |from| from.min(now));
        }
        // Left out or not, it is recorded before the delivery, which ends the story.
        let relayed = self.relayed_report(message, &[&report]).await;
        self.record_attempt(message, &next_hop, &report, now);
        let mut changes = Vec::with_capacity(rows.len());
        let mut failed = Vec::new();
        let mut delayed = Vec::new();
        for (position, outcome) in report.outcomes {
            let Some(row) = rows.iter().find(|row| row.position == position) else {
                continue;
            };
            let order = lease.conclude(row.id);
            match next_of(row, &outcome, order, now, &settings) {
                NextStep::Done => changes.push(RowChange::Remove(row.id)),
                NextStep::Fail(failure) => {
                    changes.push(RowChange::Remove(row.id));
                    failed.extend(self.failed(message, row, failure, &outcome, order));
                }
                NextStep::Again { state, at } => {
                    if schedule_wants_delay_report(message, row, now) {
                        delayed.push((row.clone(), outcome.reply().clone()));
                    }
                    let recipient = &message.envelope.recipients[position];
                    let now_by = Arc::clone(recipient.next_hop(&settings).name());
                    let other = (now_by != *next_hop.name()).then_some(now_by);
                    // The other one was not tried.
                    let at = match (&other, state) {
                        (Some(_), RowState::Waiting) => now,
                        _ => at,
                    };
                    changes.push(reschedule(row, state, at, &outcome, other));
                }
            }
        }
        let mut reports: Vec<NewQueued> = Vec::new();
        reports.extend(relayed.ok().flatten());
        reports.extend(self.failure_report(message, &failed).await);
        reports.extend(self.delay_report(message, &delayed).await);
        let reported = RowUpdate {
            delay_reported: true,
            ..RowUpdate::default()
        };
        changes.extend(reported.of_each(delayed.iter().map(|(row, _)| row.id)));
        self.settle(changes, reports).await;
        // Only now may the runner or an operator lease the rows again.
        drop(lease);
        self.note_failures(message, &failed);
    }

    /// Removes or changes rows, together with the reports that this owes to senders.
    async fn settle(&self, changes: Vec<RowChange>, reports: Vec<NewQueued>) {
        if reports.is_empty() {
            self.tools.store.change(changes).await;
            return;
        }
        // The rows stay as they are until the report is durable with their removal.
        let store = &self.tools.store;
        while let Err(error) = store.settle(changes.clone(), reports.clone()).await {
            tracing::error!(%error, "a failure report could not be stored; trying again");
            tokio::select! {
                () = tokio::time::sleep(limits::REPORT_RETRY_WAIT) => {}
                () = self.stop.cancelled() => return,
            }
        }
        // The reports are due.
        self.wake.notify_one();
    }

    /// The failure to report, none for a purge.
    fn failed(
        &self,
        message: &Message,
        row: &QueuedRow,
        failure: FailureReason,
        outcome: &Outcome,
        order: Option<QueueAction>,
    ) -> Option<Failed> {
        let recipient = message.envelope.recipients[row.position].clone();
        if order == Some(QueueAction::Purge) {
            self.note(message.id, &recipient, RecipientEvent::Purged, "");
            return None;
        }
        if matches!(
            failure,
            FailureReason::Expired | FailureReason::RetriesUsedUp
        ) {
            let words = outcome.reply().to_string();
            self.note(message.id, &recipient, RecipientEvent::Expired, words);
        }
        Some(Failed {
            recipient,
            failure,
            reply: outcome.reply().clone(),
        })
    }

    fn record_attempt(
        &self,
        message: &Message,
        next_hop: &NextHop,
        report: &AttemptResult,
        now: Timestamp,
    ) {
        for (position, outcome) in &report.outcomes {
            let recipient = &message.envelope.recipients[*position];
            self.tools.statistics.counters.attempted(outcome.kind());
            tracing::info!(
                id = %message.id,
                recipient = %recipient.address,
                next_hop = %next_hop.name(),
                outcome = %outcome.kind(),
                reply = %outcome.reply(),
                "attempted from the queue"
            );
            self.tools.trail.record(TrailEntry::Attempted(Attempted {
                message: message.id,
                recipient: recipient.address.clone(),
                at: now,
                next_hop: Arc::clone(next_hop.name()),
                peer: report.peer,
                outcome: outcome.kind(),
                words: outcome.reply().to_string(),
                took: report.took,
                tls: report.tls,
            }));
        }
    }
}

/// The report of an attempt that a fault of ours ended.
fn broken_off(rows: &[QueuedRow]) -> AttemptResult {
    tracing::error!(
        "a fault of the program ended an attempt; its recipients wait for the next one"
    );
    let deferred = |row: &QueuedRow| {
        let outcome = Outcome::Deferred(DiskReason::Deferred, Reply::LOCAL_ERROR);
        (row.position, outcome)
    };
    AttemptResult {
        outcomes: rows.iter().map(deferred).collect(),
        peer: None,
        tls: false,
        peer_reports: true,
        took: Duration::ZERO,
    }
}

/// What becomes of a row: the schedule's word, unless an operator has ordered something meanwhile.
fn next_of(
    row: &QueuedRow,
    outcome: &Outcome,
    order: Option<QueueAction>,
    now: Timestamp,
    settings: &Settings,
) -> NextStep {
    let situation = Situation {
        attempts: attempts_after(row, outcome),
        now,
        expires_at: schedule::expiry(row.kept_from, settings),
        dice: rand::random(),
    };
    let next = schedule::after_attempt(outcome.kind(), deferral(outcome), situation, settings);
    let NextStep::Again { state, at } = next else {
        return next;
    };
    let (state, at) = match order {
        None | Some(QueueAction::Release) => (state, at),
        Some(QueueAction::Retry) => (state, now),
        Some(QueueAction::Hold) => (RowState::Held, at),
        Some(QueueAction::Purge | QueueAction::Return) => {
            return NextStep::Fail(FailureReason::Returned);
        }
    };
    NextStep::Again { state, at }
}

fn deferral(outcome: &Outcome) -> Option<&DiskReason> {
    match outcome {
        Outcome::Deferred(reason, _) => Some(reason),
        _ => None,
    }
}

fn attempts_after(row: &QueuedRow, outcome: &Outcome) -> u32 {
    let was_tried = !schedule::was_not_tried(deferral(outcome));
    row.attempts + u32::from(was_tried)
}

/// `next_hop`: another one, when the settings have changed meanwhile.
fn reschedule(
    row: &QueuedRow,
    state: RowState,
    at: Timestamp,
    outcome: &Outcome,
    next_hop: Option<Arc<str>>,
) -> RowChange {
    let update = RowUpdate {
        state: Some(state),
        reason: Some(deferral(outcome).cloned().unwrap_or(DiskReason::Uncertain)),
        attempts: Some(attempts_after(row, outcome)),
        last_reply: Some(outcome.reply().to_string()),
        next_attempt_at: Some(at),
        next_hop,
        ..RowUpdate::default()
    };
    RowChange::Update(row.id, update)
}

fn schedule_wants_delay_report(message: &Message, row: &QueuedRow, now: Timestamp) -> bool {
    let asked = message.envelope.recipients[row.position]
        .notify
        .is_some_and(|notify| notify.delay);
    asked && !row.delay_reported && now >= row.kept_from + limits::DELAY_REPORT_AFTER
}
