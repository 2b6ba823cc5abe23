//! The Received-for condition: one message for each recipient, who is named in it.

use serde_json::json;

use super::stage::Stage;
use crate::support::messages;
use crate::support::raw_sink::{Answer, Arrival, Script};

const TWO: [&str; 2] = ["anna@example.net", "bert@example.net"];

/// Each recipient has a message of its own that names nobody else.
fn check(arrivals: &[Arrival], content: &[u8]) {
    assert_eq!(arrivals.len(), 2);
    for name in TWO {
        let arrival = arrivals
            .iter()
            .find(|arrival| arrival.recipient_addresses() == [name])
            .unwrap_or_else(|| panic!("{name} has none of its own"));
        let received = messages::header(&arrival.content, "Received").unwrap();
        assert!(received.contains(&format!("for <{name}>;")), "{received}");
        let other = TWO.into_iter().find(|other| *other != name).unwrap();
        assert!(!received.contains(other), "{received}");
        messages::assert_unchanged(&arrival.content, content);
    }
}

async fn send(stage: &Stage, subject: &str, bytes: usize) -> Vec<u8> {
    let content = messages::of_size(subject, bytes);
    let sender = format!("{subject}@example.org");
    let reply = stage.send(&sender, &TWO, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_gets_a_message_of_its_own() {
    let stage = Stage::with(json!({"received_for": {"enabled": true}})).await;
    let content = send(&stage, "standard", 4_096).await;
    check(&stage.sink.wait_for_accepted(2).await, &content);
    stage
        .assert_diverted("standard@example.org", "received_for")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_on_the_fast_path_as_well() {
    let settings = json!({"received_for": {"enabled": true, "disables_fast_path": false}});
    let stage = Stage::with(settings).await;
    let content = send(&stage, "fast", 4_096).await;
    check(&stage.sink.wait_for_accepted(2).await, &content);
    stage.assert_fast("fast@example.org").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_that_waits_keeps_its_place_for_the_name() {
    let settings = json!({
        "received_for": {"enabled": true}, "retry_schedule_seconds": [3_600],
    });
    let stage = Stage::with(settings).await;
    let later = Answer::say("450 4.2.1 Mailbox busy");
    let script = Script::accepting().any_recipient(later);
    stage.sink.change(|present| *present = script);
    let content = send(&stage, "waits", 300_000).await;
    stage.appliance.wait_for_queue(2).await;
    let recipients = || {
        let commands = stage.sink.commands();
        commands
            .iter()
            .filter(|one| one.starts_with("RCPT"))
            .count()
    };
    stage
        .sink
        .wait_for("two attempts", || recipients() >= 2)
        .await;
    stage.sink.heal();
    let rows = stage.appliance.queue("").await;
    let ids: Vec<_> = rows.iter().map(|row| row["id"].clone()).collect();
    stage.appliance.act("retry", &ids).await;
    stage.appliance.wait_for_queue(0).await;
    check(&stage.sink.wait_for_accepted(2).await, &content);
}
