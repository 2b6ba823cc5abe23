//! The standard path: store durably, reply, then deliver (Figure 2 of the patent, steps 203–211).

use std::sync::Arc;

use jiff::Timestamp;

use super::answer::Account;
use super::flight::{Group, group_by_next_hop};
use super::{Paths, Transaction, Travelling};
use crate::message::{DiskReason, Message, MessageId, Path, RowId, RowState};
use crate::queue::{Failed, Lease, NewEntry, QueuedRow};
use crate::smtp::reply::Reply;
use crate::store::NewRow;

impl Paths {
    /// Stores what was made of a message for `reason` and all recipients that are not known to be
    /// settled, replies, and hands it on from memory when there is room; else the queue reads it back
    /// when its turn comes.
    pub(super) async fn take_standard_path(
        self: &Arc<Self>,
        transaction: &Transaction,
        travelling: &[Travelling],
        failed: Vec<Failed>,
        reason: DiskReason,
    ) -> Account {
        let outbound = travelling.iter().map(|one| Outbound::of(one, transaction));
        let outbound: Vec<Outbound> = outbound.collect();
        let groups = outbound.iter().flat_map(|outbound| &outbound.groups);
        let room = self.queue.room_for(groups.map(|group| &*group.next_hop));
        let kept = Kept {
            state: match room {
                Some(_) => RowState::Delivering,
                None => RowState::Waiting,
            },
            reason,
            words: String::new(),
        };
        let parcels = outbound.iter().map(|outbound| {
            let ids = self.queue.allocate_rows(outbound.recipients());
            outbound.parcel(&ids, &kept)
        });
        let parcels = with_failed(parcels.collect(), failed);
        let lease = |parcel: &NewEntry| self.queue.lease(&parcel.rows);
        let leases: Vec<Lease> = match &room {
            Some(_) => parcels.iter().map(lease).collect(),
            None => Vec::new(),
        };
        if let Err(error) = self.queue.enqueue(&parcels).await {
            tracing::error!(id = %transaction.message.id, %error, "not stored");
            let recipients = transaction.message.envelope.recipients.len();
            let replies = vec![Reply::insufficient_storage(); recipients];
            self.note_left(&transaction.message, &replies);
            return Account::nothing(Reply::insufficient_storage(), Path::Standard);
        }
        // Without room there are no leases, and nothing is handed on.
        let mut places = room.into_iter().flatten();
        let stored = outbound.into_iter().zip(&parcels).zip(leases);
        for ((outbound, parcel), mut lease) in stored {
            let kept_from = outbound.message.received_at;
            let mut first = 0;
            for group in outbound.groups {
                let rows = &parcel.rows[first..first + group.recipients.len()];
                first += group.recipients.len();
                let lease = lease.part(rows.iter().map(|row| row.id));
                let place = places.next().expect("there is one for each group");
                let queued = queued_rows(rows, &group, kept_from);
                let message = Arc::clone(&outbound.message);
                self.queue
                    .start(message, group.next_hop, queued, lease, place);
            }
        }
        Account::queued(&transaction.message, kept.reason)
    }
}

/// A message with its recipients that are to be stored, by next hop.
pub(super) struct Outbound {
    message: Arc<Message>,
    groups: Vec<Group>,
    /// The message that arrived, when this is one of several that were made of it.
    made_of: Option<MessageId>,
}

impl Outbound {
    /// Groups those who are not known to be settled.
    pub(super) fn of(travelling: &Travelling, transaction: &Transaction) -> Self {
        let Travelling { message, known } = travelling;
        let arrived = transaction.message.id;
        Self {
            message: Arc::clone(message),
            groups: group_by_next_hop(message, &transaction.settings, known),
            made_of: (message.id != arrived).then_some(arrived),
        }
    }

    /// How many rows it needs.
    pub(super) fn recipients(&self) -> usize {
        let groups = self.groups.iter();
        groups.map(|group| group.recipients.len()).sum()
    }

    /// What is stored of it: one row for each recipient, in the order of the groups.
    pub(super) fn parcel(&self, ids: &[RowId], kept: &Kept) -> NewEntry {
        let recipients = &self.message.envelope.recipients;
        let placed = self.groups.iter().flat_map(|group| {
            let positions = group.recipients.iter();
            positions.map(move |&position| (group, position))
        });
        let rows = placed.zip(ids).map(|((group, position), &id)| NewRow {
            id,
            recipient: recipients[position].clone(),
            next_hop: Arc::clone(group.next_hop.name()),
            state: kept.state,
            reason: kept.reason.clone(),
            attempts: 0,
            last_reply: kept.words.clone(),
            next_attempt_at: Timestamp::now(),
        });
        NewEntry {
            message: Arc::clone(&self.message),
            rows: rows.collect(),
            failed: Vec::new(),
            made_of: self.made_of,
        }
    }
}

/// The parcels with those recipients that a condition refused: the reports on them are stored with the
/// first.
pub(super) fn with_failed(mut parcels: Vec<NewEntry>, failed: Vec<Failed>) -> Vec<NewEntry> {
    if let Some(first) = parcels.first_mut() {
        first.failed = failed;
    }
    parcels
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

fn queued_rows(rows: &[NewRow], group: &Group, kept_from: Timestamp) -> Vec<QueuedRow> {
    rows.iter()
        .zip(&group.recipients)
        .map(|(row, &position)| QueuedRow {
            id: row.id,
            position,
            attempts: 0,
            kept_from,
            read_at: std::time::Instant::now(),
            delay_reported: false,
        })
        .collect()
}
