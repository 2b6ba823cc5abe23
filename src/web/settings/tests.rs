use axum::http::StatusCode;
use serde_json::json;

use crate::administration::Actor;
use crate::message::{Path, Storage};
use crate::statistics::AnsweredFigures;
use crate::web::testing::{Answer, Face, LOOPBACK};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

pub(super) async fn open() -> Face {
    Face::open(Ok(())).await
}

pub(super) async fn look(face: &Face, path: &str) -> Answer {
    face.ask(LOOPBACK, &format!("GET {path}"), &[], "").await
}

pub(super) async fn send(face: &Face, path: &str, body: &str) -> Answer {
    face.ask(LOOPBACK, &format!("POST {path}"), &[FORM], body)
        .await
}

/// Another administrator changes something.
async fn meanwhile(face: &Face, patch: serde_json::Value) {
    let serde_json::Value::Object(patch) = patch else {
        panic!("a patch is an object");
    };
    let changed = face
        .context
        .administration
        .change(patch, Actor::command("test"));
    changed.await.expect("changed");
}

#[track_caller]
pub(super) fn shows(answer: &Answer, status: StatusCode, parts: &[&str]) {
    assert_eq!(answer.status, status, "{}", answer.text);
    for part in parts {
        assert!(
            answer.text.contains(part),
            "{part} is missing: {}",
            answer.text
        );
    }
}

#[track_caller]
pub(super) fn leads_to(answer: &Answer, path: &str) {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(answer.headers["location"], path);
}

#[tokio::test]
async fn every_page_is_shown_with_its_place_in_the_navigation() {
    let face = open().await;
    for (path, place, title) in [
        ("/settings", "page", "Memory and path"),
        ("/settings/delivery", "page", "Delivery and retry"),
        ("/settings/next-hops", "page", "Next hops"),
        ("/settings/next-hops/entry", "true", "Next hops"),
        ("/settings/next-hops/test", "true", "Next hops"),
        ("/settings/listeners", "page", "Listeners"),
        ("/settings/listeners/entry", "true", "Listeners"),
        ("/settings/access", "page", "Access"),
        ("/settings/logins", "page", "SMTP logins"),
        ("/settings/conditions", "page", "Conditions"),
        ("/settings/retention", "page", "Statistics and trail"),
        ("/settings/accounts", "page", "Accounts"),
        ("/settings/tokens", "page", "API tokens"),
        ("/settings/alerts", "page", "Alerts"),
    ] {
        let page = look(&face, path).await;
        let current = format!("aria-current=\"{place}\">{title}</a>");
        shows(&page, StatusCode::OK, &[&current]);
        for forbidden in ["style=", "<script>", "onclick=", "role=\"alert\""] {
            assert!(!page.text.contains(forbidden), "{path}: {forbidden}");
        }
    }
    let none = look(&face, "/settings/next-hops/entry?domain=none.example").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    face.close().await;
}

#[tokio::test]
async fn a_listener_has_particulars_until_they_are_removed() {
    const ENTRY: &str = "/settings/listeners/entry";
    let face = open().await;
    let page = look(&face, &format!("{ENTRY}?address=192.0.2.1:2400")).await;
    shows(&page, StatusCode::OK, &["value=\"192.0.2.1:2400\""]);
    let typed = |address: &str| {
        format!(
            "entry=&address={address}&protocol=lmtp&path=cut_through&dsn=false\
             &proxy_networks=192.0.2.80&xclient_networks="
        )
    };
    let answer = send(&face, ENTRY, &typed("192.0.2.1:25")).await;
    let parts = ["is the port of SMTP: LMTP must have another"];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let answer = send(&face, ENTRY, &typed("192.0.2.1")).await;
    let parts = ["with the port"];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let answer = send(&face, ENTRY, &typed("192.0.2.1:2400")).await;
    leads_to(&answer, "/settings/listeners?done=saved");
    let page = look(&face, "/settings/listeners").await;
    let parts = [
        "LMTP",
        "cut-through",
        "192.0.2.80/32",
        "nothing listens there",
    ];
    shows(&page, StatusCode::OK, &parts);
    assert!(!face.context.administration.settings().listeners[0].dsn);

    // A path that is as everywhere is none.
    let edited = "entry=192.0.2.1:2400&address=192.0.2.1:2400&protocol=smtp&path=&dsn=true\
                  &proxy_networks=&xclient_networks=";
    let answer = send(&face, ENTRY, edited).await;
    leads_to(&answer, "/settings/listeners?done=saved");
    let settings = face.context.administration.settings();
    assert_eq!(settings.listeners[0].path, None);
    assert!(settings.listeners[0].dsn);
    let answer = send(&face, "/settings/listeners/remove", "entry=192.0.2.1:2400").await;
    leads_to(&answer, "/settings/listeners?done=removed");
    assert!(face.context.administration.settings().listeners.is_empty());
    face.close().await;
}

#[tokio::test]
async fn a_threshold_is_in_force_at_once() {
    let face = open().await;
    let threshold = || {
        face.context
            .administration
            .settings()
            .memory_threshold_bytes
    };
    for (chosen, other, shown, expected) in [
        ("other", "48 KiB", "32 KiB", 49_152),
        ("64 KiB", "", "48 KiB", 65_536),
        // Typed without choosing “other”.
        ("64 KiB", "40k", "64 KiB", 40_960),
        // A preset chosen over what stood in the entry.
        ("16 KiB", "40 KiB", "40 KiB", 16_384),
        ("other", "0", "16 KiB", 0),
    ] {
        let body = format!(
            "memory_threshold_bytes={chosen}&memory_threshold_bytes.other={other}\
             &shown.memory_threshold_bytes={shown}"
        );
        let answer = send(&face, "/settings", &body).await;
        leads_to(&answer, "/settings?done=saved");
        assert_eq!(threshold(), expected, "{body}");
    }
    let both = "memory_threshold_bytes=16 KiB&memory_threshold_bytes.other=48K&shown.memory_threshold_bytes=0";
    let answer = send(&face, "/settings", both).await;
    let parts = ["not both", "value=\"48K\""];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    assert_eq!(threshold(), 0);
    shows(
        &look(&face, "/settings?done=saved").await,
        StatusCode::OK,
        &["Saved: in force"],
    );
    let echoed = look(&face, "/settings?done=%3Cscript%3E").await;
    assert!(!echoed.text.contains("class=\"notice\""));
    face.close().await;
}

#[tokio::test]
async fn what_was_typed_comes_back_with_every_problem() {
    let face = open().await;
    let body = "ack_deadline_seconds=1+h&shown.ack_deadline_seconds=10+s\
                &retry_schedule_seconds=1m+5m&expire_after_seconds=never\
                &retries_max=7&shown.retries_max=0&when_deferred=scenic";
    let answer = send(&face, "/settings/delivery", body).await;
    let parts = [
        "value=\"1 h\"",
        "must be from 1 s to 25 s",
        "value=\"1m 5m\"",
        "put commas between",
        "value=\"never\"",
        "“never” is not a time",
        "value=\"7\"",
        "choose one of these",
        "id=\"ack_deadline_seconds-problem\"",
        "Nothing was saved",
    ];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    assert_eq!(face.context.administration.settings().retries_max, 0);
    assert_eq!(face.audited().await, []);

    let markup = "retry_schedule_seconds=%3Cscript%3E&expire_after_seconds=%22%3E%3Cb%3E";
    let answer = send(&face, "/settings/delivery", markup).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!answer.text.contains("<script>") && !answer.text.contains("\"><b>"));
    face.close().await;
}

#[tokio::test]
async fn a_schedule_is_saved_and_audited() {
    let face = open().await;
    let body = "retry_schedule_seconds=1m,+5m,+2h&retries_max=3&expire_after_seconds=2+days\
                &ack_deadline_seconds=10+s&shown.ack_deadline_seconds=10+s&when_deferred=pass";
    let answer = send(&face, "/settings/delivery", body).await;
    leads_to(&answer, "/settings/delivery?done=saved");
    let settings = face.context.administration.settings();
    assert_eq!(settings.retry_schedule_seconds, [60, 300, 7_200]);
    assert_eq!(settings.expire_after_seconds, 172_800);
    let audit = face.audited().await;
    assert_eq!(audit.len(), 1);
    let after = audit[0].after.as_ref().expect("what it is now");
    assert_eq!(after["when_deferred"], "pass");
    assert_eq!(
        after.get("ack_deadline_seconds"),
        None,
        "it was not touched"
    );
    face.close().await;
}

#[tokio::test]
async fn two_administrators_do_not_undo_each_other() {
    let face = open().await;
    meanwhile(&face, json!({"retries_max": 5, "ack_deadline_seconds": 20})).await;
    // The page was shown before that: the second one changes the expiry only.
    let body = "ack_deadline_seconds=10+s&shown.ack_deadline_seconds=10+s\
                &retries_max=0&shown.retries_max=0\
                &expire_after_seconds=1+day&shown.expire_after_seconds=5+days";
    let answer = send(&face, "/settings/delivery", body).await;
    leads_to(&answer, "/settings/delivery?done=saved");
    let settings = face.context.administration.settings();
    assert_eq!(settings.retries_max, 5);
    assert_eq!(settings.ack_deadline_seconds, 20);
    assert_eq!(settings.expire_after_seconds, 86_400);

    // Both changed the same field: the second is told, and may insist.
    let body = "retries_max=9&shown.retries_max=0";
    let answer = send(&face, "/settings/delivery", body).await;
    let parts = [
        "somebody else has changed this to “5” meanwhile",
        "value=\"9\"",
        "name=\"shown.retries_max\" value=\"5\"",
    ];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    assert_eq!(face.context.administration.settings().retries_max, 5);
    let answer = send(
        &face,
        "/settings/delivery",
        "retries_max=9&shown.retries_max=5",
    );
    leads_to(&answer.await, "/settings/delivery?done=saved");
    assert_eq!(face.context.administration.settings().retries_max, 9);
    face.close().await;
}

#[tokio::test]
async fn what_if_shows_the_recorded_sizes() {
    let face = open().await;
    for (size_bytes, times) in [(4_000, 90), (20_000, 6), (40_000, 3), (100_000, 1)] {
        for _ in 0..times {
            face.context.statistics.answered(&AnsweredFigures {
                path: Path::Fast,
                storage: Storage::Memory,
                reasons: &[],
                size_bytes,
                acknowledged_after: std::time::Duration::from_millis(3),
            });
        }
    }
    let page = look(&face, "/settings").await;
    let parts = [
        "90.0 %",
        "96.0 %",
        "99.0 %",
        "The last day had 100 messages.",
    ];
    shows(&page, StatusCode::OK, &parts);
    let preview = "memory_threshold_bytes=other&memory_threshold_bytes.other=200K\
                   &shown.memory_threshold_bytes=32+KiB&preview=yes";
    let answer = send(&face, "/settings", preview).await;
    let parts = ["200 KiB <span class=\"tag\">typed</span>", "100.0 %"];
    shows(&answer, StatusCode::OK, &parts);
    let present = face
        .context
        .administration
        .settings()
        .memory_threshold_bytes;
    assert_eq!(present, 32_768, "a preview saves nothing");
    face.close().await;
}

#[tokio::test]
async fn parts_of_a_setting_are_changed_alone() {
    let face = open().await;
    let page = "next_hop_defaults.connections_max=20&shown.next_hop_defaults.connections_max=20\
                &next_hop_defaults.tls=never&shown.next_hop_defaults.tls=opportunistic\
                &default_next_hop=mail.example.net&dns_servers=192.0.2.53%0D%0A%5B::1%5D:5353";
    let defaults = json!({"tls": "opportunistic", "connections_max": 7, "uncertain": "retry"});
    meanwhile(&face, json!({"next_hop_defaults": defaults})).await;
    let answer = send(&face, "/settings/next-hops", page).await;
    leads_to(&answer, "/settings/next-hops?done=saved");
    let written = face.context.administration.settings();
    let written = serde_json::to_value(written.written()).expect("an object");
    assert_eq!(
        written["next_hop_defaults"],
        json!({
            "tls": "never", "connections_max": 7, "uncertain": "retry", "takes_eight_bit": false,
        })
    );
    assert_eq!(written["default_next_hop"], "smtp://mail.example.net:25");
    assert_eq!(
        written["dns_servers"],
        json!(["192.0.2.53:53", "[::1]:5353"])
    );
    face.close().await;
}

#[tokio::test]
async fn next_hops_of_domains_come_and_go() {
    const ENTRY: &str = "/settings/next-hops/entry";
    let face = open().await;
    let entries = || {
        let settings = face.context.administration.settings();
        let entries = settings.next_hops.iter();
        entries
            .map(|entry| (entry.domain.clone(), entry.connections_max))
            .collect::<Vec<_>>()
    };
    for domain in ["Example.net", ".example.com"] {
        let body = format!("entry=&domain={domain}&address=127.0.0.1:2600&connections_max=3");
        let answer = send(&face, ENTRY, &body).await;
        leads_to(&answer, "/settings/next-hops?done=saved");
    }
    let both = [
        ("example.net".to_owned(), 3),
        (".example.com".to_owned(), 3),
    ];
    assert_eq!(entries(), both);
    for (body, parts) in [
        ("entry=&domain=example.net", ["stands twice", "example.net"]),
        (
            "entry=&domain=",
            ["give a domain", "A next hop for a domain"],
        ),
        (
            "entry=&domain=b.example&address=127.0.0.1:50000",
            ["id=\"address-problem\"", "is the appliance itself"],
        ),
        (
            "entry=&domain=127.0.0.1&address=0.0.0.0",
            ["an address, not a domain", "no server’s address"],
        ),
        ("entry=&domain=a..b", ["not a domain", "value=\"a..b\""]),
        (
            "entry=example.net&connections_max=0&address=a+b",
            ["from 1 to 1,000", "“a b” is not a server"],
        ),
        (
            "entry=gone.example&domain=gone.example",
            ["removed this entry meanwhile", "name=\"entry\" value=\"\""],
        ),
    ] {
        let answer = send(&face, ENTRY, body).await;
        shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    }
    let page = look(&face, "/settings/next-hops/entry?domain=.example.com").await;
    let parts = ["Remove .example.com", "value=\"smtp://127.0.0.1:2600\""];
    shows(&page, StatusCode::OK, &parts);
    let body = "entry=example.net&domain=example.org&shown.domain=example.net&connections_max=4";
    let answer = send(&face, ENTRY, body).await;
    leads_to(&answer, "/settings/next-hops?done=saved");
    let answer = send(&face, "/settings/next-hops/remove", "entry=.example.com").await;
    leads_to(&answer, "/settings/next-hops?done=removed");
    assert_eq!(entries(), [("example.org".to_owned(), 4)]);
    face.close().await;
}

#[tokio::test]
async fn an_open_relay_has_to_be_meant() {
    let face = open().await;
    let body = "trusted_networks=10.0.0.0/8%0D%0A0.0.0.0/0&relay_domains=Example.net";
    let answer = send(&face, "/settings/access", body).await;
    let parts = [
        "this would be an open relay because of 0.0.0.0/0",
        "name=\"open_relay\"",
        "10.0.0.0/8\n0.0.0.0/0</textarea>",
        "Example.net",
    ];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let settings = || face.context.administration.settings();
    assert!(!settings().trusts([192, 0, 2, 1].into()));

    let confirmed = format!("{body}&open_relay=yes");
    let answer = send(&face, "/settings/access", &confirmed).await;
    leads_to(&answer, "/settings/access?done=saved");
    assert!(settings().trusts([192, 0, 2, 1].into()));
    assert!(settings().relays_for("example.net"));
    let page = look(&face, "/settings/access").await;
    shows(
        &page,
        StatusCode::OK,
        &["This is an open relay because of 0.0.0.0/0"],
    );

    // What is in force already needs no second confirmation.
    let body = "trusted_networks=0.0.0.0/0&relay_domains=example.net";
    let answer = send(&face, "/settings/access", body).await;
    leads_to(&answer, "/settings/access?done=saved");
    // Another problem is shown with the question, and neither saves anything.
    let body = "trusted_networks=::/0&relay_domains=a..b";
    let answer = send(&face, "/settings/access", body).await;
    let parts = ["not a domain", "name=\"open_relay\""];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);
    face.close().await;
}

#[tokio::test]
async fn an_open_relay_has_to_be_meant_at_the_api_too() {
    let face = open().await;
    let trusts_everybody = || {
        let settings = face.context.administration.settings();
        settings.trusts([192, 0, 2, 1].into())
    };
    let open = r#"{"trusted_networks": ["10.0.0.0/8", "0.0.0.0/0"], "retries_max": 7}"#;
    let answer = face.call("PATCH /api/v1/settings", open).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let errors = json!({"errors": {"trusted_networks":
        "this would be an open relay because of 0.0.0.0/0: repeat the request with ?open_relay=meant if that is meant"}});
    assert_eq!(answer.json(), errors);
    assert_eq!(face.context.administration.settings().retries_max, 0);
    for unclear in ["open_relay=yes", "open-relay=meant"] {
        let request = format!("PATCH /api/v1/settings?{unclear}");
        let answer = face.call(&request, open).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{unclear}");
    }
    assert!(!trusts_everybody());
    let meant = face.call("PATCH /api/v1/settings?open_relay=meant", open);
    assert_eq!(meant.await.status, StatusCode::OK);
    assert!(trusts_everybody());
    // It is one already.
    let answer = face.call("PATCH /api/v1/settings", open).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    face.close().await;
}

#[tokio::test]
async fn the_api_loads_a_certificate_before_it_is_stored() {
    let face = open().await;
    let files = r#"{"tls_certificate_file": "/none/a.pem", "tls_key_file": "/none/b.pem"}"#;
    let answer = face.call("PATCH /api/v1/settings", files).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem = answer.json()["errors"]["tls_certificate_file"].to_string();
    assert!(problem.contains("/none/a.pem"), "{problem}");
    assert_eq!(
        face.context.administration.settings().certificate_files(),
        None
    );
    face.close().await;
}

#[tokio::test]
async fn a_certificate_is_loaded_before_it_is_stored() {
    let face = open().await;
    let directory = tempfile::tempdir().expect("a directory");
    let _made = crate::tls::ServerTls::open(directory.path(), "relay.example.net").expect("made");
    let path = directory.path().join("tls").display().to_string();
    let check = async |certificate: String, key: String, field: &str| {
        let body = format!("tls_certificate_file={certificate}&tls_key_file={key}");
        let answer = send(&face, "/settings/listeners", &body).await;
        let problem = format!("id=\"{field}-problem\"");
        shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &[&problem]);
        let settings = face.context.administration.settings();
        assert_eq!(settings.certificate_files(), None);
    };
    let good = format!("{path}/certificate.pem");
    let key = format!("{path}/key.pem");
    check(
        format!("{path}/none.pem"),
        key.clone(),
        "tls_certificate_file",
    )
    .await;
    check(good.clone(), format!("{path}/none.pem"), "tls_key_file").await;
    check(good.clone(), good.clone(), "tls_key_file").await;
    check(good.clone(), String::new(), "tls_key_file").await;
    check(
        "certificate.pem".to_owned(),
        key.clone(),
        "tls_certificate_file",
    )
    .await;

    let body = format!("tls_certificate_file={good}&tls_key_file={key}&line_ends=reject");
    let answer = send(&face, "/settings/listeners", &body).await;
    leads_to(&answer, "/settings/listeners?done=saved");
    let settings = face.context.administration.settings();
    assert!(settings.certificate_files().is_some());
    face.close().await;
}

#[tokio::test]
async fn the_page_about_the_trail_says_what_is_kept() {
    let face = open().await;
    let page = look(&face, "/settings/retention").await;
    let parts = ["<dd>0</dd>", "<dt>Oldest</dt><dd>—</dd>", "KiB"];
    shows(&page, StatusCode::OK, &parts);
    crate::web::history_scene::fill(&face).await;
    let size = face.context.store.trail_size().await.expect("readable");
    let messages = format!("<dd>{}</dd>", size.messages);
    let page = look(&face, "/settings/retention").await;
    shows(&page, StatusCode::OK, &[&messages, " UTC <span", " ago<"]);
    assert!(size.messages > 0);
    // What does not hold is shown with it.
    let answer = send(&face, "/settings/retention", "trail_retention_bytes=1").await;
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &[&messages]);
    face.close().await;
}

#[tokio::test]
async fn a_connection_is_tested_from_the_page_and_the_api() {
    let face = open().await;
    // A port that nobody listens on any more.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = unused.local_addr().expect("it is bound").to_string();
    drop(unused);
    let body = format!("address={address}&tls=never");
    let answer = send(&face, "/settings/next-hops/test", &body).await;
    let parts = ["No mail goes this way now", "could not connect", &address];
    shows(&answer, StatusCode::OK, &parts);
    let answer = send(&face, "/settings/next-hops/test", "domain=a+b").await;
    let parts = ["“a b” is not a domain", "value=\"a b\""];
    shows(&answer, StatusCode::UNPROCESSABLE_ENTITY, &parts);

    const API: &str = "POST /api/v1/next-hops/test";
    let body = json!({"address": address}).to_string();
    let answer = face.call(API, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let probe = answer.json();
    assert_eq!(probe["next_hop"], address);
    assert_eq!(probe["ready"], false);
    assert_eq!(probe["steps"][1]["step"], "connection");
    assert_eq!(probe["steps"][1]["finding"], "bad");
    let answer = face.call(API, r#"{"tls": "maybe"}"#).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.json()["errors"]["tls"].is_string());
    let answer = face.call(API, r#"{"weather": 1}"#).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    face.close().await;
}
