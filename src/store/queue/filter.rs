//! Which rows of the queue are meant: as an operator asks, and as conditions of a query.
//!
//! The same filter serves the page, the API's query string and the JSON of a bulk action, so that
//! what was counted is what is changed.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use sqlx::{QueryBuilder, Sqlite};
use utoipa::{IntoParams, ToSchema};

use crate::message::{MessageId, RowState};
use crate::settings::names::compared;
use crate::smtp::domain::{ascii_domain, unicode_domain};

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

    /// Whether the question needs the messages' columns beside the recipients'.
    pub(in crate::store) fn asks_messages(&self) -> bool {
        self.sender.is_some()
    }

    /// Adds the WHERE clause over `recipients AS r` and `messages AS m`.
    pub(in crate::store) fn push_where(&self, query: &mut QueryBuilder<Sqlite>, now: Timestamp) {
        query.push(" WHERE TRUE");
        if let Some(state) = self.state {
            push_state(query, state);
        }
        if let Some(next_hop) = &self.next_hop {
            query.push(" AND r.next_hop = ").push_bind(next_hop.clone());
        }
        if let Some(destination) = &self.destination {
            // Rows of before are under what was written.
            let written = destination.to_ascii_lowercase();
            let domain = compared(destination).to_ascii_lowercase();
            query.push(" AND r.recipient_domain IN (").push_bind(domain);
            query.push(", ").push_bind(written).push(")");
        }
        push_like_address(query, "m.sender", self.sender.as_deref());
        push_like_address(query, "r.recipient", self.recipient.as_deref());
        push_like(query, "r.last_reply", self.last_reply.as_deref());
        match self.reason.as_deref() {
            Some(reason) if reason.ends_with('*') => push_like(query, "r.reason", Some(reason)),
            Some(reason) => {
                query.push(" AND r.reason = ").push_bind(reason.to_owned());
            }
            None => {}
        }
        if let Some(seconds) = self.older_than_seconds {
            // Ids begin with the time of arrival: no message needs to be read for its age.
            let after = earlier(now, seconds).saturating_add(MILLISECOND);
            query.push(" AND r.message < ");
            query.push_bind(MessageId::earliest_at(after.unwrap_or(now)).as_i64());
        }
        if let Some(seconds) = self.younger_than_seconds {
            query.push(" AND r.message >= ");
            query.push_bind(MessageId::earliest_at(earlier(now, seconds)).as_i64());
        }
        if let Some(id) = self.message_id {
            query.push(" AND r.message = ").push_bind(id.as_i64());
        }
    }
}

/// A state that this version does not know is shown as damaged, so asking for damaged rows finds it.
fn push_state(query: &mut QueryBuilder<Sqlite>, state: RowState) {
    if state != RowState::Damaged {
        query.push(" AND r.state = ").push_bind(state.as_str());
        return;
    }
    query.push(" AND r.state NOT IN (");
    let mut words = query.separated(", ");
    for known in RowState::ALL {
        if *known != RowState::Damaged {
            words.push_bind(known.as_str());
        }
    }
    query.push(")");
}

/// `column` holds `text`, or begins with it when it ends in `*`. What has a NUL is found nowhere: SQLite
/// would take the pattern to end there.
pub(in crate::store) fn push_like(
    query: &mut QueryBuilder<Sqlite>,
    column: &str,
    text: Option<&str>,
) {
    let Some(text) = text else { return };
    if text.contains('\0') {
        query.push(" AND FALSE");
        return;
    }
    query.push(" AND ").push(column).push(" LIKE ");
    query.push_bind(pattern_of(text)).push(" ESCAPE '\\'");
}

/// The same for an address or a part of one, whose domain may be in either form.
fn push_like_address(query: &mut QueryBuilder<Sqlite>, column: &str, text: Option<&str>) {
    let forms = text.map(forms_of).unwrap_or_default();
    if forms.len() < 2 || forms.iter().any(|form| form.contains('\0')) {
        return push_like(query, column, text);
    }
    query.push(" AND (FALSE");
    for form in forms {
        query.push(" OR ").push(column).push(" LIKE ");
        query.push_bind(pattern_of(&form)).push(" ESCAPE '\\'");
    }
    query.push(")");
}

fn pattern_of(text: &str) -> String {
    let (anywhere, text) = match text.strip_suffix('*') {
        Some(prefix) => ("", prefix),
        None => ("%", text),
    };
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push_str(anywhere);
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// An address, or its domain, as it may be stored: as it is asked for and, where the domain is internationalised, in
/// either form of that.
pub(in crate::store) fn forms_of(address: &str) -> Vec<String> {
    let mut forms = vec![address.to_owned()];
    let (before, domain) = match address.rfind('@') {
        Some(at) => address.split_at(at + 1),
        None => ("", address),
    };
    if !domain.is_ascii() || domain.to_ascii_lowercase().contains("xn--") {
        let ascii = ascii_domain(domain).map(Cow::into_owned);
        let domains = [ascii, unicode_domain(domain)];
        let others = domains.into_iter().flatten();
        forms.extend(others.map(|domain| format!("{before}{domain}")));
    }
    forms
}

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

/// `seconds` before `now`; the beginning of time when that lies before it.
fn earlier(now: Timestamp, seconds: u64) -> Timestamp {
    let ago = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What a text asks for: without the blanks around it, and without control characters, which stand in
/// nothing that is looked for.
pub(in crate::store) fn plain(text: &str) -> Result<&str, String> {
    let wanted = text.trim();
    // Some control characters count as blanks; alone they are none.
    let looked_at = if wanted.is_empty() { text } else { wanted };
    if looked_at.chars().any(char::is_control) {
        let shown = text.escape_debug();
        return Err(format!("“{shown}” has a control character"));
    }
    Ok(wanted)
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
    fn an_internationalised_domain_is_asked_for_in_either_form() {
        for (address, others) in [
            ("a@Example.net", &[][..]),
            ("", &[]),
            ("BÜCHER.test", &["xn--bcher-kva.test", "bücher.test"]),
            ("a@bücher.test", &["a@xn--bcher-kva.test", "a@bücher.test"]),
            ("A@BÜCHER.test", &["A@xn--bcher-kva.test", "A@bücher.test"]),
            (
                "a@XN--bcher-kva.test",
                &["a@XN--bcher-kva.test", "a@bücher.test"],
            ),
        ] {
            let forms = forms_of(address);
            assert_eq!(forms[0], address);
            assert_eq!(forms[1..], *others, "{address}");
        }
    }

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
