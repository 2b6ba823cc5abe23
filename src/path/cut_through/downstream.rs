//! One next hop of a message that goes straight through: an open transaction there.

use std::sync::Arc;

use super::strangers::Hold;
use crate::delivery::{AttemptResult, OpenTransaction};
use crate::message::Outcome;
use crate::path::fingerprints::{ContentDigest, Fingerprint, FingerprintIds};
use crate::settings::NextHop;
use crate::smtp::reply::Reply;

/// Why a recipient is not on its way.
#[derive(Debug)]
pub(super) enum NotAdded {
    /// The client gets this reply.
    Reply(Reply),
    /// Its next hop does not take whatever may come; why.
    Unsuitable(Box<str>),
}

/// An open transaction with its recipients, or what became of it.
#[derive(Debug)]
pub(super) struct Downstream {
    pub(super) next_hop: Arc<NextHop>,
    /// Places in the envelope of those that the next hop has accepted.
    pub(super) recipients: Vec<usize>,
    /// Digests of what its recipients have already by their fingerprints, without repetitions. All of these
    /// recipients have the same, so that the end is for all of them or for none.
    digests: Vec<ContentDigest>,
    /// The fingerprints of all of them.
    known: Vec<Fingerprint>,
    pub(super) state: DownstreamState,
    /// Its share of what strangers may hold open.
    hold: Option<Hold>,
}

/// What is done with the content at all next hops alike.
#[derive(Clone, Copy, Debug)]
pub(super) enum ContentStep<'a> {
    /// DATA.
    Start,
    /// Blocks of it.
    Send(&'a [&'a [u8]]),
    /// The last blocks, and the end.
    End(&'a [&'a [u8]]),
}

/// What became of the transaction at one next hop.
#[derive(Debug)]
pub(super) enum DownstreamState {
    /// Its transaction is open.
    Open(Box<OpenTransaction>),
    /// It has ended.
    Ended(AttemptResult),
    /// Its recipients have the message already: it was not sent to its end.
    AlreadySettled,
    /// It is being ended.
    Ending,
}

impl Downstream {
    /// A transaction with its first recipient.
    pub(super) fn begun(
        transaction: OpenTransaction,
        next_hop: Arc<NextHop>,
        recipient: usize,
        known: Vec<Fingerprint>,
        hold: Option<Hold>,
    ) -> Self {
        Self {
            next_hop,
            recipients: vec![recipient],
            digests: digests(&known),
            known,
            state: DownstreamState::Open(Box::new(transaction)),
            hold,
        }
    }

    /// One more recipient, whom the next hop has accepted.
    pub(super) fn push(&mut self, recipient: usize, known: Vec<Fingerprint>) {
        self.recipients.push(recipient);
        self.known.extend(known);
    }

    /// Its transaction, while it is open.
    pub(super) fn open(&mut self) -> Option<&mut OpenTransaction> {
        match &mut self.state {
            DownstreamState::Open(transaction) => Some(transaction),
            _ => None,
        }
    }

    /// Takes its transaction out, when it is open, to end it.
    fn take_open(&mut self) -> Option<OpenTransaction> {
        match std::mem::replace(&mut self.state, DownstreamState::Ending) {
            DownstreamState::Open(transaction) => {
                // Its end does not wait for the client any more.
                self.hold = None;
                Some(*transaction)
            }
            ended => {
                self.state = ended;
                None
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, DownstreamState::Open(_))
    }

    /// Whether a recipient with this next hop and these fingerprints can be asked for here.
    pub(super) fn has_room_for(
        &self,
        next_hop: &NextHop,
        known: &[Fingerprint],
        most: usize,
    ) -> bool {
        let is_alive = match &self.state {
            DownstreamState::Open(transaction) => transaction.is_alive(),
            _ => false,
        };
        is_alive
            && self.next_hop.name() == next_hop.name()
            && self.recipients.len() < most
            && self.digests == digests(known)
    }

    /// Ends it without the content's end.
    pub(super) fn abandon(&mut self, outcome: &Outcome) {
        if let Some(transaction) = self.take_open() {
            let result = transaction.abandon(&self.recipients, outcome);
            self.state = DownstreamState::Ended(result);
        }
    }

    /// One step, while it is open; what does not go well ends it.
    pub(super) async fn advance(&mut self, step: ContentStep<'_>) {
        let Some(transaction) = self.open() else {
            return;
        };
        let advanced = match step {
            ContentStep::Start => transaction.start_content().await,
            ContentStep::Send(blocks) => transaction.send(blocks).await,
            ContentStep::End(blocks) => transaction.send_end(blocks).await,
        };
        if let Err(outcome) = advanced {
            self.abandon(&outcome);
        }
    }

    /// Waits for what the next hop says of the whole.
    pub(super) async fn conclude(&mut self) {
        if let Some(transaction) = self.take_open() {
            let result = transaction.conclude(&self.recipients).await;
            self.state = DownstreamState::Ended(result);
        }
    }

    /// What its next hop said, once it has ended.
    pub(super) fn result(&self) -> Option<(&Arc<NextHop>, &AttemptResult)> {
        match &self.state {
            DownstreamState::Ended(result) => Some((&self.next_hop, result)),
            _ => None,
        }
    }

    /// Closes it when its recipients have this content already, by the fingerprints that are given back.
    pub(super) fn settle_known(&mut self, digest: &ContentDigest) -> FingerprintIds {
        if !self.digests.contains(digest) {
            return FingerprintIds::default();
        }
        self.state = DownstreamState::AlreadySettled;
        FingerprintIds::of(&self.known, digest)
    }
}

/// In their order, each once.
fn digests(known: &[Fingerprint]) -> Vec<ContentDigest> {
    let mut digests: Vec<ContentDigest> = known.iter().map(|known| known.digest).collect();
    digests.sort_unstable();
    digests.dedup();
    digests
}
