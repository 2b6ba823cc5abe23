use crate::settings::{Settings, SettingsDocument, testing};
use serde_json::{Value, json};

fn check(patch: Value, expected: &[&str]) {
    let wrong: Vec<String> = testing::refused(patch.clone()).into_keys().collect();
    assert_eq!(wrong, expected, "{patch}");
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
    let patched = |base: &Settings, patch: Value| base.patched(&testing::patch(patch));
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
