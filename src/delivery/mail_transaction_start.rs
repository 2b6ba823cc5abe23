//! The start of a transaction that grows with a client's: a connection, MAIL and the first recipient
//! (Figure 5 of the patent, steps 501–503).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, sleep, timeout};

use super::approach::{Approach, NotConnected};
use super::breaker::{Admission, BreakerEvent};
use super::connection::ServerConnection;
use super::conversation_error::ConversationError;
use super::envelope::write_recipient;
use super::open_transaction::{Begun, OpenTransaction};
use super::verdicts::{self, SmtpStage, verdict};
use super::{Delivery, TimeoutProfile};
use crate::limits;
use crate::message::{DiskReason, Envelope, Outcome, Recipient};
use crate::settings::NextHop;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::command::BodyType;
use crate::smtp::command_writer::{self, MailParameters};
use crate::smtp::reply::Reply;

/// How a transaction begins: with its first recipient.
#[derive(Clone, Copy, Debug)]
pub struct MailTransactionStart<'a> {
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
pub enum StartError {
    /// The next hop was not reached.
    NoConnection(Outcome),
    /// It was, and said this of the sender or the recipient.
    Answered(Outcome, SocketAddr),
    /// What its content will be is not known, and it does not take everything; why.
    Unsuitable(&'static str),
}

impl Delivery {
    /// Connects and has the first recipient accepted. Bounded by [`limits::CUT_THROUGH_CONNECT_WAIT`].
    ///
    /// # Errors
    /// Why there is no transaction.
    pub async fn begin(
        self: &Arc<Self>,
        start: MailTransactionStart<'_>,
    ) -> Result<OpenTransaction, StartError> {
        let began = timeout(
            limits::CUT_THROUGH_CONNECT_WAIT,
            self.begin_unbounded(start),
        )
        .await
        .unwrap_or_else(|_| {
            self.note_unreached(start.next_hop);
            let reply = Reply::NEXT_HOP_NOT_IN_TIME;
            Err(StartError::NoConnection(Outcome::Deferred(
                DiskReason::Deferred,
                reply,
            )))
        });
        if let Err(StartError::NoConnection(outcome) | StartError::Answered(outcome, _)) = &began {
            let name = start.next_hop.name();
            let known = self.known.using(name, Instant::now());
            known.counters.count([outcome]);
        }
        began
    }

    /// No server has connected in all that time.
    fn note_unreached(&self, next_hop: &NextHop) {
        let known = self.known.using(next_hop.name(), Instant::now());
        let approach = Approach {
            delivery: self,
            known: &known,
            next_hop,
            timeouts: TimeoutProfile::Fast,
        };
        approach.learn(BreakerEvent::NoConnection, Admission::Probe);
    }

    async fn begin_unbounded(
        self: &Arc<Self>,
        start: MailTransactionStart<'_>,
    ) -> Result<OpenTransaction, StartError> {
        let next_hop = start.next_hop;
        let known = self.known.using(next_hop.name(), Instant::now());
        let approach = Approach {
            delivery: self,
            known: &known,
            next_hop,
            timeouts: TimeoutProfile::Fast,
        };
        let admission = approach.admission(start.busy_wait).await;
        let (room, admission) = admission.map_err(StartError::NoConnection)?;
        let connection = match first_recipient_on_idle(&approach, admission, &start).await {
            Some(begun) => begun,
            None => first_recipient(&approach, admission, &start).await,
        }?;
        Ok(OpenTransaction::begun(Begun {
            delivery: Arc::clone(self),
            next_hop: Arc::clone(next_hop),
            known,
            connection,
            room,
            admission,
        }))
    }
}

/// None: no connection idled, or it turned out to be dead.
async fn first_recipient_on_idle(
    approach: &Approach<'_>,
    admission: Admission,
    start: &MailTransactionStart<'_>,
) -> Option<Result<ServerConnection, StartError>> {
    let mut connection = approach.idle().await?;
    match open_envelope(&mut connection, start).await {
        Ok(EnvelopeAnswer::Accepted) => Some(Ok(connection)),
        Ok(EnvelopeAnswer::Closing(_)) | Err(_) => {
            // The others idled beside it.
            approach.known.pool.discard_idle();
            None
        }
        Ok(EnvelopeAnswer::Settled(outcome)) => {
            // It may have been said of what the connection carried before, or of its age.
            let is_of_this = match outcome {
                Outcome::Refused(_) => {
                    let agreed = connection.agree(limits::CUT_THROUGH_REPLY_WAIT).await;
                    agreed.is_ok()
                }
                _ => connection.is_settled(),
            };
            if !is_of_this {
                approach.known.pool.discard_idle();
                return None;
            }
            let peer = connection.peer;
            give_back(approach, admission, connection);
            Some(Err(StartError::Answered(outcome, peer)))
        }
        Ok(EnvelopeAnswer::Unsuitable(why)) => {
            give_back(approach, admission, connection);
            Some(Err(StartError::Unsuitable(why)))
        }
    }
}

/// Steps 501 to 503: connects, and again a moment later where that fails.
async fn first_recipient(
    approach: &Approach<'_>,
    admission: Admission,
    start: &MailTransactionStart<'_>,
) -> Result<ServerConnection, StartError> {
    let mut tried = 0;
    loop {
        let failed = match approach.connect(admission).await {
            Err(failed) => failed,
            Ok(mut connection) => match open_envelope(&mut connection, start).await {
                Ok(EnvelopeAnswer::Accepted) => return Ok(connection),
                Ok(EnvelopeAnswer::Settled(outcome)) => {
                    let peer = connection.peer;
                    give_back(approach, admission, connection);
                    return Err(StartError::Answered(outcome, peer));
                }
                Ok(EnvelopeAnswer::Unsuitable(why)) => {
                    give_back(approach, admission, connection);
                    return Err(StartError::Unsuitable(why));
                }
                Ok(EnvelopeAnswer::Closing(outcome)) => {
                    let event = Some(BreakerEvent::ServiceClosing);
                    NotConnected { outcome, event }
                }
                Err(trouble) => NotConnected {
                    outcome: trouble.outcome(),
                    event: None,
                },
            },
        };
        tried += 1;
        let is_suspended = approach.known.suspended(approach.timeouts, Instant::now());
        let is_final = !matches!(failed.outcome, Outcome::Deferred(..)) || is_suspended.is_some();
        if is_final || tried >= start.tries {
            approach.give_up(&failed, admission);
            return Err(StartError::NoConnection(failed.outcome));
        }
        sleep(limits::CUT_THROUGH_TRY_PAUSE).await;
    }
}

/// The server is well, whatever it said of the message.
fn give_back(approach: &Approach<'_>, admission: Admission, connection: ServerConnection) {
    approach.learn(BreakerEvent::Served, admission);
    approach.known.pool.give_back(connection, Instant::now());
}

/// What a server makes of an envelope with one recipient.
enum EnvelopeAnswer {
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
    connection: &mut ServerConnection,
    start: &MailTransactionStart<'_>,
) -> Result<EnvelopeAnswer, ConversationError> {
    let MailTransactionStart {
        next_hop,
        envelope,
        recipient,
        ..
    } = *start;
    if let Err(answer) = fitness(start, &connection.capabilities) {
        return Ok(answer);
    }
    let wait = limits::CUT_THROUGH_REPLY_WAIT;
    let offered = &connection.capabilities;
    let parameters = mail_parameters(start, offered);
    let (dsn, pipelining) = (offered.dsn, offered.pipelining);
    let reset = std::mem::replace(&mut connection.must_reset, true);
    let reset = reset.then(|| {
        connection.command(SmtpStage::Reset, |commands| {
            commands.extend_from_slice(b"RSET\r\n")
        })
    });
    let mail = connection.command(SmtpStage::Mail, |commands| {
        command_writer::mail_from(commands, &envelope.sender, &parameters);
    });
    let write = |commands: &mut BytesMut| write_recipient(commands, recipient, dsn);
    let rcpt = pipelining.then(|| connection.command(SmtpStage::Recipient, write));
    let broken = connection.send_commands(wait).await?;
    if let Some(reset) = reset {
        connection.reply(reset, wait).await?;
    }
    let reply = connection.reply(mail, wait).await?;
    let refused = verdict(SmtpStage::Mail, &reply);
    if verdicts::is_closing(&reply) {
        return Ok(EnvelopeAnswer::Closing(
            refused.unwrap_or_else(|| ConversationError::Closed.outcome()),
        ));
    }
    if let Some(trouble) = broken {
        return Err(trouble);
    }
    if let Some(outcome) = refused {
        if let Some(rcpt) = rcpt
            && connection.reply(rcpt, wait).await.is_err()
        {
            // It said what it had to say.
            return Ok(EnvelopeAnswer::Settled(outcome));
        }
        // On a connection that idled this says nothing of the message.
        let remembers_another = reply.code == 503 && connection.reused;
        return Ok(match remembers_another {
            true => EnvelopeAnswer::Closing(outcome),
            false => EnvelopeAnswer::Settled(outcome),
        });
    }
    let reply = match rcpt {
        Some(rcpt) => connection.reply(rcpt, wait).await?,
        None => connection.ask(SmtpStage::Recipient, wait, write).await?,
    };
    tracing::trace!(next_hop = %next_hop.name(), recipient = %recipient.address, %reply, "begun");
    Ok(match verdict(SmtpStage::Recipient, &reply) {
        None => EnvelopeAnswer::Accepted,
        Some(outcome) if verdicts::is_closing(&reply) => EnvelopeAnswer::Closing(outcome),
        Some(outcome) => EnvelopeAnswer::Settled(outcome),
    })
}

/// Every parameter that the client's MAIL has and the server knows.
fn mail_parameters<'a>(
    start: &MailTransactionStart<'a>,
    offered: &Capabilities,
) -> MailParameters<'a> {
    let MailTransactionStart {
        envelope,
        declared_size,
        ..
    } = *start;
    MailParameters {
        // Our Received field comes to it.
        size: offered
            .size
            .and(declared_size)
            .map(|size| size + limits::RECEIVED_FIELD_BYTES),
        // What will come is not known: a server that takes 8-bit content is to expect it.
        body: offered.eight_bit_mime.then_some(BodyType::EightBitMime),
        smtputf8: envelope.smtputf8 && offered.smtputf8,
        ret: envelope.ret.filter(|_| offered.dsn),
        envelope_id: envelope.envelope_id.as_deref().filter(|_| offered.dsn),
    }
}

/// Whether a server with these capabilities takes whatever the client is going to send.
fn fitness(start: &MailTransactionStart<'_>, offered: &Capabilities) -> Result<(), EnvelopeAnswer> {
    let MailTransactionStart {
        next_hop,
        envelope,
        declared_size,
        recipient,
        ..
    } = *start;
    if envelope.smtputf8 && !offered.smtputf8 {
        if !envelope.sender.needs_smtputf8() && !recipient.address.needs_smtputf8() {
            return Err(EnvelopeAnswer::Unsuitable("it does not offer SMTPUTF8"));
        }
        return Err(EnvelopeAnswer::Settled(verdicts::no_smtputf8()));
    }
    if !offered.eight_bit_mime && !next_hop.takes_eight_bit {
        return Err(EnvelopeAnswer::Unsuitable("it does not offer 8BITMIME"));
    }
    match (declared_size, offered.size) {
        (Some(size), Some(limit)) if limit > 0 && size > limit => {
            Err(EnvelopeAnswer::Settled(verdicts::too_large(limit)))
        }
        _ => Ok(()),
    }
}
