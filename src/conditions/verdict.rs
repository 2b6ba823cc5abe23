//! The result of a check.

use std::sync::Arc;

use super::header::Field;
use super::new_body::NewBody;
use super::service::NoAnswer;
use crate::message::{Body, Recipient};
use crate::settings::next_hop::ServerAddress;
use crate::smtp::address::{Mailbox, ReversePath};
use crate::smtp::reply::Reply;

/// A check's answer, what it changes of the message, and its words.
#[derive(Debug)]
pub(super) struct CheckVerdict {
    /// May the message pass?
    pub(super) answer: CheckAnswer,
    /// Changes, in their order; made only when it passes or is quarantined.
    pub(super) edits: Vec<Edit>,
    /// For the trail, and for the operator of a quarantined message: what was found, or why the check
    /// cannot tell. Empty when there is nothing to say.
    pub(super) words: String,
}

/// Whether a message may pass.
#[derive(Debug)]
pub(super) enum CheckAnswer {
    Pass,
    /// Never: this 5xx is the reply.
    Refuse(Reply),
    /// Not now: this 4xx is the reply.
    Defer(Reply),
    /// It is taken and kept back in the queue.
    Quarantine,
    /// The service is down, too slow, or talks nonsense; a setting says what that means.
    CannotTell,
    /// The check could not be made, though its service may be well. The message is deferred whatever the
    /// setting says: otherwise a sender that keeps a service busy would get through unchecked.
    NotAsked,
}

/// A change of a message.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq))]
pub(super) enum Edit {
    /// A field before all that are there, behind our own Received.
    Prepend(Field),
    /// A field at this position among those that are there; behind them when there are fewer.
    Insert(usize, Field),
    /// Another field in the place of the n-th of this name, counted from 1; a new one at the end when
    /// there are fewer.
    Change(String, usize, Field),
    /// The n-th field of this name, counted from 1, goes.
    Remove(String, usize),
    RemoveAll(&'static str),
    /// Everything behind the header is this.
    ReplaceBody(NewBody),
    Sender(ReversePath),
    AddRecipient(Recipient),
    /// A recipient fewer, without a report.
    RemoveRecipient(Mailbox),
    /// A recipient fewer, of which the sender gets a report: this 5xx is why.
    RefuseRecipient(Mailbox, Reply),
    /// The message goes to this address instead of all recipients.
    Redirect(Mailbox),
    /// The recipient at this position of the envelope goes to this server, or under another address.
    Direct {
        /// Which.
        recipient: usize,
        /// The server; none: where mail for the address goes.
        mail_host: Option<ServerAddress>,
        /// The address; none: the one it has.
        address: Option<Mailbox>,
    },
    /// Recipients get another message in the place of this one; those in none of the copies share it.
    Copies(Vec<RecipientCopy>),
    /// Each recipient gets a message of its own, in whose Received field it is named.
    NameRecipients,
}

/// Another message for some of the recipients.
#[derive(Clone, Debug)]
pub(super) struct RecipientCopy {
    pub(super) recipients: Vec<Mailbox>,
    /// Its header, our Received field aside.
    pub(super) fields: Vec<Field>,
    /// What stands behind its header, the empty line first; ASCII only.
    pub(super) body: Arc<Body>,
}

impl CheckVerdict {
    /// Nothing was found.
    pub(super) fn pass() -> Self {
        Self::of(CheckAnswer::Pass, "")
    }

    pub(super) fn of(answer: CheckAnswer, words: impl Into<String>) -> Self {
        Self {
            answer,
            edits: Vec::new(),
            words: words.into(),
        }
    }

    /// It passes with a change.
    pub(super) fn with(edits: Vec<Edit>, words: impl Into<String>) -> Self {
        Self {
            edits,
            ..Self::of(CheckAnswer::Pass, words)
        }
    }

    /// The same behind these changes.
    pub(super) fn behind(mut self, edits: impl Iterator<Item = Edit>) -> Self {
        self.edits.splice(..0, edits);
        self
    }

    pub(super) fn without(answer: NoAnswer) -> Self {
        match answer {
            NoAnswer::CannotTell(why) => Self::of(CheckAnswer::CannotTell, why),
            NoAnswer::NotAsked(why) => Self::of(CheckAnswer::NotAsked, why),
        }
    }
}
