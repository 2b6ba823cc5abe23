//! The words of the design as types. Their texts are the same in the API, the database and the pages.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::smtp::reply::Reply;

/// A closed set of words: an enum, its texts, and the way back from a text. `as` gives it another name in the
/// OpenAPI document.
macro_rules! words {
    (
        $(#[doc = $doc:literal])+ $(#[$outer:meta])*
        $name:ident $(as $schema:ident)? { $($(#[$inner:meta])* $variant:ident => $text:literal),+ $(,)? }
    ) => {
        $(#[doc = $doc])+ $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$inner])* $variant),+ }

        impl $name {
            /// Every member, in the order of the design.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the API, the database and the pages.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The member that a word names.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .description(Some(concat!($($doc),+).trim()))
                    .enum_values(Some([$($text),+]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                [$(stringify!($schema),)? stringify!($name)][0].into()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<str>::deserialize(deserializer)?;
                let unknown = || serde::de::Error::unknown_variant(&word, &[$($text),+]);
                Self::from_word(&word).ok_or_else(unknown)
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The way a message took.
    Path {
        /// Delivered first, answered then (Figure 3).
        Fast => "fast",
        /// Stored durably, answered, then delivered (Figure 2).
        Standard => "standard",
        /// Connected first, streamed through (Figure 5).
        CutThrough => "cut_through",
    }
}

words! {
    /// Where a message was when it was answered.
    Storage {
        /// Nothing on disk.
        Memory => "memory",
        /// Head in memory, tail on disk.
        Split => "split",
        /// The complete message is stored.
        Disk => "disk",
    }
}

words! {
    /// The state of one recipient in the retry queue.
    RowState {
        /// Due at its next attempt.
        Waiting => "waiting",
        /// An attempt is under way.
        Delivering => "delivering",
        /// An operator keeps it back.
        Held => "held",
        /// Our final dot was sent and no reply came.
        Uncertain => "uncertain",
        /// A condition keeps it back.
        Quarantined => "quarantined",
        /// It cannot be decoded.
        Damaged => "damaged",
    }
}

words! {
    /// What one attempt meant for one recipient, without the words.
    OutcomeKind {
        /// The next hop took it.
        Delivered => "delivered",
        /// Try again later.
        Deferred => "deferred",
        /// Never.
        Refused => "refused",
        /// Our final dot was handed over, no reply came.
        Uncertain => "uncertain",
    }
}

/// Why a message touched disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DiskReason {
    /// It exceeded the threshold.
    OverThreshold,
    /// A condition was present.
    Condition(Arc<str>),
    /// A next hop said "later", or could not be reached.
    Deferred,
    /// The acknowledgement deadline passed first.
    AckDeadline,
    /// No connection to the next hop became free in time.
    DestinationBusy,
    /// The next hop's breaker is open.
    DestinationSuspended,
    /// An operator paused the next hop.
    NextHopPaused,
    /// The memory budget was used up.
    MemoryPressure,
    /// The destination takes only 7-bit content.
    Conversion,
    /// A next hop was given the dot and did not answer.
    Uncertain,
    /// The standard path was chosen for everything.
    StandardPath,
}

impl DiskReason {
    /// The reasons without a name of their own, for counters.
    pub const PLAIN: &'static [Self] = &[
        Self::OverThreshold,
        Self::Deferred,
        Self::AckDeadline,
        Self::DestinationBusy,
        Self::DestinationSuspended,
        Self::NextHopPaused,
        Self::MemoryPressure,
        Self::Conversion,
        Self::Uncertain,
        Self::StandardPath,
    ];

    /// The word, `condition:<name>` for a condition.
    #[must_use]
    pub fn as_word(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::OverThreshold => "over_threshold",
            Self::Condition(name) => return Cow::Owned(format!("condition:{name}")),
            Self::Deferred => "deferred",
            Self::AckDeadline => "ack_deadline",
            Self::DestinationBusy => "destination_busy",
            Self::DestinationSuspended => "destination_suspended",
            Self::NextHopPaused => "next_hop_paused",
            Self::MemoryPressure => "memory_pressure",
            Self::Conversion => "conversion",
            Self::Uncertain => "uncertain",
            Self::StandardPath => "standard_path",
        })
    }

    /// The reason that a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        if let Some(name) = word.strip_prefix("condition:") {
            return Some(Self::Condition(Arc::from(name)));
        }
        Self::PLAIN
            .iter()
            .find(|reason| reason.as_word() == word)
            .cloned()
    }
}

impl fmt::Display for DiskReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_word())
    }
}

impl Serialize for DiskReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.as_word())
    }
}

/// What one attempt meant for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop took it; its reply to the end of data.
    Delivered(Reply),
    /// Try again later: why the message is kept, and the next hop's reply or, when there was none,
    /// our own words in a reply's form (451 4.x.x).
    Deferred(DiskReason, Reply),
    /// 5xx to MAIL, RCPT, DATA or the end of data.
    Refused(Reply),
    /// Our final dot was handed over and no reply came; why not.
    Uncertain(Reply),
}

impl Outcome {
    /// The outcome without its words.
    #[must_use]
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Delivered(_) => OutcomeKind::Delivered,
            Self::Deferred(..) => OutcomeKind::Deferred,
            Self::Refused(_) => OutcomeKind::Refused,
            Self::Uncertain(_) => OutcomeKind::Uncertain,
        }
    }

    /// The words.
    #[must_use]
    pub fn reply(&self) -> &Reply {
        match self {
            Self::Delivered(reply)
            | Self::Deferred(_, reply)
            | Self::Refused(reply)
            | Self::Uncertain(reply) => reply,
        }
    }
}

/// One recipient's row in the retry queue. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
pub struct RowId(pub i64);

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_its_word() {
        let named = DiskReason::Condition(Arc::from("antivirus"));
        for reason in DiskReason::PLAIN.iter().chain([&named]) {
            assert_eq!(
                DiskReason::from_word(&reason.as_word()),
                Some(reason.clone())
            );
        }
        assert_eq!(DiskReason::from_word("rain"), None);
    }

    #[test]
    fn every_state_survives_its_word() {
        for state in RowState::ALL {
            assert_eq!(RowState::from_word(state.as_str()), Some(*state));
        }
    }
}
