//! The trail: the history of one message, as it is handed to the store that keeps it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::words::{DiskReason, OutcomeKind, Path, Storage};
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
    Answered(Answered),
    /// It was tried for one recipient.
    Attempted(Attempted),
    /// Something else was done for one recipient: queued, reported, held, purged…
    Noted(Noted),
}

/// A message arrived and got its reply after the end of data.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Our id.
    pub message: MessageId,
    /// When its MAIL command was accepted.
    pub received_at: Timestamp,
    /// Who brought it.
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
    /// told in one row. Every other attempt is an entry of its own.
    pub delivered: Option<Attempted>,
    /// What the conditions said of it; empty when none was present.
    pub examined: String,
}

/// One attempt for one recipient.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// Our id.
    pub message: MessageId,
    /// Whom it was for.
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
    /// Whom it concerns.
    pub recipient: Mailbox,
    /// When.
    pub at: Timestamp,
    /// What, in the operator's words.
    pub event: RecipientEvent,
    /// More words: a reason, a reply, who did it.
    pub words: String,
}

/// What was done for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientEvent {
    /// It went into the retry queue.
    Queued,
    /// It goes on as another message, which the words name.
    Copied,
    /// This message was made for it of another one, which the words name.
    Made,
    /// It was known by its fingerprint and counted as settled.
    AlreadySettled,
    /// It was put off and is not stored: the client keeps it, and may send it again.
    LeftWithClient,
    /// A failure report was written.
    Reported,
    /// It failed, and nobody wanted a report.
    FailedSilently,
    /// A report of its success was asked for and not written: its client gets few.
    NotReported,
    /// It ran out of time or tries.
    Expired,
    /// What is stored of it is damaged; the words say how.
    Damaged,
    /// An operator asked for an attempt now.
    Retried,
    /// A condition keeps it back.
    Quarantined,
    /// An operator keeps it back.
    Held,
    /// An operator let it go on.
    Released,
    /// An operator deleted it without a report.
    Purged,
    /// An operator failed it with a report.
    Returned,
}

impl RecipientEvent {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Queued,
        Self::Copied,
        Self::Made,
        Self::AlreadySettled,
        Self::LeftWithClient,
        Self::Reported,
        Self::FailedSilently,
        Self::NotReported,
        Self::Expired,
        Self::Damaged,
        Self::Retried,
        Self::Quarantined,
        Self::Held,
        Self::Released,
        Self::Purged,
        Self::Returned,
    ];

    /// The event that a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }

    /// The word in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Copied => "copied",
            Self::Made => "made",
            Self::AlreadySettled => "already_settled",
            Self::LeftWithClient => "left_with_client",
            Self::Reported => "reported",
            Self::FailedSilently => "failed_silently",
            Self::NotReported => "not_reported",
            Self::Expired => "expired",
            Self::Damaged => "damaged",
            Self::Retried => "retried",
            Self::Quarantined => "quarantined",
            Self::Held => "held",
            Self::Released => "released",
            Self::Purged => "purged",
            Self::Returned => "returned",
        }
    }
}
