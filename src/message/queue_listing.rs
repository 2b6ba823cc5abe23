//! The queue as pages and the API show it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MessageId, RowId, RowState};
use crate::limits;

/// One recipient that waits, in the shape of the API. Texts are as they stand in the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueItem {
    /// The row.
    pub id: RowId,
    /// Our id of its message.
    pub message_id: MessageId,
    /// The reverse path, empty for the null path.
    pub sender: String,
    /// Whom it is for.
    pub recipient: String,
    /// The next hop's name.
    pub next_hop: String,
    /// Damaged, too, when the row says something that this version does not know.
    pub state: RowState,
    /// Why the message touched disk.
    pub reason: String,
    /// Attempts so far.
    pub attempts: u64,
    /// The next hop's last words.
    pub last_reply: String,
    /// Bytes of the message as it was received; what we put before it is not counted.
    pub size_bytes: u64,
    /// When the message arrived.
    pub received_at: Timestamp,
    /// Due from here on.
    pub next_attempt_at: Timestamp,
}

/// A part of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueuePage {
    /// Rows that the filter means, on all pages.
    pub total: u64,
    /// The rows of this page.
    pub items: Vec<QueueItem>,
}

/// What a listing is ordered by. Rows that are equal in it stand in the order of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueOrder {
    /// When the message arrived.
    #[default]
    ReceivedAt,
    /// When it is due.
    NextAttemptAt,
    /// Whom it is for.
    Recipient,
    /// Who sent it.
    Sender,
    /// Where it goes.
    NextHop,
    /// What it is doing.
    State,
    /// Why it is here.
    Reason,
    /// How often it was tried.
    Attempts,
}

/// Which page of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePageRequest {
    /// What it is ordered by.
    pub order: QueueOrder,
    /// The greatest first.
    pub descending: bool,
    /// Rows before the page.
    pub offset: u64,
    /// Rows of the page, at most [`limits::PAGE_ITEMS_MAX`].
    pub limit: u32,
}

impl Default for QueuePageRequest {
    fn default() -> Self {
        Self {
            order: QueueOrder::default(),
            descending: false,
            offset: 0,
            limit: limits::PAGE_ITEMS,
        }
    }
}

/// One recipient that waits, with its envelope, in the shape of the API. Texts are as they stand in
/// the row, however damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueuedRecipient {
    /// What the listing shows.
    #[serde(flatten)]
    pub item: QueueItem,
    /// From here on it fails, by the settings of now.
    pub expires_at: Timestamp,
    /// NOTIFY, RFC 3461 §4.1.
    pub notify: Option<String>,
    /// ORCPT, RFC 3461 §4.2.
    pub original_recipient: Option<String>,
    /// The address that brought it; none for our own messages.
    pub client_address: Option<String>,
    /// What that called itself.
    pub helo: String,
    /// The login it had authenticated as.
    pub login: Option<String>,
    /// BODY, RFC 6152.
    pub body_type: String,
    /// SMTPUTF8 was given, RFC 6531.
    pub smtputf8: bool,
    /// RET, RFC 3461 §4.3.
    pub ret: Option<String>,
    /// ENVID, RFC 3461 §4.4.
    pub envelope_id: Option<String>,
}
