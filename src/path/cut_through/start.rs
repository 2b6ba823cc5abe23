//! What is known of a message at its first recipient.

use crate::conditions::EnvelopeFacts;
use crate::message::{Client, Envelope, Recipient};
use crate::settings::PathChoice;

/// A message whose recipients come one by one, as far as it is known before the first of them.
#[derive(Clone, Debug)]
pub struct CutThroughStart {
    /// Who sends it.
    pub client: Client,
    /// Its sender and what was asked for; no recipient yet.
    pub envelope: Envelope,
    /// What MAIL declared with SIZE.
    pub declared_size: Option<u64>,
    /// The path that is chosen where it came in.
    pub path: PathChoice,
}

impl CutThroughStart {
    /// What conditions decide on before the content.
    pub(super) fn facts<'a>(&'a self, recipients: &'a [Recipient]) -> EnvelopeFacts<'a> {
        EnvelopeFacts {
            client: &self.client,
            sender: &self.envelope.sender,
            recipients,
            declared_size: self.declared_size,
        }
    }
}
