//! The audit: what changed field by field, found and paged, on the page and in the API.

use axum::http::StatusCode;
use serde_json::json;

use super::*;
use crate::accounts::AuditEntry;
use crate::limits;
use crate::web::testing::{SCENE, Site};

fn note(who: &str, action: &str, before: Option<Value>, after: Option<Value>) -> AuditEntry {
    AuditEntry {
        at: jiff::Timestamp::UNIX_EPOCH,
        who: who.into(),
        from: None,
        action: action.into(),
        before,
        after,
        until: None,
    }
}

#[test]
fn values_are_told_field_by_field() {
    let change = |field: &str, before: Option<&str>, after: Option<&str>| FieldChange {
        field: field.into(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    for (before, after, expected) in [
        (None, None, vec![]),
        (
            Some(json!({"keep_trail": true, "relay_domains": []})),
            Some(json!({"keep_trail": false, "relay_domains": ["a.example", "b.example"]})),
            vec![
                change("keep trail", Some("yes"), Some("no")),
                change("relay domains", Some("none"), Some("a.example, b.example")),
            ],
        ),
        (
            None,
            Some(json!({"affected": 3, "name": ""})),
            vec![
                change("affected", None, Some("3")),
                change("name", None, Some("blank")),
            ],
        ),
        (
            Some(
                json!({"next_hops": [{"domain": "a.example", "tls_policy": "never"}, {"domain": "b"}],
                "default": null}),
            ),
            None,
            vec![
                change("default", Some("none"), None),
                change(
                    "next hops",
                    Some("domain a.example, tls policy never; domain b"),
                    None,
                ),
            ],
        ),
        (
            Some(json!({"account": "pc", "role": "viewer", "waits": [60, 3_600]})),
            Some(json!({"account": "pc", "role": "operator"})),
            vec![
                change("account", Some("pc"), Some("pc")),
                change("role", Some("viewer"), Some("operator")),
                change("waits", Some("60; 3,600"), None),
            ],
        ),
        (
            Some(json!("one")),
            Some(json!("two")),
            vec![change("", Some("one"), Some("two"))],
        ),
        (None, Some(json!(["x"])), vec![change("", None, Some("x"))]),
        (
            Some(json!({"a": 1})),
            Some(json!("gone")),
            vec![change("", Some("a 1"), Some("gone"))],
        ),
    ] {
        assert_eq!(changes(before, after), expected);
    }
}

#[test]
fn settings_have_the_labels_of_their_pages() {
    let before = json!({
        "keep_trail": true,
        "antispam": {"enabled": true, "timeout_seconds": 5},
        "directory": {"bind_dn": "cn=a", "bind_password": "(set)"},
    });
    let mut after = before.clone();
    after["keep_trail"] = json!(false);
    after["antispam"]["timeout_seconds"] = json!(6);
    let changes = setting_changes(Some(before), Some(after));
    let in_words = changes.iter().map(|change| {
        let (before, after) = (change.before.as_deref(), change.after.as_deref());
        (
            change.field.as_str(),
            before.unwrap_or("-"),
            after.unwrap_or("-"),
        )
    });
    let label = |path| format!("{} ({path})", catalogue::label(path).expect("a setting"));
    let expected = [
        (label("antispam.timeout_seconds"), "5", "6"),
        (label("directory.bind_password"), "(set)", "(set)"),
        (label("keep_trail"), "yes", "no"),
    ];
    let expected = expected
        .iter()
        .map(|(field, before, after)| (field.as_str(), *before, *after));
    assert!(in_words.eq(expected), "{changes:?}");
}

#[tokio::test]
async fn what_was_not_changed_stands_once() {
    let site = Site::open().await;
    let of = |role: &str| Some(json!({"account": "pc", "role": role}));
    let changed = note("admin", "account changed", of("viewer"), of("operator"));
    site.context
        .store
        .administration
        .change((), changed)
        .await
        .expect("noted");
    let page = site.see("/audit").await;
    assert!(page.text.contains("<b>account</b> pc\n"), "{}", page.text);
    let role = "<b>role</b> <del>viewer</del> → <ins>operator</ins>";
    assert!(page.text.contains(role), "{}", page.text);
    site.close().await;
}

#[tokio::test]
async fn changes_are_shown_and_found() {
    let site = Site::open().await;
    let patch = r#"{"memory_threshold_bytes": 1000}"#;
    assert_eq!(
        site.call("PATCH /api/v1/settings", patch).await.status,
        StatusCode::OK
    );
    let store = &site.context.store;
    let other = note(
        "<b>Berta</b>",
        "queue: hold",
        None,
        Some(json!({"affected": 2})),
    );
    store.administration.change((), other).await.expect("noted");
    let page = site.see("/audit").await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&[
        "<b>Memory threshold (memory_threshold_bytes)</b>",
        "<del>32,768</del> → <ins>1,000</ins>",
        "192.0.2.7",
        "this machine",
        "&#60;b&#62;Berta",
    ]);
    for (search, shows_settings, shows_queue) in [
        ("who=berta", false, true),
        ("action=settings", true, false),
        ("action=QUEUE*", false, true),
        ("who=&action=%20", true, true),
        ("who=nobody", false, false),
        ("who=%25", false, false),
    ] {
        let page = site.see(&format!("/audit?{search}")).await;
        let shows = |text: &str| page.text.contains(&format!("<td>{text}</td>"));
        assert_eq!(shows("settings changed"), shows_settings, "{search}");
        assert_eq!(shows("queue: hold"), shows_queue, "{search}");
        let found = site
            .call(&format!("GET /api/v1/audit?{search}"), "")
            .await
            .json();
        let expected = usize::from(shows_settings) + usize::from(shows_queue);
        let items = found["items"].as_array().expect("a list").iter();
        let count = items.filter(|item| item["who"] != SCENE).count();
        assert_eq!(count, expected, "{search}");
    }
    site.close().await;
}

#[tokio::test]
async fn pages_go_on_and_come_back() {
    let site = Site::open().await;
    for number in 0..limits::PAGE_ITEMS + 5 {
        let entry = note("admin", &format!("change {number:03}"), None, None);
        site.context
            .store
            .administration
            .change((), entry)
            .await
            .expect("noted");
    }
    let first = site.see("/audit?who=admin").await;
    assert!(first.text.contains("change 104") && !first.text.contains("change 004"));
    let begin = first
        .text
        .find("/audit?who=admin")
        .expect("a link to the older ones");
    let older = first.text[begin..].split('"').next().expect("its end");
    let second = site.see(&older.replace("&#38;", "&")).await;
    assert!(second.text.contains("change 004") && !second.text.contains("change 005"));
    assert!(second.text.contains("To the newest") && !second.text.contains(">Older<"));

    let mut next = None;
    let mut seen = 0;
    loop {
        let before = next.map_or(String::new(), |next: i64| format!("&before={next}"));
        let page = site
            .call(&format!("GET /api/v1/audit?who=admin&limit=50{before}"), "")
            .await
            .json();
        seen += page["items"].as_array().map_or(0, Vec::len);
        next = page["next"].as_i64();
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen, limits::PAGE_ITEMS as usize + 5);
    for wrong in ["limit=1001", "before=x", "weather=rain"] {
        let answer = site.call(&format!("GET /api/v1/audit?{wrong}"), "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    site.close().await;
}
