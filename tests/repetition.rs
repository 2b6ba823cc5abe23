//! Clients that leave in the middle and clients that send again: nothing is delivered for one who
//! has gone before the dot, and nothing twice for one who did not hear the 250.

use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{Answer, Gate, RawSink, Script};
use crate::support::wait::{self, PATIENCE};

const SENDER: &str = "<a@example.org>";
const TO_B: &[&str] = &["<b@example.net>"];

async fn scene(script: Script) -> (Appliance, RawSink) {
    let sink = RawSink::start(script).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    appliance
        .set(json!({ "ack_deadline_seconds": 1, "retry_schedule_seconds": [1] }))
        .await;
    (appliance, sink)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_for_a_client_who_left_before_our_dot() {
    let gate = Gate::closed();
    let slow = Answer::say_after(&gate, "354 Go ahead");
    let mut script = Script::accepting();
    script.data = slow;
    let (appliance, sink) = scene(script).await;
    appliance.set(json!({ "ack_deadline_seconds": 20 })).await;

    let mut client = appliance.client().await;
    client
        .hand_over(SENDER, TO_B, &messages::small("one"))
        .await;
    sink.wait_for("DATA at the destination", || {
        sink.commands().iter().any(|command| command == "DATA")
    })
    .await;
    client.reset();
    gate.open();

    // The next message is delivered, and by then the first would have been.
    let reply = appliance
        .client()
        .await
        .message(SENDER, TO_B, &messages::small("two"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrivals = sink.arrivals();
    assert_eq!(
        arrivals.len(),
        1,
        "the message of a client who had gone was delivered"
    );
    assert_eq!(
        messages::header(&arrivals[0].content, "Subject").as_deref(),
        Some("two")
    );
    assert_eq!(appliance.queue_total().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_who_pipelines_behind_the_dot_is_still_there() {
    let (appliance, sink) = scene(Script::accepting()).await;
    let mut client = appliance.client().await;
    client.envelope(SENDER, TO_B).await;
    client.command("DATA", 354).await;
    let mut wire = messages::stuffed(&messages::small("one"));
    wire.extend_from_slice(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n");
    client.send(&wire).await.unwrap();
    client.expect(250).await;
    client.expect(250).await;
    client.expect(250).await;
    client.expect(354).await;
    client
        .send(&messages::stuffed(&messages::small("two")))
        .await
        .unwrap();
    client.expect(250).await;
    assert_eq!(sink.wait_for_accepted(2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_by_one_who_did_not_hear_the_250_is_delivered_once() {
    check_delivered_once(json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_recognised_by_what_arrived_whatever_was_made_of_it() {
    let rule = |action: &str, argument: &str| {
        let rule = json!({
            "name": "all", "part": "any_header", "pattern": ".",
            "action": action, "argument": argument,
        });
        json!({ "content_filter": {
            "enabled": true, "disables_fast_path": false, "rules": [rule],
        }})
    };
    check_delivered_once(rule("redirect", "other@example.net")).await;
    check_delivered_once(rule("tag", "seen")).await;
}

/// A client that did not hear its 250 sends the message again, under these settings.
async fn check_delivered_once(settings: Value) {
    let gate = Gate::closed();
    let (appliance, sink) =
        scene(Script::accepting().end_of_data(Answer::say_after(&gate, "250 2.0.0 Ok"))).await;
    appliance.set(json!({ "ack_deadline_seconds": 20 })).await;
    appliance.set(settings).await;
    let content = messages::small("one");

    // The client loses its connection after our dot was sent and before it was answered.
    let mut client = appliance.client().await;
    client.hand_over(SENDER, TO_B, &content).await;
    sink.wait_for("the message at the destination", || {
        sink.arrivals().len() == 1
    })
    .await;
    client.reset();
    gate.open();
    sink.wait_for_accepted(1).await;
    appliance
        .trail("sender=a@example.org", |trail| {
            trail.to_string().contains("delivered")
        })
        .await;

    let reply = appliance
        .client()
        .await
        .message(SENDER, TO_B, &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(sink.arrivals().len(), 1, "the repetition was delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_after_a_late_250_is_stored_once() {
    let gate = Gate::closed();
    let (appliance, sink) =
        scene(Script::accepting().end_of_data(Answer::say_after(&gate, "250 2.0.0 Ok"))).await;
    let content = messages::small("one");

    // The 250 comes at the deadline; this client waits no longer than that and hears nothing.
    let mut client = appliance.client().await;
    client.hand_over(SENDER, TO_B, &content).await;
    appliance.wait_for_queue(1).await;
    client.reset();

    let reply = appliance
        .client()
        .await
        .message(SENDER, TO_B, &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    gate.open();
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.arrivals().len(), 1, "the repetition was sent too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_on_purpose_are_delivered_again() {
    let gate = Gate::closed();
    let (appliance, sink) =
        scene(Script::accepting().end_of_data(Answer::say_after(&gate, "250 2.0.0 Ok"))).await;
    let content = messages::small("one");

    // The 250 is late, so a fingerprint is written; the next command proves that it was read.
    let mut client = appliance.client().await;
    let reply = client.message(SENDER, TO_B, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    client.command("NOOP", 250).await;
    gate.open();
    sink.wait_for_accepted(1).await;
    appliance.wait_for_queue(0).await;

    let reply = client.message(SENDER, TO_B, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(sink.wait_for_accepted(2).await.len(), 2);
}

/// Sends a message whose 250 is late, and closes in order as soon as it is read: no QUIT, no NOOP.
async fn send_as_a_device(appliance: &Appliance, content: &[u8]) {
    let mut client = appliance.client().await;
    let reply = client.message(SENDER, TO_B, content).await;
    assert_eq!(reply.code, 250, "{reply}");
    assert!(reply.text().contains("Queued"), "{reply}");
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_alarms_of_a_device_that_says_no_quit_all_arrive() {
    let gate = Gate::closed();
    let (appliance, sink) =
        scene(Script::accepting().end_of_data(Answer::say_after(&gate, "250 2.0.0 Ok"))).await;
    let content = messages::small("alarm");
    for sent in 1..=3 {
        send_as_a_device(&appliance, &content).await;
        // That it had closed is known when its session has ended.
        appliance.wait_for_sessions(0).await;
        sink.wait_for("the alarm at the destination", || {
            sink.arrivals().len() == sent
        })
        .await;
    }
    gate.open();
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.arrivals().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_recognised_once() {
    let gate = Gate::closed();
    let (appliance, sink) =
        scene(Script::accepting().end_of_data(Answer::say_after(&gate, "250 2.0.0 Ok"))).await;
    let content = messages::small("one");
    let mut client = appliance.client().await;
    client.hand_over(SENDER, TO_B, &content).await;
    appliance.wait_for_queue(1).await;
    client.reset();
    appliance.wait_for_sessions(0).await;
    gate.open();

    // The first equal message is the repetition; the second one is another message.
    for arrivals in [1, 2] {
        let mut client = appliance.client().await;
        let reply = client.message(SENDER, TO_B, &content).await;
        assert_eq!(reply.code, 250, "{reply}");
        appliance.wait_for_queue(0).await;
        assert_eq!(sink.arrivals().len(), arrivals);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_traffic_is_never_taken_for_a_repetition() {
    let (appliance, sink) = scene(Script::accepting()).await;
    let content = messages::small("one");
    for _ in 0..3 {
        let mut client = appliance.client().await;
        let reply = client.message(SENDER, TO_B, &content).await;
        assert_eq!(reply.code, 250, "{reply}");
        // Not even a QUIT: a close behind the 250 is how many clients end.
    }
    assert_eq!(sink.wait_for_accepted(3).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_who_leaves_inside_the_data_leaves_nothing() {
    let (appliance, sink) = scene(Script::accepting()).await;
    let mut client = appliance.client().await;
    client.envelope(SENDER, TO_B).await;
    client.command("DATA", 354).await;
    let wire = messages::stuffed(&messages::of_size("large", 400_000));
    client.send(&wire[..wire.len() - 3]).await.unwrap();
    drop(client);
    wait::until_true(
        "memory and spool file to be free again",
        PATIENCE,
        || async {
            let resident = appliance.statistics().await["resident"].clone();
            resident["memory_bytes"] == 0 && resident["disk_bytes"] == 0
        },
    )
    .await;
    assert_eq!(
        (sink.arrivals().len(), appliance.queue_total().await),
        (0, 0)
    );
}
