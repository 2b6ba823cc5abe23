//! How the values of the layers above stand in columns, and how they are read back.
//!
//! What is read for a page never fails: a text that is no UTF-8 is shown as well as it goes, a number
//! that is no time as the beginning of time. What is read to be delivered must be right.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, ValueRef};

use crate::smtp::command::{BodyType, Notify, Return};

/// A time as it is stored: milliseconds since 1970.
pub(in crate::store) fn milliseconds(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// The time behind a stored number; a number beyond all times is the beginning of time.
pub(in crate::store) fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A column's text, however damaged; empty when it is missing.
pub(in crate::store) fn text(row: &SqliteRow, column: &str) -> String {
    optional_text(row, column).unwrap_or_default()
}

/// A column's text, however damaged.
pub(in crate::store) fn optional_text(row: &SqliteRow, column: &str) -> Option<String> {
    let value = row.try_get_raw(column).ok()?;
    if value.is_null() {
        return None;
    }
    let bytes = row.try_get::<&[u8], _>(column).ok()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// A column's bytes.
pub(in crate::store) fn bytes(row: &SqliteRow, column: &str) -> Option<Vec<u8>> {
    row.try_get(column).ok().flatten()
}

/// A column's number; 0 when it is missing.
pub(in crate::store) fn number(row: &SqliteRow, column: &str) -> i64 {
    row.try_get(column).unwrap_or_default()
}

/// A column's number.
pub(in crate::store) fn optional_number(row: &SqliteRow, column: &str) -> Option<i64> {
    row.try_get(column).ok().flatten()
}

/// A column's number that counts something.
pub(in crate::store) fn count(row: &SqliteRow, column: &str) -> u64 {
    u64::try_from(number(row, column)).unwrap_or_default()
}

/// A column's time.
pub(in crate::store) fn time(row: &SqliteRow, column: &str) -> Timestamp {
    timestamp(number(row, column))
}

/// A number as SQLite holds it.
pub(in crate::store) fn integer(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Many values as one parameter.
pub(in crate::store) fn json<T: Serialize + ?Sized>(values: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(values).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// The words of RFC 3461 §4.1.
const NOTIFY: [&str; 4] = ["NEVER", "SUCCESS", "FAILURE", "DELAY"];

/// NOTIFY= as it stands in a command.
pub(in crate::store) fn notify_text(notify: Notify) -> String {
    let wanted = [notify.never, notify.success, notify.failure, notify.delay];
    let words = NOTIFY.iter().zip(wanted).filter(|(_, wanted)| *wanted);
    let words: Vec<&str> = words.map(|(word, _)| *word).collect();
    words.join(",")
}

/// What [`notify_text`] gave; none when it is something else.
pub(in crate::store) fn notify_from(text: &str) -> Option<Notify> {
    let mut wanted = [false; NOTIFY.len()];
    for word in text.split(',').filter(|word| !word.is_empty()) {
        wanted[NOTIFY.iter().position(|known| *known == word)?] = true;
    }
    let [never, success, failure, delay] = wanted;
    Some(Notify {
        never,
        success,
        failure,
        delay,
    })
}

/// BODY= as it stands in a command, RFC 6152.
pub(in crate::store) const fn body_type_text(body_type: BodyType) -> &'static str {
    match body_type {
        BodyType::SevenBit => "7BIT",
        BodyType::EightBitMime => "8BITMIME",
    }
}

/// What [`body_type_text`] gave.
pub(in crate::store) fn body_type_from(text: &str) -> Option<BodyType> {
    let mut known = [BodyType::SevenBit, BodyType::EightBitMime].into_iter();
    known.find(|body_type| body_type_text(*body_type) == text)
}

/// RET= as it stands in a command, RFC 3461 §4.3.
pub(in crate::store) const fn return_text(ret: Return) -> &'static str {
    match ret {
        Return::Full => "FULL",
        Return::Headers => "HDRS",
    }
}

/// What [`return_text`] gave.
pub(in crate::store) fn return_from(text: &str) -> Option<Return> {
    let mut known = [Return::Full, Return::Headers].into_iter();
    known.find(|ret| return_text(*ret) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_survive_their_columns() {
        for bits in 0..16u8 {
            let notify = Notify {
                never: bits & 1 != 0,
                success: bits & 2 != 0,
                failure: bits & 4 != 0,
                delay: bits & 8 != 0,
            };
            assert_eq!(notify_from(&notify_text(notify)), Some(notify));
        }
        assert_eq!(notify_from("SOMETIMES"), None);
        for body_type in [BodyType::SevenBit, BodyType::EightBitMime] {
            assert_eq!(body_type_from(body_type_text(body_type)), Some(body_type));
        }
        for ret in [Return::Full, Return::Headers] {
            assert_eq!(return_from(return_text(ret)), Some(ret));
        }
    }

    #[test]
    fn times_beyond_all_times_are_the_beginning() {
        assert_eq!(timestamp(i64::MAX), Timestamp::UNIX_EPOCH);
        assert_eq!(milliseconds(timestamp(1_234)), 1_234);
    }
}
