//! The retry queue from outside: the schedule, what an administrator does to rows, and expiry.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::wait::{self, PATIENCE};

/// An appliance with one message in its queue, for a destination that says 450 to everybody.
async fn with_one_row(settings: Value) -> (Appliance, RawSink, Value) {
    let later = Answer::say("450 4.2.1 Mailbox busy");
    let sink = RawSink::start(Script::accepting().any_recipient(later)).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    appliance.set(settings).await;
    let mut client = appliance.client().await;
    let reply = client
        .message(
            "<a@example.org>",
            &["<b@example.net>"],
            &messages::small("one"),
        )
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let rows = appliance.queue("").await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = rows[0].clone();
    (appliance, sink, row)
}

fn far_away() -> Value {
    json!({ "retry_schedule_seconds": [3_600] })
}

fn attempts(sink: &RawSink) -> usize {
    sink.commands()
        .iter()
        .filter(|command| command.starts_with("RCPT"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_is_followed_until_it_works() {
    let (appliance, sink, _) = with_one_row(json!({ "retry_schedule_seconds": [1, 1, 1] })).await;
    sink.wait_for("a third attempt", || attempts(&sink) >= 3)
        .await;
    let rows = appliance.queue("").await;
    assert!(rows[0]["attempts"].as_u64().unwrap() >= 2, "{rows:?}");
    sink.heal();
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.wait_for_accepted(1).await.len(), 1);
    let trail = appliance
        .trail("sender=a@example.org", |trail| {
            trail.to_string().contains("delivered")
        })
        .await;
    let id = trail["message_id"].as_str().unwrap();
    let trail = appliance.read(&format!("/api/v1/messages/{id}")).await;
    assert!(
        trail.to_string().contains("Mailbox busy"),
        "the failed attempts are not in the trail: {trail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_survives_a_kill() {
    let (mut appliance, sink, row) = with_one_row(far_away()).await;
    appliance.kill().await;
    sink.heal();
    let appliance = appliance.restart().await;
    let rows = appliance.queue("").await;
    assert_eq!(
        (rows.len(), &rows[0]["id"], &rows[0]["message_id"]),
        (1, &row["id"], &row["message_id"])
    );
    assert_eq!(appliance.act("retry", &[row["id"].clone()]).await, 1);
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_now_does_not_wait_for_the_schedule() {
    let (appliance, sink, row) = with_one_row(far_away()).await;
    let before = attempts(&sink);
    assert_eq!(appliance.act("retry", &[row["id"].clone()]).await, 1);
    sink.wait_for("another attempt", || attempts(&sink) > before)
        .await;
    sink.heal();
    wait::until_true("delivery", PATIENCE, || async {
        appliance.act("retry", &[row["id"].clone()]).await;
        appliance.queue_total().await == 0
    })
    .await;
    assert_eq!(sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_row_stays_until_it_is_released() {
    let (appliance, sink, row) = with_one_row(json!({ "retry_schedule_seconds": [1] })).await;
    // A hold on a row under way takes effect when the attempt ends.
    assert_eq!(appliance.act("hold", &[row["id"].clone()]).await, 1);
    wait::until_true("the row to be held", PATIENCE, || async {
        appliance.queue("state=held").await.len() == 1
    })
    .await;
    sink.heal();
    let held_at = attempts(&sink);
    // Another message goes its way while the held one stays.
    let mut client = appliance.client().await;
    let reply = client
        .message(
            "<c@example.org>",
            &["<d@example.net>"],
            &messages::small("two"),
        )
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!((attempts(&sink), sink.accepted().len()), (held_at + 1, 1));
    assert_eq!(appliance.queue_total().await, 1);

    assert_eq!(appliance.act("release", &[row["id"].clone()]).await, 1);
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.accepted().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn purge_deletes_without_a_report() {
    let (appliance, sink, row) = with_one_row(far_away()).await;
    sink.heal();
    assert_eq!(appliance.act("purge", &[row["id"].clone()]).await, 1);
    appliance.wait_for_queue(0).await;
    let mut client = appliance.client().await;
    let reply = client
        .message(
            "<c@example.org>",
            &["<d@example.net>"],
            &messages::small("two"),
        )
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert!(
        sink.accepted()
            .iter()
            .all(|arrival| arrival.sender.starts_with("<c@example.org>"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn return_to_sender_fails_with_a_report() {
    let (appliance, sink, row) = with_one_row(far_away()).await;
    sink.heal();
    assert_eq!(appliance.act("return", &[row["id"].clone()]).await, 1);
    let report = sink.wait_for_accepted(1).await.pop().unwrap();
    assert!(report.sender.starts_with("<>"), "{report:?}");
    assert_eq!(report.recipient_addresses(), ["a@example.org"]);
    let text = String::from_utf8_lossy(&report.content).into_owned();
    assert!(
        text.contains("Action: failed") && text.contains("b@example.net"),
        "{text}"
    );
    appliance.wait_for_queue(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_goes_back_with_a_report() {
    let settings = json!({ "retry_schedule_seconds": [1], "expire_after_seconds": 3 });
    let (appliance, sink, _) = with_one_row(settings).await;
    // Only the original recipient is refused now, so that the report gets through.
    sink.change(|script| {
        script.heal();
        script.recipients.insert(
            "b@example.net".to_owned(),
            Answer::say("450 4.2.1 Mailbox busy"),
        );
    });
    let report = sink.wait_for_accepted(1).await.pop().unwrap();
    let text = String::from_utf8_lossy(&report.content).into_owned();
    assert!(report.sender.starts_with("<>"), "{report:?}");
    assert!(
        text.contains("Action: failed") && text.contains("Mailbox busy"),
        "{text}"
    );
    appliance.wait_for_queue(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_retries_and_no_more() {
    let settings = json!({ "retry_schedule_seconds": [1], "retries_max": 2 });
    let (appliance, sink, _) = with_one_row(settings).await;
    sink.change(|script| {
        script.heal();
        script.recipients.insert(
            "b@example.net".to_owned(),
            Answer::say("450 4.2.1 Mailbox busy"),
        );
    });
    let report = sink.wait_for_accepted(1).await.pop().unwrap();
    assert!(report.sender.starts_with("<>"), "{report:?}");
    appliance.wait_for_queue(0).await;
    let for_b = sink
        .commands()
        .iter()
        .filter(|command| command.starts_with("RCPT TO:<b@"))
        .count();
    assert_eq!(for_b, 3, "one attempt and two retries");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_path_stores_first_and_delivers_then() {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    appliance.set(json!({ "path": "standard" })).await;
    let mut client = appliance.client().await;
    for number in 0..20 {
        let content = messages::small(&format!("number {number}"));
        let reply = client
            .message("<a@example.org>", &["<b@example.net>"], &content)
            .await;
        assert!(
            reply.code == 250 && reply.text().contains("Queued"),
            "{reply}"
        );
    }
    assert_eq!(sink.wait_for_accepted(20).await.len(), 20);
    appliance.wait_for_queue(0).await;
    let since_start = appliance.statistics().await["since_start"].clone();
    assert_eq!(since_start["messages"]["disk"], 20, "{since_start}");
    assert_eq!(since_start["paths"]["standard"], 20, "{since_start}");
    assert_eq!(
        since_start["disk_reasons"]["standard_path"], 20,
        "{since_start}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_destination_does_not_hold_up_the_others() {
    // Everything goes to one address here, so what is seen is that rows which wait do not keep new
    // mail from being delivered at once.
    let (appliance, sink, _) = with_one_row(json!({ "retry_schedule_seconds": [1] })).await;
    sink.change(|script| {
        script.heal();
        script.recipients.insert(
            "b@example.net".to_owned(),
            Answer::say("450 4.2.1 Mailbox busy"),
        );
    });
    let mut client = appliance.client().await;
    for number in 0..50 {
        let sent = client.message("<c@example.org>", &["<d@example.net>"], b"\r\n");
        let reply = wait::within("a reply", Duration::from_secs(10), sent).await;
        assert!(
            reply.text().contains("Delivered"),
            "message {number}: {reply}"
        );
    }
}
