//! Where a conversation stands, as types that are consumed: one verb, one place.
//!
//! Nothing here awaits or writes. A command turns a state into the next one and a step that the
//! conversation carries out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::audience::Audience;
use super::content::Content;
use super::context::{Peer, SessionContext};
use super::envelope::{Addressed, Identity, Opened};
use crate::limits;
use crate::message::Recipient;
use crate::path::Way;
use crate::settings::Settings;
use crate::smtp::Protocol;
use crate::smtp::authentication::{Mechanism, SaslStep};
use crate::smtp::bdat::BdatNormaliser;
use crate::smtp::command::{Command, CommandError, MailCommand, RcptCommand};
use crate::smtp::reply::Reply;
use crate::smtp::xclient::Attributes;

/// Where a conversation stands.
#[derive(Debug)]
pub(super) enum State {
    /// We have greeted; the client has not said who it is, or not since TLS began.
    Greeted,
    /// It has, and no envelope is open.
    Identified(Identity),
    /// MAIL was accepted.
    Opened(Box<Opened>),
    /// A recipient was, too.
    Addressed(Addressed),
    /// The content comes by BDAT, and its last chunk has not come yet.
    Chunked(Box<Chunked>),
}

/// An envelope whose content comes in chunks (RFC 3030).
#[derive(Debug)]
pub(super) struct Chunked {
    pub(super) addressed: Addressed,
    pub(super) content: Content,
    pub(super) normaliser: BdatNormaliser,
    begun: Instant,
}

/// What the conversation has to do about a command.
#[derive(Debug)]
pub(super) enum Step {
    /// Say this.
    Say(Reply),
    /// Ask about a recipient, then say what comes of it: see [`State::settle`].
    Inquire {
        recipient: Box<Recipient>,
        settings: Arc<Settings>,
    },
    /// Say what we offer.
    Introduce,
    /// Serve another client from here on, whom a proxy speaks for.
    Represent(Box<Attributes>),
    /// Say 354 and receive the content.
    Data(Addressed),
    /// Begin content that comes in chunks, with this one.
    FirstChunk {
        addressed: Addressed,
        size: u64,
        last: bool,
    },
    /// Receive a chunk of this many bytes.
    Chunk {
        chunked: Box<Chunked>,
        size: u64,
        last: bool,
    },
    /// Read a chunk of this many bytes for nothing, then say this.
    SkipChunk {
        size: u64,
        reply: Reply,
        audience: Audience,
    },
    /// Say 220 and begin TLS.
    StartTls,
    /// Ask for credentials, or check them.
    Authenticate(SaslStep),
    /// Say goodbye.
    Quit,
}

/// What stands around a conversation while it looks at a command.
#[derive(Debug)]
pub(super) struct Surroundings<'a, A> {
    pub(super) context: &'a SessionContext<A>,
    pub(super) peer: &'a Peer,
}

impl State {
    /// The envelope is open to addresses outside ASCII.
    pub(super) fn smtputf8(&self) -> bool {
        match self {
            Self::Greeted | Self::Identified(_) => false,
            Self::Opened(opened) => opened.mail.smtputf8,
            Self::Addressed(addressed) => addressed.opened.mail.smtputf8,
            Self::Chunked(chunked) => chunked.addressed.opened.mail.smtputf8,
        }
    }

    /// Takes a command.
    pub(super) fn apply<A>(self, command: Command, around: &Surroundings<'_, A>) -> (Self, Step) {
        match command {
            // RFC 2033 §4.1: of LMTP and SMTP each has its own way to begin.
            Command::Lhlo { .. } if around.peer.protocol == Protocol::Smtp => {
                (self, Step::Say(Reply::unknown_command()))
            }
            Command::Ehlo { .. } | Command::Helo { .. }
                if around.peer.protocol == Protocol::Lmtp =>
            {
                (self, Step::Say(Reply::lmtp_only()))
            }
            Command::Ehlo { host } | Command::Lhlo { host } => {
                (Self::identified(&host, true), Step::Introduce)
            }
            Command::Xclient { attributes } => self.xclient(&attributes, around),
            Command::Helo { host } => {
                let reply = Reply::plain(250, around.context.hostname.to_string());
                (Self::identified(&host, false), Step::Say(reply))
            }
            Command::Mail(mail) => self.mail(mail, around),
            Command::Rcpt(rcpt) => self.rcpt(rcpt, around),
            Command::Data => self.data(around),
            Command::Bdat { size, last } => self.bdat(size, last, around),
            Command::Rset => (self.without_envelope(), Step::Say(Reply::ok())),
            Command::StartTls => self.start_tls(around),
            Command::Quit => (self, Step::Quit),
            Command::Noop => (self, Step::Say(Reply::ok())),
            Command::Vrfy => (self, Step::Say(Reply::cannot_verify())),
            Command::Help => (self, Step::Say(Reply::help())),
            Command::Auth { mechanism, initial } => {
                let step = self.auth(&mechanism, initial.as_deref(), around);
                (self, step)
            }
            Command::Expn => (self, Step::Say(Reply::not_implemented())),
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
            Self::Opened(opened) => Self::Identified(opened.identity),
            Self::Addressed(addressed) => Self::Identified(addressed.opened.identity),
            Self::Chunked(chunked) => Self::Identified(chunked.addressed.opened.identity),
        }
    }

    fn mail<A>(self, mail: MailCommand, around: &Surroundings<'_, A>) -> (Self, Step) {
        let identity = match self {
            Self::Identified(identity) => identity,
            Self::Greeted => return (self, out_of_sequence("Say EHLO first")),
            _ => return (self, out_of_sequence("The sender is given already")),
        };
        if let Some(parameter) = mail.dsn_parameter().filter(|_| !around.peer.dsn) {
            return (Self::Identified(identity), unknown_parameter(parameter));
        }
        match Opened::new(identity.clone(), mail, around.peer, around.context) {
            Ok(opened) => (Self::Opened(opened), Step::Say(Reply::sender_ok())),
            Err(reply) => (Self::Identified(identity), Step::Say(reply)),
        }
    }

    fn rcpt<A>(mut self, rcpt: RcptCommand, around: &Surroundings<'_, A>) -> (Self, Step) {
        let opened = match &self {
            Self::Opened(opened) => opened,
            Self::Addressed(addressed) if addressed.is_full() => {
                return (self, Step::Say(Reply::too_many_recipients()));
            }
            Self::Addressed(addressed) => &addressed.opened,
            Self::Chunked(_) => return (self, out_of_sequence("The content has begun")),
            Self::Greeted | Self::Identified(_) => {
                return (self, out_of_sequence("Say MAIL first"));
            }
        };
        if around.peer.has_lost_login {
            let step = Step::Say(Reply::login_does_not_hold());
            return (self.without_envelope(), step);
        }
        if let Some(parameter) = rcpt.dsn_parameter().filter(|_| !around.peer.dsn) {
            return (self, unknown_parameter(parameter));
        }
        let recipient = opened.recipient(rcpt, around.peer, around.context);
        let asked = recipient.as_ref().is_ok_and(|one| opened.asks_about(one));
        let asked = asked.then(|| Arc::clone(&opened.settings));
        if let (Self::Addressed(addressed), Ok(recipient)) = (&mut self, &recipient)
            && !addressed.has_memory_for(recipient, around.peer, around.context)
        {
            return (self, Step::Say(Reply::insufficient_storage()));
        }
        match (recipient, asked) {
            (Ok(recipient), Some(settings)) => {
                let step = Step::Inquire {
                    recipient: Box::new(recipient),
                    settings,
                };
                (self, step)
            }
            (recipient, _) => {
                let (state, reply) = self.settle(recipient);
                (state, Step::Say(reply))
            }
        }
    }

    /// The envelope, while recipients may be added.
    pub(super) fn opened_mut(&mut self) -> Option<&mut Opened> {
        match self {
            Self::Opened(opened) => Some(opened),
            Self::Addressed(addressed) => Some(&mut addressed.opened),
            Self::Greeted | Self::Identified(_) | Self::Chunked(_) => None,
        }
    }

    /// What has come of a message whose content comes in chunks.
    pub(super) fn content_mut(&mut self) -> Option<&mut Content> {
        match self {
            Self::Chunked(chunked) => Some(&mut chunked.content),
            Self::Greeted | Self::Identified(_) | Self::Opened(_) | Self::Addressed(_) => None,
        }
    }

    /// Until when next hops wait for the client, whatever it says meanwhile; none: nobody waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let opened = match self {
            Self::Opened(opened) => opened,
            Self::Addressed(addressed) => &addressed.opened,
            Self::Chunked(chunked) => return chunked.deadline(),
            Self::Greeted | Self::Identified(_) => return None,
        };
        match &opened.way {
            Way::Through(passage) => Some(passage.deadline()),
            Way::Undecided | Way::Held(_) | Way::NotTaken(_) => None,
        }
    }

    /// How long the client may take for its next command: next hops are not kept waiting for long.
    pub(super) fn command_wait(&self) -> Duration {
        let opened = match self {
            Self::Opened(opened) => opened,
            Self::Addressed(addressed) => &addressed.opened,
            Self::Chunked(chunked) if chunked.content.goes_through() => {
                return limits::CUT_THROUGH_COMMAND_WAIT;
            }
            Self::Greeted | Self::Identified(_) | Self::Chunked(_) => return limits::COMMAND_WAIT,
        };
        match &opened.way {
            Way::Through(_) => limits::CUT_THROUGH_COMMAND_WAIT,
            Way::Undecided | Way::Held(_) | Way::NotTaken(_) => limits::COMMAND_WAIT,
        }
    }

    /// What a RCPT comes to: a recipient that is taken, or the reply to one that is not.
    pub(super) fn settle(self, recipient: Result<Recipient, Reply>) -> (Self, Reply) {
        match (self, recipient) {
            (Self::Opened(opened), Ok(recipient)) => {
                let addressed = opened.addressed_to(recipient);
                (Self::Addressed(addressed), Reply::recipient_ok())
            }
            (Self::Addressed(mut addressed), Ok(recipient)) => {
                addressed.add(recipient);
                (Self::Addressed(addressed), Reply::recipient_ok())
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

    fn data<A>(self, around: &Surroundings<'_, A>) -> (Self, Step) {
        match self {
            Self::Addressed(addressed) => {
                let identity = addressed.opened.identity.clone();
                let step = match may_begin(&addressed, around) {
                    Ok(()) => Step::Data(addressed),
                    Err(reply) => Step::Say(reply),
                };
                (Self::Identified(identity), step)
            }
            // RFC 2033 §4.2.
            Self::Opened(opened) if around.peer.protocol == Protocol::Lmtp => (
                Self::Opened(opened),
                out_of_sequence("No recipient is accepted"),
            ),
            Self::Opened(opened) => {
                let (state, reply) = Self::without_recipients(opened);
                (state, Step::Say(reply))
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
    fn bdat<A>(self, size: u64, last: bool, around: &Surroundings<'_, A>) -> (Self, Step) {
        let chunked = match self {
            Self::Chunked(chunked) => chunked,
            Self::Addressed(addressed) => match may_begin(&addressed, around) {
                Ok(()) => {
                    let identity = addressed.opened.identity.clone();
                    let step = Step::FirstChunk {
                        addressed,
                        size,
                        last,
                    };
                    return (Self::Identified(identity), step);
                }
                Err(reply) => {
                    let audience = match last {
                        true => addressed.audience(around.peer),
                        false => Audience::ONE,
                    };
                    let state = Self::Addressed(addressed).without_envelope();
                    let step = Step::SkipChunk {
                        size,
                        reply,
                        audience,
                    };
                    return (state, step);
                }
            },
            Self::Opened(opened) => {
                let (state, reply) = match around.peer.protocol {
                    Protocol::Smtp => Self::without_recipients(opened),
                    Protocol::Lmtp => {
                        let reply = Reply::bad_sequence("No recipient is accepted");
                        (Self::Opened(opened), reply)
                    }
                };
                return (state, skip_chunk(size, reply));
            }
            Self::Greeted | Self::Identified(_) => {
                let reply = Reply::bad_sequence("Say MAIL first");
                return (self, skip_chunk(size, reply));
            }
        };
        let identity = chunked.addressed.opened.identity.clone();
        let step = Step::Chunk {
            chunked,
            size,
            last,
        };
        (Self::Identified(identity), step)
    }

    /// Content for nobody. When its recipients were refused the message is, too (RFC 5321 §3.3); when
    /// none was given yet the command only came too early, and nothing changes (§4.1.4).
    fn without_recipients(opened: Box<Opened>) -> (Self, Reply) {
        if opened.refused_recipient {
            // Whoever goes by this reply alone tries again where that may help.
            let reply = match opened.deferred_recipient {
                true => Reply::recipient_unchecked(),
                false => Reply::no_valid_recipients(),
            };
            (Self::Identified(opened.identity), reply)
        } else {
            (Self::Opened(opened), Reply::bad_sequence("Say RCPT first"))
        }
    }

    /// RFC 4954 §4: under TLS, once in a session, and not in a transaction.
    fn auth<A>(
        &self,
        mechanism: &str,
        initial: Option<&str>,
        around: &Surroundings<'_, A>,
    ) -> Step {
        // Never offered then, and strangers are not given any work to do.
        if !around.context.logins.exist() {
            return Step::Say(Reply::not_implemented());
        }
        if !around.peer.tls {
            return Step::Say(Reply::authentication_needs_encryption());
        }
        match self {
            Self::Identified(identity) if identity.extended => {}
            Self::Greeted | Self::Identified(_) => return out_of_sequence("Say EHLO first"),
            Self::Opened(_) | Self::Addressed(_) | Self::Chunked(_) => {
                return out_of_sequence("Not in a transaction");
            }
        }
        if around.peer.login.is_some() {
            return out_of_sequence("Authenticated already");
        }
        match Mechanism::from_name(mechanism) {
            Some(mechanism) => Step::Authenticate(mechanism.begin(initial)),
            None => Step::Say(Reply::mechanism_unknown()),
        }
    }

    fn start_tls<A>(self, around: &Surroundings<'_, A>) -> (Self, Step) {
        if around.peer.tls {
            (self, out_of_sequence("TLS is spoken already"))
        } else if around.context.tls.is_none() {
            (self, Step::Say(Reply::not_implemented()))
        } else {
            // RFC 3207 §4.2: nothing that was said before counts.
            (Self::Greeted, Step::StartTls)
        }
    }
}

impl Chunked {
    /// A while, and the time that its bytes take at the least rate.
    fn deadline(&self) -> Option<Instant> {
        let earned = self.content.bytes() / limits::CUT_THROUGH_RATE_BYTES_PER_SECOND;
        let earned = Duration::from_secs(earned);
        let until = self.begun + limits::CUT_THROUGH_ENVELOPE_WAIT + earned;
        self.content.goes_through().then_some(until)
    }

    pub(super) fn begin(addressed: Addressed, content: Content) -> Box<Self> {
        Box::new(Self {
            addressed,
            content,
            normaliser: BdatNormaliser::new(),
            begun: Instant::now(),
        })
    }
}

/// A chunk of nobody's, which has one reply whatever is spoken.
fn skip_chunk(size: u64, reply: Reply) -> Step {
    Step::SkipChunk {
        size,
        reply,
        audience: Audience::ONE,
    }
}

fn out_of_sequence(needed: &'static str) -> Step {
    Step::Say(Reply::bad_sequence(needed))
}

/// A parameter of an extension that this listener does not offer.
fn unknown_parameter(parameter: &str) -> Step {
    Step::Say(CommandError::UnknownParameter(parameter.to_owned()).reply())
}

/// Before the first byte of content: a message that its client may not send any more, or that would find
/// no memory or no disk, is better not begun.
fn may_begin<A>(addressed: &Addressed, around: &Surroundings<'_, A>) -> Result<(), Reply> {
    addressed.may_be_sent(around.peer, around.context)?;
    let standing = around.peer.standing(&addressed.opened.settings);
    let context = around.context;
    let lacks_memory = context
        .budget
        .is_above(limits::BUDGET_REFUSAL_PERCENT, standing);
    match lacks_memory || addressed.opened.lacks_disk(context) {
        true => Err(Reply::insufficient_storage()),
        false => Ok(()),
    }
}
