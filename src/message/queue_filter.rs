//! Which recipients of the queue are meant, as an operator asks.
//!
//! The same filter serves the page, the API's query string and the JSON of a bulk action, so that
//! what was counted is what is changed.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::search_text::plain;
use super::{MessageId, RowState};

/// Every part narrows; without parts all rows are meant. A part that would not narrow, a blank text or
/// `*` alone, is refused: in a bulk action it would mean all where somebody meant some. Texts match
/// anywhere and ignore the case of ASCII letters; one that ends in `*` matches from the beginning. No
/// text has control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct QueueFilter {
    /// In this state.
    #[serde(deserialize_with = "state")]
    pub state: Option<RowState>,
    /// Waiting for this next hop, by its whole name.
    #[serde(deserialize_with = "text")]
    pub next_hop: Option<String>,
    /// For this domain.
    #[serde(deserialize_with = "text")]
    pub destination: Option<String>,
    /// From such a sender.
    #[serde(deserialize_with = "text")]
    pub sender: Option<String>,
    /// For such a recipient.
    #[serde(deserialize_with = "text")]
    pub recipient: Option<String>,
    /// Kept for this reason, by its whole word; `condition:*` is every condition.
    #[serde(deserialize_with = "text")]
    pub reason: Option<String>,
    /// The next hop's last words.
    #[serde(deserialize_with = "text")]
    pub last_reply: Option<String>,
    /// Arrived at least so long ago.
    #[serde(deserialize_with = "number")]
    pub older_than_seconds: Option<u64>,
    /// Arrived at most so long ago.
    #[serde(deserialize_with = "number")]
    pub younger_than_seconds: Option<u64>,
    /// Recipients of this message.
    #[serde(deserialize_with = "message_id")]
    pub message_id: Option<MessageId>,
}

impl QueueFilter {
    /// Whether every row is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The parts that narrow, under the names of the API.
    #[must_use]
    pub fn parts(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut parts)) = serde_json::to_value(self) else {
            unreachable!("a filter is an object");
        };
        parts.retain(|_, part| !part.is_null());
        parts
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match plain(&text).map_err(Error::custom)? {
        "" | "*" => Err(Error::custom(format!(
            "“{text}” would mean all: leave it out"
        ))),
        wanted => Ok(Some(wanted.to_owned())),
    }
}

fn state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RowState>, D::Error> {
    text(deserializer)?
        .map(|word| {
            RowState::from_word(&word)
                .ok_or_else(|| Error::custom(format!("“{word}” is not a state of the queue")))
        })
        .transpose()
}

fn message_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MessageId>, D::Error> {
    text(deserializer)?
        .map(|text| MessageId::from_str(&text).map_err(Error::custom))
        .transpose()
}

/// JSON has numbers, a query string has digits.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Number;

    impl<'de> Visitor<'de> for Number {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number of seconds")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Option<u64>, E> {
            Ok(Some(number))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Option<u64>, E> {
            u64::try_from(number).map(Some).map_err(E::custom)
        }

        fn visit_str<E: Error>(self, digits: &str) -> Result<Option<u64>, E> {
            digits.trim().parse().map(Some).map_err(E::custom)
        }

        fn visit_unit<E: Error>(self) -> Result<Option<u64>, E> {
            Ok(None)
        }

        fn visit_none<E: Error>(self) -> Result<Option<u64>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(
            self,
            deserializer: D,
        ) -> Result<Option<u64>, D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    deserializer.deserialize_any(Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_read() {
        let filter: QueueFilter = serde_json::from_value(json!({
            "state": "held", "sender": " a@b ", "recipient": null,
            "older_than_seconds": 60, "younger_than_seconds": "7200", "message_id": "0000000000011",
        }))
        .expect("a filter");
        let expected = QueueFilter {
            state: Some(RowState::Held),
            sender: Some("a@b".into()),
            older_than_seconds: Some(60),
            younger_than_seconds: Some(7_200),
            message_id: Some(MessageId::from_i64(33)),
            ..QueueFilter::default()
        };
        assert_eq!(filter, expected);
        let parts = Value::Object(filter.parts());
        assert_eq!(
            parts,
            json!({
                "state": "held", "sender": "a@b", "older_than_seconds": 60,
                "younger_than_seconds": 7_200, "message_id": "0000000000011",
            })
        );
        let nothing = json!({"state": null, "older_than_seconds": null, "message_id": null});
        let filter: QueueFilter = serde_json::from_value(nothing).expect("a filter");
        assert!(filter.is_empty());
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for wrong in [
            json!({"weather": "rain"}),
            json!({"state": "asleep"}),
            json!({"older_than_seconds": -1}),
            json!({"older_than_seconds": "soon"}),
            json!({"message_id": "x"}),
            json!({"sender": "\u{0}"}),
            json!({"recipient": "anna\u{0}@example.org"}),
            json!({"last_reply": "451\n4.3.0"}),
            json!({"next_hop": "\u{85}"}),
            json!({"destination": " "}),
            json!({"sender": ""}),
            json!({"sender": "*"}),
            json!({"recipient": " * "}),
            json!({"reason": "*"}),
            json!({"state": ""}),
            json!({"message_id": ""}),
            json!({"older_than_seconds": ""}),
        ] {
            let read = serde_json::from_value::<QueueFilter>(wrong.clone());
            assert!(read.is_err(), "{wrong}");
        }
    }
}
