//! Cut-through: connect first, send on what comes, and reply with what the recipients said (Figure 5 of
//! the patent, steps 501–509). Nothing of the message is ever on disk, and nobody holds it whole.
//!
//! [`check_recipient`] decides at the first RCPT whether a message goes this way. At each RCPT its
//! [`CutThroughTransaction`] gets a [`downstream`] at the next hop of that recipient; between DATA and the
//! end of data it sends every block on to all of them.

mod downstream;
mod replies;
mod start;
mod strangers;
mod transaction;

use std::slice;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::client_presence::ClientPresence;
use super::context::PathContext;
use super::disposition::Disposition;
use super::fingerprints::FingerprintIds;
use super::received::ack_deadline;
use super::reception::Reception;
use super::reply::EndOfDataReply;
use crate::clients::ClientId;
use crate::conditions;
use crate::message::trail::{Attempted, RecipientEvent, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{DiskReason, Message, Outcome, Path, Recipient};
use crate::settings::{PathChoice, Settings};
use crate::smtp::reply::Reply;

pub use start::CutThroughStart;
pub(super) use strangers::Strangers;
pub use transaction::{ContentStart, CutThroughTransaction};

use downstream::{Downstream, NotAdded};

/// Where the content of a message goes that is being addressed.
#[derive(Debug, Default)]
pub enum DeliveryMode {
    /// It is decided at the first recipient.
    #[default]
    Undecided,
    /// It is spooled until it has come whole, for the fast or the standard path. When cut-through was chosen
    /// all the same: why it cannot be.
    Spooled(Option<Box<str>>),
    /// A condition does not take it, and this is the reply to every recipient.
    Rejected(Reply),
    /// It goes straight through.
    CutThrough(Box<CutThroughTransaction>),
}

/// A recipient about which the directory or its next hop is asked before RCPT is answered.
#[derive(Debug)]
pub struct RecipientCheck<'a> {
    /// The recipient, whom this client may send to.
    pub recipient: &'a Recipient,
    /// Who sends the message.
    pub party: ClientId,
    /// The snapshot that was taken at MAIL.
    pub settings: &'a Arc<Settings>,
    /// The mode of its message, as far as it is decided.
    pub mode: &'a mut DeliveryMode,
    /// The message, for as long as the mode is undecided.
    pub start: Option<CutThroughStart>,
}

/// A message whose content has come whole and is with its next hops, but for its end.
#[derive(Debug)]
pub struct CutThroughEnd {
    /// Its transactions at the next hops.
    pub transaction: Box<CutThroughTransaction>,
    /// All of it but its content.
    pub message: Arc<Message>,
    /// Its content has come; it has not where no next hop would take it.
    pub has_content: bool,
    /// The client gets a reply for each recipient.
    pub per_recipient: bool,
    /// When the end of data was read.
    pub ended_at: Instant,
}

/// The cut-through path.
#[derive(Debug)]
pub(super) struct CutThrough {
    context: Arc<PathContext>,
    /// What strangers hold open at next hops.
    strangers: Arc<Strangers>,
}

impl CutThrough {
    pub(super) fn new(context: Arc<PathContext>) -> Self {
        Self {
            context,
            strangers: Arc::default(),
        }
    }

    /// Whether a recipient is taken: by what the directory knows, and for cut-through by what its next hop
    /// says. Bounded by the time-outs of both.
    ///
    /// # Errors
    /// The reply to a recipient that is not taken.
    pub(super) async fn check_recipient(&self, check: RecipientCheck<'_>) -> Result<(), Reply> {
        let RecipientCheck {
            recipient,
            party,
            settings,
            mode,
            start,
        } = check;
        if settings.is_asked_at_rcpt(&recipient.address) {
            let address = &recipient.address;
            let known = self.context.conditions.recipient(address, party, settings);
            known.await?;
        }
        if let (DeliveryMode::Undecided, Some(start)) = (&*mode, start) {
            *mode = self.mode_of(start, recipient, settings).await;
        }
        let transaction = match mode {
            DeliveryMode::CutThrough(transaction) => transaction,
            DeliveryMode::Rejected(reply) => return Err(reply.clone()),
            DeliveryMode::Undecided | DeliveryMode::Spooled(_) => return Ok(()),
        };
        let added = transaction.add(&self.context, &self.strangers, recipient);
        match added.await {
            Ok(()) => Ok(()),
            Err(NotAdded::Reply(reply)) => Err(reply),
            // Recipients that were accepted stay so: the message is spooled for all of them.
            Err(NotAdded::Unsuitable(why)) => {
                *mode = DeliveryMode::Spooled(Some(why));
                Ok(())
            }
        }
    }

    /// Decides at the first recipient. What can be looked into without the content is, now.
    async fn mode_of(
        &self,
        start: CutThroughStart,
        recipient: &Recipient,
        settings: &Arc<Settings>,
    ) -> DeliveryMode {
        let facts = start.facts(slice::from_ref(recipient));
        let is_led_there =
            || settings.conditions().leads_through && conditions::leads_through(facts, settings);
        if start.path != PathChoice::CutThrough && !is_led_there() {
            return DeliveryMode::Spooled(None);
        }
        if let Some(condition) = conditions::needs_content(settings) {
            let why = format!("{condition} needs the content");
            return DeliveryMode::Spooled(Some(why.into()));
        }
        let checked = self.context.conditions.check_envelope(facts, settings);
        let checked = match checked.await {
            Ok(checked) => checked,
            Err(reply) => return DeliveryMode::Rejected(reply),
        };
        if let Some(reason) = checked.standard_path {
            return DeliveryMode::Spooled(Some(reason.to_string().into()));
        }
        let settings = Arc::clone(settings);
        let transaction = CutThroughTransaction::new(start, settings, checked.words);
        DeliveryMode::CutThrough(Box::new(transaction))
    }

    /// Ends a message whose content has come whole, and says what its recipients said. All bodies are
    /// there then and no end is, so that a client that has gone meanwhile is owed nothing; the ends go out
    /// together.
    pub(super) async fn end<C: ClientPresence>(
        &self,
        end: CutThroughEnd,
        client: &mut C,
    ) -> EndOfDataReply {
        let CutThroughEnd {
            mut transaction,
            message,
            has_content,
            per_recipient,
            ended_at,
        } = end;
        let digest = transaction.content_digest();
        let recognised_by = match has_content {
            true => transaction.settle_known(&digest),
            false => FingerprintIds::default(),
        };
        let has_left = transaction.has_takers() && !client.still_there().await;
        if has_left {
            transaction.abandon(&withdrawn());
        } else {
            transaction.send_end().await;
            transaction.conclude().await;
        }
        let delivered = self.record(&transaction, &message).await;
        let disposition = match has_left {
            true => Disposition {
                path: Path::CutThrough,
                ..Disposition::client_gone()
            },
            false => replies::disposition(&message, &transaction.results(), per_recipient),
        };
        let reception = Reception {
            message: Arc::clone(&message),
            size_bytes: transaction.content_bytes,
            digest: Some(digest),
            examined: std::mem::take(&mut transaction.words),
            reasons: Vec::new(),
            ended_at,
            deadline: ack_deadline(ended_at, &transaction.settings),
        };
        let disposition = Disposition {
            delivered,
            ..disposition
        };
        self.context
            .finish(reception, &message, disposition, recognised_by)
            .await
    }

    /// Records what every next hop said; an only delivery is given back, for the row of the answer.
    async fn record(
        &self,
        transaction: &CutThroughTransaction,
        message: &Arc<Message>,
    ) -> Option<Attempted> {
        for recipient in transaction.already_settled() {
            self.context.note_settled(message, recipient);
        }
        let downstreams = transaction.downstreams.iter();
        let ended = downstreams.filter_map(Downstream::result);
        let is_one = transaction.accepted == 1 && transaction.turned_away.is_empty();
        let delivered = self.context.record_ended(message, ended, is_one).await;
        for turned_away in &transaction.turned_away {
            self.context.trail.record(TrailEntry::Attempted(Attempted {
                message: message.id,
                recipient: turned_away.recipient.clone(),
                at: Timestamp::now(),
                next_hop: Arc::clone(&turned_away.next_hop),
                peer: turned_away.peer,
                outcome: turned_away.outcome.kind(),
                words: turned_away.outcome.reply().to_string(),
                took: turned_away.took,
                tls: false,
            }));
            if turned_away.outcome.reply().is_transient() {
                let recipient = &turned_away.recipient;
                self.context
                    .note(message, recipient, RecipientEvent::LeftWithClient);
            }
        }
        let results = transaction.results();
        let mut kinds = results.iter().map(replies::RecipientResult::kind);
        if kinds.any(|kind| kind != OutcomeKind::Delivered) {
            let replies: Vec<Reply> = results.iter().map(|result| result.reply()).collect();
            self.context.note_left(message, &replies);
        }
        delivered
    }
}

/// The client went away.
fn withdrawn() -> Outcome {
    Outcome::Deferred(DiskReason::Deferred, Reply::CLIENT_LEFT)
}

#[cfg(test)]
mod tests;
