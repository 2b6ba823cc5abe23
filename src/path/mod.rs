//! The paths: which way a message takes, and what its sender is told at the end of data.
//!
//! [`verdict`] is the table of the design as a pure function; [`Paths::answer`] brings a message to
//! it and carries it out.

mod answer;
pub mod cut_through;
mod each;
mod fast;
mod fingerprints;
mod flight;
mod gate;
mod plan;
mod quarantine;
mod standard;
pub mod verdict;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::conditions::{Accepted, CheckOutcome, CheckRun, Conditions};
use crate::delivery::Delivery;
use crate::message::trail::{Noted, RecipientEvent, TrailEntry};
use crate::message::{DiskReason, Message, Path, Recipient};
use crate::queue::{Failed, FailureReason, Queue};
use crate::settings::{OverThreshold, PathChoice, Settings};
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;
use crate::statistics::{Statistics, Trail};

pub use answer::{Answer, LateReply, Receipt};
pub use cut_through::{EndedPassage, Inquiry, Opening, Passage, Start, Strangers, Way};
pub use fingerprints::Fingerprints;

use answer::Account;
use fast::client_gone;
use fingerprints::{ContentDigest, Ticket, digest_of};

/// A message whose content has arrived, to be answered.
#[derive(Debug)]
pub struct Transaction {
    /// The message; once it was examined, as it travels, unless several were made of it.
    pub message: Arc<Message>,
    /// What MAIL declared with SIZE.
    pub declared_size: Option<u64>,
    /// The snapshot that was taken at MAIL.
    pub settings: Arc<Settings>,
    /// The path that is chosen where it came in.
    pub path: PathChoice,
    /// Why it does not go straight through although that was chosen.
    pub obstacle: Option<Box<str>>,
    /// The client hears a reply for each recipient.
    pub each: bool,
    /// Why the body touched disk while it arrived.
    pub reasons: Vec<DiskReason>,
    /// When the end of data was read.
    pub ended_at: Instant,
}

/// A message as its client sent it: what it may send again, and what the trail tells of.
#[derive(Debug)]
struct Arrived {
    message: Arc<Message>,
    /// Bytes of its content.
    size_bytes: u64,
    /// Of its content, when it is known without a look at it.
    digest: Option<ContentDigest>,
    /// What the conditions said of it, and why it does not go straight through; mostly empty.
    examined: String,
}

impl Arrived {
    fn new(transaction: &Transaction) -> Self {
        let obstacle = transaction.obstacle.as_deref();
        Self {
            message: Arc::clone(&transaction.message),
            size_bytes: transaction.message.body.len(),
            digest: None,
            examined: obstacle.map_or_else(String::new, |why| format!("not cut through: {why}")),
        }
    }

    /// Whether a message that travels is for the same recipients, in the same places.
    fn has_recipients_of(&self, travels: &Message) -> bool {
        let arrived = self.message.envelope.recipients.iter();
        let travelling = travels.envelope.recipients.iter();
        arrived
            .map(|recipient| &recipient.address)
            .eq(travelling.map(|recipient| &recipient.address))
    }

    fn add_examined(&mut self, words: &str) {
        if !self.examined.is_empty() && !words.is_empty() {
            self.examined.push_str("; ");
        }
        self.examined.push_str(words);
    }

    /// Which recipients of the message that travels are known to be settled, from those of the one that
    /// arrived.
    fn known(&self, known: &[bool], travels: &Arc<Message>) -> Vec<bool> {
        if known.is_empty() || Arc::ptr_eq(&self.message, travels) {
            return known.to_vec();
        }
        let arrived = &self.message.envelope.recipients;
        let is_known = |recipient: &Recipient| {
            let mut pairs = arrived.iter().zip(known);
            pairs.any(|(other, known)| *known && other.address == recipient.address)
        };
        travels.envelope.recipients.iter().map(is_known).collect()
    }

    /// The messages as they travel, when those at `known` are settled of the one that arrived.
    fn travelling(&self, taken: &Accepted, known: &[bool]) -> Vec<Travelling> {
        let messages = taken.messages.iter();
        let travelling = messages.map(|message| Travelling {
            message: Arc::clone(message),
            known: self.known(known, message),
        });
        travelling.collect()
    }

    /// Which recipients of the message that arrived are settled, when those at `settled` of the one that
    /// travels are.
    fn settled(&self, settled: &[usize], travels: &Arc<Message>) -> Vec<usize> {
        let arrived = &self.message.envelope.recipients;
        let now = &travels.envelope.recipients;
        if Arc::ptr_eq(&self.message, travels) {
            return settled.to_vec();
        }
        if !settled.is_empty() && settled.len() == now.len() {
            return (0..arrived.len()).collect();
        }
        let is_settled = |recipient: &Recipient| {
            let mut settled = settled.iter();
            settled.any(|&position| now[position].address == recipient.address)
        };
        let positions = arrived.iter().enumerate();
        let settled = positions.filter(|(_, recipient)| is_settled(recipient));
        settled.map(|(position, _)| position).collect()
    }
}

/// A message on its way into the queue.
#[derive(Debug)]
struct Travelling {
    message: Arc<Message>,
    /// Which of its recipients are known to be settled, by position; empty when none is.
    known: Vec<bool>,
}

/// The session's stream, asked whether its client is still there.
pub trait ClientPresence: Send {
    /// A non-blocking read through the session's own stream, so that it is right under TLS; what it
    /// reads is kept for the session. End of file and errors mean gone.
    fn still_there(&mut self) -> impl Future<Output = bool> + Send;
}

/// What the paths work with. Shared by all sessions.
#[derive(Debug)]
pub struct Paths {
    /// Who looks into messages before they are taken.
    pub conditions: Arc<Conditions>,
    /// Who delivers.
    pub delivery: Arc<Delivery>,
    /// Who keeps what cannot be delivered at once.
    pub queue: Arc<Queue>,
    /// What makes repetitions harmless.
    pub fingerprints: Arc<Fingerprints>,
    /// What strangers hold open at next hops.
    pub strangers: Arc<Strangers>,
    /// Who counts.
    pub statistics: Arc<Statistics>,
    /// The history of messages.
    pub trail: Trail,
}

impl Paths {
    /// Takes a message the way it has to go, and gives the reply to its end of data. When that is a
    /// 250, every recipient is delivered, durable in the queue, or its failure report is.
    pub async fn answer<C: ClientPresence>(
        self: &Arc<Self>,
        mut transaction: Transaction,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> Answer {
        let deadline =
            transaction.ended_at + Duration::from_secs(transaction.settings.ack_deadline_seconds);
        let (known, recognised_by) = self.recognise(&transaction.message).await;
        let mut arrived = Arrived::new(&transaction);
        // What is settled for everybody is not looked into again: it is a repetition.
        let is_settled = !known.is_empty() && known.iter().all(|known| *known);
        let examined = match is_settled {
            true => None,
            false => self.examine(&transaction, deadline, shutdown).await,
        };
        // Checks may have taken longer than the client would wait: then it will come again.
        let has_left = examined.is_some() && !client.still_there().await;
        let account = match examined {
            _ if has_left => client_gone(),
            None => match standard_path_reason(&transaction, None) {
                None => {
                    self.take_fast_path(&transaction, &known, deadline, client, shutdown)
                        .await
                }
                Some(reason) => {
                    let travelling = [Travelling {
                        message: Arc::clone(&transaction.message),
                        known,
                    }];
                    self.take_standard_path(&transaction, &travelling, Vec::new(), reason)
                        .await
                }
            },
            Some(CheckOutcome { words, result }) => {
                arrived.add_examined(&words);
                match result {
                    Err(reply) => Account::nothing(reply, Path::Standard),
                    Ok(taken) => {
                        if let [only] = taken.messages.as_slice() {
                            // Replies for each recipient are for those that the client has named.
                            transaction.each &= arrived.has_recipients_of(only);
                            transaction.message = Arc::clone(only);
                        }
                        let travelling = arrived.travelling(&taken, &known);
                        self.take(&transaction, &travelling, taken, deadline, client, shutdown)
                            .await
                    }
                }
            }
        };
        // A late reply may find nobody who still waits for it.
        let late = account.reply.is_positive() && Instant::now() >= deadline;
        self.give(&transaction, &arrived, account, recognised_by, late)
            .await
    }

    /// Figure 4, step 401; none when no condition can be present.
    async fn examine(
        &self,
        transaction: &Transaction,
        deadline: Instant,
        shutdown: &CancellationToken,
    ) -> Option<CheckOutcome> {
        if !transaction.settings.conditions().any {
            return None;
        }
        let examination = CheckRun {
            message: &transaction.message,
            declared_size: transaction.declared_size,
            settings: &transaction.settings,
            deadline: deadline.into(),
        };
        // Boxed: a message without conditions does not carry the room that checks take.
        Some(Box::pin(self.conditions.check(examination, shutdown)).await)
    }

    /// Takes a message that may be taken.
    async fn take<C: ClientPresence>(
        self: &Arc<Self>,
        transaction: &Transaction,
        travelling: &[Travelling],
        taken: Accepted,
        deadline: Instant,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> Account {
        let failed = taken.refused.into_iter().map(refused).collect();
        if let Some(quarantine) = taken.quarantine {
            return self
                .quarantine(transaction, travelling, failed, quarantine)
                .await;
        }
        let reason = standard_path_reason(transaction, taken.standard_path);
        match (travelling, reason) {
            ([only], None) => {
                self.take_fast_path(transaction, &only.known, deadline, client, shutdown)
                    .await
            }
            // Several messages go out all or none, which only the queue can promise.
            (_, reason) => {
                let reason = reason.unwrap_or(DiskReason::StandardPath);
                self.take_standard_path(transaction, travelling, failed, reason)
                    .await
            }
        }
    }

    /// Which recipients a fingerprint says are settled already, by position; empty when none is.
    async fn recognise(&self, message: &Arc<Message>) -> (Vec<bool>, Ticket) {
        let now = Instant::now();
        if !self.fingerprints.has_candidate(message, now) {
            return (Vec::new(), Ticket::default());
        }
        let Ok(digest) = digest_of(message).await else {
            return (Vec::new(), Ticket::default());
        };
        let (known, ticket) = self.fingerprints.settled(message, &digest, now);
        for (recipient, _) in known.iter().enumerate().filter(|(_, known)| **known) {
            self.note_settled(message, recipient);
        }
        (known, ticket)
    }

    /// Puts down that a recipient had a message already.
    fn note_settled(&self, message: &Message, recipient: usize) {
        let address = &message.envelope.recipients[recipient].address;
        self.note(message, address, RecipientEvent::AlreadySettled);
    }

    fn note(&self, message: &Message, recipient: &Mailbox, event: RecipientEvent) {
        self.trail.record(TrailEntry::Noted(Noted {
            message: message.id,
            recipient: recipient.clone(),
            at: Timestamp::now(),
            event,
            words: String::new(),
        }));
    }

    /// Puts down which recipients are put off and not stored, by the client's replies to them.
    fn note_left<'a>(&self, message: &Message, replies: impl IntoIterator<Item = &'a Reply>) {
        let recipients = message.envelope.recipients.iter();
        for (recipient, reply) in recipients.zip(replies) {
            if reply.is_transient() {
                self.note(message, &recipient.address, RecipientEvent::LeftWithClient);
            }
        }
    }
}

/// A recipient that a condition refused by itself.
fn refused((recipient, reply): (Recipient, Reply)) -> Failed {
    Failed {
        recipient,
        failure: FailureReason::Refused,
        reply,
    }
}

/// Figure 4, steps 402 and 403, and Figure 6: why a message does not take the fast path.
fn standard_path_reason(
    transaction: &Transaction,
    condition: Option<DiskReason>,
) -> Option<DiskReason> {
    let settings = &transaction.settings;
    if transaction.path == PathChoice::Standard {
        return Some(DiskReason::StandardPath);
    }
    if condition.is_some() {
        return condition;
    }
    let over = transaction.reasons.contains(&DiskReason::OverThreshold);
    (over && settings.over_threshold == OverThreshold::DiskOnly)
        .then_some(DiskReason::OverThreshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::testing::arc_message;

    /// Replies for each recipient must not go to others than those who are meant.
    #[test]
    fn recipients_that_were_changed_are_not_those_that_arrived() {
        let sent = arc_message(
            "a@example.org",
            &["b@example.net", "c@example.net"],
            b"x\r\n",
        );
        let arrived = Arrived {
            size_bytes: sent.body.len(),
            message: sent,
            digest: None,
            examined: String::new(),
        };
        for (recipients, same) in [
            (&["b@example.net", "c@example.net"][..], true),
            (&["c@example.net", "b@example.net"], false),
            (&["b@example.net"], false),
            (&["b@example.net", "c@example.net", "d@example.net"], false),
        ] {
            let travels = arc_message("a@example.org", recipients, b"x\r\n");
            assert_eq!(arrived.has_recipients_of(&travels), same, "{recipients:?}");
        }
    }
}
