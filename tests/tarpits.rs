//! Servers that take connections and let everybody wait: the places of the queue and the connections of a
//! next hop are not theirs, nor those of clients whom nobody knows.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::Client;
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};

const SENDER: &str = "<a@example.org>";
/// More than the queue has places.
const TARPITS: usize = 240;
/// Less than the queue waits for a server that says nothing.
const SOON: Duration = Duration::from_secs(25);

fn entry(domain: &str, address: SocketAddr) -> Value {
    json!({ "domain": domain, "address": format!("smtp://{address}") })
}

/// An appliance with a message for each of many next hops, which behave as `script` says, and one that takes
/// mail at the second time.
async fn among_tarpits(script: Script) -> (Appliance, RawSink, RawSink) {
    let tarpit = RawSink::start_at("0.0.0.0:0".parse().unwrap(), script).await;
    let good = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(good.address()).start().await;
    let port = tarpit.address().port();
    // One server with many addresses is as many next hops.
    let address = |number: usize| SocketAddr::from(([127, 0, 1, number as u8], port));
    let name = |number: usize| format!("t{number}.example.com");
    let entries: Vec<Value> = (0..TARPITS)
        .map(|number| entry(&name(number), address(number)))
        .collect();
    appliance
        .set(json!({ "next_hops": entries, "path": "standard", "retry_schedule_seconds": [1] }))
        .await;
    // It is known to answer.
    let mut client = appliance.client().await;
    let first = messages::small("first");
    let reply = client.message(SENDER, &["<b@example.net>"], &first).await;
    assert_eq!(reply.code, 250, "{reply}");
    appliance.wait_for_queue(0).await;
    good.change(|script| script.end_of_data = Answer::say("450 4.3.0 Not now"));
    let recipients: Vec<String> = (0..TARPITS)
        .map(|number| format!("<b@{}>", name(number)))
        .collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let reply = client
        .message(SENDER, &recipients, &messages::small("for the tarpits"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    (appliance, tarpit, good)
}

/// Other mail gets through, at its second attempt.
async fn other_mail_moves(appliance: &Appliance, good: &RawSink) {
    let mut client = appliance.client().await;
    let reply = client
        .message(SENDER, &["<b@example.net>"], &messages::small("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    good.wait_within("a first attempt", SOON, || good.arrivals().len() > 1)
        .await;
    good.heal();
    good.wait_within("a second attempt", SOON, || good.accepted().len() > 1)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_never_greet_have_few_places() {
    let (appliance, tarpit, good) =
        among_tarpits(Script::accepting().greeting(Answer::Silence)).await;
    // As many as may wait for a greeting at one time.
    tarpit
        .wait_for("attempts", || tarpit.connections() >= 50)
        .await;
    other_mail_moves(&appliance, &good).await;
    assert_eq!(tarpit.connections(), 50, "more than may wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_greet_and_stall_have_half_of_the_places() {
    let (appliance, tarpit, good) = among_tarpits(Script::accepting().mail(Answer::Silence)).await;
    tarpit
        .wait_for("attempts", || tarpit.connections() >= 100)
        .await;
    other_mail_moves(&appliance, &good).await;
    assert_eq!(tarpit.connections(), 100, "more than half");
}

/// A client whom nobody knows: it may only send to a domain of ours.
async fn stranger(appliance: &Appliance) -> Client {
    appliance
        .set(json!({ "trusted_networks": ["192.0.2.0/24"], "relay_domains": ["example.net"] }))
        .await;
    appliance.client().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_few_reports_of_success() {
    const MESSAGES: usize = 25;
    const REPORTS: usize = 20;
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = stranger(&appliance).await;
    for path in ["fast", "standard"] {
        appliance.set(json!({ "path": path })).await;
        for number in 0..MESSAGES {
            let reply = client
                .message(
                    SENDER,
                    &["<b@example.net> NOTIFY=SUCCESS"],
                    &messages::small(&format!("{path} {number}")),
                )
                .await;
            assert_eq!(reply.code, 250, "{reply}");
        }
        appliance.wait_for_queue(0).await;
    }
    let arrived = sink.accepted();
    let reports = arrived.iter().filter(|one| one.sender.starts_with("<>"));
    let reports = reports.count();
    // One more may have been earned meanwhile.
    assert!(
        (REPORTS..=REPORTS + 1).contains(&reports),
        "{reports} reports"
    );
    assert_eq!(arrived.len() - reports, 2 * MESSAGES);
    // The trail says so, and that it was delivered all the same.
    for path in ["fast", "standard"] {
        let found = appliance
            .trail("outcome=not_reported", |trail| trail["path"] == path)
            .await;
        let id = found["message_id"].as_str().unwrap();
        let query = format!("message_id={id}&outcome=delivered");
        appliance.trail(&query, |trail| trail["path"] == path).await;
        let page = appliance.read(&format!("/api/v1/messages/{id}")).await;
        let events = page["events"].as_array().unwrap().iter();
        let events: Vec<&str> = events
            .map(|event| event["what"].as_str().unwrap())
            .collect();
        let of = |what| events.iter().position(|event| *event == what).unwrap();
        let (left_out, delivered) = (of("not_reported"), of("delivered"));
        assert!(left_out < delivered, "{events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_hold_few_connections_of_a_next_hop_open() {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    appliance
        .set(json!({ "path": "cut_through", "next_hop_defaults": { "connections_max": 4 } }))
        .await;
    // Two open transactions are half of what there is; whoever comes then is held.
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut client = stranger(&appliance).await;
        client.envelope(SENDER, &["<b@example.net>"]).await;
        idle.push(client);
    }
    assert_eq!(sink.connections(), 2);
    let (status, answer) = appliance
        .call(
            Method::PATCH,
            "/api/v1/settings",
            Some(json!({ "trusted_networks": ["127.0.0.0/8"] })),
        )
        .await;
    assert!(status.is_success(), "{answer}");
    let mut client = appliance.client().await;
    let reply = client
        .message(SENDER, &["<c@example.net>"], &messages::small("one"))
        .await;
    assert!(reply.text().contains("Delivered"), "{reply}");
    for client in &mut idle {
        client.command("DATA", 354).await;
        client
            .send(b"Subject: held or not\r\n\r\n.\r\n")
            .await
            .unwrap();
        client.expect(250).await;
    }
    assert_eq!(sink.wait_for_accepted(9).await.len(), 9);
}
