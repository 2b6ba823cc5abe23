//! What goes out of a message.

use std::sync::Arc;
use std::time::Instant;

use super::received::ReceivedMessage;
use crate::message::Message;
use crate::settings::Settings;

/// A message on its way out, and how its client is answered.
#[derive(Debug)]
pub(super) struct Dispatch {
    /// The message as it travels; as it arrived where several were made of it.
    pub(super) message: Arc<Message>,
    /// The snapshot that was taken at MAIL.
    pub(super) settings: Arc<Settings>,
    /// The client gets a reply for each recipient.
    pub(super) per_recipient: bool,
    /// Until when its client is to have the reply.
    pub(super) deadline: Instant,
}

impl Dispatch {
    /// Of a message that travels as it arrived.
    pub(super) fn of(received: &ReceivedMessage, deadline: Instant) -> Self {
        Self {
            message: Arc::clone(&received.message),
            settings: Arc::clone(&received.settings),
            per_recipient: received.per_recipient,
            deadline,
        }
    }
}

/// A message as it travels.
#[derive(Debug)]
pub(super) struct OutboundMessage {
    pub(super) message: Arc<Message>,
    /// Which of its recipients are known to be settled, by position; empty when none is.
    pub(super) known: Vec<bool>,
}
