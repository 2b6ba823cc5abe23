//! The answer to the end of data: the reply, what it owes when it is not read, and its record.

use std::sync::Arc;
use std::time::Instant;

use crate::message::trail::{AnsweredMessage, Attempted, TrailEntry};
use crate::message::{DiskReason, Message, Path, Storage};
use crate::smtp::reply::Reply;
use crate::statistics::AnsweredFigures;

use super::fingerprints::{ContentDigest, Fingerprints, Ticket, digest_of};
use super::{Arrived, Paths, Transaction};

/// What the session does now.
#[derive(Debug)]
pub struct Answer {
    /// The reply to the end of data.
    pub reply: Reply,
    /// A reply for each recipient; empty where `reply` is for all of them.
    pub each: Vec<Reply>,
    /// To be told what became of the reply.
    pub receipt: Receipt,
    /// The client is gone: there is nobody to write to.
    pub close: bool,
}

/// What an answer owes to the client, depending on whether its reply could be written.
#[derive(Debug)]
pub struct Receipt {
    fingerprints: Arc<Fingerprints>,
    message: Arc<Message>,
    /// Of its content, when it is known without a look at it.
    digest: Option<ContentDigest>,
    /// Positions of recipients that are delivered or durable.
    settled: Vec<usize>,
    /// Fingerprints that said who was settled already: used up with this reply.
    used: Ticket,
    /// Fingerprints that end when the client has read the reply.
    until_read: Ticket,
    /// All that is settled has a fingerprint already.
    is_covered: bool,
    /// The reply is the last word on the message, which a command that follows it proves to be read.
    is_final: bool,
}

impl Receipt {
    /// The reply was written. What comes back is told when the next command arrives.
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
            let Self {
                fingerprints,
                message,
                digest,
                settled,
                ..
            } = &self;
            let _ = write(fingerprints, message, *digest, settled).await;
        }
    }
}

/// A reply that was written late.
#[derive(Debug)]
pub struct LateReply {
    fingerprints: Arc<Fingerprints>,
    ticket: Ticket,
}

impl LateReply {
    /// A command arrived behind the reply, so it was read: the same bytes sent again are meant.
    pub fn was_read(self) {
        self.fingerprints.delete(&self.ticket);
    }
}

/// Writes fingerprints for the recipients at `settled`.
async fn write(
    fingerprints: &Fingerprints,
    message: &Arc<Message>,
    digest: Option<ContentDigest>,
    settled: &[usize],
) -> Ticket {
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
            Ticket::default()
        }
    }
}

/// How an answer came about, for its receipt and its record.
#[derive(Debug)]
pub(super) struct Account {
    /// The reply.
    pub(super) reply: Reply,
    /// One for each recipient, where they were asked for and differ.
    pub(super) each: Vec<Reply>,
    /// The way the message took.
    pub(super) path: Path,
    /// The complete message is stored now.
    pub(super) stored: bool,
    /// Why it touched disk, beside what its body says.
    pub(super) reasons: Vec<DiskReason>,
    /// Positions of recipients that are delivered or durable.
    pub(super) settled: Vec<usize>,
    /// A repetition must find a fingerprint: a 451 follows a partial success.
    pub(super) needs_fingerprint: bool,
    /// The client is gone.
    pub(super) client_gone: bool,
    /// The attempt that delivered it to its one recipient, which is not in the trail yet.
    pub(super) delivered: Option<Attempted>,
}

impl Account {
    /// Nothing was delivered and nothing is stored: the client keeps the message.
    pub(super) fn nothing(reply: Reply, path: Path) -> Self {
        Self {
            reply,
            each: Vec::new(),
            path,
            stored: false,
            reasons: Vec::new(),
            settled: Vec::new(),
            needs_fingerprint: false,
            client_gone: false,
            delivered: None,
        }
    }

    /// The whole message is stored, for `reason`.
    pub(super) fn queued(message: &Message, reason: DiskReason) -> Self {
        let reply = Reply::new(250, (2, 0, 0), format!("Queued {}", message.id));
        Self {
            stored: true,
            reasons: vec![reason],
            settled: (0..message.envelope.recipients.len()).collect(),
            ..Self::nothing(reply, Path::Standard)
        }
    }
}

impl Paths {
    /// Makes an account of an answer: fingerprints, statistics, trail, log. `recognised_by` are the
    /// fingerprints that said who is settled already; `late` is a 250 after the deadline. What the client
    /// may send again is the message that `arrived`.
    pub(super) async fn give(
        &self,
        transaction: &Transaction,
        arrived: &Arrived,
        mut account: Account,
        recognised_by: Ticket,
        late: bool,
    ) -> Answer {
        let settled = arrived.settled(&account.settled, &transaction.message);
        let mut until_read = Ticket::default();
        let is_covered = account.needs_fingerprint || late;
        if is_covered {
            let (message, digest) = (&arrived.message, arrived.digest);
            let written = write(&self.fingerprints, message, digest, &settled).await;
            until_read = written;
        }
        self.record(transaction, arrived, &mut account);
        Answer {
            receipt: Receipt {
                fingerprints: Arc::clone(&self.fingerprints),
                message: Arc::clone(&arrived.message),
                digest: arrived.digest,
                is_final: !account.reply.is_transient(),
                settled,
                used: recognised_by,
                until_read,
                is_covered,
            },
            reply: account.reply,
            each: account.each,
            close: account.client_gone,
        }
    }

    fn record(&self, transaction: &Transaction, arrived: &Arrived, account: &mut Account) {
        let message = &arrived.message;
        let storage = if account.stored {
            Storage::Disk
        } else {
            // A condition may have written the content anew: the worse of the two counts.
            let travels = transaction.message.body.storage();
            message.body.storage().max(travels)
        };
        let mut reasons = transaction.reasons.clone();
        for reason in &account.reasons {
            if !reasons.contains(reason) {
                reasons.push(reason.clone());
            }
        }
        let acknowledged_after = transaction.ended_at.elapsed();
        if account.reply.is_positive() {
            self.statistics.answered(&AnsweredFigures {
                path: account.path,
                storage,
                reasons: &reasons,
                size_bytes: arrived.size_bytes,
                acknowledged_after,
            });
        }
        // A line for each message is what a busy relay writes most of: it says nothing needless.
        let recipients = message.envelope.recipients.len();
        tracing::info!(
            id = %message.id,
            from = %message.envelope.sender,
            recipients = (recipients != 1).then_some(recipients),
            bytes = arrived.size_bytes,
            path = %account.path.as_str(),
            storage = %storage.as_str(),
            reason = reasons.first().map(tracing::field::display),
            milliseconds = acknowledged_after.as_millis(),
            examined = (!arrived.examined.is_empty()).then_some(arrived.examined.as_str()),
            reply = %account.reply,
            "answered"
        );
        self.trail.record(TrailEntry::Answered(AnsweredMessage {
            message: message.id,
            received_at: message.received_at,
            client: message.client.clone(),
            sender: message.envelope.sender.clone(),
            recipients: u32::try_from(message.envelope.recipients.len()).unwrap_or(u32::MAX),
            size_bytes: arrived.size_bytes,
            path: account.path,
            storage,
            reasons,
            code: account.reply.code,
            reply: account.reply.to_string(),
            acknowledged_after,
            delivered: account.delivered.take(),
            examined: arrived.examined.clone(),
        }));
    }
}
