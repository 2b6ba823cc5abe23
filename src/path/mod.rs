//! The paths: which way a message takes, and what its sender is told at the end of data.
//!
//! [`verdict`] is the table of the design as a pure function; [`Paths::answer`] brings a message to
//! it and carries it out.

mod answer;
mod fast;
mod fingerprints;
mod flight;
mod gate;
mod plan;
mod standard;
#[cfg(test)]
mod testing;
pub mod verdict;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;
use crate::message::trail::{Event, Noted, TrailEntry};
use crate::message::{DiskReason, Message};
use crate::queue::Queue;
use crate::settings::{OverThreshold, PathChoice, Settings};
use crate::statistics::{Statistics, Trail};

pub use answer::{Answer, LateReply, Receipt};
pub use fingerprints::Fingerprints;

use fingerprints::{Ticket, digest_of};

/// A message whose content has arrived, to be answered.
#[derive(Debug)]
pub struct Transaction {
    /// The message.
    pub message: Arc<Message>,
    /// The snapshot that was taken at MAIL.
    pub settings: Arc<Settings>,
    /// Why the body touched disk while it arrived.
    pub reasons: Vec<DiskReason>,
    /// When the end of data was read.
    pub ended_at: Instant,
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
    /// Who delivers.
    pub delivery: Arc<Delivery>,
    /// Who keeps what cannot be delivered at once.
    pub queue: Arc<Queue>,
    /// What makes repetitions harmless.
    pub fingerprints: Arc<Fingerprints>,
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
        transaction: Transaction,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> Answer {
        let deadline =
            transaction.ended_at + Duration::from_secs(transaction.settings.ack_deadline_seconds);
        let (known, recognised_by) = self.recognise(&transaction.message).await;
        let account = match standard_path_reason(&transaction) {
            Some(reason) => self.take_standard_path(&transaction, &known, reason).await,
            None => {
                self.take_fast_path(&transaction, &known, deadline, client, shutdown)
                    .await
            }
        };
        // A late reply may find nobody who still waits for it.
        let late = account.reply.is_positive() && Instant::now() >= deadline;
        self.give(&transaction, account, recognised_by, late).await
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
        let recipients = message.envelope.recipients.iter().zip(&known);
        for (recipient, _) in recipients.filter(|(_, known)| **known) {
            self.trail.record(TrailEntry::Noted(Noted {
                message: message.id,
                recipient: recipient.address.clone(),
                at: Timestamp::now(),
                event: Event::AlreadySettled,
                words: String::new(),
            }));
        }
        (known, ticket)
    }
}

/// Figure 4, steps 401–403, and Figure 6: why a message does not take the fast path.
fn standard_path_reason(transaction: &Transaction) -> Option<DiskReason> {
    let settings = &transaction.settings;
    if settings.path == PathChoice::Standard {
        return Some(DiskReason::StandardPath);
    }
    let over = transaction.reasons.contains(&DiskReason::OverThreshold);
    (over && settings.over_threshold == OverThreshold::DiskOnly)
        .then_some(DiskReason::OverThreshold)
}
