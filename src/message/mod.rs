//! One message: its identity, its envelope, and its content in memory, on disk or in both.
//!
//! The words of the design stand here as types ([`words`]), so that every layer above speaks the
//! same language: path, storage, reason, outcome, queue row, trail entry.

pub mod body;
pub mod budget;
pub mod envelope;
pub mod id;
pub mod received;
pub mod spool;
pub mod trail;
pub mod words;

use bytes::Bytes;
use jiff::Timestamp;

pub use body::{Body, BodyReader, BodyWriter};
pub use budget::{MemoryBudget, Reservation};
pub use envelope::{Client, Envelope, Recipient};
pub use id::{MessageId, MessageIds};
pub use spool::{Spool, SpoolFile};
pub use words::{DiskReason, Outcome, Path, RowId, RowState, Storage};

/// A message whose content has arrived whole. It never changes; whoever works on it shares it.
#[derive(Debug)]
pub struct Message {
    /// Our id, named in every reply, log line and page.
    pub id: MessageId,
    /// When its MAIL command was accepted.
    pub received_at: Timestamp,
    /// Who brought it.
    pub client: Client,
    /// Sender, recipients and their parameters.
    pub envelope: Envelope,
    /// What we put before the content: our Received field, with its CRLF.
    pub prefix: Bytes,
    /// The content as it arrived: canonical CRLF lines, without dot stuffing.
    pub body: Body,
    /// The content has bytes above 127, so that a 7-bit destination cannot take it as it is.
    pub eight_bit: bool,
    /// An address or a header field needs SMTPUTF8 (RFC 6531 §3.5).
    pub needs_smtputf8: bool,
}

impl Message {
    /// Bytes that travel to a next hop: our prefix and the content, without dot stuffing.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.prefix.len() as u64 + self.body.len()
    }
}
