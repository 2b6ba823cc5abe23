//! The reply to the end of data, and what it owes when it is not read.

use std::sync::Arc;
use std::time::Instant;

use super::fingerprints::{ContentDigest, FingerprintIds, Fingerprints, digest_of};
use crate::message::Message;
use crate::smtp::reply::Reply;

/// The reply to content, and what the session does with it.
#[derive(Debug)]
pub struct EndOfDataReply<R = Receipt> {
    /// The reply to the end of data.
    pub reply: Reply,
    /// A reply for each recipient; empty where `reply` is for all of them.
    pub per_recipient: Vec<Reply>,
    /// Takes what became of the reply.
    pub receipt: R,
    /// The session closes after the reply: the client is gone.
    pub close: bool,
}

/// What an answer owes to the client, depending on whether its reply could be written.
#[derive(Debug)]
pub struct Receipt {
    pub(super) fingerprints: Arc<Fingerprints>,
    pub(super) message: Arc<Message>,
    /// Of its content, when it is known without a look at it.
    pub(super) digest: Option<ContentDigest>,
    /// Positions of recipients that are delivered or durable.
    pub(super) settled: Vec<usize>,
    /// Fingerprints that said who was settled already: used up with this reply.
    pub(super) used: FingerprintIds,
    /// Fingerprints that end when the client has read the reply.
    pub(super) until_read: FingerprintIds,
    /// All that is settled has a fingerprint already.
    pub(super) is_covered: bool,
    /// The reply is the last word on the message, which a command that follows it proves to be read.
    pub(super) is_final: bool,
}

impl Receipt {
    /// The reply was written. What comes back takes the next command as the proof that it was read.
    #[must_use]
    pub fn written(self) -> Option<LateReply> {
        // One repetition is what there was to recognise: an equal message behind it is another one.
        if self.is_final {
            self.fingerprints.delete(&self.used);
        }
        (self.is_final && !self.until_read.is_empty()).then_some(LateReply {
            fingerprints: self.fingerprints,
            ticket: self.until_read,
        })
    }

    /// The reply could not be written: should the client send the message again, its settled
    /// recipients are not to get it twice.
    pub async fn not_written(self) {
        if !self.settled.is_empty() && !self.is_covered {
            let (message, settled) = (&self.message, &self.settled);
            let _ = write_fingerprints(&self.fingerprints, message, self.digest, settled).await;
        }
    }
}

/// A reply that was written late.
#[derive(Debug)]
pub struct LateReply {
    fingerprints: Arc<Fingerprints>,
    ticket: FingerprintIds,
}

impl LateReply {
    /// A command arrived behind the reply, so it was read: the same bytes sent again are meant.
    pub fn was_read(self) {
        self.fingerprints.delete(&self.ticket);
    }
}

/// Writes fingerprints for the recipients at `settled`.
pub(super) async fn write_fingerprints(
    fingerprints: &Fingerprints,
    message: &Arc<Message>,
    digest: Option<ContentDigest>,
    settled: &[usize],
) -> FingerprintIds {
    let digest = match digest {
        Some(digest) => Ok(digest),
        None => digest_of(message).await,
    };
    match digest {
        Ok(digest) => {
            let positions = settled.iter().copied();
            fingerprints.write(message, positions, &digest, Instant::now())
        }
        Err(error) => {
            tracing::warn!(id = %message.id, %error, "no fingerprint: the content cannot be read");
            FingerprintIds::default()
        }
    }
}
