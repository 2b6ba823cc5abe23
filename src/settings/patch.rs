//! Changing a subset of the settings, with a message for every field that does not hold.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Written;

/// What is wrong, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FieldErrors(pub BTreeMap<String, String>);

impl FieldErrors {
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

/// `written` with the patch's fields in the place of its own, checked as a whole.
///
/// Each field is tried alone first, so that the message stands at the field that caused it; those
/// that can be read are checked all the same, so that everything wrong is said at once. A secret that
/// the patch does not set anew stays.
pub(super) fn apply(written: &Written, patch: &Map<String, Value>) -> Result<Written, FieldErrors> {
    let Ok(Value::Object(base)) = serde_json::to_value(written) else {
        unreachable!("the settings are an object");
    };
    let mut errors = FieldErrors::default();
    let mut merged = base.clone();
    for (field, value) in patch {
        if !base.contains_key(field) {
            errors.add(field, "there is no such setting");
            continue;
        }
        let mut alone = base.clone();
        alone.insert(field.clone(), value.clone());
        match serde_json::from_value::<Written>(Value::Object(alone)) {
            Ok(_) => {
                merged.insert(field.clone(), value.clone());
            }
            Err(error) => errors.add(field, error.to_string()),
        }
    }
    match serde_json::from_value::<Written>(Value::Object(merged)) {
        Ok(mut merged) => {
            merged.keep_secrets_of(written);
            if let Err(found) = merged.validate() {
                for (field, message) in found.0 {
                    errors.add(&field, message);
                }
            }
            errors.into_result()?;
            Ok(merged)
        }
        Err(error) => {
            errors.add("settings", error.to_string());
            Err(errors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use serde_json::json;

    fn check(patch: Value, expected: &[&str]) {
        let Value::Object(patch) = patch else {
            panic!("a patch is an object");
        };
        let base = Settings::new(Written::default()).expect("the defaults hold");
        let wrong: Vec<String> = match base.patched(&patch) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.0.into_keys().collect(),
        };
        assert_eq!(wrong, expected, "{patch:?}");
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
