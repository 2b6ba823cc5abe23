use axum::http::StatusCode;
use serde_json::json;

use crate::message::{Path, Storage};
use crate::statistics::AnsweredFigures;
use crate::web::testing::Site;

#[tokio::test]
async fn every_page_is_shown_with_its_place_in_the_navigation() {
    let site = Site::open().await;
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
        let page = site.see(path).await;
        let current = format!("aria-current=\"{place}\">{title}</a>");
        page.shows(StatusCode::OK, &[&current]);
        page.lacks(&["style=", "<script>", "onclick=", "role=\"alert\""]);
    }
    let none = site
        .see("/settings/next-hops/entry?domain=none.example")
        .await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    site.close().await;
}

#[tokio::test]
async fn a_listener_has_particulars_until_they_are_removed() {
    const ENTRY: &str = "/settings/listeners/entry";
    let site = Site::open().await;
    let page = site.see(&format!("{ENTRY}?address=192.0.2.1:2400")).await;
    page.shows(StatusCode::OK, &["value=\"192.0.2.1:2400\""]);
    let typed = |address: &str| {
        format!(
            "entry=&address={address}&protocol=lmtp&path=cut_through&dsn=false\
             &proxy_networks=192.0.2.80&xclient_networks="
        )
    };
    let answer = site.post(ENTRY, &typed("192.0.2.1:25")).await;
    let parts = ["is the port of SMTP: LMTP must have another"];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let answer = site.post(ENTRY, &typed("192.0.2.1")).await;
    let parts = ["with the port"];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let answer = site.post(ENTRY, &typed("192.0.2.1:2400")).await;
    answer.leads_to("/settings/listeners?done=saved");
    let page = site.see("/settings/listeners").await;
    let parts = [
        "LMTP",
        "cut-through",
        "192.0.2.80/32",
        "nothing listens there",
    ];
    page.shows(StatusCode::OK, &parts);
    assert!(!site.context.administration.settings().listeners[0].dsn);

    // A path that is as everywhere is none.
    let edited = "entry=192.0.2.1:2400&address=192.0.2.1:2400&protocol=smtp&path=&dsn=true\
                  &proxy_networks=&xclient_networks=";
    let answer = site.post(ENTRY, edited).await;
    answer.leads_to("/settings/listeners?done=saved");
    let settings = site.context.administration.settings();
    assert_eq!(settings.listeners[0].path, None);
    assert!(settings.listeners[0].dsn);
    let answer = site
        .post("/settings/listeners/remove", "entry=192.0.2.1:2400")
        .await;
    answer.leads_to("/settings/listeners?done=removed");
    assert!(site.context.administration.settings().listeners.is_empty());
    site.close().await;
}

#[tokio::test]
async fn a_threshold_is_in_force_at_once() {
    let site = Site::open().await;
    let threshold = || {
        site.context
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
        let answer = site.post("/settings", &body).await;
        answer.leads_to("/settings?done=saved");
        assert_eq!(threshold(), expected, "{body}");
    }
    let both = "memory_threshold_bytes=16 KiB&memory_threshold_bytes.other=48K&shown.memory_threshold_bytes=0";
    let answer = site.post("/settings", both).await;
    let parts = ["not both", "value=\"48K\""];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    assert_eq!(threshold(), 0);
    site.see("/settings?done=saved")
        .await
        .shows(StatusCode::OK, &["Saved: in force"]);
    let echoed = site.see("/settings?done=%3Cscript%3E").await;
    assert!(!echoed.text.contains("class=\"notice\""));
    site.close().await;
}

#[tokio::test]
async fn what_was_typed_comes_back_with_every_problem() {
    let site = Site::open().await;
    let body = "ack_deadline_seconds=1+h&shown.ack_deadline_seconds=10+s\
                &retry_schedule_seconds=1m+5m&expire_after_seconds=never\
                &retries_max=7&shown.retries_max=0&when_deferred=scenic";
    let answer = site.post("/settings/delivery", body).await;
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
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    assert_eq!(site.context.administration.settings().retries_max, 0);
    assert_eq!(site.audited().await, []);

    let markup = "retry_schedule_seconds=%3Cscript%3E&expire_after_seconds=%22%3E%3Cb%3E";
    let answer = site.post("/settings/delivery", markup).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!answer.text.contains("<script>") && !answer.text.contains("\"><b>"));
    site.close().await;
}

#[tokio::test]
async fn a_schedule_is_saved_and_audited() {
    let site = Site::open().await;
    let body = "retry_schedule_seconds=1m,+5m,+2h&retries_max=3&expire_after_seconds=2+days\
                &ack_deadline_seconds=10+s&shown.ack_deadline_seconds=10+s&when_deferred=pass";
    let answer = site.post("/settings/delivery", body).await;
    answer.leads_to("/settings/delivery?done=saved");
    let settings = site.context.administration.settings();
    assert_eq!(settings.retry_schedule_seconds, [60, 300, 7_200]);
    assert_eq!(settings.expire_after_seconds, 172_800);
    let audit = site.audited().await;
    assert_eq!(audit.len(), 1);
    let after = audit[0].after.as_ref().expect("what it is now");
    assert_eq!(after["when_deferred"], "pass");
    assert_eq!(
        after.get("ack_deadline_seconds"),
        None,
        "it was not touched"
    );
    site.close().await;
}

#[tokio::test]
async fn two_administrators_do_not_undo_each_other() {
    let site = Site::open().await;
    site.set(json!({"retries_max": 5, "ack_deadline_seconds": 20}))
        .await;
    // The page was shown before that: the second one changes the expiry only.
    let body = "ack_deadline_seconds=10+s&shown.ack_deadline_seconds=10+s\
                &retries_max=0&shown.retries_max=0\
                &expire_after_seconds=1+day&shown.expire_after_seconds=5+days";
    let answer = site.post("/settings/delivery", body).await;
    answer.leads_to("/settings/delivery?done=saved");
    let settings = site.context.administration.settings();
    assert_eq!(settings.retries_max, 5);
    assert_eq!(settings.ack_deadline_seconds, 20);
    assert_eq!(settings.expire_after_seconds, 86_400);

    // Both changed the same field: the second gets a message, and may insist.
    let body = "retries_max=9&shown.retries_max=0";
    let answer = site.post("/settings/delivery", body).await;
    let parts = [
        "somebody else has changed this to “5” meanwhile",
        "value=\"9\"",
        "name=\"shown.retries_max\" value=\"5\"",
    ];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    assert_eq!(site.context.administration.settings().retries_max, 5);
    let answer = site.post("/settings/delivery", "retries_max=9&shown.retries_max=5");
    answer.await.leads_to("/settings/delivery?done=saved");
    assert_eq!(site.context.administration.settings().retries_max, 9);
    site.close().await;
}

#[tokio::test]
async fn what_if_shows_the_recorded_sizes() {
    let site = Site::open().await;
    for (size_bytes, times) in [(4_000, 90), (20_000, 6), (40_000, 3), (100_000, 1)] {
        for _ in 0..times {
            site.context.statistics.answered(&AnsweredFigures {
                path: Path::Fast,
                storage: Storage::Memory,
                reasons: &[],
                size_bytes,
                acknowledged_after: std::time::Duration::from_millis(3),
            });
        }
    }
    let page = site.see("/settings").await;
    let parts = [
        "90.0 %",
        "96.0 %",
        "99.0 %",
        "The last day had 100 messages.",
    ];
    page.shows(StatusCode::OK, &parts);
    let preview = "memory_threshold_bytes=other&memory_threshold_bytes.other=200K\
                   &shown.memory_threshold_bytes=32+KiB&preview=yes";
    let answer = site.post("/settings", preview).await;
    let parts = ["200 KiB <span class=\"tag\">typed</span>", "100.0 %"];
    answer.shows(StatusCode::OK, &parts);
    let present = site
        .context
        .administration
        .settings()
        .memory_threshold_bytes;
    assert_eq!(present, 32_768, "a preview saves nothing");
    site.close().await;
}

#[tokio::test]
async fn parts_of_a_setting_are_changed_alone() {
    let site = Site::open().await;
    let page = "next_hop_defaults.connections_max=20&shown.next_hop_defaults.connections_max=20\
                &next_hop_defaults.tls=never&shown.next_hop_defaults.tls=opportunistic\
                &default_next_hop=mail.example.net&dns_servers=192.0.2.53%0D%0A%5B::1%5D:5353";
    let defaults = json!({"tls": "opportunistic", "connections_max": 7, "uncertain": "retry"});
    site.set(json!({"next_hop_defaults": defaults})).await;
    let answer = site.post("/settings/next-hops", page).await;
    answer.leads_to("/settings/next-hops?done=saved");
    let written = site.context.administration.settings();
    let written = serde_json::to_value(written.document()).expect("an object");
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
    site.close().await;
}

#[tokio::test]
async fn next_hops_of_domains_come_and_go() {
    const ENTRY: &str = "/settings/next-hops/entry";
    let site = Site::open().await;
    let entries = || {
        let settings = site.context.administration.settings();
        let entries = settings.next_hops.iter();
        entries
            .map(|entry| (entry.domain.clone(), entry.policy.connections_max))
            .collect::<Vec<_>>()
    };
    for domain in ["Example.net", ".example.com"] {
        let body = format!("entry=&domain={domain}&address=127.0.0.1:2600&connections_max=3");
        let answer = site.post(ENTRY, &body).await;
        answer.leads_to("/settings/next-hops?done=saved");
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
        let answer = site.post(ENTRY, body).await;
        answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    }
    let page = site
        .see("/settings/next-hops/entry?domain=.example.com")
        .await;
    let parts = ["Remove .example.com", "value=\"smtp://127.0.0.1:2600\""];
    page.shows(StatusCode::OK, &parts);
    let body = "entry=example.net&domain=example.org&shown.domain=example.net&connections_max=4";
    let answer = site.post(ENTRY, body).await;
    answer.leads_to("/settings/next-hops?done=saved");
    let answer = site
        .post("/settings/next-hops/remove", "entry=.example.com")
        .await;
    answer.leads_to("/settings/next-hops?done=removed");
    assert_eq!(entries(), [("example.org".to_owned(), 4)]);
    site.close().await;
}

#[tokio::test]
async fn an_open_relay_has_to_be_meant() {
    let site = Site::open().await;
    let body = "trusted_networks=10.0.0.0/8%0D%0A0.0.0.0/0&relay_domains=Example.net";
    let answer = site.post("/settings/access", body).await;
    let parts = [
        "this would be an open relay because of 0.0.0.0/0",
        "name=\"open_relay\"",
        "10.0.0.0/8\n0.0.0.0/0</textarea>",
        "Example.net",
    ];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    let settings = || site.context.administration.settings();
    assert!(!settings().trusts([192, 0, 2, 1].into()));

    let confirmed = format!("{body}&open_relay=yes");
    let answer = site.post("/settings/access", &confirmed).await;
    answer.leads_to("/settings/access?done=saved");
    assert!(settings().trusts([192, 0, 2, 1].into()));
    assert!(settings().relays_for("example.net"));
    let page = site.see("/settings/access").await;
    page.shows(
        StatusCode::OK,
        &["This is an open relay because of 0.0.0.0/0"],
    );

    // What is in force already needs no second confirmation.
    let body = "trusted_networks=0.0.0.0/0&relay_domains=example.net";
    let answer = site.post("/settings/access", body).await;
    answer.leads_to("/settings/access?done=saved");
    // Another problem is shown with the question, and neither saves anything.
    let body = "trusted_networks=::/0&relay_domains=a..b";
    let answer = site.post("/settings/access", body).await;
    let parts = ["not a domain", "name=\"open_relay\""];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);
    site.close().await;
}

#[tokio::test]
async fn an_open_relay_has_to_be_meant_at_the_api_too() {
    let site = Site::open().await;
    let trusts_everybody = || {
        let settings = site.context.administration.settings();
        settings.trusts([192, 0, 2, 1].into())
    };
    let open = r#"{"trusted_networks": ["10.0.0.0/8", "0.0.0.0/0"], "retries_max": 7}"#;
    let answer = site.call("PATCH /api/v1/settings", open).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let errors = json!({"errors": {"trusted_networks":
        "this would be an open relay because of 0.0.0.0/0: repeat the request with ?open_relay=meant if that is meant"}});
    assert_eq!(answer.json(), errors);
    assert_eq!(site.context.administration.settings().retries_max, 0);
    for unclear in ["open_relay=yes", "open-relay=meant"] {
        let request = format!("PATCH /api/v1/settings?{unclear}");
        let answer = site.call(&request, open).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{unclear}");
    }
    assert!(!trusts_everybody());
    let meant = site.call("PATCH /api/v1/settings?open_relay=meant", open);
    assert_eq!(meant.await.status, StatusCode::OK);
    assert!(trusts_everybody());
    // It is one already.
    let answer = site.call("PATCH /api/v1/settings", open).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    site.close().await;
}

#[tokio::test]
async fn the_api_loads_a_certificate_before_it_is_stored() {
    let site = Site::open().await;
    let files = r#"{"tls_certificate_file": "/none/a.pem", "tls_key_file": "/none/b.pem"}"#;
    let answer = site.call("PATCH /api/v1/settings", files).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem = answer.json()["errors"]["tls_certificate_file"].to_string();
    assert!(problem.contains("/none/a.pem"), "{problem}");
    assert_eq!(
        site.context.administration.settings().certificate_files(),
        None
    );
    site.close().await;
}

#[tokio::test]
async fn a_certificate_is_loaded_before_it_is_stored() {
    let site = Site::open().await;
    let directory = tempfile::tempdir().expect("a directory");
    let _made = crate::tls::ServerTls::open(directory.path(), "relay.example.net").expect("made");
    let path = directory.path().join("tls").display().to_string();
    let check = async |certificate: String, key: String, field: &str| {
        let body = format!("tls_certificate_file={certificate}&tls_key_file={key}");
        let answer = site.post("/settings/listeners", &body).await;
        let problem = format!("id=\"{field}-problem\"");
        answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &[&problem]);
        let settings = site.context.administration.settings();
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
    let answer = site.post("/settings/listeners", &body).await;
    answer.leads_to("/settings/listeners?done=saved");
    let settings = site.context.administration.settings();
    assert!(settings.certificate_files().is_some());
    site.close().await;
}

#[tokio::test]
async fn the_page_about_the_trail_says_what_is_kept() {
    let site = Site::open().await;
    let page = site.see("/settings/retention").await;
    let parts = ["<dd>0</dd>", "<dt>Oldest</dt><dd>—</dd>", "KiB"];
    page.shows(StatusCode::OK, &parts);
    crate::web::history_scene::fill(&site).await;
    let size = site
        .context
        .store
        .trail
        .trail_size()
        .await
        .expect("readable");
    let messages = format!("<dd>{}</dd>", size.messages);
    let page = site.see("/settings/retention").await;
    page.shows(StatusCode::OK, &[&messages, " UTC <span", " ago<"]);
    assert!(size.messages > 0);
    // What does not hold is shown with it.
    let answer = site
        .post("/settings/retention", "trail_retention_bytes=1")
        .await;
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &[&messages]);
    site.close().await;
}

#[tokio::test]
async fn a_connection_is_tested_from_the_page_and_the_api() {
    let site = Site::open().await;
    // A port without a listener.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = unused.local_addr().expect("it is bound").to_string();
    drop(unused);
    let body = format!("address={address}&tls=never");
    let answer = site.post("/settings/next-hops/test", &body).await;
    let parts = ["No mail goes this way now", "could not connect", &address];
    answer.shows(StatusCode::OK, &parts);
    let answer = site.post("/settings/next-hops/test", "domain=a+b").await;
    let parts = ["“a b” is not a domain", "value=\"a b\""];
    answer.shows(StatusCode::UNPROCESSABLE_ENTITY, &parts);

    const API: &str = "POST /api/v1/next-hops/test";
    let body = json!({"address": address}).to_string();
    let answer = site.call(API, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let probe = answer.json();
    assert_eq!(probe["next_hop"], address);
    assert_eq!(probe["ready"], false);
    assert_eq!(probe["steps"][1]["step"], "connection");
    assert_eq!(probe["steps"][1]["finding"], "bad");
    let answer = site.call(API, r#"{"tls": "maybe"}"#).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.json()["errors"]["tls"].is_string());
    let answer = site.call(API, r#"{"weather": 1}"#).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    site.close().await;
}
