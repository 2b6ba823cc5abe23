//! The settings of the alerts, checked.

use reqwest::Url;

use super::document::SettingsDocument;
use super::patch::FieldErrors;
use crate::limits;

const DAY_SECONDS: u64 = 86_400;
/// Long enough that nobody finds it out by trying, short enough for a form.
const SECRET_CHARACTERS: std::ops::RangeInclusive<usize> = 8..=200;

impl SettingsDocument {
    pub(super) fn validate_alerts(&self, errors: &mut FieldErrors) {
        self.validate_rules(errors);
        self.validate_webhook(errors);
    }

    fn validate_rules(&self, errors: &mut FieldErrors) {
        let bounds = [
            (
                "alert_queue_recipients",
                self.alert_queue_recipients,
                1..=1_000_000_000,
                "from 1 to 1,000,000,000",
            ),
            (
                "alert_queue_age_seconds",
                self.alert_queue_age_seconds,
                1..=365 * DAY_SECONDS,
                "from 1 second to 365 days",
            ),
            (
                "alert_breaker_seconds",
                self.alert_breaker_seconds,
                1..=30 * DAY_SECONDS,
                "from 1 second to 30 days",
            ),
            (
                "alert_disk_free_percent",
                self.alert_disk_free_percent,
                // An alert ends a tenth above its bound, which must be possible.
                1..=90,
                "from 1 to 90",
            ),
            (
                "alert_disk_free_bytes",
                self.alert_disk_free_bytes,
                1 << 20..=1 << 60,
                "from 1 MiB to 1 EiB",
            ),
            (
                "alert_memory_percent",
                self.alert_memory_percent,
                1..=99,
                "from 1 to 99",
            ),
            (
                "alert_no_delivery_seconds",
                self.alert_no_delivery_seconds,
                60..=365 * DAY_SECONDS,
                "from 1 minute to 365 days",
            ),
        ];
        for (field, value, allowed, words) in bounds {
            if value.is_some_and(|value| !allowed.contains(&value)) {
                errors.add(field, format!("must be {words}"));
            }
        }
    }

    fn validate_webhook(&self, errors: &mut FieldErrors) {
        if let Some(url) = &self.alert_webhook_url
            && let Err(problem) = check_url(url)
        {
            errors.add("alert_webhook_url", problem);
        }
        if let Some(secret) = &self.alert_webhook_secret {
            let characters = secret.expose().chars().count();
            if secret.is_what_is_shown() {
                errors.add(
                    "alert_webhook_secret",
                    "none is set yet: give the secret itself",
                );
            } else if !SECRET_CHARACTERS.contains(&characters) {
                errors.add(
                    "alert_webhook_secret",
                    format!(
                        "must have from {} to {} characters",
                        SECRET_CHARACTERS.start(),
                        SECRET_CHARACTERS.end()
                    ),
                );
            }
        }
    }
}

fn check_url(text: &str) -> Result<(), &'static str> {
    if text.len() > limits::WEBHOOK_URL_BYTES {
        return Err("is too long");
    }
    let url = Url::parse(text)
        .map_err(|_| "is not an address such as https://alerts.example.net/fastpath")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        // The address is shown to everybody who may see the settings.
        return Err("must not contain a user or a password; use the secret instead");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::settings::{Settings, SettingsDocument};
    use serde_json::{Value, json};

    fn check(patch: Value, expected: &[&str]) {
        let Value::Object(patch) = patch else {
            panic!("a patch is an object");
        };
        let base = Settings::new(SettingsDocument::default()).expect("the defaults hold");
        let wrong: Vec<String> = match base.patched(&patch) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.0.into_keys().collect(),
        };
        assert_eq!(wrong, expected, "{patch:?}");
    }

    #[test]
    fn rules_have_sane_bounds_or_none() {
        check(
            json!({
                "alert_queue_recipients": null, "alert_queue_age_seconds": null,
                "alert_breaker_seconds": null, "alert_disk_free_percent": null,
                "alert_disk_free_bytes": null, "alert_memory_percent": null,
                "alert_no_delivery_seconds": null,
            }),
            &[],
        );
        for (field, least, most) in [
            ("alert_queue_recipients", 1_u64, 1_000_000_000),
            ("alert_disk_free_percent", 1, 90),
            ("alert_memory_percent", 1, 99),
            ("alert_no_delivery_seconds", 60, 31_536_000),
        ] {
            for (value, errors) in [
                (least - 1, &[field][..]),
                (least, &[]),
                (most, &[]),
                (most + 1, &[field]),
            ] {
                check(json!({ field: value }), errors);
            }
            check(json!({ field: "x" }), &[field]);
        }
    }

    #[test]
    fn the_webhook_has_an_address_of_the_web() {
        for url in [
            "https://alerts.example.net/fastpath?room=mail",
            "http://127.0.0.1:9000",
            "http://[::1]:9000/a",
        ] {
            check(json!({"alert_webhook_url": url}), &[]);
        }
        for url in [
            "",
            "alerts.example.net",
            "ftp://alerts.example.net/",
            "file:///etc/passwd",
            "https://",
            "https://user:password@alerts.example.net/",
        ] {
            check(json!({"alert_webhook_url": url}), &["alert_webhook_url"]);
        }
        let long = format!("https://alerts.example.net/{}", "x".repeat(2_048));
        check(json!({"alert_webhook_url": long}), &["alert_webhook_url"]);
    }

    #[test]
    fn a_secret_is_set_kept_changed_and_removed() {
        let patched = |base: &Settings, patch: Value| {
            let Value::Object(patch) = patch else {
                panic!("a patch is an object");
            };
            base.patched(&patch)
        };
        let secret = |settings: &Settings| {
            let secret = settings.alert_webhook_secret.as_ref();
            secret.map(|secret| secret.expose().to_owned())
        };
        let base = Settings::new(SettingsDocument::default()).expect("the defaults hold");
        let set = patched(&base, json!({"alert_webhook_secret": "open sesame"})).expect("it holds");
        assert_eq!(secret(&set).as_deref(), Some("open sesame"));
        let shown = serde_json::to_value(set.document()).expect("settings");
        assert_eq!(shown["alert_webhook_secret"], "(set)");
        assert!(!format!("{set:?}").contains("sesame"));

        for patch in [
            json!({"retries_max": 3}),
            json!({"alert_webhook_secret": "(set)"}),
            shown,
        ] {
            let kept = patched(&set, patch).expect("it holds");
            assert_eq!(secret(&kept).as_deref(), Some("open sesame"));
        }
        let stored = Value::Object(set.document().revealed());
        assert_eq!(
            secret(&patched(&base, stored).expect("it holds")),
            secret(&set)
        );
        let removed = patched(&set, json!({"alert_webhook_secret": null})).expect("it holds");
        assert_eq!(secret(&removed), None);

        for wrong in [
            json!("(set)"),
            json!("short"),
            json!("x".repeat(201)),
            json!(1),
        ] {
            check(
                json!({"alert_webhook_secret": wrong}),
                &["alert_webhook_secret"],
            );
        }
    }
}
