use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::accounts::Scope;
use crate::message::{DiskReason, Path, Storage};
use crate::settings::SettingsDocument;
use crate::statistics::AnsweredFigures;
use crate::web::testing::{ELSEWHERE, LOOPBACK, Site, TOKEN};

#[tokio::test]
async fn probes_say_whether_mail_is_taken() {
    for (readiness, status, text) in [
        (Ok(()), StatusCode::OK, "ready\n"),
        (
            Err("the disk is full"),
            StatusCode::SERVICE_UNAVAILABLE,
            "the disk is full\n",
        ),
    ] {
        let site = Site::ready(readiness).await;
        let alive = site.ask(ELSEWHERE, "GET /healthz", &[], "").await;
        assert_eq!(alive.status, StatusCode::OK);
        let ready = site.ask(ELSEWHERE, "GET /readyz", &[], "").await;
        assert_eq!((ready.status, ready.text.as_str()), (status, text));
        site.close().await;
    }
}

#[tokio::test]
async fn the_api_needs_its_token() {
    let site = Site::open().await;
    for request in [
        "GET /api/v1/statistics/live",
        "GET /api/v1/settings",
        "PATCH /api/v1/settings",
        "GET /api/v1/queue",
        "POST /api/v1/queue/actions",
        "GET /api/v1/messages",
        "GET /api/v1/messages/0000000000011",
    ] {
        for fields in [
            &[][..],
            &["Authorization: Bearer wrong"],
            &["Authorization: Basic YTpi"],
        ] {
            let answer = site.ask(LOOPBACK, request, fields, "{}").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{request}");
            assert_eq!(answer.json(), json!({"error": "a bearer token is needed"}));
        }
    }
    let patched = site.context.administration.settings();
    assert_eq!(*patched.document(), SettingsDocument::default());
    site.close().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_kind() {
    let site = Site::open().await;
    for (request, status, is_json) in [
        ("GET /api/v1/nothing", StatusCode::NOT_FOUND, true),
        ("GET /nothing", StatusCode::NOT_FOUND, false),
        ("POST /api/v1/queue", StatusCode::METHOD_NOT_ALLOWED, true),
        ("POST /healthz", StatusCode::METHOD_NOT_ALLOWED, false),
        ("GET /static/none.css", StatusCode::NOT_FOUND, false),
    ] {
        let answer = site.ask(ELSEWHERE, request, &[], "").await;
        assert_eq!(answer.status, status, "{request}");
        let has_error = serde_json::from_str::<Value>(&answer.text)
            .is_ok_and(|value| value["error"].is_string());
        assert_eq!(has_error, is_json, "{request}: {}", answer.text);
    }
    site.close().await;
}

#[tokio::test]
async fn settings_are_shown_and_changed() {
    let site = Site::open().await;
    let shown = site.call("GET /api/v1/settings", "").await.json();
    assert_eq!(shown["memory_threshold_bytes"], 32_768);
    assert_eq!(shown["memory_budget_bytes"], 0, "the machine decides");
    let live = site.call("GET /api/v1/statistics/live", "").await.json();
    assert_eq!(live["resident"]["memory_budget_bytes"], 1 << 30);
    // What was read is written back: nothing has changed.
    let same = shown.to_string();
    let answer = site.call("PATCH /api/v1/settings", &same).await;
    assert_eq!(answer.json(), shown);
    assert!(site.audited().await.is_empty());

    let wrong = r#"{"ack_deadline_seconds": 99, "weather": "rain", "keep_trail": false}"#;
    let answer = site.call("PATCH /api/v1/settings", wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        answer.json()["errors"]["weather"],
        "there is no such setting"
    );
    assert!(site.context.administration.settings().keep_trail);

    let right = r#"{"memory_threshold_bytes": 1000, "keep_trail": false}"#;
    let answer = site.call("PATCH /api/v1/settings", right).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["memory_threshold_bytes"], 1_000);
    let stored = site
        .context
        .store
        .administration
        .load_settings()
        .await
        .expect("stored");
    let published = site.context.administration.settings();
    let stored = stored.expect("they were stored");
    assert_eq!(stored.document(), published.document());
    assert!(!published.keep_trail);

    for nonsense in ["", "[]", "{"] {
        let answer = site.call("PATCH /api/v1/settings", nonsense).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{nonsense}");
    }
    site.close().await;
}

#[tokio::test]
async fn the_queue_and_the_trail_are_listed() {
    let site = Site::open().await;
    let empty = site.call("GET /api/v1/queue?state=&limit=5&sort=-next_attempt_at", "");
    assert_eq!(empty.await.json(), json!({"total": 0, "items": []}));
    let messages = site.call("GET /api/v1/messages?sender=a@example.org&limit=5", "");
    assert_eq!(messages.await.json(), json!({"items": [], "next": null}));
    for (request, status) in [
        ("GET /api/v1/queue?weather=rain", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?state=asleep", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?limit=1001", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?limit=1&limit=2", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?sort=weather", StatusCode::BAD_REQUEST),
        ("GET /api/v1/messages?cursor=x", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?sender=%00", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?recipient=a%00b", StatusCode::BAD_REQUEST),
        ("GET /api/v1/queue?last_reply=%0A", StatusCode::BAD_REQUEST),
        ("GET /api/v1/messages?sender=%00", StatusCode::BAD_REQUEST),
        (
            "GET /api/v1/messages?recipient=%1B*",
            StatusCode::BAD_REQUEST,
        ),
        (
            "GET /api/v1/messages?client_address=%00",
            StatusCode::BAD_REQUEST,
        ),
        ("GET /api/v1/messages/0000000000011", StatusCode::NOT_FOUND),
        ("GET /api/v1/messages/x", StatusCode::NOT_FOUND),
    ] {
        let answer = site.call(request, "").await;
        assert_eq!(answer.status, status, "{request}: {}", answer.text);
        assert!(answer.json()["error"].is_string(), "{request}");
    }
    site.close().await;
}

#[tokio::test]
async fn an_action_is_done_only_on_what_was_seen() {
    let site = Site::open().await;
    for (body, status) in [
        (
            r#"{"action":"hold","filter":{},"expect":0}"#,
            StatusCode::OK,
        ),
        (r#"{"action":"hold","ids":[1]}"#, StatusCode::OK),
        (
            r#"{"action":"hold","filter":{},"expect":3}"#,
            StatusCode::CONFLICT,
        ),
        (r#"{"action":"hold","filter":{}}"#, StatusCode::BAD_REQUEST),
        (
            r#"{"action":"hold","filter":{"sender":"\u0000"},"expect":0}"#,
            StatusCode::BAD_REQUEST,
        ),
        (
            r#"{"action":"hold","filter":{"sender":""},"expect":0}"#,
            StatusCode::BAD_REQUEST,
        ),
        (
            r#"{"action":"hold","filter":{"recipient":"*"},"expect":0}"#,
            StatusCode::BAD_REQUEST,
        ),
        (r#"{"action":"purge"}"#, StatusCode::BAD_REQUEST),
    ] {
        let answer = site.call("POST /api/v1/queue/actions", body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    let large = "x".repeat(limits::REQUEST_BODY_BYTES + 1);
    let answer = site.call("POST /api/v1/queue/actions", &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    site.close().await;
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let site = Site::open().await;
    let token = format!("Authorization: Bearer {TOKEN}");
    let fields = [token.as_str(), "Sec-Fetch-Site: cross-site"];
    let body = r#"{"keep_trail": false}"#;
    let answer = site
        .ask(ELSEWHERE, "PATCH /api/v1/settings", &fields, body)
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(site.context.administration.settings().keep_trail);
    site.close().await;
}

#[tokio::test]
async fn forms_are_taken_from_our_own_pages_only() {
    let site = Site::open().await;
    for (field, is_taken) in [
        ("Sec-Fetch-Site: same-origin", true),
        // What a browser says on plain HTTP.
        ("Origin: http://127.0.0.1:8025", true),
        ("Origin: http://elsewhere.example", false),
        ("Origin: null", false),
        ("Sec-Fetch-Site: cross-site", false),
        ("Sec-Fetch-Site: same-site", false),
    ] {
        let cookie = site.cookie_of(Administrator).await;
        let answer = site
            .ask(ELSEWHERE, "POST /logout", &[&cookie, field], "")
            .await;
        let expected = if is_taken {
            StatusCode::SEE_OTHER
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(answer.status, expected, "{field}");
    }
    let page = site.see("/account").await;
    assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin");
    site.close().await;
}

#[tokio::test]
async fn the_page_shows_the_ratio_and_obeys_its_own_policy() {
    let site = Site::open().await;
    for (storage, reasons) in [
        (Storage::Memory, &[][..]),
        (Storage::Memory, &[]),
        (Storage::Memory, &[]),
        (Storage::Disk, &[DiskReason::AckDeadline]),
    ] {
        site.context.statistics.answered(&AnsweredFigures {
            path: Path::Fast,
            storage,
            reasons,
            size_bytes: 4_096,
            acknowledged_after: std::time::Duration::from_millis(3),
        });
    }
    let page = site.see("/").await;
    page.has(&[
        "75.0 %",
        "of 4 messages in the last hour",
        "ack deadline",
        "relay.example.net",
        "Nobody waits",
    ]);
    assert!(page.text.contains("http-equiv=\"refresh\""));
    let still = site.see("/?refresh=off").await;
    assert!(!still.text.contains("http-equiv=\"refresh\""));

    let policy = &page.headers[header::CONTENT_SECURITY_POLICY];
    let policy = policy.to_str().expect("text");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    page.lacks(&["style=", "<style", "<script>", "onclick="]);
    for name in ["x-content-type-options", "referrer-policy", "cache-control"] {
        assert!(page.headers.contains_key(name), "{name}");
    }

    let begin = page.text.find("/static/").expect("a stylesheet");
    let url = page.text[begin..].split('"').next().expect("its address");
    let sheet = site.ask(ELSEWHERE, &format!("GET {url}"), &[], "").await;
    assert_eq!(sheet.status, StatusCode::OK);
    assert_eq!(sheet.headers[header::CONTENT_TYPE], "text/css");
    let caching = sheet.headers[header::CACHE_CONTROL].to_str().expect("text");
    assert!(caching.contains("immutable"), "{caching}");
    site.close().await;
}

#[tokio::test]
async fn metrics_are_for_scrapers() {
    let site = Site::open().await;
    site.context.statistics.answered(&AnsweredFigures {
        path: Path::Fast,
        storage: Storage::Memory,
        reasons: &[],
        size_bytes: 100,
        acknowledged_after: std::time::Duration::from_millis(3),
    });
    let refused = site.ask(ELSEWHERE, "GET /metrics", &[], "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(site.call("GET /metrics", "").await.status, StatusCode::OK);
    let metrics = site.see("/metrics").await;
    for line in [
        "fastpath_messages_total{storage=\"memory\"} 1",
        "fastpath_message_bytes_total{storage=\"memory\"} 100",
        "fastpath_disk_reasons_total{reason=\"over_threshold\"} 0",
        "fastpath_acknowledgement_seconds_bucket{le=\"0.002\"} 0",
        "fastpath_acknowledgement_seconds_bucket{le=\"0.005\"} 1",
        "fastpath_acknowledgement_seconds_bucket{le=\"+Inf\"} 1",
        "fastpath_queue_recipients 0",
        "fastpath_ready 1",
        "# EOF",
    ] {
        assert!(
            metrics.text.lines().any(|found| found == line),
            "{line} is missing:\n{}",
            metrics.text
        );
    }
    site.close().await;
}

#[tokio::test]
async fn programs_pause_ask_what_if_and_read_sources() {
    let site = Site::open().await;
    for (paused, expected) in [(true, json!(["mx.example.net"])), (false, json!([]))] {
        let body = json!({"next_hop": "mx.example.net", "paused": paused}).to_string();
        let answer = site.call("POST /api/v1/next-hops/pause", &body).await;
        assert_eq!(answer.json(), json!({"paused_next_hops": expected}));
    }
    let answer = site
        .call("POST /api/v1/next-hops/pause", r#"{"next_hop": "mx"}"#)
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);

    site.context.statistics.answered(&AnsweredFigures {
        path: Path::Fast,
        storage: Storage::Memory,
        reasons: &[],
        size_bytes: 1_000,
        acknowledged_after: std::time::Duration::from_millis(1),
    });
    for (threshold, held) in [(1_024, (1, 1)), (600, (0, 1)), (0, (0, 0))] {
        let request = format!("GET /api/v1/statistics/what-if?memory_threshold_bytes={threshold}");
        let (least, most) = held;
        let expected = json!({"messages": 1, "held": {"least": least, "most": most}});
        assert_eq!(
            site.call(&request, "").await.json(),
            expected,
            "{threshold}"
        );
    }
    let request = "GET /api/v1/queue/77/source";
    assert_eq!(site.call(request, "").await.status, StatusCode::NOT_FOUND);
    site.close().await;
}

#[tokio::test]
async fn the_webhooks_address_is_for_administrators() {
    let site = Site::open().await;
    let url = "https://hooks.example.net/secret-path";
    let body = json!({"alert_webhook_url": url}).to_string();
    let changed = site.call("PATCH /api/v1/settings", &body).await.json();
    assert_eq!(changed["alert_webhook_url"], url);
    site.token("a reader", Scope::ReadOnly).await;
    let reader = ["Authorization: Bearer a reader"];
    let request = "GET /api/v1/settings";
    let shown = site.ask(ELSEWHERE, request, &reader, "").await.json();
    assert_eq!(shown["alert_webhook_url"], "(set)");
    site.close().await;
}

/// What is asked for ever.
async fn never() -> &'static str {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_said_to_be_done_by_nobody() {
    let router: Router = Router::new()
        .route("/api/v1/settings", get(never).patch(never))
        .layer(from_fn(in_time));
    for (method, status, words, wait) in [
        (
            "GET",
            StatusCode::SERVICE_UNAVAILABLE,
            "too long",
            limits::REQUEST_WAIT,
        ),
        // Nobody says that it was not done.
        (
            "PATCH",
            StatusCode::INTERNAL_SERVER_ERROR,
            "not known",
            limits::CHANGE_WAIT,
        ),
    ] {
        let began = tokio::time::Instant::now();
        let request = Request::builder().method(method).uri("/api/v1/settings");
        let request = request.body(Body::empty()).expect("a request");
        let answer = router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), status, "{method}");
        let text = to_bytes(answer.into_body(), 1_000).await.expect("a body");
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains(words), "{method}: {text}");
        assert_eq!(began.elapsed(), wait);
    }
}

#[tokio::test]
async fn only_objects_are_taken_for_what_is_asked() {
    let site = Site::open().await;
    let before = site.call("GET /api/v1/settings", "").await.text;
    let login = r#"{"name": "robot", "password": "open sesame"}"#;
    let added = site.call("POST /api/v1/smtp-logins", login).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    for request in [
        "PATCH /api/v1/settings",
        "POST /api/v1/queue/actions",
        "POST /api/v1/next-hops/test",
        "POST /api/v1/next-hops/pause",
        "POST /api/v1/conditions/content-filter/test",
        "POST /api/v1/accounts",
        "PATCH /api/v1/accounts/administrator",
        "POST /api/v1/tokens",
        "POST /api/v1/smtp-logins",
        "PUT /api/v1/smtp-logins/robot",
        "POST /api/v1/openpgp-keys",
    ] {
        for body in ["null", "[]", "[null]", "1", "\"x\"", "true", ""] {
            let answer = site.call(request, body).await;
            let case = format!("{request} {body}: {}", answer.text);
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{case}");
            assert!(answer.json()["error"].is_string(), "{case}");
        }
    }
    for part in [
        "antivirus",
        "listeners",
        "trusted_networks",
        "path",
        "retries_max",
        "directory",
    ] {
        let body = json!({part: null}).to_string();
        let answer = site.call("PATCH /api/v1/settings", &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(answer.json()["errors"][part].is_string(), "{}", answer.text);
    }
    let word = r#"{"path": {"standard": null}}"#;
    let answer = site.call("PATCH /api/v1/settings", word).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    assert_eq!(site.call("GET /api/v1/settings", "").await.text, before);
    site.close().await;
}
