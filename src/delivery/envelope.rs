//! The commands of a transaction up to its content, and what their replies mean. Pure: the same for a
//! server that is spoken to in batches and for one that is spoken to in turn.

use std::borrow::Cow;

use bytes::BytesMut;

use super::request::DeliveryRequest;
use super::verdicts::{self, SmtpStage, verdict};
use crate::limits;
use crate::message::{Outcome, Recipient};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::command::BodyType;
use crate::smtp::command_writer::{self, MailParameters, RcptParameters};
use crate::smtp::reply::Reply;

/// One command that is answered by one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvelopeStep {
    /// RSET, for what the transaction before left open.
    Reset,
    Mail,
    /// RCPT for the request's recipient at this position.
    Recipient(usize),
    Data,
}

impl EnvelopeStep {
    /// What its reply answers.
    pub(super) fn stage(self) -> SmtpStage {
        match self {
            Self::Reset => SmtpStage::Reset,
            Self::Mail => SmtpStage::Mail,
            Self::Recipient(_) => SmtpStage::Recipient,
            Self::Data => SmtpStage::Data,
        }
    }
}

/// What is to be done when all the replies are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterEnvelope {
    /// Somebody is accepted: send the content.
    Content,
    /// Everybody's outcome is known, and the server waits for the next command.
    Nothing,
    /// Everybody's outcome is known, and the conversation cannot go on.
    Leave,
}

/// How the server stands to the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConversationState {
    Sound,
    /// It said 421.
    Closing,
    /// It wants content, and nobody is there to have it.
    Astray,
}

/// The exchange with the server, and what is decided so far.
#[derive(Debug)]
pub(super) struct EnvelopeExchange<'a> {
    request: &'a DeliveryRequest,
    mail: MailParameters<'a>,
    dsn: bool,
    state: ConversationState,
    /// MAIL was accepted.
    begun: bool,
    /// Not even MAIL was considered: 421, or 503 from a server that remembers another transaction.
    turned_away: bool,
    /// In the order of the request; none: accepted so far, or not asked yet.
    outcomes: Vec<Option<Outcome>>,
    /// What is kept of each reply.
    words_bytes: usize,
}

impl<'a> EnvelopeExchange<'a> {
    /// `converted_bytes`: what the message has when it is converted to 7-bit on its way.
    pub(super) fn new(
        request: &'a DeliveryRequest,
        capabilities: &Capabilities,
        converted_bytes: Option<u64>,
    ) -> Self {
        Self {
            request,
            mail: mail_parameters(request, capabilities, converted_bytes),
            dsn: capabilities.dsn,
            state: ConversationState::Sound,
            begun: false,
            turned_away: false,
            outcomes: vec![None; request.recipients.len()],
            words_bytes: words_of_each(request.recipients.len()),
        }
    }

    /// The steps of the transaction in their order.
    pub(super) fn steps(&self, reset: bool) -> impl Iterator<Item = EnvelopeStep> + use<> {
        let recipients = (0..self.outcomes.len()).map(EnvelopeStep::Recipient);
        let before = reset.then_some(EnvelopeStep::Reset).into_iter();
        let envelope = before.chain([EnvelopeStep::Mail]).chain(recipients);
        envelope.chain([EnvelopeStep::Data])
    }

    /// Whether the step still makes sense, for a server that is spoken to in turn.
    pub(super) fn wants(&self, step: EnvelopeStep) -> bool {
        match step {
            EnvelopeStep::Reset | EnvelopeStep::Mail => true,
            EnvelopeStep::Recipient(_) | EnvelopeStep::Data => self.is_any_undecided(),
        }
    }

    pub(super) fn write(&self, step: EnvelopeStep, out: &mut BytesMut) {
        let envelope = &self.request.message.envelope;
        match step {
            EnvelopeStep::Reset => out.extend_from_slice(b"RSET\r\n"),
            EnvelopeStep::Mail => command_writer::mail_from(out, &envelope.sender, &self.mail),
            EnvelopeStep::Recipient(position) => {
                let recipient = &envelope.recipients[self.request.recipients[position]];
                write_recipient(out, recipient, self.dsn);
            }
            EnvelopeStep::Data => out.extend_from_slice(b"DATA\r\n"),
        }
    }

    pub(super) fn take(&mut self, step: EnvelopeStep, reply: &Reply) {
        let reply = &*kept(reply, self.words_bytes);
        if verdicts::is_closing(reply) {
            self.turned_away = !self.begun;
            self.state = ConversationState::Closing;
            self.decide_all_by(SmtpStage::Mail, reply);
            return;
        }
        match step {
            // Whether it helped is seen from MAIL.
            EnvelopeStep::Reset => {}
            EnvelopeStep::Mail => {
                self.begun = !self.decide_all_by(SmtpStage::Mail, reply);
                self.turned_away = reply.code == 503;
            }
            EnvelopeStep::Recipient(position) => {
                let outcome = &mut self.outcomes[position];
                if outcome.is_none() {
                    *outcome = verdict(SmtpStage::Recipient, reply);
                }
            }
            EnvelopeStep::Data => {
                self.decide_all_by(SmtpStage::Data, reply);
                let nobody_accepted = !self.is_any_undecided();
                // A dot now would end an empty message, which some servers deliver.
                if reply.is_intermediate() && nobody_accepted {
                    self.state = ConversationState::Astray;
                }
            }
        }
    }

    /// Takes a reply that came in the middle of the content: it is for everybody.
    pub(super) fn take_final(&mut self, reply: &Reply) {
        let reply = &*kept(reply, self.words_bytes);
        self.note_final(reply);
        self.decide_all_by(SmtpStage::EndOfData, reply);
    }

    /// Takes the replies to the end of data: one for each recipient that was accepted.
    pub(super) fn take_finals(&mut self, replies: &[Reply]) {
        for reply in replies {
            self.note_final(reply);
        }
        let undecided = self.outcomes.iter_mut().filter(|outcome| outcome.is_none());
        for (outcome, reply) in undecided.zip(replies) {
            *outcome = verdict(SmtpStage::EndOfData, &kept(reply, self.words_bytes));
        }
    }

    fn note_final(&mut self, reply: &Reply) {
        if verdicts::is_closing(reply) {
            self.state = ConversationState::Closing;
        }
    }

    /// How many recipients the server has accepted.
    pub(super) fn accepted(&self) -> usize {
        let undecided = self.outcomes.iter().filter(|outcome| outcome.is_none());
        undecided.count()
    }

    /// What is to be done now.
    pub(super) fn next(&self) -> AfterEnvelope {
        match self.state {
            ConversationState::Closing | ConversationState::Astray => AfterEnvelope::Leave,
            ConversationState::Sound if self.is_any_undecided() => AfterEnvelope::Content,
            ConversationState::Sound => AfterEnvelope::Nothing,
        }
    }

    /// MAIL was accepted, so that the server keeps a transaction.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The server would not begin; on a connection that was used before this says nothing of the message.
    pub(super) fn is_turned_away(&self) -> bool {
        self.turned_away
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state == ConversationState::Closing
    }

    pub(super) fn is_any_refused(&self) -> bool {
        let mut outcomes = self.outcomes.iter().flatten();
        outcomes.any(|outcome| matches!(outcome, Outcome::Refused(_)))
    }

    fn is_any_undecided(&self) -> bool {
        self.outcomes.iter().any(Option::is_none)
    }

    fn decide_all_by(&mut self, stage: SmtpStage, reply: &Reply) -> bool {
        let outcome = verdict(stage, reply);
        if let Some(outcome) = &outcome {
            self.decide_rest(outcome);
        }
        outcome.is_some()
    }

    /// Gives everybody without an outcome this one.
    pub(super) fn decide_rest(&mut self, outcome: &Outcome) {
        for undecided in self.outcomes.iter_mut().filter(|known| known.is_none()) {
            *undecided = Some(outcome.clone());
        }
    }

    /// What was said is not to be relied on: it may have been of something else.
    pub(super) fn forget(&mut self) {
        self.outcomes.fill(None);
    }

    /// Whoever was refused may not have been.
    pub(super) fn forget_refusals(&mut self) {
        for outcome in &mut self.outcomes {
            outcome.take_if(|outcome| matches!(outcome, Outcome::Refused(_)));
        }
    }

    /// Everybody's outcome; `missing` for those that have none.
    pub(super) fn into_outcomes(mut self, missing: &Outcome) -> Vec<Outcome> {
        self.decide_rest(missing);
        self.outcomes.into_iter().flatten().collect()
    }
}

fn kept(reply: &Reply, words_bytes: usize) -> Cow<'_, Reply> {
    match reply.text.len() <= words_bytes {
        true => Cow::Borrowed(reply),
        false => Cow::Owned(Reply {
            text: reply.shown_words_within(words_bytes).into(),
            ..reply.clone()
        }),
    }
}

/// A server may say much to many.
fn words_of_each(recipients: usize) -> usize {
    (limits::REPLIES_WORDS_BYTES / recipients.max(1))
        .clamp(limits::REPLY_WORDS_BYTES_LEAST, limits::REPLY_WORDS_BYTES)
}

/// Writes RCPT, with what the server knows of DSN.
pub(super) fn write_recipient(out: &mut BytesMut, recipient: &Recipient, dsn: bool) {
    let parameters = match dsn {
        true => RcptParameters {
            notify: recipient.notify,
            original_recipient: recipient.original_recipient.as_deref(),
        },
        false => RcptParameters::default(),
    };
    command_writer::rcpt_to(out, &recipient.address, &parameters);
}

/// Every parameter that the message has and the server knows.
fn mail_parameters<'a>(
    request: &'a DeliveryRequest,
    capabilities: &Capabilities,
    converted_bytes: Option<u64>,
) -> MailParameters<'a> {
    let message = &request.message;
    let envelope = &message.envelope;
    let eight_bit = message.eight_bit || envelope.body_type == BodyType::EightBitMime;
    MailParameters {
        size: capabilities
            .size
            .map(|_| converted_bytes.unwrap_or(message.size_bytes())),
        body: (eight_bit && capabilities.eight_bit_mime).then_some(BodyType::EightBitMime),
        smtputf8: message.needs_smtputf8,
        ret: envelope.ret.filter(|_| capabilities.dsn),
        envelope_id: envelope.envelope_id.as_deref().filter(|_| capabilities.dsn),
    }
}
