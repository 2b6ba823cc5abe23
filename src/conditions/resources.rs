//! What the checks work with, their services aside.

use std::sync::Arc;

use crate::dns::Dns;
use crate::message::{BodyWriter, MemoryBudget, Message, MessageId, MessageIds, Spool};
use crate::openpgp::Keyring;
use crate::settings::{Current, Settings};

/// What the checks work with. Shared by all sessions.
#[derive(Debug)]
pub struct CheckResources {
    /// Our name, which stands in the header fields that checks add.
    pub hostname: Arc<str>,
    /// Names for what is made out of a message.
    pub ids: Arc<MessageIds>,
    /// Where content goes that a check writes anew and that does not stay in memory.
    pub spool: Arc<Spool>,
    /// What all bodies together may hold in memory.
    pub budget: Arc<MemoryBudget>,
    /// The OpenPGP keys of recipients.
    pub keys: Current<Keyring>,
    /// The DNS as delivery asks it.
    pub dns: Arc<Dns>,
}

impl CheckResources {
    /// Takes content of this name that is made out of a message, in memory as far as the threshold and the
    /// memory budget go.
    pub(super) fn body_writer(
        &self,
        name: MessageId,
        settings: &Settings,
        message: &Message,
    ) -> BodyWriter {
        BodyWriter::new(
            name,
            settings.memory_threshold_bytes,
            settings.over_threshold,
            message.body.another_share(),
            &self.spool,
        )
    }
}
