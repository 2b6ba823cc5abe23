//! Which settings are secrets, and where they are.

use serde_json::{Map, Value};

use super::{SHOWN, Secret, SettingsDocument};

/// How many there are.
const SECRETS: usize = 2;

impl SettingsDocument {
    /// Every secret, by its path.
    fn secrets(&self) -> [(&'static str, &Option<Secret>); SECRETS] {
        [
            ("alert_webhook_secret", &self.alert_webhook_secret),
            ("directory.bind_password", &self.directory.bind_password),
        ]
    }

    /// The paths of the secrets.
    #[must_use]
    pub fn secret_fields() -> [&'static str; SECRETS] {
        Self::default().secrets().map(|(field, _)| field)
    }

    /// All fields, under the names that they have everywhere. Of a secret only whether it is set.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => unreachable!("the settings are an object"),
        }
    }

    /// All fields with the secrets themselves, for the store.
    #[must_use]
    pub fn revealed(&self) -> Map<String, Value> {
        let mut fields = self.fields();
        self.reveal(&mut fields);
        fields
    }

    /// Puts the secrets themselves where there is only "(set)".
    pub(super) fn reveal(&self, fields: &mut Map<String, Value>) {
        for (field, secret) in self.secrets() {
            if let (Some(secret), Some(shown)) = (secret, part_mut(fields, field))
                && *shown == SHOWN
            {
                *shown = secret.expose().into();
            }
        }
    }
}

/// A field among the settings as an object, or behind a dot a part of it; null when it is not there.
#[must_use]
pub fn part<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a Value {
    let value = match name.split_once('.') {
        None => fields.get(name),
        Some((field, part)) => fields.get(field).and_then(|field| field.get(part)),
    };
    value.unwrap_or(&Value::Null)
}

/// The same to be changed; none when it is not there.
#[must_use]
pub fn part_mut<'a>(fields: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Value> {
    match name.split_once('.') {
        None => fields.get_mut(name),
        Some((field, part)) => fields.get_mut(field)?.get_mut(part),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::{Settings, testing};

    fn patched(settings: &Settings, patch: Value) -> Settings {
        settings
            .patched(&testing::patch(patch))
            .expect("the patch holds")
    }

    #[test]
    fn a_secret_within_an_object_is_shown_as_set_and_stays() {
        let defaults = Settings::new(SettingsDocument::default()).expect("the defaults hold");
        let login = json!({"bind_dn": "cn=relay", "bind_password": "open sesame"});
        let set = patched(&defaults, json!({"directory": login}));
        let shown = serde_json::to_value(set.document()).expect("an object");
        assert_eq!(shown["directory"]["bind_password"], SHOWN);
        assert!(!format!("{:?}", set.document()).contains("sesame"));
        let stored = Value::Object(set.document().revealed());
        assert_eq!(stored["directory"]["bind_password"], "open sesame");
        let read: SettingsDocument = serde_json::from_value(stored).expect("settings");
        assert_eq!(read, *set.document());

        for (change, expected) in [
            (json!({"timeout_seconds": 5}), Some("open sesame")),
            (json!({"bind_password": SHOWN}), Some("open sesame")),
            (json!({"bind_password": "another"}), Some("another")),
            (json!({"bind_dn": null, "bind_password": null}), None),
        ] {
            let changed = patched(&set, json!({"directory": change}));
            let password = changed.directory.bind_password.as_ref();
            assert_eq!(password.map(Secret::expose), expected, "{change}");
        }
    }
}
