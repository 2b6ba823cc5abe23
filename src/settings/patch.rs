//! Changing a subset of the settings, with a message for every field that does not hold.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{SettingsDocument, reading};

/// What is wrong, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FieldErrors(pub BTreeMap<String, String>);

impl FieldErrors {
    /// What is wrong with one field.
    #[must_use]
    pub fn of(field: &str, message: impl Into<String>) -> Self {
        Self(BTreeMap::from([(field.to_owned(), message.into())]))
    }

    /// Notes what is wrong with a field; the first message stays.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0
            .entry(field.to_owned())
            .or_insert_with(|| message.into());
    }

    /// The errors, if there are any.
    ///
    /// # Errors
    /// Itself, when a field was noted.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (field, message)) in self.0.iter().enumerate() {
            let separator = if position > 0 { "; " } else { "" };
            write!(f, "{separator}{field}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrors {}

/// `document` with the patch's fields in the place of its own, and what of the patch cannot be read. The
/// rest is to be checked all the same, so that everything wrong is said at once.
///
/// Each field is read alone first, so that the message is for the field that caused it. A secret that
/// the patch does not set anew stays, and so do the parts of an object that it leaves out (RFC 7396).
///
/// # Errors
/// When what would be the settings cannot be read.
pub(super) fn apply(
    document: &SettingsDocument,
    patch: &Map<String, Value>,
) -> Result<(SettingsDocument, FieldErrors), FieldErrors> {
    let mut merged = document.fields();
    let mut errors = FieldErrors::default();
    for (field, value) in patch {
        let Some(present) = merged.get_mut(field) else {
            errors.add(field, "there is no such setting");
            continue;
        };
        let value = merge(present, value);
        // What is missing has its default.
        let alone = Map::from_iter([(field.clone(), value.clone())]);
        match reading::read::<SettingsDocument>(Value::Object(alone)) {
            Ok(_) => *present = value,
            Err(error) => errors.add(field, error.without_first().to_string()),
        }
    }
    document.reveal(&mut merged);
    match reading::read(Value::Object(merged)) {
        Ok(merged) => Ok((merged, errors)),
        Err(error) => {
            errors.add("settings", error.to_string());
            Err(errors)
        }
    }
}

/// `change` in the place of `present`; in an object only the parts that it names.
fn merge(present: &Value, change: &Value) -> Value {
    let (Value::Object(present), Value::Object(change)) = (present, change) else {
        return change.clone();
    };
    let mut merged = present.clone();
    for (part, value) in change {
        merged.insert(part.clone(), value.clone());
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::{self, refused};
    use serde_json::json;

    fn check(patch: Value, expected: &[&str]) {
        let wrong: Vec<String> = refused(patch.clone()).into_keys().collect();
        assert_eq!(wrong, expected, "{patch}");
    }

    fn applied(document: &SettingsDocument, patch: &Map<String, Value>) -> SettingsDocument {
        let (document, errors) = apply(document, patch).expect("it can be read");
        assert_eq!(errors, FieldErrors::default());
        document
    }

    #[test]
    fn errors_are_told_in_words() {
        for (field, value, expected) in [
            (
                "alert_queue_age_seconds",
                json!({}),
                "must be a whole number that is not negative, not an object",
            ),
            (
                "path",
                json!("scenic"),
                "“scenic” is none of fast, standard, cut_through",
            ),
            (
                "dns_servers",
                json!(["ns"]),
                "“ns” is not an address and port like 192.0.2.53:53 or [2001:db8::53]:53",
            ),
            (
                "trusted_networks",
                json!(["10.0.0.0/33"]),
                "“10.0.0.0/33” is not a network like 192.0.2.0/24 or 2001:db8::/32",
            ),
            (
                "next_hops",
                json!([{"domain": "a.example", "weather": 1}]),
                "entry 1: “weather” is unknown here",
            ),
            (
                "next_hops",
                json!([{"domain": "a.example", "address": "a b"}]),
                "entry 1, address: a next hop is written smtp://host:port, or lmtp://host:port",
            ),
        ] {
            let patch = Map::from_iter([(field.to_owned(), value)]);
            let (_, errors) =
                apply(&SettingsDocument::default(), &patch).expect("the rest can be read");
            assert_eq!(errors.0[field], expected);
        }
        let patch = json!({"dns_servers": ["192.0.2.53"], "trusted_networks": ["192.0.2.7"]});
        let patch = testing::patch(patch);
        let document = applied(&SettingsDocument::default(), &patch);
        assert_eq!(document.dns_servers[0].to_string(), "192.0.2.53:53");
        assert_eq!(document.trusted_networks[0].to_string(), "192.0.2.7/32");
    }

    #[test]
    fn parts_that_are_left_out_stay() {
        let patch = json!({"antivirus": {"enabled": true, "server": "127.0.0.1:3310"}});
        let patch = testing::patch(patch);
        let document = applied(&SettingsDocument::default(), &patch);
        let patch = Map::from_iter([("antivirus".to_owned(), json!({"timeout_seconds": 5}))]);
        let document = applied(&document, &patch);
        assert!(document.antivirus.enabled);
        assert_eq!(document.antivirus.timeout_seconds, 5);
    }

    #[test]
    fn errors_stand_at_their_fields() {
        check(json!({}), &[]);
        check(json!({"memory_threshold_bytes": 16_384}), &[]);
        check(
            json!({"memory_threshold_bytes": -1}),
            &["memory_threshold_bytes"],
        );
        check(
            json!({"memory_threshold_bytes": "x", "path": "scenic", "weather": 1}),
            &["memory_threshold_bytes", "path", "weather"],
        );
        check(
            json!({"ack_deadline_seconds": 0, "path": "scenic"}),
            &["ack_deadline_seconds", "path"],
        );
        check(
            json!({"ack_deadline_seconds": 26}),
            &["ack_deadline_seconds"],
        );
        check(
            json!({"retry_schedule_seconds": []}),
            &["retry_schedule_seconds"],
        );
        check(
            json!({"default_next_hop": "nowhere"}),
            &["default_next_hop"],
        );
        check(json!({"next_hops": [{"domain": "a b"}]}), &["next_hops"]);
        check(
            json!({"trusted_networks": ["10.0.0.0/33"]}),
            &["trusted_networks"],
        );
        check(json!({"default_next_hop": null}), &[]);
        check(
            json!({"antivirus": {"enabled": true}}),
            &["antivirus.server"],
        );
        check(json!({"antivirus": {"weather": 1}}), &["antivirus"]);
        check(json!({"milter": {"enabled": true}}), &["milter.milters"]);
        check(json!({"milter": {"milters": ["opendkim"]}}), &["milter"]);
        check(
            json!({"antispam": {"tag_score": 9, "refuse_score": 8}}),
            &["antispam.refuse_score"],
        );
        check(
            json!({"paused_next_hops": ["example.net", "[2001:db8::1]:25"]}),
            &[],
        );
        for wrong in [
            json!([""]),
            json!(["A.example"]),
            json!(["a b"]),
            json!(["a", "a"]),
        ] {
            check(json!({"paused_next_hops": wrong}), &["paused_next_hops"]);
        }
    }
}
