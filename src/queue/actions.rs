//! What an operator does to rows of the queue: try now, hold, release, purge, return to sender.
//!
//! A row whose attempt is under way is not touched: the order is noted with its lease and carried
//! out when the attempt ends.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Failed, FailureReason, Queue, QueueAction};
use crate::limits;
use crate::message::trail::RecipientEvent;
use crate::message::{Message, MessageId, RowId, RowState};
use crate::smtp::reply::Reply;
use crate::store::{self, DamagedRow, NewQueued, ReadError, RowChange, StoreError, TakenRow};

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
        action: QueueAction,
        rows: Vec<RowId>,
        who: &str,
    ) -> Result<u64, Unfinished> {
        if matches!(action, QueueAction::Retry | QueueAction::Release) {
            // An operator who does this may have corrected the DNS.
            self.tools.delivery.dns().forget_all();
        }
        let mut affected = 0;
        let mut done = Ok(());
        for piece in rows.chunks(limits::BULK_CHUNK) {
            done = self.act_on_piece(action, piece, who, &mut affected).await;
            if done.is_err() {
                break;
            }
        }
        self.wake.notify_one();
        done.map_err(|cause| Unfinished { affected, cause })?;
        Ok(affected)
    }

    /// Adds how many recipients a piece concerned, also when it stopped before its end.
    async fn act_on_piece(
        &self,
        action: QueueAction,
        rows: &[RowId],
        who: &str,
        affected: &mut u64,
    ) -> Result<(), StoreError> {
        let known = self.tools.store.rows(rows).await?;
        let _taking = self.taking.lock().await;
        let (ordered, free): (Vec<RowId>, Vec<RowId>) = rows
            .iter()
            .partition(|&&row| self.leases.order(row, action));
        let mut concerned = ordered;
        let done = match stored_action(action) {
            Some(stored) => {
                let acted = self.tools.store.act(stored, free, Timestamp::now()).await;
                acted.map(|acted| concerned.extend(acted))
            }
            None => self.return_to_sender(&free, &mut concerned).await,
        };
        *affected += concerned.len() as u64;
        let settings = self.tools.settings.snapshot();
        let concerned: HashSet<RowId> = concerned.into_iter().collect();
        for row in known.iter().filter(|row| concerned.contains(&row.id)) {
            if action == QueueAction::Retry {
                // Now means now, also if the next hop did not answer a while ago.
                let next_hop = row.recipient.next_hop(&settings);
                self.tools.delivery.probe_now(next_hop.name());
            }
            self.note(row.message, &row.recipient, event_of(action), who);
        }
        done
    }

    /// Removes rows together with the report to their sender, message by message; adds those that are
    /// removed, also when others are not.
    async fn return_to_sender(
        &self,
        rows: &[RowId],
        returned: &mut Vec<RowId>,
    ) -> Result<(), StoreError> {
        // Under a lease the runner leaves them alone.
        let lease = self.leases.take(rows.iter().copied());
        let mut by_message: BTreeMap<MessageId, ToReturn> = BTreeMap::new();
        let mut sound = HashSet::new();
        for row in self.tools.store.rows(rows).await? {
            sound.insert(row.id);
            if lease.holds(row.id) && row.before != RowState::Delivering {
                by_message.entry(row.message).or_default().sound.push(row);
            }
        }
        let others: Vec<RowId> = rows
            .iter()
            .filter(|row| !sound.contains(*row))
            .copied()
            .collect();
        let others = self.tools.store.read_as_damaged(&others).await;
        let unread = |error: ReadError| StoreError::Rejected(error.to_string());
        for row in others.map_err(unread)? {
            if lease.holds(row.id) {
                by_message.entry(row.message).or_default().damaged.push(row);
            }
        }
        let by_message: Vec<(MessageId, ToReturn)> = by_message.into_iter().collect();
        for piece in by_message.chunks(limits::RETURN_CHUNK) {
            let reading = piece.iter().map(|(id, rows)| self.returned(*id, rows));
            let read = join_all(reading).await.into_iter().flatten().collect();
            returned.extend(self.settle_returned(read).await?);
        }
        Ok(())
    }

    /// One transaction for the rows of some messages and the reports on them.
    pub(super) async fn settle_returned(
        &self,
        mut returned: Vec<Returned>,
    ) -> Result<Vec<RowId>, StoreError> {
        let rows: Vec<RowId> = returned
            .iter()
            .flat_map(|returned| returned.rows.iter().copied())
            .collect();
        let removed = rows.iter().map(|&row| RowChange::Remove(row)).collect();
        let reports = returned.iter_mut().filter_map(|one| one.report.take());
        let reports = reports.collect();
        self.tools.store.settle(removed, reports).await?;
        for one in &returned {
            self.note_failures(&one.message, &one.failed);
        }
        // The reports are due.
        self.wake.notify_one();
        Ok(rows)
    }

    /// What returning rows of one message takes; of what is damaged, what is left is returned. Nothing
    /// when it cannot be read just now.
    async fn returned(&self, id: MessageId, rows: &ToReturn) -> Vec<Returned> {
        let ToReturn { sound, damaged } = rows;
        let mut returned = Vec::new();
        let mut damaged = damaged.clone();
        match self.tools.store.load(id, &self.tools.budget).await {
            Ok(message) if !sound.is_empty() => {
                returned.push(self.returned_whole(message, sound).await);
            }
            Ok(_) => {}
            Err(_) => damaged.extend(sound.iter().map(as_damaged)),
        }
        if !damaged.is_empty() {
            match self.lost(id, &damaged).await {
                Ok(lost) => returned.push(lost),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(%id, error, "a message cannot be read to be returned");
                }
            }
        }
        returned
    }

    async fn returned_whole(&self, mut message: Message, rows: &[TakenRow]) -> Returned {
        message.envelope.recipients = rows.iter().map(|row| row.recipient.clone()).collect();
        let message = Arc::new(message);
        let failed: Vec<Failed> = rows.iter().map(returned_row).collect();
        let report = self.failure_report(&message, &failed).await;
        Returned {
            rows: rows.iter().map(|row| row.id).collect(),
            message,
            failed,
            report,
        }
    }
}

/// Rows of one message that an operator gives back.
#[derive(Default)]
struct ToReturn {
    sound: Vec<TakenRow>,
    /// Those that cannot be decoded.
    damaged: Vec<DamagedRow>,
}

/// Rows of one message on their way back to its sender.
pub(super) struct Returned {
    pub(super) message: Arc<Message>,
    pub(super) rows: Vec<RowId>,
    pub(super) failed: Vec<Failed>,
    pub(super) report: Option<NewQueued>,
}

/// A row whose message is damaged.
fn as_damaged(row: &TakenRow) -> DamagedRow {
    DamagedRow {
        id: row.id,
        message: row.message,
        recipient: Ok(row.recipient.clone()),
        last_reply: row.last_reply.clone(),
    }
}

fn returned_row(row: &TakenRow) -> Failed {
    let words = if row.last_reply.is_empty() {
        "Returned by the operator".to_owned()
    } else {
        format!("Returned by the operator; last answer: {}", row.last_reply)
    };
    Failed {
        recipient: row.recipient.clone(),
        failure: FailureReason::Returned,
        reply: Reply::new(550, (5, 7, 1), words),
    }
}

/// The store's part of an action; a return needs a report and is put together here.
fn stored_action(action: QueueAction) -> Option<store::RowAction> {
    match action {
        QueueAction::Retry => Some(store::RowAction::Retry),
        QueueAction::Hold => Some(store::RowAction::Hold),
        QueueAction::Release => Some(store::RowAction::Release),
        QueueAction::Purge => Some(store::RowAction::Purge),
        QueueAction::Return => None,
    }
}

fn event_of(action: QueueAction) -> RecipientEvent {
    match action {
        QueueAction::Retry => RecipientEvent::Retried,
        QueueAction::Hold => RecipientEvent::Held,
        QueueAction::Release => RecipientEvent::Released,
        QueueAction::Purge => RecipientEvent::Purged,
        QueueAction::Return => RecipientEvent::Returned,
    }
}
