//! The states of a conversation, as types that are consumed: one verb, one place.
//!
//! Nothing here awaits or writes. A command turns a state into the next one and a step that the
//! conversation carries out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::chunked::Chunked;
use super::content::IncomingContent;
use super::envelope::{Addressed, Identity, OpenEnvelope};
use super::reply_mode::ReplyMode;
use super::step::{CommandContext, SessionStep};
use crate::limits;
use crate::message::Recipient;
use crate::smtp::Protocol;
use crate::smtp::authentication::Mechanism;
use crate::smtp::command::{Command, CommandError, MailCommand, RcptCommand};
use crate::smtp::reply::Reply;

/// The state of a conversation.
#[derive(Debug)]
pub(super) enum SessionState {
    /// We have greeted; the client has not said who it is, or not since TLS began.
    Greeted,
    /// It has, and no envelope is open.
    Identified(Identity),
    /// MAIL was accepted.
    Opened(Box<OpenEnvelope>),
    /// A recipient was, too.
    Addressed(Addressed),
    /// The content comes by BDAT, and its last chunk has not come yet.
    Chunked(Box<Chunked>),
}

impl SessionState {
    /// The envelope is open to addresses outside ASCII.
    pub(super) fn smtputf8(&self) -> bool {
        match self {
            Self::Greeted | Self::Identified(_) => false,
            Self::Opened(opened) => opened.transaction.mail.smtputf8,
            Self::Addressed(addressed) => addressed.opened.transaction.mail.smtputf8,
            Self::Chunked(chunked) => chunked.envelope.transaction.mail.smtputf8,
        }
    }

    /// Takes a command.
    pub(super) fn apply<A>(
        self,
        command: Command,
        at: &CommandContext<'_, A>,
    ) -> (Self, SessionStep) {
        match command {
            // RFC 2033 §4.1: of LMTP and SMTP each has its own way to begin.
            Command::Lhlo(_) if at.peer.protocol == Protocol::Smtp => {
                (self, SessionStep::Say(Reply::UNKNOWN_COMMAND))
            }
            Command::Ehlo(_) | Command::Helo(_) if at.peer.protocol == Protocol::Lmtp => {
                (self, SessionStep::Say(Reply::LMTP_ONLY))
            }
            Command::Ehlo(host) | Command::Lhlo(host) => {
                (Self::identified(&host, true), SessionStep::SendEhlo)
            }
            Command::Xclient(attributes) => self.xclient(&attributes, at),
            Command::Helo(host) => {
                let reply = Reply::helo(&at.context.hostname);
                (Self::identified(&host, false), SessionStep::Say(reply))
            }
            Command::Mail(mail) => self.mail(mail, at),
            Command::Rcpt(rcpt) => self.rcpt(rcpt, at),
            Command::Data => self.data(at),
            Command::Bdat { size, last } => self.bdat(size, last, at),
            Command::Rset => (self.without_envelope(), SessionStep::Say(Reply::OK)),
            Command::StartTls => self.start_tls(at),
            Command::Quit => (self, SessionStep::Quit),
            Command::Noop => (self, SessionStep::Say(Reply::OK)),
            Command::Vrfy => (self, SessionStep::Say(Reply::CANNOT_VERIFY)),
            Command::Help => (self, SessionStep::Say(Reply::HELP)),
            Command::Auth { mechanism, initial } => {
                let step = self.auth(&mechanism, initial.as_deref(), at);
                (self, step)
            }
            Command::Expn => (self, SessionStep::Say(Reply::NOT_IMPLEMENTED)),
        }
    }

    /// RFC 5321 §4.1.4: EHLO and HELO begin anew.
    fn identified(host: &str, extended: bool) -> Self {
        Self::Identified(Identity {
            helo: host.into(),
            extended,
        })
    }

    /// The envelope is gone: RSET, or any refusal of DATA or BDAT.
    pub(super) fn without_envelope(self) -> Self {
        match self {
            Self::Greeted | Self::Identified(_) => self,
            Self::Opened(opened) => Self::Identified(opened.transaction.identity),
            Self::Addressed(addressed) => Self::Identified(addressed.opened.transaction.identity),
            Self::Chunked(chunked) => Self::Identified(chunked.envelope.transaction.identity),
        }
    }

    fn mail<A>(self, mail: MailCommand, at: &CommandContext<'_, A>) -> (Self, SessionStep) {
        let identity = match self {
            Self::Identified(identity) => identity,
            Self::Greeted => return (self, out_of_sequence("Say EHLO first")),
            _ => return (self, out_of_sequence("The sender is given already")),
        };
        if let Some(parameter) = mail.dsn_parameter().filter(|_| !at.peer.dsn) {
            return (Self::Identified(identity), unknown_parameter(parameter));
        }
        match OpenEnvelope::new(identity.clone(), mail, at.peer, at.context) {
            Ok(opened) => (Self::Opened(opened), SessionStep::Say(Reply::SENDER_OK)),
            Err(reply) => (Self::Identified(identity), SessionStep::Say(reply)),
        }
    }

    fn rcpt<A>(mut self, rcpt: RcptCommand, at: &CommandContext<'_, A>) -> (Self, SessionStep) {
        let opened = match &self {
            Self::Opened(opened) => opened,
            Self::Addressed(addressed) if addressed.is_full() => {
                return (self, SessionStep::Say(Reply::TOO_MANY_RECIPIENTS));
            }
            Self::Addressed(addressed) => &addressed.opened,
            Self::Chunked(_) => return (self, out_of_sequence("The content has begun")),
            Self::Greeted | Self::Identified(_) => {
                return (self, out_of_sequence("Say MAIL first"));
            }
        };
        if at.peer.has_lost_login {
            let step = SessionStep::Say(Reply::LOGIN_DOES_NOT_HOLD);
            return (self.without_envelope(), step);
        }
        if let Some(parameter) = rcpt.dsn_parameter().filter(|_| !at.peer.dsn) {
            return (self, unknown_parameter(parameter));
        }
        let recipient = opened.transaction.recipient(rcpt, at.peer, at.context);
        let asked = recipient.as_ref().is_ok_and(|one| opened.asks_about(one));
        let asked = asked.then(|| Arc::clone(&opened.transaction.settings));
        if let (Self::Addressed(addressed), Ok(recipient)) = (&mut self, &recipient)
            && !addressed.has_memory_for(recipient, at.peer, at.context)
        {
            return (self, SessionStep::Say(Reply::INSUFFICIENT_STORAGE));
        }
        match (recipient, asked) {
            (Ok(recipient), Some(settings)) => {
                let step = SessionStep::CheckRecipient {
                    recipient: Box::new(recipient),
                    settings,
                };
                (self, step)
            }
            (recipient, _) => {
                let (state, reply) = self.settle(recipient);
                (state, SessionStep::Say(reply))
            }
        }
    }

    /// The envelope, while recipients may be added.
    pub(super) fn opened_mut(&mut self) -> Option<&mut OpenEnvelope> {
        match self {
            Self::Opened(opened) => Some(opened),
            Self::Addressed(addressed) => Some(&mut addressed.opened),
            Self::Greeted | Self::Identified(_) | Self::Chunked(_) => None,
        }
    }

    /// What has come of a message whose content comes in chunks.
    pub(super) fn content_mut(&mut self) -> Option<&mut IncomingContent> {
        match self {
            Self::Chunked(chunked) => Some(&mut chunked.content),
            Self::Greeted | Self::Identified(_) | Self::Opened(_) | Self::Addressed(_) => None,
        }
    }

    /// Until when next hops wait for the client, whatever it says meanwhile; none: no next hop waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Opened(opened) => opened.deadline(),
            Self::Addressed(addressed) => addressed.opened.deadline(),
            Self::Chunked(chunked) => chunked.deadline(),
            Self::Greeted | Self::Identified(_) => None,
        }
    }

    /// How long the client may take for its next command: next hops are not kept waiting for long.
    pub(super) fn command_wait(&self) -> Duration {
        match self.deadline() {
            Some(_) => limits::CUT_THROUGH_COMMAND_WAIT,
            None => limits::COMMAND_WAIT,
        }
    }

    /// What a RCPT comes to: a recipient that is taken, or the reply to one that is not.
    pub(super) fn settle(self, recipient: Result<Recipient, Reply>) -> (Self, Reply) {
        match (self, recipient) {
            (Self::Opened(opened), Ok(recipient)) => {
                let addressed = opened.addressed_to(recipient);
                (Self::Addressed(addressed), Reply::RECIPIENT_OK)
            }
            (Self::Addressed(mut addressed), Ok(recipient)) => {
                addressed.add(recipient);
                (Self::Addressed(addressed), Reply::RECIPIENT_OK)
            }
            (Self::Opened(mut opened), Err(reply)) => {
                opened.refused_recipient = true;
                opened.deferred_recipient |= reply.is_transient();
                (Self::Opened(opened), reply)
            }
            (state, Err(reply)) => (state, reply),
            (state, Ok(_)) => (state, Reply::bad_sequence("Say MAIL first")),
        }
    }

    fn data<A>(self, at: &CommandContext<'_, A>) -> (Self, SessionStep) {
        match self {
            Self::Addressed(addressed) => {
                let identity = addressed.opened.transaction.identity.clone();
                let step = match may_begin(&addressed, at) {
                    Ok(()) => SessionStep::Data(addressed),
                    Err(reply) => SessionStep::Say(reply),
                };
                (Self::Identified(identity), step)
            }
            Self::Opened(opened) => {
                let (state, reply) = Self::without_recipients(opened, at.peer.protocol);
                (state, SessionStep::Say(reply))
            }
            // RFC 3030 §2: DATA and BDAT cannot be used in the same transaction.
            Self::Chunked(_) => {
                let step = out_of_sequence("The content has begun with BDAT");
                (self.without_envelope(), step)
            }
            Self::Greeted | Self::Identified(_) => (self, out_of_sequence("Say MAIL first")),
        }
    }

    /// RFC 3030 §2: the bytes of a chunk follow whatever we think of it.
    fn bdat<A>(self, size: u64, last: bool, at: &CommandContext<'_, A>) -> (Self, SessionStep) {
        let (state, reply, mode) = match self {
            Self::Chunked(chunked) => {
                let identity = chunked.envelope.transaction.identity.clone();
                let step = SessionStep::Chunk {
                    chunked,
                    size,
                    last,
                };
                return (Self::Identified(identity), step);
            }
            Self::Addressed(addressed) => match may_begin(&addressed, at) {
                Ok(()) => {
                    let identity = addressed.opened.transaction.identity.clone();
                    let step = SessionStep::FirstChunk {
                        addressed,
                        size,
                        last,
                    };
                    return (Self::Identified(identity), step);
                }
                Err(reply) => {
                    let transaction = &addressed.opened.transaction;
                    let mode = ReplyMode::of(transaction, addressed.recipients(), at.peer);
                    let state = Self::Addressed(addressed).without_envelope();
                    (state, reply, mode.to_chunk(last))
                }
            },
            // Outside a transaction there is one reply whatever is spoken.
            Self::Opened(opened) => {
                let (state, reply) = Self::without_recipients(opened, at.peer.protocol);
                (state, reply, ReplyMode::Single)
            }
            Self::Greeted | Self::Identified(_) => {
                let reply = Reply::bad_sequence("Say MAIL first");
                (self, reply, ReplyMode::Single)
            }
        };
        (state, SessionStep::SkipChunk { size, reply, mode })
    }

    /// Content without a recipient. When its recipients were refused the message is, too (RFC 5321 §3.3); when
    /// none was given yet the command only came too early, and nothing changes (§4.1.4). Over LMTP nothing does
    /// in either case (RFC 2033 §4.2).
    fn without_recipients(opened: Box<OpenEnvelope>, protocol: Protocol) -> (Self, Reply) {
        if protocol == Protocol::Lmtp {
            let reply = Reply::bad_sequence("No recipient is accepted");
            (Self::Opened(opened), reply)
        } else if opened.refused_recipient {
            // A client that goes by this reply alone tries again where that may help.
            let reply = match opened.deferred_recipient {
                true => Reply::RECIPIENT_UNCHECKED,
                false => Reply::NO_VALID_RECIPIENTS,
            };
            (Self::Identified(opened.transaction.identity), reply)
        } else {
            (Self::Opened(opened), Reply::bad_sequence("Say RCPT first"))
        }
    }

    /// RFC 4954 §4: under TLS, once in a session, and not in a transaction.
    fn auth<A>(
        &self,
        mechanism: &str,
        initial: Option<&str>,
        at: &CommandContext<'_, A>,
    ) -> SessionStep {
        // Never offered then, and strangers are not given any work to do.
        if !at.context.logins.exist() {
            return SessionStep::Say(Reply::NOT_IMPLEMENTED);
        }
        if !at.peer.tls {
            return SessionStep::Say(Reply::AUTHENTICATION_NEEDS_ENCRYPTION);
        }
        match self {
            Self::Identified(identity) if identity.extended => {}
            Self::Greeted | Self::Identified(_) => return out_of_sequence("Say EHLO first"),
            Self::Opened(_) | Self::Addressed(_) | Self::Chunked(_) => {
                return out_of_sequence("Not in a transaction");
            }
        }
        if at.peer.login.is_some() {
            return out_of_sequence("Authenticated already");
        }
        match Mechanism::from_name(mechanism) {
            Some(mechanism) => SessionStep::Authenticate(mechanism.begin(initial)),
            None => SessionStep::Say(Reply::MECHANISM_UNKNOWN),
        }
    }

    fn start_tls<A>(self, at: &CommandContext<'_, A>) -> (Self, SessionStep) {
        if at.peer.tls {
            (self, out_of_sequence("TLS is spoken already"))
        } else if at.context.tls.is_none() {
            (self, SessionStep::Say(Reply::NOT_IMPLEMENTED))
        } else {
            // RFC 3207 §4.2: nothing that was said before counts.
            (Self::Greeted, SessionStep::StartTls)
        }
    }
}

pub(super) fn out_of_sequence(needed: &'static str) -> SessionStep {
    SessionStep::Say(Reply::bad_sequence(needed))
}

/// A parameter of an extension that this listener does not offer.
fn unknown_parameter(parameter: &str) -> SessionStep {
    SessionStep::Say(CommandError::UnknownParameter(parameter.to_owned()).reply())
}

/// Before the first byte of content: a message that its client may not send any more, or that would find
/// no memory or no disk, is better not begun.
fn may_begin<A>(addressed: &Addressed, at: &CommandContext<'_, A>) -> Result<(), Reply> {
    let transaction = &addressed.opened.transaction;
    let context = at.context;
    at.peer
        .may_send(transaction, addressed.recipients(), context)?;
    let standing = at.peer.standing(&transaction.settings);
    let lacks_memory = context
        .budget
        .is_above(limits::BUDGET_REFUSAL_PERCENT, standing);
    match lacks_memory || transaction.lacks_disk(context) {
        true => Err(Reply::INSUFFICIENT_STORAGE),
        false => Ok(()),
    }
}
