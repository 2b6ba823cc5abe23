//! What can go wrong between us and a next hop's server, apart from what it says.

use std::io;

use super::verdicts::{self, SmtpStage};
use crate::message::Outcome;
use crate::settings::UncertainPolicy;
use crate::smtp::reply::Reply;
use crate::smtp::reply_reader::ReplyError;
use crate::system_error::in_words;

/// Why a conversation could not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConversationError {
    #[error("could not connect: {}", in_words(.0))]
    Connect(io::Error),
    #[error("timed out {0}")]
    TimedOut(Wait),
    #[error("the server closed the connection")]
    Closed,
    #[error("the connection broke: {}", in_words(.0))]
    Broken(io::Error),
    #[error("the server's reply cannot be read: {0}")]
    Malformed(ReplyError),
    /// The server said what is no answer to this.
    #[error("the server said {1} {0}, which is no answer to it")]
    NoAnswer(SmtpStage, Reply),
    /// The server said something when nothing was asked; none: a part of it.
    #[error("the server said {} unasked", .0.as_ref().map_or("something".to_owned(), Reply::to_string))]
    Unasked(Option<Reply>),
    #[error("the server did not say all of its reply: {0}")]
    HalfSaid(Box<ConversationError>),
    /// A reply was wanted before those that come before it: never, unless we err.
    #[error("the replies before the one {0} are not read")]
    OutOfOrder(SmtpStage),
    #[error("TLS failed: {}", in_words(.0))]
    Tls(io::Error),
    #[error("the stored content cannot be read: {}", in_words(.0))]
    Content(io::Error),
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Connection,
    Opening,
    Handshake,
    Reply,
    Room,
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connection => "while connecting",
            Self::Opening => "before the server was ready for a message",
            Self::Handshake => "during the TLS handshake",
            Self::Reply => "waiting for the server's reply",
            Self::Room => "sending: the server does not read",
        })
    }
}

impl ConversationError {
    /// The other side is gone: what happens to a connection that idled too long.
    pub(super) fn is_disconnection(&self) -> bool {
        matches!(self, Self::Closed | Self::Broken(_))
    }

    /// We and the server do not agree on which reply belongs to which command: what was said so far may
    /// have been of something else.
    pub(super) fn is_disagreement(&self) -> bool {
        matches!(
            self,
            Self::NoAnswer(..)
                | Self::Unasked(_)
                | Self::HalfSaid(_)
                | Self::OutOfOrder(_)
                | Self::Malformed(_)
        )
    }

    /// In a reply's form, with the enhanced code that RFC 3463 §3.5 has for it.
    pub(super) fn reply(&self) -> Reply {
        let enhanced = match self {
            Self::Connect(_) | Self::TimedOut(Wait::Connection | Wait::Opening) => (4, 4, 1),
            Self::TimedOut(_) | Self::Closed | Self::Broken(_) => (4, 4, 2),
            Self::Malformed(_)
            | Self::NoAnswer(..)
            | Self::Unasked(_)
            | Self::HalfSaid(_)
            | Self::OutOfOrder(_) => (4, 5, 0),
            Self::Tls(_) => (4, 7, 5),
            Self::Content(_) => (4, 3, 0),
        };
        Reply::new(451, enhanced, self.to_string())
    }

    /// What it means before our final dot was handed over.
    pub(super) fn outcome(&self) -> Outcome {
        verdicts::deferred(self.reply())
    }

    /// What it means afterwards, for recipients that the server accepted. Silence is what the administrator
    /// says it is; a server that says what is neither yes nor no has not taken anything.
    pub(super) fn outcome_after_the_dot(&self, policy: UncertainPolicy) -> Outcome {
        match policy {
            UncertainPolicy::AssumeDelivered if !self.is_disagreement() => {
                Outcome::Delivered(Reply::assumed_delivered(self))
            }
            _ => Outcome::Uncertain(Reply::uncertain(self)),
        }
    }
}
