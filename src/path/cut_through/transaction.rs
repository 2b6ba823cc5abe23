//! A message on its way straight through: its next hops, and the blocks that are sent on to all of them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::future::join_all;

use super::downstream::{ContentStep, Downstream, DownstreamState, NotAdded};
use super::replies::RecipientResult;
use super::start::CutThroughStart;
use super::strangers::{Hold, Strangers};
use crate::clients::Network;
use crate::conditions;
use crate::delivery::{MailTransactionStart, StartError};
use crate::limits;
use crate::message::{DiskReason, Message, Outcome, Recipient};
use crate::path::context::PathContext;
use crate::path::fingerprints::{ContentDigest, Fingerprint, FingerprintIds};
use crate::settings::{NextHop, Settings};
use crate::smtp::address::Mailbox;
use crate::smtp::dot_stuffing::DotStuffer;
use crate::smtp::reply::Reply;

/// A message that goes straight through. Dropped before its end, it is delivered to no recipient.
pub struct CutThroughTransaction {
    pub(super) start: CutThroughStart,
    pub(super) settings: Arc<Settings>,
    /// What the conditions said, for the trail.
    pub(super) words: String,
    pub(super) downstreams: Vec<Downstream>,
    /// Recipients that were accepted: the place of the next one in the envelope.
    pub(super) accepted: usize,
    /// Later by what the next hops took.
    begun: Instant,
    /// Recipients that their next hops refused or put off at RCPT, for the trail.
    pub(super) turned_away: Vec<TurnedAway>,
    /// Our Received field; empty once it is sent.
    prefix: Bytes,
    /// The first block, which may be the whole content: then it leaves in one write with its end.
    first: Vec<u8>,
    digest: digest::Context,
    pub(super) content_bytes: u64,
}

impl fmt::Debug for CutThroughTransaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CutThroughTransaction")
            .field("downstreams", &self.downstreams)
            .finish_non_exhaustive()
    }
}

/// A recipient that is not on its way.
#[derive(Debug)]
pub(super) struct TurnedAway {
    pub(super) recipient: Mailbox,
    pub(super) next_hop: Arc<str>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) outcome: Outcome,
    /// How long it took.
    pub(super) took: Duration,
}

/// Whether the content may come.
#[derive(Debug)]
pub enum ContentStart {
    /// Every next hop that is left has said 354.
    Content,
    /// No next hop takes it: see [`crate::path::Paths::end_cut_through`].
    Refused,
    /// It has to be spooled after all, and this is why.
    Spooled(Box<str>),
}

impl CutThroughTransaction {
    pub(super) fn new(start: CutThroughStart, settings: Arc<Settings>, words: String) -> Self {
        Self {
            start,
            settings,
            words,
            downstreams: Vec::with_capacity(1),
            accepted: 0,
            begun: Instant::now(),
            turned_away: Vec::new(),
            prefix: Bytes::new(),
            first: Vec::new(),
            digest: digest::Context::new(&digest::SHA256),
            content_bytes: 0,
        }
    }

    /// Asks a recipient's next hop (steps 501–503).
    pub(super) async fn add(
        &mut self,
        context: &PathContext,
        strangers: &Arc<Strangers>,
        recipient: &Recipient,
    ) -> Result<(), NotAdded> {
        let asked = Instant::now();
        let added = self.ask_for(context, strangers, recipient).await;
        // What next hops took for it is not the client's slowness.
        self.begun += asked.elapsed();
        added
    }

    async fn ask_for(
        &mut self,
        context: &PathContext,
        strangers: &Arc<Strangers>,
        recipient: &Recipient,
    ) -> Result<(), NotAdded> {
        if self.settings.is_routed_by_directory(&recipient.address) {
            return Err(NotAdded::Unsuitable("ldap_relaying routes it".into()));
        }
        let CutThroughStart {
            client, envelope, ..
        } = &self.start;
        let began = Instant::now();
        let fingerprints = &context.fingerprints;
        let known = fingerprints.known(client, &envelope.sender, &recipient.address, began);
        let next_hop = recipient.next_hop(&self.settings);
        let most = limits::RECIPIENTS_PER_TRANSACTION;
        let mut downstreams = self.downstreams.iter_mut();
        if let Some(downstream) =
            downstreams.find(|downstream| downstream.has_room_for(&next_hop, &known, most))
            && let Some(transaction) = downstream.open()
        {
            return match transaction.add(recipient).await {
                Ok(()) => {
                    downstream.push(self.accepted, known);
                    self.accepted += 1;
                    Ok(())
                }
                Err(outcome) => {
                    let peer = Some(transaction.peer());
                    Err(self.turn_away(context, recipient, &next_hop, began, outcome, peer))
                }
            };
        }
        if self.downstreams.len() >= limits::CUT_THROUGH_LEGS {
            return Err(NotAdded::Reply(Reply::TOO_MANY_RECIPIENTS));
        }
        self.begin_downstream(context, strangers, recipient, known)
            .await
    }

    async fn begin_downstream(
        &mut self,
        context: &PathContext,
        strangers: &Arc<Strangers>,
        recipient: &Recipient,
        known: Vec<Fingerprint>,
    ) -> Result<(), NotAdded> {
        let began = Instant::now();
        let next_hop = recipient.next_hop(&self.settings);
        let hold = self.hold(strangers, &next_hop)?;
        let start = MailTransactionStart {
            next_hop: &next_hop,
            envelope: &self.start.envelope,
            declared_size: self.start.declared_size,
            recipient,
            tries: self.settings.cut_through_tries,
            busy_wait: Duration::from_secs(self.settings.ack_deadline_seconds) / 4,
        };
        let (outcome, peer) = match context.delivery.begin(start).await {
            Ok(transaction) => {
                let downstream =
                    Downstream::begun(transaction, next_hop, self.accepted, known, hold);
                self.downstreams.push(downstream);
                self.accepted += 1;
                return Ok(());
            }
            Err(StartError::Unsuitable(why)) => {
                let why = format!("of {}: {why}", next_hop.name());
                return Err(NotAdded::Unsuitable(why.into()));
            }
            Err(StartError::Answered(outcome, peer)) => (outcome, Some(peer)),
            // It is this very message that takes all the room.
            Err(StartError::NoConnection(Outcome::Deferred(DiskReason::DestinationBusy, _)))
                if self.goes_to(&next_hop) =>
            {
                let why = format!("{} has no room for one more transaction", next_hop.name());
                return Err(NotAdded::Unsuitable(why.into()));
            }
            Err(StartError::NoConnection(outcome)) => (outcome, None),
        };
        Err(self.turn_away(context, recipient, &next_hop, began, outcome, peer))
    }

    /// What a stranger needs to hold one more transaction open; none for other clients.
    fn hold(
        &self,
        strangers: &Arc<Strangers>,
        next_hop: &NextHop,
    ) -> Result<Option<Hold>, NotAdded> {
        let client = &self.start.client;
        let address = client.address.filter(|_| client.login.is_none());
        let Some(address) = address.filter(|address| !self.settings.trusts(*address)) else {
            return Ok(None);
        };
        let hold = strangers.take(Network::of(address), next_hop);
        let why = "clients that are not trusted have enough transactions open";
        hold.map(Some).ok_or(NotAdded::Unsuitable(why.into()))
    }

    /// The content begins (step 504): DATA goes to every next hop, and one that does not say 354 is left out.
    pub async fn start(&mut self, message: &Message) -> ContentStart {
        let facts = self.start.facts(&message.envelope.recipients);
        if let Some(condition) = conditions::standard_path_without_content(facts, &self.settings) {
            return ContentStart::Spooled(condition.to_string().into());
        }
        self.advance_all(ContentStep::Start).await;
        self.prefix = message.prefix.clone();
        match self.has_takers() {
            true => ContentStart::Content,
            false => ContentStart::Refused,
        }
    }

    /// Takes a block of canonical content, and sends it on. Waits for the slowest next hop: the client is
    /// not read meanwhile.
    pub async fn pass(&mut self, block: &mut Vec<u8>) {
        self.digest.update(block);
        self.content_bytes += block.len() as u64;
        let is_first = self.content_bytes == block.len() as u64;
        if is_first && self.downstreams.len() == 1 {
            std::mem::swap(&mut self.first, block);
            return;
        }
        let (prefix, first) = (
            std::mem::take(&mut self.prefix),
            std::mem::take(&mut self.first),
        );
        let (prefix, first) = self.send_fronts(&prefix, &first).await;
        let (front, rest) = block.split_at(DotStuffer::front(block, limits::STUFFED_PIECES));
        self.advance_all(ContentStep::Send(&[prefix, first, front]))
            .await;
        if !rest.is_empty() {
            let (_, last) = self.send_fronts(b"", rest).await;
            self.advance_all(ContentStep::Send(&[last])).await;
        }
    }

    /// Sends what of a block and of what stands before it falls into too many pieces for one write, and gives
    /// back what is left of both. Of ordinary content that is all.
    async fn send_fronts<'a>(
        &mut self,
        mut before: &'a [u8],
        mut block: &'a [u8],
    ) -> (&'a [u8], &'a [u8]) {
        loop {
            let (front, rest) = block.split_at(DotStuffer::front(block, limits::STUFFED_PIECES));
            if rest.is_empty() {
                return (before, block);
            }
            self.advance_all(ContentStep::Send(&[before, front])).await;
            (before, block) = (b"", rest);
        }
    }

    /// Whether some next hop still takes the content.
    #[must_use]
    pub fn has_takers(&self) -> bool {
        self.downstreams.iter().any(Downstream::is_open)
    }

    /// The end of the content to every next hop that is left, together with what was kept back.
    pub(super) async fn send_end(&mut self) {
        let (prefix, first) = (
            std::mem::take(&mut self.prefix),
            std::mem::take(&mut self.first),
        );
        let (prefix, first) = self.send_fronts(&prefix, &first).await;
        self.advance_all(ContentStep::End(&[prefix, first])).await;
    }

    pub(super) async fn conclude(&mut self) {
        match self.downstreams.as_mut_slice() {
            [only] => only.conclude().await,
            downstreams => {
                join_all(downstreams.iter_mut().map(Downstream::conclude)).await;
            }
        }
    }

    /// Ends what is still open without the content's end.
    pub(super) fn abandon(&mut self, outcome: &Outcome) {
        for downstream in &mut self.downstreams {
            downstream.abandon(outcome);
        }
    }

    async fn advance_all(&mut self, step: ContentStep<'_>) {
        match self.downstreams.as_mut_slice() {
            [only] => only.advance(step).await,
            downstreams => {
                join_all(
                    downstreams
                        .iter_mut()
                        .map(|downstream| downstream.advance(step)),
                )
                .await;
            }
        }
    }

    fn goes_to(&self, next_hop: &NextHop) -> bool {
        let mut open = self
            .downstreams
            .iter()
            .filter(|downstream| downstream.is_open());
        open.any(|downstream| downstream.next_hop.name() == next_hop.name())
    }

    /// Until when the next hops wait for DATA.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.begun + limits::CUT_THROUGH_ENVELOPE_WAIT
    }

    /// Notes a recipient that its next hop, or the `peer` there, did not take, and says so.
    fn turn_away(
        &mut self,
        context: &PathContext,
        recipient: &Recipient,
        next_hop: &NextHop,
        began: Instant,
        outcome: Outcome,
        peer: Option<SocketAddr>,
    ) -> NotAdded {
        tracing::info!(
            from = %self.start.envelope.sender,
            recipient = %recipient.address,
            next_hop = %next_hop.name(),
            reply = %outcome.reply(),
            "a recipient is not accepted"
        );
        context.statistics.counters.attempted(outcome.kind());
        let reply = match peer {
            Some(_) => at_recipient(&outcome),
            None => not_connected(&outcome),
        };
        if self.turned_away.len() < limits::RECIPIENTS {
            self.turned_away.push(TurnedAway {
                recipient: recipient.address.clone(),
                next_hop: Arc::clone(next_hop.name()),
                peer,
                outcome,
                took: began.elapsed(),
            });
        }
        NotAdded::Reply(reply)
    }

    pub(super) fn content_digest(&self) -> ContentDigest {
        let mut content = ContentDigest::default();
        content.copy_from_slice(self.digest.clone().finish().as_ref());
        content
    }

    /// Closes the transactions whose recipients have this very content already.
    pub(super) fn settle_known(&mut self, digest: &ContentDigest) -> FingerprintIds {
        let downstreams = self.downstreams.iter_mut();
        let settled = downstreams.map(|downstream| downstream.settle_known(digest));
        settled.fold(FingerprintIds::default(), FingerprintIds::and)
    }

    pub(super) fn already_settled(&self) -> impl Iterator<Item = usize> {
        let downstreams = self.downstreams.iter();
        let settled = downstreams
            .filter(|downstream| matches!(downstream.state, DownstreamState::AlreadySettled));
        settled.flat_map(|downstream| downstream.recipients.iter().copied())
    }

    /// What came of each recipient, by its place.
    pub(super) fn results(&self) -> Vec<RecipientResult<'_>> {
        let mut results = vec![RecipientResult::Unknown; self.accepted];
        for downstream in &self.downstreams {
            match &downstream.state {
                DownstreamState::Ended(result) => {
                    for (recipient, outcome) in &result.outcomes {
                        results[*recipient] = RecipientResult::Said(outcome);
                    }
                }
                DownstreamState::AlreadySettled => {
                    for recipient in &downstream.recipients {
                        results[*recipient] = RecipientResult::AlreadySettled;
                    }
                }
                DownstreamState::Open(_) | DownstreamState::Ending => {}
            }
        }
        results
    }
}

/// A next hop's word as the reply to RCPT, where 552 does not mean what it says (RFC 5321 §4.5.3.1.10).
fn at_recipient(outcome: &Outcome) -> Reply {
    let reply = outcome.reply().passed_on();
    match reply.code {
        552 => Reply { code: 554, ..reply },
        _ => reply,
    }
}

/// Step 509: the reply to a recipient whose next hop cannot be reached.
fn not_connected(outcome: &Outcome) -> Reply {
    let reply = outcome.reply();
    match outcome {
        Outcome::Refused(_) => reply.passed_on(),
        _ => Reply::not_connected(reply.passed_words()),
    }
}
