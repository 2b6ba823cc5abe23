//! The envelope: who sends, who receives, and what was asked for beside.

use std::net::IpAddr;
use std::sync::Arc;

use crate::clients::ClientId;
use crate::settings::next_hop::ServerAddress;
use crate::settings::{NextHop, Settings};
use crate::smtp::address::{Mailbox, ReversePath};
use crate::smtp::command::{BodyType, Notify, Return};

/// The client that sent a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address it connected from; none for messages of our own.
    pub address: Option<IpAddr>,
    /// What it called itself in EHLO or HELO.
    pub helo: Arc<str>,
    /// The login it has authenticated as.
    pub login: Option<Arc<str>>,
}

impl Client {
    /// The client that it counts as.
    #[must_use]
    pub fn party(&self) -> ClientId {
        ClientId::of(self.address, self.login.as_ref())
    }
}

/// Sender and recipients of one message with their parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The reverse path.
    pub sender: ReversePath,
    /// In the order of their RCPT commands.
    pub recipients: Vec<Recipient>,
    /// BODY=, RFC 6152.
    pub body_type: BodyType,
    /// SMTPUTF8 was given, RFC 6531.
    pub smtputf8: bool,
    /// RET=, RFC 3461 §4.3.
    pub ret: Option<Return>,
    /// ENVID= in xtext as it was sent, RFC 3461 §4.4.
    pub envelope_id: Option<String>,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where the message is to go.
    pub address: Mailbox,
    /// NOTIFY=, RFC 3461 §4.1; none when the sender did not say.
    pub notify: Option<Notify>,
    /// ORCPT= as it was sent, RFC 3461 §4.2.
    pub original_recipient: Option<String>,
    /// The server that a directory names for it; none: where mail for its domain goes.
    pub mail_host: Option<ServerAddress>,
}

impl Recipient {
    /// A recipient without parameters.
    #[must_use]
    pub fn plain(address: Mailbox) -> Self {
        Self {
            address,
            notify: None,
            original_recipient: None,
            mail_host: None,
        }
    }

    /// Bytes of memory that it takes while its message is under way. A check of the message, and the store,
    /// make a copy of the envelope.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let original = self.original_recipient.as_ref().map_or(0, String::len);
        let texts = self.address.as_str().len() + original;
        2 * (size_of::<Self>() + texts) as u64
    }

    /// Where it goes by these settings.
    #[must_use]
    pub fn next_hop(&self, settings: &Settings) -> Arc<NextHop> {
        match &self.mail_host {
            Some(server) => Arc::new(settings.next_hop_defaults.at(server)),
            None => settings.next_hop_for(&self.address.lookup_domain()),
        }
    }
}
