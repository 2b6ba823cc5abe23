//! One transaction on one connection: the envelope, the content, and everybody's outcome.

use super::connection::Connection;
use super::content::{self, Sent};
use super::conversion::Plan;
use super::envelope::{Exchange, Next};
use super::trouble::Trouble;
use super::verdicts;
use super::{CommitPoint, Errand};
use crate::limits;
use crate::message::{DiskReason, Outcome};
use crate::smtp::Protocol;
use crate::smtp::reply::Reply;

/// What a transaction came to.
#[derive(Debug)]
pub(super) struct Concluded {
    /// In the order of the errand.
    pub(super) outcomes: Vec<Outcome>,
    pub(super) ending: Ending,
}

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It may carry another transaction.
    Reusable,
    /// The server closed it with 421.
    ServiceClosing,
    /// It is of no more use.
    Severed,
    /// It had idled too long: nothing was handed over, and a fresh one may fare better.
    Stale,
}

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It does not know PIPELINING: command by command.
    InTurn,
    /// Everything up to DATA in one write, the content in another.
    Pipelined,
    /// The envelope in one write, the content in one chunk or two behind its replies.
    Chunked,
    /// Envelope and content in one write: nothing comes back before the point of no return.
    ChunkedAtOnce,
}

impl Manner {
    fn choose(connection: &Connection, errand: &Errand, is_converted: bool) -> Self {
        let offered = &connection.capabilities;
        // What is converted has its size only when it is written.
        let chunking = offered.chunking && connection.protocol == Protocol::Smtp && !is_converted;
        if !offered.pipelining {
            Self::InTurn
        } else if !chunking {
            Self::Pipelined
        } else if connection.reused || content::has_first_chunk(&errand.message) {
            // A connection that idled may be dead: on it nothing is handed over before an answer.
            // And much content is not sent before anybody is accepted.
            Self::Chunked
        } else {
            Self::ChunkedAtOnce
        }
    }

    fn has_data(self) -> bool {
        matches!(self, Self::InTurn | Self::Pipelined)
    }
}

struct Transaction<'a, P> {
    connection: &'a mut Connection,
    errand: &'a Errand,
    point: &'a P,
    exchange: Exchange<'a>,
    /// How the content is converted on its way; none: it is sent as it is.
    conversion: Option<Plan>,
    /// None: its end was not reached.
    content: Option<Sent>,
}

/// Conducts the errand's transaction on `connection`.
pub(super) async fn conduct<P: CommitPoint>(
    connection: &mut Connection,
    errand: &Errand,
    point: &P,
) -> Concluded {
    let conversion = match verdicts::unfit(&errand.message, &connection.capabilities) {
        None => content::conversion(errand, &connection.capabilities).await,
        Some(outcome) => Err(outcome),
    };
    let conversion = match conversion {
        Ok(conversion) => conversion,
        Err(outcome) => {
            return Concluded {
                outcomes: vec![outcome; errand.recipients.len()],
                ending: Ending::Reusable,
            };
        }
    };
    let converted_bytes = conversion.as_ref().map(Plan::bytes);
    let exchange = Exchange::new(errand, &connection.capabilities, converted_bytes);
    let mut transaction = Transaction {
        connection,
        errand,
        point,
        exchange,
        conversion,
        content: None,
    };
    let conducted = transaction.run().await;
    transaction.conclude(conducted)
}

impl<P: CommitPoint> Transaction<'_, P> {
    async fn run(&mut self) -> Result<(), Trouble> {
        let manner = Manner::choose(self.connection, self.errand, self.conversion.is_some());
        match manner {
            Manner::InTurn => self.speak_in_turn().await?,
            Manner::Pipelined | Manner::Chunked => self.speak_in_one(manner.has_data()).await?,
            Manner::ChunkedAtOnce => return self.send_all_at_once().await,
        }
        match self.exchange.next() {
            Next::Content => {}
            Next::Nothing => {
                self.connection.must_reset = self.exchange.has_begun();
                return Ok(());
            }
            Next::Leave => return Ok(()),
        }
        if self.send_content(manner).await? == Sent::HandedOver {
            self.hear_verdict(manner).await?;
        }
        Ok(())
    }

    async fn hear_verdict(&mut self, manner: Manner) -> Result<(), Trouble> {
        if !manner.has_data() && content::has_first_chunk(&self.errand.message) {
            let reply = self.connection.reply(limits::AFTER_DOT_WAIT).await?;
            if !reply.is_positive() {
                // Without it the rest is no message, whatever is said of that.
                self.exchange.take_final(&reply);
            }
            if self.exchange.is_closing() {
                return Ok(());
            }
        }
        self.take_finals(manner).await
    }

    async fn speak_in_turn(&mut self) -> Result<(), Trouble> {
        let wait = self.errand.pace.command_wait();
        let reset = std::mem::take(&mut self.connection.must_reset);
        for step in self.exchange.steps(reset, true) {
            if self.exchange.is_closing() || !self.exchange.wants(step) {
                break;
            }
            self.exchange.write(step, self.connection.commands());
            let reply = self.connection.ask(wait).await?;
            self.exchange.take(step, &reply);
        }
        Ok(())
    }

    async fn speak_in_one(&mut self, data: bool) -> Result<(), Trouble> {
        let wait = self.errand.pace.command_wait();
        let reset = std::mem::take(&mut self.connection.must_reset);
        for step in self.exchange.steps(reset, data) {
            self.exchange.write(step, self.connection.commands());
        }
        // A server that hangs up may have said why, even though it did not hear us.
        let sent = self.connection.send(&[], wait).await;
        for step in self.exchange.steps(reset, data) {
            if self.exchange.is_closing() {
                break;
            }
            let reply = self.connection.reply(wait).await?;
            self.exchange.take(step, &reply);
        }
        sent
    }

    async fn send_content(&mut self, manner: Manner) -> Result<Sent, Trouble> {
        let (errand, wait) = (self.errand, self.errand.pace.block_wait());
        let sent = if let Some(plan) = self.conversion.take() {
            content::send_converted(self.connection, errand, plan, self.point, wait).await
        } else if manner.has_data() {
            content::send_after_data(self.connection, errand, self.point, wait).await
        } else {
            content::send_chunks(self.connection, errand, self.point, wait).await
        };
        match &sent {
            Ok(sent) => self.note(*sent),
            Err(trouble) if trouble.is_disconnection() => self.hear_why().await,
            Err(_) => {}
        }
        sent
    }

    fn note(&mut self, sent: Sent) {
        self.content = Some(sent);
        if sent == Sent::Withdrawn {
            self.exchange.decide_rest(&withdrawn());
        }
    }

    /// Some servers refuse in the middle of the data and close.
    async fn hear_why(&mut self) {
        let reply = self.connection.reply(self.errand.pace.command_wait()).await;
        if let Ok(reply) = reply
            && (reply.is_transient() || reply.is_permanent())
        {
            self.exchange.take_final(&reply);
        }
    }

    /// Only on a connection opened for this message (section 5 of the design).
    async fn send_all_at_once(&mut self) -> Result<(), Trouble> {
        for step in self.exchange.steps(false, false) {
            self.exchange.write(step, self.connection.commands());
        }
        if self.send_content(Manner::ChunkedAtOnce).await? == Sent::Withdrawn {
            return Ok(());
        }
        for step in self.exchange.steps(false, false) {
            let reply = self.connection.reply(limits::AFTER_DOT_WAIT).await?;
            self.exchange.take(step, &reply);
            if self.exchange.is_closing() {
                return Ok(());
            }
        }
        self.take_finals(Manner::ChunkedAtOnce).await
    }

    async fn take_finals(&mut self, manner: Manner) -> Result<(), Trouble> {
        let accepted = self.exchange.accepted();
        let (replies, trouble) = self.connection.final_replies(accepted).await;
        self.exchange.take_finals(&replies);
        // RFC 3030 §2: after a failed chunk the state is open, after a failed DATA it is not.
        let is_positive = replies.iter().all(Reply::is_positive);
        self.connection.must_reset = !manner.has_data() && !is_positive;
        trouble.map_or(Ok(()), Err)
    }

    fn conclude(self, conducted: Result<(), Trouble>) -> Concluded {
        let ending = self.ending(&conducted);
        let missing = match &conducted {
            Err(trouble) if self.is_handed_over() => trouble.outcome_after_the_dot(),
            Err(trouble) => trouble.outcome(),
            // Not reached: a conversation in good order has decided for everybody.
            Ok(()) => Trouble::Closed.outcome(),
        };
        let policy = self.errand.next_hop.uncertain;
        let outcomes = self.exchange.into_outcomes(&missing).into_iter();
        Concluded {
            outcomes: outcomes
                .map(|outcome| verdicts::under_policy(policy, outcome))
                .collect(),
            ending,
        }
    }

    fn is_handed_over(&self) -> bool {
        self.content == Some(Sent::HandedOver)
    }

    fn ending(&self, conducted: &Result<(), Trouble>) -> Ending {
        let may_retry = self.connection.reused && !self.is_handed_over();
        if may_retry && self.exchange.is_turned_away() {
            return Ending::Stale;
        }
        if self.exchange.is_closing() {
            return Ending::ServiceClosing;
        }
        match conducted {
            Err(trouble) if may_retry && trouble.is_disconnection() => match self.exchange.next() {
                Next::Content => Ending::Stale,
                Next::Nothing | Next::Leave => Ending::Severed,
            },
            Err(_) => Ending::Severed,
            Ok(()) if self.content == Some(Sent::Withdrawn) => Ending::Severed,
            Ok(()) => match self.exchange.next() {
                Next::Nothing => Ending::Reusable,
                Next::Content | Next::Leave => Ending::Severed,
            },
        }
    }
}

/// The client went away, or took the message back.
fn withdrawn() -> Outcome {
    let words = "withdrawn before the end of data";
    Outcome::Deferred(DiskReason::Deferred, Reply::new(451, (4, 4, 2), words))
}
