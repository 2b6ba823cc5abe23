//! The API: the shapes that others script against, settings that are checked field by field, and
//! nothing without a token.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};

/// An appliance whose destination defers everything, with `messages` messages in its queue.
async fn with_queue(messages: usize) -> (Appliance, RawSink) {
    let later = Answer::say("450 4.2.1 Come back later");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    for number in 0..messages {
        let recipient = format!("<r{number}@example.net>");
        let content = messages::small(&format!("number {number}"));
        let reply = client
            .message("<a@example.org>", &[&recipient], &content)
            .await;
        assert_eq!(reply.code, 250, "{reply}");
    }
    appliance.wait_for_queue(messages as u64).await;
    (appliance, sink)
}

/// The value at a path of dots, which must be there and be of the kind that `kind` accepts.
fn check_kind(value: &Value, path: &str, kind: fn(&Value) -> bool) {
    let found = path.split('.').fold(value, |value, name| &value[name]);
    assert!(kind(found), "{path} is {found} in {value}");
}

fn number_or_null(value: &Value) -> bool {
    value.is_number() || value.is_null()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_without_a_token() {
    let appliance = Plan::new()
        .next_hop("127.0.0.1:1".parse().unwrap())
        .start()
        .await;
    let http = reqwest::Client::new();
    for path in ["statistics/live", "settings", "queue", "messages"] {
        let url = appliance.url(&format!("/api/v1/{path}"));
        for request in [
            http.get(&url),
            http.get(&url).bearer_auth("wrong"),
            http.get(&url).basic_auth("a", Some("b")),
        ] {
            assert_eq!(
                request.send().await.unwrap().status(),
                StatusCode::UNAUTHORIZED,
                "{path}"
            );
        }
    }
    let url = appliance.url("/api/v1/settings");
    let change = http
        .patch(&url)
        .json(&json!({ "path": "standard" }))
        .send()
        .await
        .unwrap();
    assert_eq!(change.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(appliance.read("/api/v1/settings").await["path"], "fast");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_need_no_token_and_metrics_do() {
    let appliance = Plan::new()
        .next_hop("127.0.0.1:1".parse().unwrap())
        .start()
        .await;
    let http = reqwest::Client::new();
    let status = async |path: &str| http.get(appliance.url(path)).send().await.unwrap().status();
    assert_eq!(status("/healthz").await, StatusCode::OK);
    assert_eq!(status("/readyz").await, StatusCode::OK);
    let (with_token, _) = appliance.call(Method::GET, "/metrics", None).await;
    assert_eq!(with_token, StatusCode::OK);
    assert_eq!(status("/api/v1/nothing").await, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_statistics_have_their_shape() {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    let content = messages::of_size("one", 1_000);
    assert_eq!(
        client
            .message("<a@example.org>", &["<b@example.net>"], &content)
            .await
            .code,
        250
    );

    let live = appliance.statistics().await;
    for window in [
        "since_start",
        "windows.minute",
        "windows.hour",
        "windows.day",
    ] {
        for storage in ["memory", "split", "disk"] {
            check_kind(
                &live,
                &format!("{window}.messages.{storage}"),
                Value::is_u64,
            );
            check_kind(&live, &format!("{window}.bytes.{storage}"), Value::is_u64);
        }
        check_kind(&live, &format!("{window}.ratio"), number_or_null);
        check_kind(&live, &format!("{window}.disk_reasons"), Value::is_object);
        check_kind(&live, &format!("{window}.paths"), Value::is_object);
    }
    for path in ["fast", "standard", "cut_through"] {
        check_kind(&live, &format!("since_start.paths.{path}"), Value::is_u64);
    }
    check_kind(&live, "resident.memory_bytes", Value::is_u64);
    check_kind(&live, "resident.disk_bytes", Value::is_u64);
    check_kind(&live, "queue.recipients", Value::is_u64);
    check_kind(&live, "queue.oldest_age_seconds", number_or_null);
    check_kind(&live, "acknowledgement_seconds.p50", Value::is_number);
    check_kind(&live, "acknowledgement_seconds.p99", Value::is_number);
    assert_eq!(live["since_start"]["messages"]["memory"], 1);
    assert_eq!(live["since_start"]["bytes"]["memory"], 1_000);
    assert_eq!(live["since_start"]["ratio"], 1.0);
    assert_eq!(live["windows"]["minute"]["ratio"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_have_the_defaults_of_the_design() {
    let appliance = Plan::new()
        .next_hop("127.0.0.1:1".parse().unwrap())
        .start()
        .await;
    let settings = appliance.read("/api/v1/settings").await;
    let defaults = json!({
        "memory_threshold_bytes": 32_768,
        "over_threshold": "split",
        "path": "fast",
        "ack_deadline_seconds": 10,
        "when_deferred": "queue",
        "retry_schedule_seconds": [60, 300, 900, 1_800, 3_600, 7_200, 14_400],
        "retries_max": 0,
        "expire_after_seconds": 432_000,
        "when_refused": "reply",
        "keep_trail": true,
        "message_size_max_bytes": 26_214_400,
    });
    for (name, default) in defaults.as_object().unwrap() {
        assert_eq!(&settings[name], default, "{name}");
    }
    check_kind(&settings, "memory_budget_bytes", Value::is_u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_change_in_part_and_survive_a_restart() {
    let mut appliance = Plan::new()
        .next_hop("127.0.0.1:1".parse().unwrap())
        .start()
        .await;
    let before = appliance.read("/api/v1/settings").await;
    appliance
        .set(json!({ "ack_deadline_seconds": 5, "path": "standard" }))
        .await;
    let mut expected = before.clone();
    expected["ack_deadline_seconds"] = json!(5);
    expected["path"] = json!("standard");
    assert_eq!(appliance.read("/api/v1/settings").await, expected);

    appliance.kill().await;
    let appliance = appliance.restart().await;
    assert_eq!(appliance.read("/api/v1/settings").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_named_and_change_nothing() {
    let appliance = Plan::new()
        .next_hop("127.0.0.1:1".parse().unwrap())
        .start()
        .await;
    let before = appliance.read("/api/v1/settings").await;
    let check = async |change: Value, fields: &[&str]| {
        let (status, answer) = appliance
            .call(Method::PATCH, "/api/v1/settings", Some(change.clone()))
            .await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{change}: {answer}"
        );
        for field in fields {
            assert!(
                answer.to_string().contains(field),
                "{field} is not named for {change}: {answer}"
            );
        }
        assert_eq!(
            appliance.read("/api/v1/settings").await,
            before,
            "{change} was taken in part"
        );
    };
    check(
        json!({ "ack_deadline_seconds": 0 }),
        &["ack_deadline_seconds"],
    )
    .await;
    check(
        json!({ "ack_deadline_seconds": 26 }),
        &["ack_deadline_seconds"],
    )
    .await;
    check(json!({ "path": "scenic" }), &["path"]).await;
    check(
        json!({ "memory_threshold_bytes": -1 }),
        &["memory_threshold_bytes"],
    )
    .await;
    check(
        json!({ "retry_schedule_seconds": [] }),
        &["retry_schedule_seconds"],
    )
    .await;
    check(json!({ "no_such_setting": 1 }), &["no_such_setting"]).await;
    check(
        json!({ "path": "standard", "ack_deadline_seconds": 99, "over_threshold": "burn" }),
        &["ack_deadline_seconds", "over_threshold"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_has_its_shape_and_its_filters() {
    let (appliance, _sink) = with_queue(5).await;
    let answer = appliance.read("/api/v1/queue").await;
    assert_eq!(answer["total"], 5);
    for item in answer["items"].as_array().unwrap() {
        assert!(
            !item["id"].is_null() && !item["message_id"].is_null(),
            "{item}"
        );
        assert_eq!(item["sender"], "a@example.org", "{item}");
        assert_eq!(item["state"], "waiting", "{item}");
        assert_eq!(item["reason"], "deferred", "{item}");
        assert!(
            item["next_hop"].is_string() && item["attempts"].is_u64(),
            "{item}"
        );
        assert!(
            item["last_reply"]
                .as_str()
                .is_some_and(|reply| reply.contains("Come back later")),
            "{item}"
        );
        assert!(
            item["size_bytes"].as_u64().is_some_and(|size| size >= 512),
            "{item}"
        );
        assert!(
            !item["received_at"].is_null() && !item["next_attempt_at"].is_null(),
            "{item}"
        );
    }
    let one = appliance
        .read("/api/v1/queue?recipient=r3@example.net")
        .await;
    assert_eq!(
        (&one["total"], &one["items"][0]["recipient"]),
        (&json!(1), &json!("r3@example.net"))
    );
    assert_eq!(appliance.read("/api/v1/queue?state=held").await["total"], 0);
    assert_eq!(
        appliance
            .read("/api/v1/queue?sender=nobody@example.org")
            .await["total"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_actions_take_what_was_expected_or_nothing() {
    let (appliance, _sink) = with_queue(4).await;
    let act = async |body: Value| {
        appliance
            .call(Method::POST, "/api/v1/queue/actions", Some(body))
            .await
    };

    let filter = json!({ "sender": "a@example.org" });
    let (status, answer) = act(json!({ "action": "hold", "filter": filter, "expect": 3 })).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert_eq!(appliance.queue("state=held").await.len(), 0);

    let (status, answer) = act(json!({ "action": "hold", "filter": filter, "expect": 4 })).await;
    assert_eq!((status, &answer["affected"]), (StatusCode::OK, &json!(4)));
    let held = appliance.queue("state=held").await;
    assert_eq!(held.len(), 4);

    assert_eq!(appliance.act("release", &[held[0]["id"].clone()]).await, 1);
    assert_eq!(appliance.queue("state=held").await.len(), 3);
    assert_eq!(
        appliance
            .act("purge", &[held[0]["id"].clone(), held[1]["id"].clone()])
            .await,
        2
    );
    assert_eq!(appliance.queue_total().await, 2);

    let (status, _) = act(json!({ "action": "explode", "ids": [1] })).await;
    assert!(status.is_client_error(), "{status}");
    let (status, _) = act(json!({ "action": "purge" })).await;
    assert!(
        status.is_client_error(),
        "an action without a selection must not mean all: {status}"
    );
    assert_eq!(appliance.queue_total().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn trails_tell_what_happened() {
    let sink = RawSink::start(Script::accepting().recipient(
        "later@example.net",
        Answer::say("450 4.2.1 Come back later"),
    ))
    .await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    let recipients = ["<b@example.net>", "<later@example.net>"];
    let reply = client
        .message("<traced@example.org>", &recipients, &messages::small("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");

    let trail = appliance.trail("sender=traced@example.org", |_| true).await;
    let text = trail.to_string();
    for word in [
        "b@example.net",
        "later@example.net",
        "delivered",
        "deferred",
        "Come back later",
    ] {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
    let found = appliance
        .read("/api/v1/messages?recipient=later@example.net")
        .await;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    let none = appliance
        .read("/api/v1/messages?recipient=nobody@example.net")
        .await;
    assert_eq!(none["items"].as_array().map(Vec::len), Some(0), "{none}");
}
