//! What the three paths work with, and how they record what they did.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::disposition::Disposition;
use super::fingerprints::{FingerprintIds, Fingerprints, digest_of};
use super::reception::Reception;
use super::reply::{EndOfDataReply, Receipt, write_fingerprints};
use crate::conditions::Conditions;
use crate::delivery::{AttemptResult, Delivery};
use crate::message::trail::{AnsweredMessage, Attempted, Noted, RecipientEvent, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{Message, Storage};
use crate::queue::Queue;
use crate::settings::NextHop;
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;
use crate::statistics::{AnsweredFigures, Statistics, Trail};

/// What the paths work with.
#[derive(Debug)]
pub struct PathContext {
    /// The checks of messages before they are taken.
    pub conditions: Arc<Conditions>,
    /// Delivery to next hops.
    pub delivery: Arc<Delivery>,
    /// The queue of what cannot be delivered at once.
    pub queue: Arc<Queue>,
    /// What makes repetitions harmless.
    pub fingerprints: Arc<Fingerprints>,
    /// The figures.
    pub statistics: Arc<Statistics>,
    /// The history of messages.
    pub trail: Trail,
}

impl PathContext {
    /// Which recipients a fingerprint says are settled already, by position; empty when none is.
    pub(super) async fn recognise(&self, message: &Arc<Message>) -> (Vec<bool>, FingerprintIds) {
        let now = Instant::now();
        if !self.fingerprints.has_candidate(message, now) {
            return (Vec::new(), FingerprintIds::default());
        }
        let Ok(digest) = digest_of(message).await else {
            return (Vec::new(), FingerprintIds::default());
        };
        let (known, ticket) = self.fingerprints.settled(message, &digest, now);
        for (recipient, _) in known.iter().enumerate().filter(|(_, known)| **known) {
            self.note_settled(message, recipient);
        }
        (known, ticket)
    }

    /// Records that a recipient had a message already.
    pub(super) fn note_settled(&self, message: &Message, recipient: usize) {
        let address = &message.envelope.recipients[recipient].address;
        self.note(message, address, RecipientEvent::AlreadySettled);
    }

    pub(super) fn note(&self, message: &Message, recipient: &Mailbox, event: RecipientEvent) {
        self.trail.record(TrailEntry::Noted(Noted {
            message: message.id,
            recipient: recipient.clone(),
            at: Timestamp::now(),
            event,
            words: String::new(),
        }));
    }

    /// Records which recipients are deferred and not stored, by the client's replies to them.
    pub(super) fn note_left<'a>(
        &self,
        message: &Message,
        replies: impl IntoIterator<Item = &'a Reply>,
    ) {
        let recipients = message.envelope.recipients.iter();
        for (recipient, reply) in recipients.zip(replies) {
            if reply.is_transient() {
                self.note(message, &recipient.address, RecipientEvent::LeftWithClient);
            }
        }
    }

    /// Counts the attempts that ended, and describes them for the trail when it is kept.
    pub(super) fn attempts_of<'a>(
        &self,
        message: &Message,
        ended: impl IntoIterator<Item = (&'a Arc<NextHop>, &'a AttemptResult)>,
    ) -> Vec<Attempted> {
        let at = Timestamp::now();
        let mut attempted = Vec::new();
        for (next_hop, result) in ended {
            for (position, outcome) in &result.outcomes {
                self.statistics.counters.attempted(outcome.kind());
                if !self.trail.is_kept() {
                    continue;
                }
                attempted.push(Attempted {
                    message: message.id,
                    recipient: message.envelope.recipients[*position].address.clone(),
                    at,
                    next_hop: Arc::clone(next_hop.name()),
                    peer: result.peer,
                    outcome: outcome.kind(),
                    words: outcome.reply().to_string(),
                    took: result.took,
                    tls: result.tls,
                });
            }
        }
        attempted
    }

    /// Records what the attempts that ended came to. A plain delivery to the only recipient, which is most mail,
    /// goes into the row of its answer, and is given back for that.
    pub(super) async fn record_ended<'a>(
        &self,
        message: &Arc<Message>,
        ended: impl Iterator<Item = (&'a Arc<NextHop>, &'a AttemptResult)> + Clone,
        has_one_recipient: bool,
    ) -> Option<Attempted> {
        let results: Vec<&AttemptResult> = ended.clone().map(|(_, result)| result).collect();
        let all_reported = self.queue.report_relayed(message, &results).await;
        let mut attempted = self.attempts_of(message, ended);
        let delivered = attempted.pop_if(|attempted| {
            attempted.outcome == OutcomeKind::Delivered && has_one_recipient && all_reported
        });
        self.record_attempts(attempted);
        delivered
    }

    pub(super) fn record_attempts(&self, attempted: Vec<Attempted>) {
        for attempted in attempted {
            self.trail.record(TrailEntry::Attempted(attempted));
        }
    }

    /// Finishes an answer: fingerprints, statistics, trail, log. `recognised_by` are the fingerprints that
    /// said who is settled already; what the client may send again is the message as it was received.
    pub(super) async fn finish(
        &self,
        mut reception: Reception,
        travels: &Arc<Message>,
        mut disposition: Disposition,
        recognised_by: FingerprintIds,
    ) -> EndOfDataReply {
        let settled = reception.settled(&disposition.settled, travels);
        // The client may have given up waiting for a late reply.
        let late = disposition.reply.is_positive() && Instant::now() >= reception.deadline;
        let is_covered = disposition.needs_fingerprint || late;
        let until_read = match is_covered {
            true => {
                let (message, digest) = (&reception.message, reception.digest);
                write_fingerprints(&self.fingerprints, message, digest, &settled).await
            }
            false => FingerprintIds::default(),
        };
        self.record(&mut reception, travels, &mut disposition);
        EndOfDataReply {
            receipt: Receipt {
                fingerprints: Arc::clone(&self.fingerprints),
                message: reception.message,
                digest: reception.digest,
                is_final: !disposition.reply.is_transient(),
                settled,
                used: recognised_by,
                until_read,
                is_covered,
            },
            reply: disposition.reply,
            per_recipient: disposition.each,
            close: disposition.client_gone,
        }
    }

    fn record(&self, reception: &mut Reception, travels: &Message, disposition: &mut Disposition) {
        let message = &reception.message;
        let storage = if disposition.stored {
            Storage::Disk
        } else {
            // A condition may have written the content anew: the worse of the two counts.
            message.body.storage().max(travels.body.storage())
        };
        let mut reasons = std::mem::take(&mut reception.reasons);
        for reason in &disposition.reasons {
            if !reasons.contains(reason) {
                reasons.push(reason.clone());
            }
        }
        let acknowledged_after = reception.ended_at.elapsed();
        if disposition.reply.is_positive() {
            self.statistics.answered(&AnsweredFigures {
                path: disposition.path,
                storage,
                reasons: &reasons,
                size_bytes: reception.size_bytes,
                acknowledged_after,
            });
        }
        // A line for each message is what a busy relay writes most of: it says nothing needless.
        let recipients = message.envelope.recipients.len();
        tracing::info!(
            id = %message.id,
            from = %message.envelope.sender,
            recipients = (recipients != 1).then_some(recipients),
            bytes = reception.size_bytes,
            path = %disposition.path.as_str(),
            storage = %storage.as_str(),
            reason = reasons.first().map(tracing::field::display),
            milliseconds = acknowledged_after.as_millis(),
            examined = (!reception.examined.is_empty()).then_some(reception.examined.as_str()),
            reply = %disposition.reply,
            "answered"
        );
        self.trail.record(TrailEntry::Answered(AnsweredMessage {
            message: message.id,
            received_at: message.received_at,
            client: message.client.clone(),
            sender: message.envelope.sender.clone(),
            recipients: u32::try_from(message.envelope.recipients.len()).unwrap_or(u32::MAX),
            size_bytes: reception.size_bytes,
            path: disposition.path,
            storage,
            reasons,
            code: disposition.reply.code,
            reply: disposition.reply.to_string(),
            acknowledged_after,
            delivered: disposition.delivered.take(),
            examined: std::mem::take(&mut reception.examined),
        }));
    }
}
