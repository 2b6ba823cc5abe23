//! Our name for a message: short, unique, and in the order of arrival.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::limits;

/// Crockford's base 32 in lower case: no letter that is taken for a digit over the telephone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Thirteen digits of five bits hold 65 bits.
const DIGITS: usize = 13;
/// Low bits that number the messages of one millisecond.
const SEQUENCE_BITS: u32 = 20;

/// Milliseconds since 1970 above 20 bits of sequence: fits SQLite's signed 64-bit key until 2248.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(i64);

impl MessageId {
    /// The id as it is stored.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// No id of a message that arrived at `time` or later is smaller.
    #[must_use]
    pub fn earliest_at(time: Timestamp) -> Self {
        Self(time.as_millisecond().max(0) << SEQUENCE_BITS)
    }

    /// When such a message arrived; an id of a burst may run ahead of the clock by some milliseconds.
    #[must_use]
    pub fn time(self) -> Timestamp {
        Timestamp::from_millisecond(self.0 >> SEQUENCE_BITS).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The id behind a stored number.
    #[must_use]
    pub const fn from_i64(number: i64) -> Self {
        Self(number)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0u8; DIGITS];
        let mut rest = self.0.cast_unsigned();
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&digits).expect("the alphabet is ASCII"))
    }
}

/// The text is not one of our ids.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message id has 13 letters and digits")]
pub struct InvalidMessageId;

impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, InvalidMessageId> {
        if text.len() != DIGITS {
            return Err(InvalidMessageId);
        }
        let mut number = 0u128;
        for byte in text.bytes() {
            let digit = ALPHABET
                .iter()
                .position(|&known| known == byte.to_ascii_lowercase())
                .ok_or(InvalidMessageId)?;
            number = number << 5 | digit as u128;
        }
        i64::try_from(number)
            .map(Self)
            .map_err(|_| InvalidMessageId)
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for MessageId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "Our id of a message; ids rise in the order of arrival",
            ))
            .pattern(Some("^[0-9a-hjkmnp-tv-z]{13}$"))
            .into()
    }
}

impl ToSchema for MessageId {}

/// The source of ids: each is greater than the one before, also when the clock steps back. Only when the clock
/// turns out to have been far ahead do ids follow it back: they tell when a message arrived.
#[derive(Debug)]
pub struct MessageIds {
    last: AtomicI64,
}

impl MessageIds {
    /// Continues after the greatest id that is stored, if there is one.
    #[must_use]
    pub fn after(greatest: Option<MessageId>) -> Self {
        Self {
            last: AtomicI64::new(greatest.map_or(0, MessageId::as_i64)),
        }
    }

    /// A new id for a message that arrives at `now`.
    pub fn next(&self, now: Timestamp) -> MessageId {
        let earliest_at = |time| MessageId::earliest_at(time).as_i64();
        let earliest = earliest_at(now);
        let latest = now.checked_add(limits::CLOCK_STEP).map(earliest_at);
        let behind = |last: i64| match latest {
            // Others may have had ids of this time before the clock was ahead: hardly this one.
            Ok(latest) if last > latest => earliest + rand::random_range(1 << 10..1 << 19),
            _ => earliest.max(last + 1),
        };
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = behind(last);
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            match self
                .last
                .compare_exchange_weak(last, next, success, failure)
            {
                Ok(_) => return MessageId(next),
                Err(other) => last = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text() {
        for number in [0, 1, 31, 32, 1_234_567_890_123, i64::MAX] {
            let id = MessageId::from_i64(number);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "0", "00000000000u0", "zzzzzzzzzzzzz", "00000000000000"] {
            assert_eq!(text.parse::<MessageId>(), Err(InvalidMessageId), "{text}");
        }
    }

    #[test]
    fn ids_rise_even_when_the_clock_steps_back() {
        let ids = MessageIds::after(None);
        let later = ids.next(Timestamp::from_millisecond(2_000_000).expect("in range"));
        let earlier = ids.next(Timestamp::from_millisecond(1_000_000).expect("in range"));
        assert!(earlier > later);
        let after = MessageIds::after(Some(earlier));
        assert!(after.next(Timestamp::UNIX_EPOCH) > earlier);
    }

    #[test]
    fn ids_tell_the_time_again_when_the_clock_was_far_ahead() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let ahead = MessageId::earliest_at(now + jiff::SignedDuration::from_hours(24));
        let ids = MessageIds::after(Some(ahead));
        let first = ids.next(now);
        assert_eq!(first.time(), now);
        let second = ids.next(now);
        assert!(second > first);
        assert_eq!(second.time(), now);
    }
}
