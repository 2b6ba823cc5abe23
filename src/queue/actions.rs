//! What an operator does to rows of the queue: try now, hold, release, purge, return to sender.
//!
//! A row whose attempt is under way is not touched: the order is noted with its lease and carried
//! out when the attempt ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Action, Failed, Failure, Queue};
use crate::limits;
use crate::message::trail::{Event, Noted, TrailEntry};
use crate::message::{Message, MessageId, RowId, RowState};
use crate::smtp::reply::Reply;
use crate::store::{self, NewQueued, RowChange, StoreError, TakenRow};

/// An action that stopped half-way.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Unfinished {
    /// How many recipients it had concerned by then.
    pub affected: u64,
    /// Why.
    pub cause: StoreError,
}

impl Queue {
    /// Does `action` to those of `rows` that it applies to, and says how many those were. `who` asked
    /// for it.
    ///
    /// # Errors
    /// When a piece could not be stored; the pieces before it are.
    pub async fn act(
        &self,
        action: Action,
        rows: Vec<RowId>,
        who: &str,
    ) -> Result<u64, Unfinished> {
        let mut affected = 0;
        let mut stopped = None;
        for piece in rows.chunks(limits::BULK_CHUNK) {
            let (of_piece, problem) = self.act_on_piece(action, piece, who).await;
            affected += of_piece;
            stopped = problem;
            if stopped.is_some() {
                break;
            }
        }
        self.wake.notify_one();
        match stopped {
            Some(cause) => Err(Unfinished { affected, cause }),
            None => Ok(affected),
        }
    }

    /// How many recipients a piece concerned, and why it stopped before its end.
    async fn act_on_piece(
        &self,
        action: Action,
        rows: &[RowId],
        who: &str,
    ) -> (u64, Option<StoreError>) {
        let known = match self.tools.store.rows(rows).await {
            Ok(known) => known,
            Err(error) => return (0, Some(error)),
        };
        let _taking = self.taking.lock().await;
        let (ordered, free): (Vec<RowId>, Vec<RowId>) = rows
            .iter()
            .partition(|&&row| self.leases.order(row, action));
        let (done, stopped) = match stored_action(action) {
            Some(stored) => {
                let now = Timestamp::now();
                match self.tools.store.act(stored, &free, now).await {
                    Ok(done) => (done, None),
                    Err(error) => (Vec::new(), Some(error)),
                }
            }
            None => self.return_to_sender(&free).await,
        };
        let affected = ordered.len() + done.len();
        let settings = self.tools.settings.snapshot();
        let concerned: HashSet<RowId> = ordered.into_iter().chain(done).collect();
        for row in known.iter().filter(|row| concerned.contains(&row.id)) {
            if action == Action::Retry {
                // Now means now, also where nobody answered a while ago.
                let next_hop = row.recipient.next_hop(&settings);
                self.tools.delivery.probe_now(next_hop.name());
            }
            self.tools.trail.record(TrailEntry::Noted(Noted {
                message: row.message,
                recipient: row.recipient.address.clone(),
                at: Timestamp::now(),
                event: event_of(action),
                words: who.to_owned(),
            }));
        }
        (affected as u64, stopped)
    }

    /// Removes rows together with the report to their sender, message by message; gives those that are
    /// removed, and why others are not.
    async fn return_to_sender(&self, rows: &[RowId]) -> (Vec<RowId>, Option<StoreError>) {
        // Under a lease the runner leaves them alone.
        let lease = self.leases.take(rows.iter().copied());
        let mut by_message: HashMap<MessageId, Vec<TakenRow>> = HashMap::new();
        let rows_now = match self.tools.store.rows(rows).await {
            Ok(rows_now) => rows_now,
            Err(error) => return (Vec::new(), Some(error)),
        };
        for row in rows_now {
            if lease.holds(row.id) && row.before != RowState::Delivering {
                by_message.entry(row.message).or_default().push(row);
            }
        }
        let by_message: Vec<(MessageId, Vec<TakenRow>)> = by_message.into_iter().collect();
        let mut returned: Vec<RowId> = Vec::with_capacity(rows.len());
        for piece in by_message.chunks(limits::RETURN_CHUNK) {
            match self.return_piece(piece).await {
                Ok(rows) => returned.extend(rows),
                Err(error) => return (returned, Some(error)),
            }
        }
        (returned, None)
    }

    /// One transaction for the rows of some messages and the reports on them.
    async fn return_piece(
        &self,
        piece: &[(MessageId, Vec<TakenRow>)],
    ) -> Result<Vec<RowId>, StoreError> {
        let reading = piece.iter().map(|(id, rows)| self.returned(*id, rows));
        let mut returned: Vec<Returned> = join_all(reading).await.into_iter().flatten().collect();
        let rows: Vec<RowId> = returned
            .iter()
            .flat_map(|returned| returned.rows.iter().copied())
            .collect();
        let removed = rows.iter().map(|&row| RowChange::Remove(row)).collect();
        let reports = returned.iter_mut().filter_map(|one| one.report.take());
        let reports = reports.collect();
        self.tools.store.settle(removed, reports).await?;
        for Returned {
            message, failed, ..
        } in &returned
        {
            self.note_failures(message, failed);
        }
        Ok(rows)
    }

    /// What returning rows of one message takes; none when it cannot be read: what cannot be read
    /// cannot be returned, only purged.
    async fn returned(&self, id: MessageId, rows: &[TakenRow]) -> Option<Returned> {
        let mut message = self.tools.store.load(id, &self.tools.budget).await.ok()?;
        message.envelope.recipients = rows.iter().map(|row| row.recipient.clone()).collect();
        let message = Arc::new(message);
        let failed: Vec<Failed> = rows.iter().map(returned_row).collect();
        let report = self.failure_report(&message, &failed).await;
        Some(Returned {
            rows: rows.iter().map(|row| row.id).collect(),
            message,
            failed,
            report,
        })
    }
}

/// Rows of one message on their way back to its sender.
struct Returned {
    message: Arc<Message>,
    rows: Vec<RowId>,
    failed: Vec<Failed>,
    report: Option<NewQueued>,
}

fn returned_row(row: &TakenRow) -> Failed {
    let words = if row.last_reply.is_empty() {
        "Returned by the operator".to_owned()
    } else {
        format!("Returned by the operator; last answer: {}", row.last_reply)
    };
    Failed {
        recipient: row.recipient.clone(),
        failure: Failure::Returned,
        reply: Reply::new(550, (5, 7, 1), words),
    }
}

/// The store's part of an action; a return needs a report and is put together here.
fn stored_action(action: Action) -> Option<store::Action> {
    match action {
        Action::Retry => Some(store::Action::Retry),
        Action::Hold => Some(store::Action::Hold),
        Action::Release => Some(store::Action::Release),
        Action::Purge => Some(store::Action::Purge),
        Action::Return => None,
    }
}

fn event_of(action: Action) -> Event {
    match action {
        Action::Retry => Event::Retried,
        Action::Hold => Event::Held,
        Action::Release => Event::Released,
        Action::Purge => Event::Purged,
        Action::Return => Event::Returned,
    }
}
