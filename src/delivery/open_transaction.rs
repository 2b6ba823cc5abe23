//! A transaction that grows with a client's: its recipients come one by one, its content block by block
//! (Figure 5 of the patent, steps 504 and 505). How it begins: [`super::mail_transaction_start`].
//!
//! Whoever holds one and drops it before the content has begun gives its connection back; afterwards the
//! connection is closed without an end, and nothing is delivered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout};

use super::Delivery;
use super::approach::Approach;
use super::attempt::{self, RemoteServer};
use super::breaker::{Admission, BreakerEvent};
use super::connection::ServerConnection;
use super::content;
use super::conversation_error::{ConversationError, Wait};
use super::envelope::write_recipient;
use super::known_next_hops::KnownNextHop;
use super::pool::Room;
use super::request::{AttemptResult, TimeoutProfile};
use super::verdicts::{self, SmtpStage, verdict};
use crate::limits;
use crate::message::{Outcome, Recipient};
use crate::settings::NextHop;
use crate::smtp::dot_stuffing::DotStuffer;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// Between two commands of the envelope: the connection may serve others.
    Envelope,
    /// A reply is missing, or the content has begun.
    Underway,
    /// The end was handed over.
    HandedOver,
}

/// An open transaction at one next hop, of which at least one recipient is accepted.
#[derive(Debug)]
pub struct OpenTransaction {
    delivery: Arc<Delivery>,
    known: Arc<KnownNextHop>,
    next_hop: Arc<NextHop>,
    /// None: it is of no more use.
    connection: Option<ServerConnection>,
    /// None with it: others may have it.
    room: Option<Room>,
    admission: Admission,
    peer: RemoteServer,
    accepted: usize,
    stuffer: DotStuffer,
    stand: Stand,
}

fn closed() -> Outcome {
    ConversationError::Closed.outcome()
}

impl OpenTransaction {
    /// A transaction whose first recipient was just accepted.
    pub(super) fn begun(
        approach: Approach<'_>,
        next_hop: &Arc<NextHop>,
        connection: ServerConnection,
        room: Room,
        admission: Admission,
    ) -> Self {
        Self {
            delivery: Arc::clone(approach.delivery),
            known: Arc::clone(approach.known),
            next_hop: Arc::clone(next_hop),
            peer: RemoteServer::of(&connection),
            connection: Some(connection),
            room: Some(room),
            admission,
            accepted: 1,
            stuffer: DotStuffer::default(),
            stand: Stand::Envelope,
        }
    }

    /// Where it goes.
    #[must_use]
    pub fn next_hop(&self) -> &Arc<NextHop> {
        &self.next_hop
    }

    /// The server that is spoken to.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer.address
    }

    /// Whether its conversation can go on.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.connection.is_some()
    }

    /// The connection is of no more use: others may open one in its place.
    fn sever(&mut self) {
        self.connection = None;
        self.room = None;
    }

    /// Asks for a further recipient.
    ///
    /// # Errors
    /// What the server said. When the conversation ended with it, [`Self::start_content`] fails, too.
    pub async fn add(&mut self, recipient: &Recipient) -> Result<(), Outcome> {
        let dsn = self.peer.reports;
        let asked = self.converse(SmtpStage::Recipient, |commands| {
            write_recipient(commands, recipient, dsn);
        });
        let added = asked.await;
        match &added {
            Ok(()) => self.accepted += 1,
            Err(outcome) => self.known.counters.count([outcome]),
        }
        added
    }

    /// DATA: the content may follow when this comes back well.
    ///
    /// # Errors
    /// What it means for all recipients that it may not.
    pub async fn start_content(&mut self) -> Result<(), Outcome> {
        let write = |commands: &mut BytesMut| commands.extend_from_slice(b"DATA\r\n");
        let started = self.converse(SmtpStage::Data, write).await;
        if started.is_ok() {
            self.stand = Stand::Underway;
        }
        started
    }

    /// One command and its reply.
    async fn converse(
        &mut self,
        stage: SmtpStage,
        write: impl FnOnce(&mut BytesMut),
    ) -> Result<(), Outcome> {
        let Some(connection) = &mut self.connection else {
            return Err(closed());
        };
        self.stand = Stand::Underway;
        let wait = limits::CUT_THROUGH_REPLY_WAIT;
        match connection.ask(stage, wait, write).await {
            Ok(reply) => {
                let decided = verdict(stage, &reply);
                if verdicts::is_closing(&reply) {
                    self.learn(BreakerEvent::ServiceClosing);
                    self.sever();
                } else {
                    self.stand = Stand::Envelope;
                }
                decided.map_or(Ok(()), Err)
            }
            Err(trouble) => {
                self.sever();
                Err(trouble.outcome())
            }
        }
    }

    /// Sends blocks of canonical content, their dots stuffed. Waits while the server does not read, at most
    /// for [`crate::limits::FAST_BLOCK_WAIT`] in all: others wait with us.
    ///
    /// # Errors
    /// What it means for all recipients that it was not taken: no more is sent then.
    pub async fn send(&mut self, blocks: &[&[u8]]) -> Result<(), Outcome> {
        let pieces = content::stuffed(&mut self.stuffer, blocks);
        self.write(&pieces).await
    }

    /// Sends what is left of the content, and its end: the point of no return.
    ///
    /// # Errors
    /// What it means for all recipients that it was not taken.
    pub async fn send_end(&mut self, blocks: &[&[u8]]) -> Result<(), Outcome> {
        let mut stuffer = std::mem::take(&mut self.stuffer);
        let mut pieces = content::stuffed(&mut stuffer, blocks);
        pieces.push(stuffer.finish());
        let Some(connection) = &mut self.connection else {
            return Err(closed());
        };
        if let Err(trouble) = connection.is_surely_quiet().await {
            return Err(self.broken_off(trouble).await);
        }
        self.write(&pieces).await?;
        self.stand = Stand::HandedOver;
        Ok(())
    }

    async fn write(&mut self, pieces: &[&[u8]]) -> Result<(), Outcome> {
        let Some(connection) = &mut self.connection else {
            return Err(closed());
        };
        let wait = TimeoutProfile::Fast.block_wait();
        let sent = timeout(wait, content::send_pieces(connection, pieces, wait)).await;
        let trouble = match sent {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(trouble)) => trouble,
            Err(_) => ConversationError::TimedOut(Wait::Room),
        };
        Err(self.broken_off(trouble).await)
    }

    /// What it means for all recipients that the content cannot go on.
    async fn broken_off(&mut self, trouble: ConversationError) -> Outcome {
        let Some(connection) = &mut self.connection else {
            return closed();
        };
        let wait = TimeoutProfile::Fast.command_wait();
        let said = connection.said_instead(&trouble, wait).await;
        self.sever();
        let outcome = said.and_then(|reply| verdict(SmtpStage::EndOfData, &reply));
        outcome.unwrap_or_else(|| trouble.outcome())
    }

    /// Waits for what the server says of the whole, at most for [`crate::limits::AFTER_DOT_WAIT`]. `recipients` are
    /// those that were accepted, in their order, as their places in the envelope.
    pub async fn conclude(mut self, recipients: &[usize]) -> AttemptResult {
        let began = Instant::now();
        let outcomes = self.hear().await;
        let now = Instant::now();
        let took = now.saturating_duration_since(began);
        self.known.counters.record(took, now);
        self.report(recipients, outcomes, took)
    }

    /// Ends it without the content's end: everybody has this outcome.
    #[must_use]
    pub fn abandon(self, recipients: &[usize], outcome: &Outcome) -> AttemptResult {
        let outcomes = vec![outcome.clone(); self.accepted];
        self.report(recipients, outcomes, Duration::ZERO)
    }

    fn report(
        &self,
        recipients: &[usize],
        outcomes: Vec<Outcome>,
        took: Duration,
    ) -> AttemptResult {
        self.known.counters.count(&outcomes);
        attempt::result(recipients, outcomes, Some(self.peer), took)
    }

    async fn hear(&mut self) -> Vec<Outcome> {
        let Some(mut connection) = self.connection.take() else {
            return vec![closed(); self.accepted];
        };
        let policy = self.next_hop.uncertain;
        let replies = match connection.final_replies(self.accepted).await {
            Ok(replies) => replies,
            Err(trouble) => return vec![trouble.outcome_after_the_dot(policy); self.accepted],
        };
        if replies.iter().any(verdicts::is_closing) {
            self.learn(BreakerEvent::ServiceClosing);
        } else {
            connection.must_reset = false;
            let delivery = &self.delivery;
            delivery.served(&self.known, connection, self.admission);
        }
        let said = replies.iter();
        let decided = said.filter_map(|reply| verdict(SmtpStage::EndOfData, reply));
        decided.collect()
    }

    fn learn(&self, event: BreakerEvent) {
        self.delivery.learn(&self.known, event, self.admission);
    }
}

impl Drop for OpenTransaction {
    /// What was only an envelope is reset before the connection's next transaction.
    fn drop(&mut self) {
        if self.stand == Stand::Envelope
            && let Some(connection) = self.connection.take()
        {
            let delivery = &self.delivery;
            delivery.served(&self.known, connection, self.admission);
        }
    }
}
