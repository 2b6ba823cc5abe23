//! The rows of the retry queue, as the layers above give and take them.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::Serialize;

use crate::message::{DiskReason, Message, MessageId, Recipient, RowId, RowState};

/// A message that goes into the queue, with the recipients that wait.
#[derive(Clone, Debug)]
pub struct NewQueued {
    /// The message; its envelope may name more recipients than wait.
    pub message: Arc<Message>,
    /// The recipients that wait.
    pub rows: Vec<NewRow>,
    /// From here on the time counts in which its recipients have to be reached.
    pub kept_from: Timestamp,
}

/// A recipient that waits.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// From [`super::QueueStore::allocate_rows`].
    pub id: RowId,
    /// Whom the message is for.
    pub recipient: Recipient,
    /// The next hop's name.
    pub next_hop: Arc<str>,
    /// `Delivering` for a row under a lease, `Waiting` for one that the queue takes.
    pub state: RowState,
    /// Why the message touches disk.
    pub reason: DiskReason,
    /// Attempts so far.
    pub attempts: u32,
    /// The next hop's last words, empty when it was not asked.
    pub last_reply: String,
    /// Due from here on.
    pub next_attempt_at: Timestamp,
}

/// A change of one row. Changes of one row take effect in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// It is settled: delivered, reported or purged.
    Remove(RowId),
    /// It has other columns.
    Update(RowId, RowUpdate),
}

/// The columns of a row that change; what is none stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowUpdate {
    /// What it is now.
    pub state: Option<RowState>,
    /// Why it is kept.
    pub reason: Option<DiskReason>,
    /// Attempts so far, when one has ended without settling it: of what was changed before that, only the report of
    /// a delay counts.
    pub attempts: Option<u32>,
    /// The next hop's last words, or what is wrong with the row or its message.
    pub last_reply: Option<String>,
    /// Due from here on.
    #[serde(serialize_with = "millisecond::optional::serialize")]
    pub next_attempt_at: Option<Timestamp>,
    /// Its next hop by the settings of now.
    pub next_hop: Option<Arc<str>>,
    /// Its sender was told of the delay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delay_reported: bool,
}

impl RowUpdate {
    /// The change of each of these rows.
    pub fn of_each(&self, rows: impl IntoIterator<Item = RowId>) -> Vec<RowChange> {
        let change = |row| RowChange::Update(row, self.clone());
        rows.into_iter().map(change).collect()
    }
}

impl RowChange {
    /// The row that is changed.
    #[must_use]
    pub fn row(&self) -> RowId {
        match self {
            Self::Remove(row) | Self::Update(row, _) => *row,
        }
    }
}

/// How many attempts may be begun for one next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHopShare {
    /// The next hop's name.
    pub next_hop: String,
    /// Attempts: the rows of one message are one, unless the message names each of them.
    pub attempts: usize,
}

/// A due row that was taken: it stands as `delivering` now.
#[derive(Clone, Debug)]
pub struct TakenRow {
    /// The row.
    pub id: RowId,
    /// Its message, for [`super::QueueStore::load`].
    pub message: MessageId,
    /// Whom it is for.
    pub recipient: Recipient,
    /// The next hop's name, as it was when the row was written.
    pub next_hop: String,
    /// Why it is kept.
    pub reason: DiskReason,
    /// Attempts so far.
    pub attempts: u32,
    /// The next hop's last words.
    pub last_reply: String,
    /// When the message arrived.
    pub received_at: Timestamp,
    /// From here on the time counts in which it has to be reached.
    pub kept_from: Timestamp,
    /// Its sender was told of the delay.
    pub delay_reported: bool,
    /// Its message names it in the Received field: it shares a transaction with nobody.
    pub is_named: bool,
    /// What it was before: waiting or uncertain.
    pub before: RowState,
}

/// What an operator does to rows that no attempt holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowAction {
    /// Due now: waiting and uncertain rows, and damaged ones, which may have been repaired.
    Retry,
    /// Kept back: waiting and uncertain rows.
    Hold,
    /// Due now: held and quarantined rows.
    Release,
    /// Deleted without a report, whatever they are.
    Purge,
}

/// A damaged row, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRow {
    /// The row.
    pub id: RowId,
    /// Its message, which may be gone.
    pub message: MessageId,
    /// Whom it was for; the text that stands there when that is no address.
    pub recipient: Result<Recipient, String>,
    /// The next hop's last words, or what is wrong.
    pub last_reply: String,
}

/// What is left of a message that cannot be sent.
#[derive(Clone, Debug)]
pub struct Remains {
    /// What can be read of it: without a sender when that cannot, without recipients, and with the
    /// fields at its beginning in place of its content.
    pub message: Message,
    /// What is wrong with it; none when nothing is.
    pub problem: Option<String>,
    /// Bytes that its content had.
    pub content_bytes: u64,
    /// Bytes of content that are there, whatever they are.
    pub bytes_there: u64,
}

/// A next hop for which recipients of a domain wait, whom no directory has given a server of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedRoute {
    /// The next hop's name, as it was when they were stored or tried last.
    pub next_hop: String,
    /// The domain as the DNS has it.
    pub domain: String,
}
