//! A message as the session gives it to the paths.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::message::{DiskReason, Message};
use crate::settings::{PathChoice, Settings};

/// A message whose content has arrived, to be answered.
#[derive(Debug)]
pub struct ReceivedMessage {
    /// The message.
    pub message: Arc<Message>,
    /// What MAIL declared with SIZE.
    pub declared_size: Option<u64>,
    /// The snapshot that was taken at MAIL.
    pub settings: Arc<Settings>,
    /// The path that is chosen where it came in.
    pub path: PathChoice,
    /// Why it does not go straight through although that was chosen.
    pub obstacle: Option<Box<str>>,
    /// The client gets a reply for each recipient.
    pub per_recipient: bool,
    /// Why the body touched disk while it arrived.
    pub reasons: Vec<DiskReason>,
    /// When the end of data was read.
    pub ended_at: Instant,
}

impl ReceivedMessage {
    /// Until when its client is to have the reply.
    pub(super) fn deadline(&self) -> Instant {
        ack_deadline(self.ended_at, &self.settings)
    }
}

/// Until when the client of a message that ended at `ended_at` is to have the reply.
pub(super) fn ack_deadline(ended_at: Instant, settings: &Settings) -> Instant {
    ended_at + Duration::from_secs(settings.ack_deadline_seconds)
}
