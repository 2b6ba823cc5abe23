//! Pausing a next hop from outside: nothing is sent there by the fast path or by the queue, also
//! after a restart, until it is resumed.

use std::net::SocketAddr;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};

async fn pause(appliance: &Appliance, next_hops: &[SocketAddr]) {
    let names: Vec<String> = next_hops.iter().map(SocketAddr::to_string).collect();
    appliance.set(json!({ "paused_next_hops": names })).await;
}

/// Sends one message, which must be queued.
async fn send(appliance: &Appliance, recipient: &str) {
    let mut client = appliance.client().await;
    let content = messages::small(recipient);
    let reply = client
        .message("<a@example.org>", &[recipient], &content)
        .await;
    assert!(
        reply.code == 250 && reply.text().contains("Queued"),
        "{reply}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_next_hop_gets_nothing_until_it_is_resumed() {
    let later = Answer::say("450 4.2.1 Mailbox busy");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    // What was deferred before the pause would be tried every second.
    appliance
        .set(json!({ "retry_schedule_seconds": [1] }))
        .await;
    send(&appliance, "<before@example.net>").await;
    pause(&appliance, &[sink.address()]).await;
    send(&appliance, "<meanwhile@example.net>").await;
    let rows = appliance.queue("recipient=meanwhile").await;
    assert_eq!(rows[0]["reason"], "next_hop_paused", "{rows:?}");
    assert_eq!(rows[0]["attempts"], 0, "it was not tried: {rows:?}");
    let reasons = appliance.statistics().await["since_start"]["disk_reasons"].clone();
    assert_eq!(reasons["next_hop_paused"], 1, "{reasons}");

    // The standard path meets the pause as well, and so does whoever asks for an attempt now.
    appliance.set(json!({ "path": "standard" })).await;
    send(&appliance, "<standard@example.net>").await;
    let all = appliance.queue("").await;
    let ids: Vec<_> = all.iter().map(|row| row["id"].clone()).collect();
    assert_eq!(appliance.act("retry", &ids).await, 3);
    assert!(
        !sink
            .commands()
            .iter()
            .any(|command| { command.contains("meanwhile@") || command.contains("standard@") }),
        "a paused next hop was spoken to: {:?}",
        sink.commands()
    );

    let mut appliance = appliance;
    appliance.kill().await;
    sink.heal();
    let appliance = appliance.restart().await;
    let settings = appliance.read("/api/v1/settings").await;
    assert_eq!(settings["paused_next_hops"][0], sink.address().to_string());
    appliance.set(json!({ "path": "fast" })).await;
    send(&appliance, "<after@example.net>").await;
    assert_eq!(appliance.queue_total().await, 4);
    assert!(sink.accepted().is_empty(), "{:?}", sink.accepted());

    // Rows whose next time is far away are due at once.
    pause(&appliance, &[]).await;
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.accepted().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_next_hops_go_on() {
    let (one, other) = (
        RawSink::start(Script::accepting()).await,
        RawSink::start(Script::accepting()).await,
    );
    let appliance = Plan::new().next_hop(one.address()).start().await;
    let entry =
        json!({"domain": "other.example", "address": format!("smtp://{}", other.address())});
    appliance.set(json!({ "next_hops": [entry] })).await;
    pause(&appliance, &[one.address()]).await;
    let mut client = appliance.client().await;
    let recipients = ["<a@example.net>", "<b@other.example>"];
    let reply = client
        .message("<a@example.org>", &recipients, &messages::small("both"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(other.wait_for_accepted(1).await.len(), 1);
    let rows = appliance.queue("").await;
    assert_eq!(
        (rows.len(), &rows[0]["recipient"]),
        (1, &json!("a@example.net"))
    );
    assert!(one.commands().is_empty(), "{:?}", one.commands());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_what_is_deferred_decides_here_too() {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    pause(&appliance, &[sink.address()]).await;
    appliance.set(json!({ "when_deferred": "pass" })).await;
    let mut client = appliance.client().await;
    let reply = client
        .message(
            "<a@example.org>",
            &["<b@example.net>"],
            &messages::small("one"),
        )
        .await;
    assert_eq!(reply.code, 451, "{reply}");
    assert_eq!(appliance.queue_total().await, 0);
    let wrong = json!({ "paused_next_hops": ["No Name"] });
    let (status, answer) = appliance
        .call(Method::PATCH, "/api/v1/settings", Some(wrong))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert!(answer["errors"]["paused_next_hops"].is_string(), "{answer}");
}
