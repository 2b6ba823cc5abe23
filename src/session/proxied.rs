//! XCLIENT: a proxy that is believed says whose session this is.

use std::net::{IpAddr, Ipv4Addr};

use super::connection::SessionEnd;
use super::context::{Peer, PeerLogin, Voucher};
use super::conversation::Conversation;
use super::envelope::Identity;
use super::state::{SessionState, out_of_sequence};
use super::step::{CommandContext, SessionStep};
use super::stream::Transport;
use crate::path::Answering;
use crate::settings::Settings;
use crate::smtp::reply::Reply;
use crate::smtp::xclient::{self, AttributeValue, Attributes, GreetedProtocol};

impl Peer {
    /// Whether it may speak for others.
    pub(super) fn is_believed(&self, settings: &Settings) -> bool {
        let listener = settings.listener(self.listener);
        listener.is_some_and(|entry| entry.believes(self.address))
    }
}

impl SessionState {
    /// XCLIENT. Who has spoken for another is asked again whether it may: what follows may be the
    /// other's words.
    pub(super) fn xclient<A>(
        self,
        attributes: &str,
        at: &CommandContext<'_, A>,
    ) -> (Self, SessionStep) {
        if !at.peer.is_believed(&at.context.settings.snapshot()) {
            return (self, SessionStep::Say(Reply::NOT_BELIEVED));
        }
        if !matches!(self, Self::Greeted | Self::Identified(_)) {
            return (self, out_of_sequence("Not in a transaction"));
        }
        match xclient::parse(attributes) {
            Ok(attributes) => {
                let state = greeted(&attributes);
                (state, SessionStep::ApplyXclient(Box::new(attributes)))
            }
            Err(error) => {
                let reply = Reply::bad_attribute(error.to_string());
                (self, SessionStep::Say(reply))
            }
        }
    }
}

/// Everything begins anew, save that a proxy may say for its client how it has greeted.
fn greeted(attributes: &Attributes) -> SessionState {
    match &attributes.helo {
        Some(AttributeValue::Value(helo)) => SessionState::Identified(Identity {
            helo: helo.as_str().into(),
            extended: attributes.protocol == Some(GreetedProtocol::Esmtp),
        }),
        Some(AttributeValue::Unavailable) | None => SessionState::Greeted,
    }
}

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// The session is another client's from here on.
    pub(super) fn apply_xclient(&mut self, attributes: &Attributes) -> Result<(), SessionEnd> {
        let proxy = Voucher::Xclient(self.peer.address);
        if !self.peer.is_told_by(proxy) {
            return Err(SessionEnd::Say(Reply::TOO_MANY_ERRORS));
        }
        self.peer.has_lost_login = false;
        match attributes.address {
            Some(AttributeValue::Value(address)) => self.peer.address = address.to_canonical(),
            // It is not known, so it is not trusted.
            Some(AttributeValue::Unavailable) => {
                self.peer.address = IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            }
            None => {}
        }
        self.peer.login = match &attributes.login {
            Some(AttributeValue::Value(login)) => Some(PeerLogin::Told(login.as_str().into())),
            Some(AttributeValue::Unavailable) | None => None,
        };
        tracing::debug!(client = %self.peer.address, login = ?self.peer.login, "a proxy speaks for a client");
        let greeting = self.greeting();
        self.say(&greeting)
    }
}
