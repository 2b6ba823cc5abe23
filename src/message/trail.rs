//! The trail: the history of one message, as it is handed to the store that keeps it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::words::{DiskReason, OutcomeKind, Path, Storage, words};
use super::{Client, MessageId};
use crate::smtp::address::{Mailbox, ReversePath};

/// One thing that happened to a message.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most entries are answers: a box would cost every message an allocation"
)]
pub enum TrailEntry {
    /// It arrived and was answered.
    Answered(AnsweredMessage),
    /// It was tried for one recipient.
    Attempted(Attempted),
    /// Something else was done for one recipient: queued, reported, held, purged…
    Noted(Noted),
}

/// A message arrived and got its reply after the end of data.
#[derive(Clone, Debug)]
pub struct AnsweredMessage {
    /// Our id.
    pub message: MessageId,
    /// When its MAIL command was accepted.
    pub received_at: Timestamp,
    /// The client that sent it.
    pub client: Client,
    /// The reverse path.
    pub sender: ReversePath,
    /// How many recipients it had.
    pub recipients: u32,
    /// Bytes of content.
    pub size_bytes: u64,
    /// The way it took.
    pub path: Path,
    /// Where it was when it was answered.
    pub storage: Storage,
    /// Why it touched disk, first reason first; empty when it did not.
    pub reasons: Vec<DiskReason>,
    /// The reply's code.
    pub code: u16,
    /// The reply's text, with its enhanced code.
    pub reply: String,
    /// From the end of data to the reply.
    pub acknowledged_after: Duration,
    /// The attempt that delivered it before the reply, when it had one recipient: most mail is then
    /// noted in one row. Every other attempt is an entry of its own.
    pub delivered: Option<Attempted>,
    /// What the conditions said of it; empty when none was present.
    pub examined: String,
}

/// One attempt for one recipient.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// Our id.
    pub message: MessageId,
    /// The recipient.
    pub recipient: Mailbox,
    /// When the attempt ended.
    pub at: Timestamp,
    /// The next hop's name.
    pub next_hop: Arc<str>,
    /// The server that was spoken to; none when no address connected.
    pub peer: Option<SocketAddr>,
    /// What it meant.
    pub outcome: OutcomeKind,
    /// The next hop's reply, or our words where there was none.
    pub words: String,
    /// How long the attempt took.
    pub took: Duration,
    /// TLS was spoken.
    pub tls: bool,
}

/// Something that was done for one recipient.
#[derive(Clone, Debug)]
pub struct Noted {
    /// Our id.
    pub message: MessageId,
    /// The recipient that it concerns.
    pub recipient: Mailbox,
    /// When.
    pub at: Timestamp,
    /// What, in the operator's words.
    pub event: RecipientEvent,
    /// More words: a reason, a reply, who did it.
    pub words: String,
}

words! {
    /// What was done for one recipient.
    RecipientEvent {
        /// It went into the retry queue.
        Queued => "queued",
        /// It goes on as another message, which the words name.
        Copied => "copied",
        /// This message was made for it of another one, which the words name.
        Made => "made",
        /// It was known by its fingerprint and counted as settled.
        AlreadySettled => "already_settled",
        /// It was put off and is not stored: the client keeps it, and may send it again.
        LeftWithClient => "left_with_client",
        /// A failure report was written.
        Reported => "reported",
        /// It failed, and no report was wanted.
        FailedSilently => "failed_silently",
        /// A report of its success was asked for and not written: its client gets few.
        NotReported => "not_reported",
        /// It ran out of time or tries.
        Expired => "expired",
        /// What is stored of it is damaged; the words say how.
        Damaged => "damaged",
        /// An operator asked for an attempt now.
        Retried => "retried",
        /// A condition keeps it back.
        Quarantined => "quarantined",
        /// An operator keeps it back.
        Held => "held",
        /// An operator let it go on.
        Released => "released",
        /// An operator deleted it without a report.
        Purged => "purged",
        /// An operator failed it with a report.
        Returned => "returned",
    }
}
