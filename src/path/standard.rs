//! The standard path: store durably, reply, then deliver (Figure 2 of the patent, steps 203–211).

use std::sync::Arc;

use jiff::Timestamp;

use super::answer::Account;
use super::flight::{Group, group_by_next_hop};
use super::{Paths, Transaction};
use crate::message::{DiskReason, Message, Path, RowId, RowState};
use crate::queue::{QueuedRow, schedule};
use crate::smtp::reply::Reply;
use crate::store::NewRow;

impl Paths {
    /// Stores the message for `reason` and all recipients that are not `known` to be settled, replies, and hands it on from memory when there is room;
    /// else the queue reads it back when its turn comes.
    pub(super) async fn take_standard_path(
        self: &Arc<Self>,
        transaction: &Transaction,
        known: &[bool],
        reason: DiskReason,
    ) -> Account {
        let message = &transaction.message;
        let groups = group_by_next_hop(message, &transaction.settings, known);
        let next_hops = groups.iter().map(|group| &*group.next_hop);
        let room = self.queue.room_for(next_hops);
        let state = if room.is_some() {
            RowState::Delivering
        } else {
            RowState::Waiting
        };
        let ids = self.queue.allocate_rows(message.envelope.recipients.len());
        let kept = Kept {
            state,
            reason,
            words: String::new(),
        };
        let rows = rows_of(message, &groups, &ids, &kept);
        let lease = room.as_ref().map(|_| self.queue.lease(&rows));
        let stored = self.queue.keep(message, rows.clone(), &[]).await;
        if let Err(error) = stored {
            tracing::error!(id = %message.id, %error, "not stored");
            return Account::nothing(Reply::insufficient_storage(), Path::Standard);
        }
        if let (Some(mut room), Some(mut lease)) = (room, lease) {
            let expires_at = schedule::expiry(message.received_at, &transaction.settings);
            let mut first = 0;
            for group in groups {
                let rows = &rows[first..first + group.recipients.len()];
                first += group.recipients.len();
                let lease = lease.part(rows.iter().map(|row| row.id));
                let slot = room.split(1).expect("there is one permit for each group");
                let queued = queued_rows(rows, &group, expires_at);
                self.queue
                    .start(Arc::clone(message), group.next_hop, queued, lease, slot);
            }
        }
        Account::queued(message, kept.reason)
    }
}

/// How rows are kept that are stored before anything was tried.
pub(super) struct Kept {
    /// Under a lease, waiting for the queue, or kept back.
    pub(super) state: RowState,
    /// Why the message touches disk.
    pub(super) reason: DiskReason,
    /// What is known of it already.
    pub(super) words: String,
}

/// One row for each recipient, in the order of the groups.
pub(super) fn rows_of(
    message: &Message,
    groups: &[Group],
    ids: &[RowId],
    kept: &Kept,
) -> Vec<NewRow> {
    let placed = groups.iter().flat_map(|group| {
        group
            .recipients
            .iter()
            .map(move |&position| (group, position))
    });
    placed
        .zip(ids)
        .map(|((group, position), &id)| NewRow {
            id,
            recipient: message.envelope.recipients[position].clone(),
            next_hop: Arc::clone(group.next_hop.name()),
            state: kept.state,
            reason: kept.reason.clone(),
            attempts: 0,
            last_reply: kept.words.clone(),
            next_attempt_at: Timestamp::now(),
        })
        .collect()
}

fn queued_rows(rows: &[NewRow], group: &Group, expires_at: Timestamp) -> Vec<QueuedRow> {
    rows.iter()
        .zip(&group.recipients)
        .map(|(row, &position)| QueuedRow {
            id: row.id,
            position,
            attempts: 0,
            expires_at,
            delay_reported: false,
        })
        .collect()
}
