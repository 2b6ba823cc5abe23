//! How many replies content has: one for all recipients, or one for each (LMTP, PRDR).

use super::context::Peer;
use super::envelope::{CompleteEnvelope, MailTransaction};
use crate::message::Recipient;
use crate::smtp::Protocol;

/// The replies to content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyMode {
    /// One reply, as to every command that is no end of data.
    Single,
    /// LMTP, RFC 2033 §4.2: a reply for each of so many recipients, in their order.
    PerRecipient(usize),
    /// PRDR, draft-hall-prdr: where replies differ there is one for each of so many recipients, between
    /// a 353 and one for the whole.
    Prdr(usize),
}

impl ReplyMode {
    /// Those to the content of a transaction with these recipients.
    pub(super) fn of(transaction: &MailTransaction, recipients: &[Recipient], peer: &Peer) -> Self {
        match peer.protocol {
            Protocol::Lmtp => Self::PerRecipient(recipients.len()),
            Protocol::Smtp if transaction.mail.prdr => Self::Prdr(recipients.len()),
            Protocol::Smtp => Self::Single,
        }
    }

    /// Those to a chunk of the content: each but the last has one.
    pub(super) fn to_chunk(self, is_last: bool) -> Self {
        match is_last {
            true => self,
            false => Self::Single,
        }
    }

    /// Whether each recipient's own reply is of use.
    pub(super) fn is_per_recipient(self) -> bool {
        match self {
            Self::Single => false,
            Self::PerRecipient(recipients) | Self::Prdr(recipients) => recipients > 1,
        }
    }
}

impl CompleteEnvelope {
    /// The replies to its content.
    pub(super) fn reply_mode(&self, peer: &Peer) -> ReplyMode {
        ReplyMode::of(&self.transaction, self.recipients(), peer)
    }
}
