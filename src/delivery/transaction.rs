//! One transaction on one connection: the envelope, the content, and everybody's outcome.

use super::connection::ServerConnection;
use super::content::{self, ContentSent};
use super::conversation_error::ConversationError;
use super::conversion::ConversionPlan;
use super::envelope::{AfterEnvelope, EnvelopeExchange};
use super::request::{CommitPoint, DeliveryRequest};
use super::verdicts;
use crate::message::Outcome;
use crate::smtp::reply::Reply;

/// What a transaction came to.
#[derive(Debug)]
pub(super) struct Concluded {
    /// In the order of the request.
    pub(super) outcomes: Vec<Outcome>,
    pub(super) ending: ConnectionFate,
}

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionFate {
    /// It may carry another transaction.
    Reusable,
    /// The server closed it with 421.
    ServiceClosing,
    /// It is of no more use.
    Severed,
    /// It had idled too long: nothing was handed over, and a fresh one may fare better.
    Stale,
}

struct Transaction<'a, P> {
    connection: &'a mut ServerConnection,
    request: &'a DeliveryRequest,
    point: &'a P,
    exchange: EnvelopeExchange<'a>,
    /// How the content is converted on its way; none: it is sent as it is.
    conversion: Option<ConversionPlan>,
    /// None: its end was not reached.
    content: Option<ContentSent>,
    /// The server said in the middle of the content that it does not take it.
    answered_early: bool,
    /// What was said is known to be of this message: a 354 is the answer to DATA and to nothing else. On a
    /// fresh connection nothing can be left of another one.
    is_agreed: bool,
}

/// Conducts the request's transaction on `connection`.
pub(super) async fn conduct<P: CommitPoint>(
    connection: &mut ServerConnection,
    request: &DeliveryRequest,
    point: &P,
) -> Concluded {
    let conversion = match verdicts::unfit(&request.message, &connection.capabilities) {
        None => content::conversion(request, &connection.capabilities).await,
        Some(outcome) => Err(outcome),
    };
    let conversion = match conversion {
        Ok(conversion) => conversion,
        Err(outcome) => {
            return Concluded {
                outcomes: vec![outcome; request.recipients.len()],
                ending: ConnectionFate::Reusable,
            };
        }
    };
    let converted_bytes = conversion.as_ref().map(|plan| plan.bytes);
    let exchange = EnvelopeExchange::new(request, &connection.capabilities, converted_bytes);
    let is_agreed = !connection.reused;
    let mut transaction = Transaction {
        connection,
        request,
        point,
        exchange,
        conversion,
        content: None,
        answered_early: false,
        is_agreed,
    };
    let conducted = transaction.run().await;
    transaction.conclude(conducted)
}

impl<P: CommitPoint> Transaction<'_, P> {
    async fn run(&mut self) -> Result<(), ConversationError> {
        match self.connection.capabilities.pipelining {
            true => self.speak_in_one().await?,
            false => self.speak_in_turn().await?,
        }
        match self.exchange.next() {
            AfterEnvelope::Content => self.is_agreed = true,
            AfterEnvelope::Nothing => {
                self.connection.must_reset = self.exchange.has_begun();
                // A reply too many would mean that they were taken for those of others.
                self.connection.is_quiet()?;
                return self.agree_on_refusals().await;
            }
            AfterEnvelope::Leave => {
                self.is_agreed |= !self.exchange.is_closing();
                return Ok(());
            }
        }
        if self.send_content().await? == ContentSent::HandedOver {
            self.take_finals().await?;
        }
        Ok(())
    }

    async fn speak_in_turn(&mut self) -> Result<(), ConversationError> {
        let wait = self.request.timeouts.command_wait();
        let reset = std::mem::take(&mut self.connection.must_reset);
        for step in self.exchange.steps(reset) {
            if self.exchange.is_closing() || !self.exchange.wants(step) {
                break;
            }
            let asked = self.connection.ask(step.stage(), wait, |commands| {
                self.exchange.write(step, commands);
            });
            let reply = asked.await?;
            self.exchange.take(step, &reply);
        }
        Ok(())
    }

    /// RFC 2920 §3.1: everything up to DATA in one write. The 354 behind the other replies is what both
    /// sides must agree on before there is content: nothing else is answered with it.
    async fn speak_in_one(&mut self) -> Result<(), ConversationError> {
        let wait = self.request.timeouts.command_wait();
        let reset = std::mem::take(&mut self.connection.must_reset);
        let mut unanswered = Vec::with_capacity(self.request.recipients.len() + 3);
        for step in self.exchange.steps(reset) {
            let command = self.connection.command(step.stage(), |commands| {
                self.exchange.write(step, commands);
            });
            unanswered.push((step, command));
        }
        let broken = self.connection.send_commands(wait).await?;
        for (step, command) in unanswered {
            if self.exchange.is_closing() {
                break;
            }
            let reply = self.connection.reply(command, wait).await?;
            self.exchange.take(step, &reply);
        }
        broken.map_or(Ok(()), Err)
    }

    /// Nobody is left to have the content, and no 354 has shown that both sides speak of the same commands. A
    /// connection that was used before may be too old for its server, or a reply too many may be left of the
    /// last message: then a refusal is not one of this message.
    async fn agree_on_refusals(&mut self) -> Result<(), ConversationError> {
        if !self.is_agreed && self.exchange.is_any_refused() {
            let wait = self.request.timeouts.command_wait();
            self.connection.agree(wait).await?;
            self.is_agreed = true;
        }
        Ok(())
    }

    async fn send_content(&mut self) -> Result<ContentSent, ConversationError> {
        let (request, wait) = (self.request, self.request.timeouts.block_wait());
        let sent = if let Some(plan) = self.conversion.take() {
            content::send_converted(self.connection, request, plan, self.point, wait).await
        } else {
            content::send_after_data(self.connection, request, self.point, wait).await
        };
        match &sent {
            Ok(ContentSent::Withdrawn) => {
                // The client went away, or took the message back.
                let withdrawn = verdicts::deferred(Reply::WITHDRAWN);
                self.exchange.decide_rest(&withdrawn);
            }
            Ok(ContentSent::HandedOver) => {}
            Err(trouble) => {
                let wait = request.timeouts.command_wait();
                if let Some(reply) = self.connection.said_instead(trouble, wait).await {
                    self.answered_early = true;
                    self.exchange.take_final(&reply);
                }
            }
        }
        self.content = sent.as_ref().ok().copied();
        sent
    }

    async fn take_finals(&mut self) -> Result<(), ConversationError> {
        let accepted = self.exchange.accepted();
        let replies = self.connection.final_replies(accepted).await?;
        self.exchange.take_finals(&replies);
        Ok(())
    }

    fn conclude(mut self, conducted: Result<(), ConversationError>) -> Concluded {
        let ending = self.ending(&conducted);
        if let Err(trouble) = &conducted
            && self.is_disputed(trouble)
        {
            self.exchange.forget();
        }
        if !self.is_agreed {
            self.exchange.forget_refusals();
        }
        let missing = match &conducted {
            Err(trouble) if self.is_handed_over() => {
                trouble.outcome_after_the_dot(self.request.next_hop.uncertain)
            }
            Err(trouble) => trouble.outcome(),
            // Not reached: a conversation in good order has decided for everybody.
            Ok(()) => ConversationError::Closed.outcome(),
        };
        Concluded {
            outcomes: self.exchange.into_outcomes(&missing),
            ending,
        }
    }

    fn is_handed_over(&self) -> bool {
        self.content == Some(ContentSent::HandedOver)
    }

    /// Nothing that was said of the recipients can be relied on. Once the content was asked for, both
    /// sides agreed on who is to have it.
    fn is_disputed(&self, trouble: &ConversationError) -> bool {
        trouble.is_disagreement() && !self.is_handed_over() && !self.answered_early
    }

    fn ending(&self, conducted: &Result<(), ConversationError>) -> ConnectionFate {
        let may_retry = self.connection.reused && !self.is_handed_over();
        if may_retry && self.exchange.is_turned_away() {
            return ConnectionFate::Stale;
        }
        if self.exchange.is_closing() {
            return ConnectionFate::ServiceClosing;
        }
        match conducted {
            Err(trouble) if may_retry && self.is_disputed(trouble) => ConnectionFate::Stale,
            Err(trouble) if may_retry && trouble.is_disconnection() => ConnectionFate::Stale,
            Err(ConversationError::Unasked(Some(reply))) if verdicts::is_closing(reply) => {
                ConnectionFate::ServiceClosing
            }
            Err(_) => ConnectionFate::Severed,
            Ok(()) if self.content == Some(ContentSent::Withdrawn) => ConnectionFate::Severed,
            Ok(()) if self.exchange.next() == AfterEnvelope::Nothing => ConnectionFate::Reusable,
            Ok(()) => ConnectionFate::Severed,
        }
    }
}
