//! What became of a message, and the reply that says so.

use crate::message::trail::Attempted;
use crate::message::{DiskReason, Message, Path};
use crate::smtp::reply::Reply;

/// What became of a message.
#[derive(Debug)]
pub(super) struct Disposition {
    /// The reply.
    pub(super) reply: Reply,
    /// One for each recipient, where they were asked for and differ.
    pub(super) each: Vec<Reply>,
    /// The way the message took.
    pub(super) path: Path,
    /// The complete message is stored now.
    pub(super) stored: bool,
    /// Why it touched disk, beside what its body says.
    pub(super) reasons: Vec<DiskReason>,
    /// Positions of recipients that are delivered or durable.
    pub(super) settled: Vec<usize>,
    /// A repetition must find a fingerprint: a 451 follows a partial success.
    pub(super) needs_fingerprint: bool,
    /// The client is gone.
    pub(super) client_gone: bool,
    /// The attempt that delivered it to its one recipient, which is not in the trail yet.
    pub(super) delivered: Option<Attempted>,
}

impl Disposition {
    /// Nothing was delivered and nothing is stored: the client keeps the message.
    pub(super) fn nothing(reply: Reply, path: Path) -> Self {
        Self {
            reply,
            each: Vec::new(),
            path,
            stored: false,
            reasons: Vec::new(),
            settled: Vec::new(),
            needs_fingerprint: false,
            client_gone: false,
            delivered: None,
        }
    }

    /// The same on the fast path.
    pub(super) fn fast(reply: Reply) -> Self {
        Self::nothing(reply, Path::Fast)
    }

    /// Nobody waits for a reply and nobody got the message.
    pub(super) fn client_gone() -> Self {
        Self {
            client_gone: true,
            ..Self::fast(Reply::CLIENT_GONE)
        }
    }

    /// The whole message is stored, for `reason`.
    pub(super) fn queued(message: &Message, reason: DiskReason) -> Self {
        Self {
            stored: true,
            reasons: vec![reason],
            settled: (0..message.envelope.recipients.len()).collect(),
            ..Self::nothing(Reply::queued(message.id), Path::Standard)
        }
    }
}
