//! A transaction that grows with a client's: its recipients come one by one, its content block by block
//! (Figure 5 of the patent, steps 501–505).
//!
//! Whoever holds one and drops it before the content has begun gives its connection back; afterwards the
//! connection is closed without an end, and nothing is delivered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::approach::{Approach, NotConnected};
use super::attempt::Peer;
use super::breaker::{Admission, Event};
use super::connection::Connection;
use super::content;
use super::known_next_hops::KnownNextHop;
use super::pool::Room;
use super::trouble::{Trouble, Wait};
use super::verdicts::{self, Stage, verdict};
use super::{Delivery, Pace, Report};
use crate::limits;
use crate::message::{DiskReason, Envelope, Outcome, Recipient};
use crate::settings::NextHop;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::command::BodyType;
use crate::smtp::command_writer::{self, MailParameters, RcptParameters};
use crate::smtp::dot_stuffing::DotStuffer;
use crate::smtp::reply::Reply;

/// How a transaction begins: with its first recipient.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// Where it is to go.
    pub next_hop: &'a Arc<NextHop>,
    /// Its sender and what was asked for; the recipients in it do not count.
    pub envelope: &'a Envelope,
    /// What MAIL declared with SIZE.
    pub declared_size: Option<u64>,
    /// The first recipient.
    pub recipient: &'a Recipient,
    /// How often to connect (the patent's step 503).
    pub tries: u32,
    /// The longest wait for room in the pool.
    pub busy_wait: Duration,
}

/// Why no transaction was begun.
#[derive(Debug)]
pub enum NotBegun {
    /// The next hop was not reached.
    NoConnection(Outcome),
    /// It was, and said this of the sender or the recipient.
    Answered(Outcome, SocketAddr),
    /// What its content will be is not known, and it does not take everything; why.
    Unsuitable(&'static str),
}

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
    connection: Option<Connection>,
    /// None with it: others may have it.
    room: Option<Room>,
    admission: Admission,
    peer: Peer,
    accepted: usize,
    stuffer: DotStuffer,
    stand: Stand,
}

impl Delivery {
    /// Connects and has the first recipient accepted. Bounded by [`limits::CUT_THROUGH_CONNECT_WAIT`].
    ///
    /// # Errors
    /// Why there is no transaction.
    pub async fn begin(
        self: &Arc<Self>,
        beginning: Beginning<'_>,
    ) -> Result<OpenTransaction, NotBegun> {
        let began = timeout(
            limits::CUT_THROUGH_CONNECT_WAIT,
            self.begin_unbounded(beginning),
        )
        .await
        .unwrap_or_else(|_| {
            self.note_unreached(beginning.next_hop);
            let reply = Reply::new(451, (4, 4, 1), "the next hop did not answer in time");
            Err(NotBegun::NoConnection(Outcome::Deferred(
                DiskReason::Deferred,
                reply,
            )))
        });
        if let Err(NotBegun::NoConnection(outcome) | NotBegun::Answered(outcome, _)) = &began {
            let name = beginning.next_hop.name();
            let known = self.known.using(name, Instant::now());
            known.tally.count([outcome]);
        }
        began
    }

    /// Nobody has connected in all that time.
    fn note_unreached(&self, next_hop: &NextHop) {
        let known = self.known.using(next_hop.name(), Instant::now());
        let approach = Approach {
            delivery: self,
            known: &known,
            next_hop,
            pace: Pace::Fast,
        };
        approach.learn(Event::NoConnection, Admission::Free);
    }

    async fn begin_unbounded(
        self: &Arc<Self>,
        beginning: Beginning<'_>,
    ) -> Result<OpenTransaction, NotBegun> {
        let next_hop = beginning.next_hop;
        let known = self.known.using(next_hop.name(), Instant::now());
        let approach = Approach {
            delivery: self,
            known: &known,
            next_hop,
            pace: Pace::Fast,
        };
        let admission = approach.admission(beginning.busy_wait).await;
        let (room, admission) = admission.map_err(NotBegun::NoConnection)?;
        let connection = match first_recipient_on_idle(&approach, admission, &beginning).await {
            Some(begun) => begun,
            None => first_recipient(&approach, admission, &beginning).await,
        }?;
        Ok(OpenTransaction {
            delivery: Arc::clone(self),
            next_hop: Arc::clone(next_hop),
            peer: Peer::of(&connection),
            connection: Some(connection),
            known,
            room: Some(room),
            admission,
            accepted: 1,
            stuffer: DotStuffer::new(),
            stand: Stand::Envelope,
        })
    }
}

/// None: no connection idled, or it turned out to be dead.
async fn first_recipient_on_idle(
    approach: &Approach<'_>,
    admission: Admission,
    beginning: &Beginning<'_>,
) -> Option<Result<Connection, NotBegun>> {
    let mut connection = approach.idle()?;
    match open_envelope(&mut connection, beginning).await {
        Ok(Opened::Accepted) => Some(Ok(connection)),
        Ok(Opened::Closing(_)) | Err(_) => {
            // The others idled beside it.
            approach.known.pool.discard_idle();
            None
        }
        Ok(Opened::Settled(outcome)) => {
            let peer = connection.peer;
            give_back(approach, admission, connection);
            Some(Err(NotBegun::Answered(outcome, peer)))
        }
        Ok(Opened::Unsuitable(why)) => {
            give_back(approach, admission, connection);
            Some(Err(NotBegun::Unsuitable(why)))
        }
    }
}

/// Steps 501 to 503: connects, and again a moment later where that fails.
async fn first_recipient(
    approach: &Approach<'_>,
    admission: Admission,
    beginning: &Beginning<'_>,
) -> Result<Connection, NotBegun> {
    let mut tried = 0;
    loop {
        let failed = match approach.connect(admission).await {
            Err(failed) => failed,
            Ok(mut connection) => match open_envelope(&mut connection, beginning).await {
                Ok(Opened::Accepted) => return Ok(connection),
                Ok(Opened::Settled(outcome)) => {
                    let peer = connection.peer;
                    give_back(approach, admission, connection);
                    return Err(NotBegun::Answered(outcome, peer));
                }
                Ok(Opened::Unsuitable(why)) => {
                    give_back(approach, admission, connection);
                    return Err(NotBegun::Unsuitable(why));
                }
                Ok(Opened::Closing(outcome)) => {
                    approach.learn(Event::ServiceClosing, admission);
                    NotConnected {
                        outcome,
                        was_tried: false,
                    }
                }
                Err(trouble) => NotConnected {
                    outcome: trouble.outcome(),
                    was_tried: false,
                },
            },
        };
        tried += 1;
        let is_suspended = approach.known.suspended(approach.pace, Instant::now());
        let is_final = !matches!(failed.outcome, Outcome::Deferred(..)) || is_suspended.is_some();
        if is_final || tried >= beginning.tries {
            approach.give_up(&failed, admission);
            return Err(NotBegun::NoConnection(failed.outcome));
        }
        sleep(limits::CUT_THROUGH_TRY_PAUSE).await;
    }
}

/// The server is well, whatever it said of the message.
fn give_back(approach: &Approach<'_>, admission: Admission, connection: Connection) {
    approach.learn(Event::Served, admission);
    approach.known.pool.give_back(connection, Instant::now());
}

/// What a server makes of an envelope with one recipient.
enum Opened {
    Accepted,
    /// It said no or "later".
    Settled(Outcome),
    /// It ended the conversation with 421.
    Closing(Outcome),
    /// It may not take what comes.
    Unsuitable(&'static str),
}

/// MAIL and RCPT, in one write where the server can.
async fn open_envelope(
    connection: &mut Connection,
    beginning: &Beginning<'_>,
) -> Result<Opened, Trouble> {
    let Beginning {
        next_hop,
        envelope,
        declared_size,
        recipient,
        ..
    } = *beginning;
    match fitness(beginning, &connection.capabilities) {
        Ok(()) => {}
        Err(opened) => return Ok(opened),
    }
    let wait = Pace::Fast.command_wait();
    let offered = &connection.capabilities;
    let parameters = MailParameters {
        // Our Received field comes to it.
        size: offered
            .size
            .and(declared_size)
            .map(|size| size + limits::RECEIVED_FIELD_BYTES),
        // What will come is not known: whoever takes 8-bit content is told to expect it.
        body: offered.eight_bit_mime.then_some(BodyType::EightBitMime),
        smtputf8: envelope.smtputf8 && offered.smtputf8,
        ret: envelope.ret.filter(|_| offered.dsn),
        envelope_id: envelope.envelope_id.as_deref().filter(|_| offered.dsn),
    };
    let (dsn, pipelining) = (offered.dsn, offered.pipelining);
    let reset = std::mem::replace(&mut connection.must_reset, true);
    if reset {
        connection.commands().extend_from_slice(b"RSET\r\n");
    }
    command_writer::mail_from(connection.commands(), &envelope.sender, &parameters);
    if pipelining {
        write_recipient(connection, recipient, dsn);
    }
    let sent = connection.send(&[], wait).await;
    if reset {
        connection.reply(wait).await?;
    }
    // A server that hangs up may have said why, even though it did not hear us.
    let reply = connection.reply(wait).await?;
    let refused = verdict(Stage::Mail, &reply);
    if verdicts::is_closing(&reply) {
        return Ok(Opened::Closing(refused.unwrap_or_else(closed)));
    }
    sent?;
    if let Some(outcome) = refused {
        if pipelining {
            connection.reply(wait).await?;
        }
        // On a connection that idled this says nothing of the message.
        let remembers_another = reply.code == 503 && connection.reused;
        return Ok(match remembers_another {
            true => Opened::Closing(outcome),
            false => Opened::Settled(outcome),
        });
    }
    let reply = match pipelining {
        true => connection.reply(wait).await?,
        false => {
            write_recipient(connection, recipient, dsn);
            connection.ask(wait).await?
        }
    };
    tracing::trace!(next_hop = %next_hop.name(), recipient = %recipient.address, %reply, "begun");
    Ok(match verdict(Stage::Recipient, &reply) {
        None => Opened::Accepted,
        Some(outcome) if verdicts::is_closing(&reply) => Opened::Closing(outcome),
        Some(outcome) => Opened::Settled(outcome),
    })
}

fn closed() -> Outcome {
    Trouble::Closed.outcome()
}

fn write_recipient(connection: &mut Connection, recipient: &Recipient, dsn: bool) {
    let parameters = match dsn {
        true => RcptParameters {
            notify: recipient.notify,
            original_recipient: recipient.original_recipient.as_deref(),
        },
        false => RcptParameters::default(),
    };
    command_writer::rcpt_to(connection.commands(), &recipient.address, &parameters);
}

/// Whether a server with these capabilities takes whatever the client is going to send.
fn fitness(beginning: &Beginning<'_>, offered: &Capabilities) -> Result<(), Opened> {
    let Beginning {
        next_hop,
        envelope,
        declared_size,
        recipient,
        ..
    } = *beginning;
    if envelope.smtputf8 && !offered.smtputf8 {
        if envelope.sender.is_ascii() && recipient.address.is_ascii() {
            return Err(Opened::Unsuitable("it does not offer SMTPUTF8"));
        }
        return Err(Opened::Settled(verdicts::no_smtputf8()));
    }
    if !offered.eight_bit_mime && !next_hop.takes_eight_bit {
        return Err(Opened::Unsuitable("it does not offer 8BITMIME"));
    }
    match (declared_size, offered.size) {
        (Some(size), Some(limit)) if limit > 0 && size > limit => {
            Err(Opened::Settled(verdicts::too_large(limit)))
        }
        _ => Ok(()),
    }
}

impl OpenTransaction {
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
        let added = self.ask_for(recipient).await;
        match &added {
            Ok(()) => self.accepted += 1,
            Err(outcome) => self.known.tally.count([outcome]),
        }
        added
    }

    async fn ask_for(&mut self, recipient: &Recipient) -> Result<(), Outcome> {
        let dsn = self.peer.reports;
        self.converse(Stage::Recipient, |connection| {
            write_recipient(connection, recipient, dsn);
        })
        .await
    }

    /// DATA: the content may follow when this comes back well.
    ///
    /// # Errors
    /// What it means for all recipients that it may not.
    pub async fn start_content(&mut self) -> Result<(), Outcome> {
        let started = self
            .converse(Stage::Data, |connection| {
                connection.commands().extend_from_slice(b"DATA\r\n");
            })
            .await;
        if started.is_ok() {
            self.stand = Stand::Underway;
        }
        started
    }

    /// One command and its reply.
    async fn converse(
        &mut self,
        stage: Stage,
        write: impl FnOnce(&mut Connection),
    ) -> Result<(), Outcome> {
        let Some(connection) = &mut self.connection else {
            return Err(closed());
        };
        self.stand = Stand::Underway;
        write(connection);
        match connection.ask(Pace::Fast.command_wait()).await {
            Ok(reply) => {
                let decided = verdict(stage, &reply);
                if verdicts::is_closing(&reply) {
                    self.learn(Event::ServiceClosing);
                    self.sever();
                } else if stage == Stage::Data && reply.is_positive() {
                    // No answer to DATA: what it will take for commands is not known.
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
    /// for [`limits::FAST_BLOCK_WAIT`] in all: others wait with us.
    ///
    /// # Errors
    /// What it means for all recipients that it was not taken: no more is sent then.
    pub async fn send(&mut self, blocks: &[&[u8]]) -> Result<(), Outcome> {
        let mut pieces = Vec::with_capacity(blocks.len() + 1);
        for block in blocks {
            self.stuffer.stuff(block, |piece| pieces.push(piece));
        }
        self.write(&pieces).await
    }

    /// Sends what is left of the content, and its end: the point of no return.
    ///
    /// # Errors
    /// What it means for all recipients that it was not taken.
    pub async fn send_end(&mut self, blocks: &[&[u8]]) -> Result<(), Outcome> {
        let mut pieces = Vec::with_capacity(blocks.len() + 2);
        let mut stuffer = std::mem::take(&mut self.stuffer);
        for block in blocks {
            stuffer.stuff(block, |piece| pieces.push(piece));
        }
        pieces.push(stuffer.finish());
        self.write(&pieces).await?;
        self.stand = Stand::HandedOver;
        Ok(())
    }

    async fn write(&mut self, pieces: &[&[u8]]) -> Result<(), Outcome> {
        let Some(connection) = &mut self.connection else {
            return Err(closed());
        };
        let wait = Pace::Fast.block_wait();
        let sent = timeout(wait, content::send_pieces(connection, pieces, wait)).await;
        let trouble = match sent {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::TimedOut(Wait::Room),
        };
        let outcome = match trouble.is_disconnection() {
            // Some servers refuse in the middle of the data and close.
            true => match connection.reply(Pace::Fast.command_wait()).await {
                Ok(reply) if reply.is_transient() || reply.is_permanent() => {
                    verdict(Stage::EndOfData, &reply)
                }
                _ => None,
            },
            false => None,
        };
        self.sever();
        Err(outcome.unwrap_or_else(|| trouble.outcome()))
    }

    /// Waits for what the server says of the whole, at most for [`limits::AFTER_DOT_WAIT`]. `recipients` are
    /// those that were accepted, in their order, as their places in the envelope.
    pub async fn conclude(mut self, recipients: &[usize]) -> Report {
        let began = Instant::now();
        let outcomes = self.hear().await;
        let now = Instant::now();
        let took = now.saturating_duration_since(began);
        self.known.tally.record(took, now);
        self.report(recipients, outcomes, took)
    }

    /// Ends it without the content's end: everybody has this outcome.
    #[must_use]
    pub fn abandon(self, recipients: &[usize], outcome: &Outcome) -> Report {
        let outcomes = vec![outcome.clone(); self.accepted];
        self.report(recipients, outcomes, Duration::ZERO)
    }

    fn report(&self, recipients: &[usize], outcomes: Vec<Outcome>, took: Duration) -> Report {
        self.known.tally.count(&outcomes);
        Report {
            outcomes: recipients.iter().copied().zip(outcomes).collect(),
            peer: Some(self.peer.address),
            tls: self.peer.tls,
            peer_reports: self.peer.reports,
            took,
        }
    }

    async fn hear(&mut self) -> Vec<Outcome> {
        let Some(mut connection) = self.connection.take() else {
            return vec![closed(); self.accepted];
        };
        let policy = self.next_hop.uncertain;
        let (replies, trouble) = connection.final_replies(self.accepted).await;
        let mut is_sound = trouble.is_none();
        let mut outcomes = Vec::with_capacity(self.accepted);
        for reply in &replies {
            is_sound &= !verdicts::is_closing(reply) && !reply.is_intermediate();
            let outcome = verdict(Stage::EndOfData, reply);
            outcomes.push(outcome.unwrap_or_else(|| Trouble::Closed.outcome_after_the_dot()));
        }
        if replies.iter().any(verdicts::is_closing) {
            self.learn(Event::ServiceClosing);
        } else if is_sound {
            self.learn(Event::Served);
            connection.must_reset = false;
            self.known.pool.give_back(connection, Instant::now());
        }
        let missing = trouble.unwrap_or(Trouble::Closed).outcome_after_the_dot();
        outcomes.resize(self.accepted, missing);
        let outcomes = outcomes.into_iter();
        outcomes
            .map(|outcome| verdicts::under_policy(policy, outcome))
            .collect()
    }

    fn learn(&self, event: Event) {
        let approach = Approach {
            delivery: &self.delivery,
            known: &self.known,
            next_hop: &self.next_hop,
            pace: Pace::Fast,
        };
        approach.learn(event, self.admission);
    }
}

impl Drop for OpenTransaction {
    /// What was only an envelope is reset before the connection's next transaction.
    fn drop(&mut self) {
        if self.stand == Stand::Envelope
            && let Some(connection) = self.connection.take()
        {
            self.learn(Event::Served);
            self.known.pool.give_back(connection, Instant::now());
        }
    }
}
