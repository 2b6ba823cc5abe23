//! The standard path: store durably, reply, then deliver (Figure 2 of the patent, steps 203–211). A message
//! that a condition keeps back is stored the same way, and waits in the queue for an operator.

use std::sync::Arc;

use jiff::Timestamp;

use super::context::PathContext;
use super::disposition::Disposition;
use super::outbound::{Dispatch, OutboundMessage};
use super::recipient_group::{RecipientGroup, group_by_next_hop};
use crate::conditions::QuarantineCause;
use crate::message::{DiskReason, Message, MessageId, Path, RowId, RowState};
use crate::queue::{Failed, Lease, LeasedRows, NewEntry, QueuedRow};
use crate::smtp::reply::Reply;
use crate::store::{NewRow, StoreError};

/// The standard path.
#[derive(Debug)]
pub(super) struct StandardPath {
    context: Arc<PathContext>,
}

impl StandardPath {
    pub(super) fn new(context: Arc<PathContext>) -> Self {
        Self { context }
    }

    /// Stores what was made of a message for `reason` and all recipients that are not known to be
    /// settled, replies, and hands it on from memory when there is room; else the queue reads it back
    /// when its turn comes.
    pub(super) async fn enqueue(
        &self,
        dispatch: &Dispatch,
        outbound: &[OutboundMessage],
        failed: Vec<Failed>,
        reason: DiskReason,
    ) -> Disposition {
        let queue = &self.context.queue;
        let outbound: Vec<GroupedMessage> = grouped(dispatch, outbound).collect();
        let groups = outbound.iter().flat_map(|outbound| &outbound.groups);
        let room = queue.room_for(groups.map(|group| &*group.next_hop));
        let template = RowTemplate {
            state: match room {
                Some(_) => RowState::Delivering,
                None => RowState::Waiting,
            },
            reason,
            words: String::new(),
        };
        let entries = self.entries(&outbound, &template, failed);
        let lease = |entry: &NewEntry| queue.lease(&entry.rows);
        let leases: Vec<Lease> = match &room {
            Some(_) => entries.iter().map(lease).collect(),
            None => Vec::new(),
        };
        if let Err(error) = queue.enqueue(&entries).await {
            let recipients = dispatch.message.envelope.recipients.len();
            let replies = vec![Reply::INSUFFICIENT_STORAGE; recipients];
            let not_stored = not_stored(&dispatch.message, &error);
            self.context.note_left(&dispatch.message, &replies);
            return not_stored;
        }
        // Without room there are no leases, and nothing is handed on.
        let mut places = room.into_iter().flatten();
        let stored = outbound.into_iter().zip(&entries).zip(leases);
        for ((outbound, entry), mut lease) in stored {
            let kept_from = outbound.message.received_at;
            let mut first = 0;
            for group in outbound.groups {
                let rows = &entry.rows[first..first + group.recipients.len()];
                first += group.recipients.len();
                let placed = rows.iter().zip(&group.recipients);
                let queued = placed.map(|(row, at)| QueuedRow::stored_now(row, *at, kept_from));
                queue.start(LeasedRows {
                    message: Arc::clone(&outbound.message),
                    lease: lease.part(rows.iter().map(|row| row.id)),
                    rows: queued.collect(),
                    next_hop: group.next_hop,
                    place: Some(places.next().expect("there is one for each group")),
                });
            }
        }
        Disposition::queued(&dispatch.message, template.reason)
    }

    /// Stores what was made of a message for all recipients that are not known to be settled, kept back.
    pub(super) async fn quarantine(
        &self,
        dispatch: &Dispatch,
        outbound: &[OutboundMessage],
        failed: Vec<Failed>,
        quarantine: QuarantineCause,
    ) -> Disposition {
        let template = RowTemplate {
            state: RowState::Quarantined,
            reason: quarantine.reason,
            words: quarantine.words,
        };
        let outbound: Vec<GroupedMessage> = grouped(dispatch, outbound).collect();
        let entries = self.entries(&outbound, &template, failed);
        match self.context.queue.enqueue(&entries).await {
            Ok(()) => Disposition::queued(&dispatch.message, template.reason),
            Err(error) => not_stored(&dispatch.message, &error),
        }
    }

    /// What is stored of each message. The reports on recipients that a condition refused are stored with the
    /// first.
    fn entries(
        &self,
        outbound: &[GroupedMessage],
        template: &RowTemplate,
        failed: Vec<Failed>,
    ) -> Vec<NewEntry> {
        let entries = outbound.iter().map(|outbound| {
            let ids = self.context.queue.allocate_rows(outbound.recipients());
            outbound.entry(&ids, template)
        });
        let mut entries: Vec<NewEntry> = entries.collect();
        if let Some(first) = entries.first_mut() {
            first.failed = failed;
        }
        entries
    }
}

fn not_stored(message: &Message, error: &StoreError) -> Disposition {
    tracing::error!(id = %message.id, %error, "not stored");
    Disposition::nothing(Reply::INSUFFICIENT_STORAGE, Path::Standard)
}

/// A message with its recipients that are to be stored, by next hop.
struct GroupedMessage {
    message: Arc<Message>,
    groups: Vec<RecipientGroup>,
    /// The message that arrived, when this is one of several that were made of it.
    made_of: Option<MessageId>,
}

/// Groups those who are not known to be settled.
fn grouped<'a>(
    dispatch: &'a Dispatch,
    outbound: &'a [OutboundMessage],
) -> impl Iterator<Item = GroupedMessage> + 'a {
    let arrived = dispatch.message.id;
    outbound
        .iter()
        .map(move |OutboundMessage { message, known }| GroupedMessage {
            message: Arc::clone(message),
            groups: group_by_next_hop(message, &dispatch.settings, known),
            made_of: (message.id != arrived).then_some(arrived),
        })
}

impl GroupedMessage {
    /// How many rows it needs.
    fn recipients(&self) -> usize {
        let groups = self.groups.iter();
        groups.map(|group| group.recipients.len()).sum()
    }

    /// What is stored of it: one row for each recipient, in the order of the groups.
    fn entry(&self, ids: &[RowId], template: &RowTemplate) -> NewEntry {
        let recipients = &self.message.envelope.recipients;
        let placed = self.groups.iter().flat_map(|group| {
            let positions = group.recipients.iter();
            positions.map(move |&position| (group, position))
        });
        let rows = placed.zip(ids).map(|((group, position), &id)| NewRow {
            id,
            recipient: recipients[position].clone(),
            next_hop: Arc::clone(group.next_hop.name()),
            state: template.state,
            reason: template.reason.clone(),
            attempts: 0,
            last_reply: template.words.clone(),
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

/// How rows are stored before anything was tried.
struct RowTemplate {
    /// Under a lease, waiting for the queue, or kept back.
    state: RowState,
    /// Why the message touches disk.
    reason: DiskReason,
    /// What is known of it already.
    words: String,
}

#[cfg(test)]
#[path = "standard_tests.rs"]
mod tests;
