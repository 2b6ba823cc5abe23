//! The start of a transaction that grows with a client's: a connection, MAIL and the first recipient
//! (Figure 5 of the patent, steps 501–503).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, sleep, timeout};

use super::Delivery;
use super::approach::{Approach, NotConnected};
use super::breaker::{Admission, BreakerEvent};
use super::connection::ServerConnection;
use super::conversation_error::ConversationError;
use super::envelope::write_recipient;
use super::open_transaction::OpenTransaction;
use super::request::TimeoutProfile;
use super::verdicts::{self, SmtpStage, verdict};
use crate::limits;
use crate::message::{Envelope, Outcome, Recipient};
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
        let known = self.known.using(start.next_hop.name(), Instant::now());
        let approach = Approach {
            delivery: self,
            known: &known,
            next_hop: start.next_hop,
            timeouts: TimeoutProfile::Fast,
        };
        let beginning = begin_unbounded(approach, &start);
        let began = timeout(limits::CUT_THROUGH_CONNECT_WAIT, beginning)
            .await
            .unwrap_or_else(|_| {
                // No server has connected in all that time.
                approach.learn(BreakerEvent::NoConnection, Admission::Probe);
                let outcome = verdicts::deferred(Reply::NEXT_HOP_NOT_IN_TIME);
                Err(StartError::NoConnection(outcome))
            });
        if let Err(StartError::NoConnection(outcome) | StartError::Answered(outcome, _)) = &began {
            known.counters.count([outcome]);
        }
        began
    }
}

async fn begin_unbounded(
    approach: Approach<'_>,
    start: &MailTransactionStart<'_>,
) -> Result<OpenTransaction, StartError> {
    let admission = approach.admission(start.busy_wait).await;
    let (room, admission) = admission.map_err(StartError::NoConnection)?;
    let first = FirstRecipient {
        approach,
        admission,
        start,
    };
    let connection = match first.on_idle_connection().await {
        Some(begun) => begun,
        None => first.on_fresh_connection().await,
    }?;
    Ok(OpenTransaction::begun(
        approach,
        start.next_hop,
        connection,
        room,
        admission,
    ))
}

/// A first recipient for whom there is room at its next hop.
struct FirstRecipient<'a> {
    approach: Approach<'a>,
    admission: Admission,
    start: &'a MailTransactionStart<'a>,
}

impl FirstRecipient<'_> {
    /// None: no connection idled, or it turned out to be dead.
    async fn on_idle_connection(&self) -> Option<Result<ServerConnection, StartError>> {
        let mut connection = self.approach.idle().await?;
        let (error, is_of_this) = match open_envelope(&mut connection, self.start).await {
            Ok(EnvelopeAnswer::Accepted) => return Some(Ok(connection)),
            Ok(EnvelopeAnswer::Closing(_)) | Err(_) => (None, false),
            // It may have been said of what the connection carried before, or of its age.
            Ok(EnvelopeAnswer::Failed(error)) => {
                let is_of_this = match &error {
                    StartError::Answered(Outcome::Refused(_), _) => {
                        let agreed = connection.agree(limits::CUT_THROUGH_REPLY_WAIT).await;
                        agreed.is_ok()
                    }
                    StartError::Answered(..) => connection.is_settled(),
                    StartError::NoConnection(_) | StartError::Unsuitable(_) => true,
                };
                (Some(error), is_of_this)
            }
        };
        match error.filter(|_| is_of_this) {
            Some(error) => {
                self.give_back(connection);
                Some(Err(error))
            }
            None => {
                // The others idled beside it.
                self.approach.known.pool.discard_idle();
                None
            }
        }
    }

    /// Steps 501 to 503: connects, and again a moment later where that fails.
    async fn on_fresh_connection(&self) -> Result<ServerConnection, StartError> {
        let Self {
            approach,
            admission,
            start,
        } = *self;
        let mut tried = 0;
        loop {
            let failed = match approach.connect(admission).await {
                Err(failed) => failed,
                Ok(mut connection) => match open_envelope(&mut connection, start).await {
                    Ok(EnvelopeAnswer::Accepted) => return Ok(connection),
                    Ok(EnvelopeAnswer::Failed(error)) => {
                        self.give_back(connection);
                        return Err(error);
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
            let may_change = matches!(failed.outcome, Outcome::Deferred(..));
            if !may_change || approach.is_suspended() || tried >= start.tries {
                approach.give_up(&failed, admission);
                return Err(StartError::NoConnection(failed.outcome));
            }
            sleep(limits::CUT_THROUGH_TRY_PAUSE).await;
        }
    }

    /// The server is well, whatever it said of the message.
    fn give_back(&self, connection: ServerConnection) {
        let Approach {
            delivery, known, ..
        } = self.approach;
        delivery.served(known, connection, self.admission);
    }
}

/// What a server makes of an envelope with one recipient.
enum EnvelopeAnswer {
    Accepted,
    /// It said no or "later", or may not take what comes.
    Failed(StartError),
    /// It ended the conversation with 421.
    Closing(Outcome),
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
    let peer = connection.peer;
    let failed = |outcome| EnvelopeAnswer::Failed(StartError::Answered(outcome, peer));
    if let Some(error) = unfit(start, connection) {
        return Ok(EnvelopeAnswer::Failed(error));
    }
    let wait = limits::CUT_THROUGH_REPLY_WAIT;
    let offered = &connection.capabilities;
    let parameters = mail_parameters(start, offered);
    let (dsn, pipelining) = (offered.dsn, offered.pipelining);
    let reset = std::mem::replace(&mut connection.must_reset, true);
    let write = |commands: &mut BytesMut| commands.extend_from_slice(b"RSET\r\n");
    let reset = reset.then(|| connection.command(SmtpStage::Reset, write));
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
            return Ok(failed(outcome));
        }
        // On a connection that idled this says nothing of the message.
        let remembers_another = reply.code == 503 && connection.reused;
        return Ok(match remembers_another {
            true => EnvelopeAnswer::Closing(outcome),
            false => failed(outcome),
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
        Some(outcome) => failed(outcome),
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

/// Why a server may not take whatever the client is going to send; none when it does.
fn unfit(start: &MailTransactionStart<'_>, connection: &ServerConnection) -> Option<StartError> {
    let MailTransactionStart {
        envelope,
        recipient,
        ..
    } = *start;
    let offered = &connection.capabilities;
    let refused = |outcome| StartError::Answered(outcome, connection.peer);
    if envelope.smtputf8 && !offered.smtputf8 {
        if !envelope.sender.needs_smtputf8() && !recipient.address.needs_smtputf8() {
            return Some(StartError::Unsuitable("it does not offer SMTPUTF8"));
        }
        return Some(refused(verdicts::no_smtputf8()));
    }
    if !offered.eight_bit_mime && !start.next_hop.takes_eight_bit {
        return Some(StartError::Unsuitable("it does not offer 8BITMIME"));
    }
    verdicts::too_large(start.declared_size?, offered.size).map(refused)
}
