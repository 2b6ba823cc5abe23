//! The facts on which conditions decide.

use super::header::Header;
use crate::message::{Client, Message, Recipient};
use crate::settings::Settings;
use crate::smtp::address::ReversePath;

/// What is known of a message before its content.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeFacts<'a> {
    /// Who sends it.
    pub client: &'a Client,
    /// The reverse path.
    pub sender: &'a ReversePath,
    /// The recipients so far.
    pub recipients: &'a [Recipient],
    /// What MAIL declared with SIZE.
    pub declared_size: Option<u64>,
}

/// What is known of a message when a condition decides on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageFacts<'a> {
    pub(super) envelope: EnvelopeFacts<'a>,
    /// None: the content has not arrived yet.
    pub(super) content: Option<ContentFacts<'a>>,
}

/// What is known when the content has arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContentFacts<'a> {
    /// Bytes of content.
    pub(super) size_bytes: u64,
    pub(super) header: &'a Header,
    /// For which of its recipients there is an OpenPGP key.
    pub(super) keys: Coverage,
}

/// For whom there is a valid OpenPGP key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) some_have: bool,
    pub(super) some_lack: bool,
}

/// What a message will have at least: one line end.
const LEAST_CONTENT_BYTES: u64 = 2;

impl<'a> EnvelopeFacts<'a> {
    /// Those of a message that has arrived.
    #[must_use]
    pub fn of(message: &'a Message, declared_size: Option<u64>) -> Self {
        Self {
            client: &message.client,
            sender: &message.envelope.sender,
            recipients: &message.envelope.recipients,
            declared_size,
        }
    }

    /// Whether we know who sends it: a client of ours, or one that has logged in.
    #[must_use]
    pub fn is_trusted(&self, settings: &Settings) -> bool {
        let client = self.client;
        let trusts = |address| settings.trusts(address);
        client.login.is_some() || client.address.is_none_or(trusts)
    }
}

impl<'a> MessageFacts<'a> {
    pub(super) fn before_content(envelope: EnvelopeFacts<'a>) -> Self {
        Self {
            envelope,
            content: None,
        }
    }

    /// Its size, or what was declared where that is more.
    pub(super) fn size_bytes(&self) -> u64 {
        let arrived = self.content.map(|content| content.size_bytes);
        let declared = self.envelope.declared_size.unwrap_or(0);
        arrived.unwrap_or(LEAST_CONTENT_BYTES).max(declared)
    }

    /// Whether its header is known and has a field of this name.
    pub(super) fn has_field(&self, name: &str) -> bool {
        self.content.is_some_and(|content| content.header.has(name))
    }
}
