//! One message: its identity, its envelope, and its content in memory, on disk or in both.
//!
//! The terms of the design are types here ([`words`]), so that every layer above speaks the
//! same language: path, storage, reason, outcome, queue row, trail entry.

pub mod backlog;
pub mod body;
pub mod budget;
pub mod checksum;
pub mod date;
pub mod envelope;
pub mod id;
pub mod legible;
pub mod queue_filter;
pub mod queue_listing;
pub mod received;
pub(crate) mod search_text;
pub mod spool;
#[cfg(test)]
pub(crate) mod testing;

pub mod trail;
pub mod trail_listing;
pub mod words;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::limits;

pub use body::{Body, BodyReader, BodyWriter};
pub use budget::{MemoryBudget, Reservation, TrustLevel};
pub use checksum::{Checksum, Summing};
pub use envelope::{Client, Envelope, Recipient};
pub use id::{MessageId, MessageIds};
pub use spool::{Spool, SpoolFile};
pub use words::{DiskReason, Outcome, Path, RowId, RowState, Storage};

/// A message whose content has arrived whole. It never changes, and is shared.
#[derive(Clone, Debug)]
pub struct Message {
    /// Our id, named in every reply, log line and page.
    pub id: MessageId,
    /// When its MAIL command was accepted.
    pub received_at: Timestamp,
    /// The client that sent it.
    pub client: Client,
    /// Sender, recipients and their parameters.
    pub envelope: Envelope,
    /// What we put before the content: our Received field, with its CRLF.
    pub prefix: Bytes,
    /// The content as it arrived: canonical CRLF lines, without dot stuffing.
    /// What conditions make of a message shares it with the message that arrived.
    pub body: Arc<Body>,
    /// Bytes at the beginning of the content that do not travel: the header that is rewritten in the
    /// prefix.
    pub content_from: u64,
    /// Where in the prefix the recipient is named; then each recipient gets a message of its own.
    pub for_clause_at: Option<usize>,
    /// The content has bytes above 127, so that a 7-bit destination cannot take it as it is.
    pub eight_bit: bool,
    /// An address or a header field needs SMTPUTF8 (RFC 6531 §3.5).
    pub needs_smtputf8: bool,
}

impl Message {
    /// Bytes of content that travel to a next hop.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.body.len().saturating_sub(self.content_from)
    }

    /// Bytes that travel to a next hop: our prefix and the content, without dot stuffing.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.prefix.len() as u64 + self.content_bytes()
    }

    /// The part in memory of the content that travels.
    pub fn head(&self) -> impl Iterator<Item = &[u8]> {
        let mut left_out = usize::try_from(self.content_from).unwrap_or(usize::MAX);
        self.body.head().iter().filter_map(move |chunk| {
            let out = left_out.min(chunk.len());
            left_out -= out;
            Some(&chunk[out..]).filter(|piece| !piece.is_empty())
        })
    }

    /// The prefix that travels to the recipients at these positions of the envelope. RFC 5321 §4.4: a
    /// `for` clause names one recipient at most, since the others must not learn of each other.
    #[must_use]
    pub fn prefix_for(&self, recipients: &[usize]) -> Bytes {
        let (Some(at), [only]) = (self.for_clause_at, recipients) else {
            return self.prefix.clone();
        };
        let Some((before, behind)) = self.prefix.split_at_checked(at) else {
            return self.prefix.clone();
        };
        let address = self.envelope.recipients[*only].address.as_str();
        [before, b"\r\n\tfor <", address.as_bytes(), b">", behind]
            .concat()
            .into()
    }

    /// Recipients that one transaction may name.
    #[must_use]
    pub fn recipients_per_transaction(&self) -> usize {
        match self.for_clause_at {
            Some(_) => 1,
            None => limits::RECIPIENTS_PER_TRANSACTION,
        }
    }
}
