//! What follows from a command.

use std::sync::Arc;

use super::chunked::Chunked;
use super::context::{Peer, SessionContext};
use super::envelope::Addressed;
use super::reply_mode::ReplyMode;
use crate::message::Recipient;
use crate::settings::Settings;
use crate::smtp::authentication::SaslStep;
use crate::smtp::reply::Reply;
use crate::smtp::xclient::Attributes;

/// What the conversation has to do about a command.
#[derive(Debug)]
pub(super) enum SessionStep {
    /// Say this.
    Say(Reply),
    /// Ask about a recipient, then reply what comes of it: see [`super::state::SessionState::settle`].
    CheckRecipient {
        recipient: Box<Recipient>,
        settings: Arc<Settings>,
    },
    /// Reply to EHLO with what we offer.
    SendEhlo,
    /// Serve another client from here on, for which a proxy speaks.
    ApplyXclient(Box<Attributes>),
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
        mode: ReplyMode,
    },
    /// Say 220 and begin TLS.
    StartTls,
    /// Ask for credentials, or check them.
    Authenticate(SaslStep),
    /// Say goodbye.
    Quit,
}

/// What stands at a conversation while it looks at a command.
#[derive(Debug)]
pub(super) struct CommandContext<'a, A> {
    pub(super) context: &'a SessionContext<A>,
    pub(super) peer: &'a Peer,
}
