//! Where a recipient stands after the last thing that happened.

use crate::message::trail::RecipientEvent;
use crate::message::words::OutcomeKind;

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Mood {
    Good,
    Neutral,
    Bad,
}

impl Mood {
    /// The class in the stylesheet.
    pub(in crate::web) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Neutral => "",
            Self::Bad => "bad",
        }
    }
}

/// Where a recipient stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum RecipientStatus {
    Delivered,
    Waiting,
    /// Not here: the client has it.
    Left,
    /// In another message, whose story it is.
    Copied,
    Held,
    Uncertain,
    Purged,
    /// Kept, but not fit to be sent.
    Damaged,
    Failed,
    /// An event of a version that knows more than this one.
    Unknown,
}

impl RecipientStatus {
    pub(in crate::web) const ALL: [Self; 10] = [
        Self::Delivered,
        Self::Waiting,
        Self::Left,
        Self::Copied,
        Self::Held,
        Self::Uncertain,
        Self::Purged,
        Self::Damaged,
        Self::Failed,
        Self::Unknown,
    ];

    /// After the last event `what`.
    pub(in crate::web) fn after(what: &str) -> Self {
        match Happening::from_word(what) {
            Happening::Attempt(OutcomeKind::Delivered)
            | Happening::Done(RecipientEvent::AlreadySettled | RecipientEvent::NotReported) => {
                Self::Delivered
            }
            Happening::Attempt(OutcomeKind::Deferred)
            | Happening::Done(
                RecipientEvent::Queued
                | RecipientEvent::Made
                | RecipientEvent::Retried
                | RecipientEvent::Released,
            ) => Self::Waiting,
            Happening::Done(RecipientEvent::LeftWithClient) => Self::Left,
            Happening::Done(RecipientEvent::Copied) => Self::Copied,
            Happening::Done(RecipientEvent::Held | RecipientEvent::Quarantined) => Self::Held,
            Happening::Attempt(OutcomeKind::Uncertain) => Self::Uncertain,
            Happening::Done(RecipientEvent::Purged) => Self::Purged,
            Happening::Done(RecipientEvent::Damaged) => Self::Damaged,
            Happening::Attempt(OutcomeKind::Refused)
            | Happening::Done(
                RecipientEvent::Reported
                | RecipientEvent::FailedSilently
                | RecipientEvent::Expired
                | RecipientEvent::Returned,
            ) => Self::Failed,
            Happening::Other => Self::Unknown,
        }
    }

    /// For a tag, and behind a number.
    pub(in crate::web) const fn in_words(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::Left => "left with the client",
            Self::Copied => "gone on in a message of its own",
            Self::Held => "held",
            Self::Uncertain => "uncertain",
            Self::Purged => "purged",
            Self::Damaged => "damaged",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// The same where there is only one recipient.
    pub(in crate::web) const fn alone(self) -> &'static str {
        match self {
            Self::Waiting => "waiting in the retry queue",
            Self::Left => "left with the client, to be sent again",
            Self::Held => "held in the retry queue",
            Self::Uncertain => "uncertain: it may have arrived",
            Self::Damaged => "damaged in the retry queue",
            Self::Failed => "not delivered",
            Self::Delivered | Self::Copied | Self::Purged | Self::Unknown => self.in_words(),
        }
    }

    pub(in crate::web) const fn mood(self) -> Mood {
        match self {
            Self::Delivered => Mood::Good,
            Self::Waiting | Self::Left | Self::Copied | Self::Held | Self::Unknown => Mood::Neutral,
            Self::Uncertain | Self::Purged | Self::Damaged | Self::Failed => Mood::Bad,
        }
    }
}

/// An event's word, read.
pub(in crate::web) enum Happening {
    Attempt(OutcomeKind),
    Done(RecipientEvent),
    Other,
}

impl Happening {
    pub(in crate::web) fn from_word(word: &str) -> Self {
        let attempt = OutcomeKind::from_word(word).map(Self::Attempt);
        attempt
            .or_else(|| RecipientEvent::from_word(word).map(Self::Done))
            .unwrap_or(Self::Other)
    }
}
