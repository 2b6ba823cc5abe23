//! Destinations that offer STARTTLS: it is taken, whatever the certificate is worth (the policy is
//! opportunistic), and nothing said before it counts.

use serde_json::json;

use crate::support::appliance::Plan;
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script, Transport};

const TO_B: &[&str] = &["<b@example.net>"];

fn offering_tls() -> Script {
    Script::accepting().start_tls(Answer::say("220 2.0.0 Go ahead"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_is_taken() {
    let sink = RawSink::start(offering_tls()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    for subject in ["one", "two"] {
        let content = messages::small(subject);
        let reply = client.message("<a@example.org>", TO_B, &content).await;
        assert!(
            reply.code == 250 && reply.text().contains("Delivered"),
            "{reply}"
        );
        let arrival = sink.accepted().pop().unwrap();
        assert!(arrival.secured, "{subject} came in the clear");
        messages::assert_unchanged(&arrival.content, &content);
    }
    // One connection carried both, and what was offered in the clear was asked for again under TLS.
    assert_eq!(sink.connections(), 1);
    let commands = sink.commands();
    let verbs: Vec<&str> = commands
        .iter()
        .map(|command| command.split([' ', ':']).next().unwrap_or_default())
        .take(4)
        .collect();
    assert_eq!(verbs, ["EHLO", "STARTTLS", "EHLO", "MAIL"]);

    let trail = appliance
        .trail("sender=a@example.org", |trail| {
            trail.to_string().contains("delivered")
        })
        .await;
    let id = trail["message_id"].as_str().unwrap();
    let trail = appliance.read(&format!("/api/v1/messages/{id}")).await;
    assert!(
        trail.to_string().contains("\"tls\":true"),
        "the trail does not say that it went under TLS: {trail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn large_content_passes_unchanged_under_tls() {
    for (script, transport) in [
        (offering_tls(), Transport::Data),
        (offering_tls().offering("CHUNKING"), Transport::Data),
    ] {
        let sink = RawSink::start(script).await;
        let appliance = Plan::new().next_hop(sink.address()).start().await;
        let content = messages::of_size("large", 3_000_000);
        let mut client = appliance.client().await;
        let reply = client.message("<a@example.org>", TO_B, &content).await;
        assert_eq!(reply.code, 250, "{reply}");
        let arrival = sink.wait_for_accepted(1).await.pop().unwrap();
        assert_eq!((arrival.secured, arrival.transport), (true, transport));
        messages::assert_unchanged(&arrival.content, &content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_in_the_queue_goes_under_tls_too() {
    let sink = RawSink::start(offering_tls()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    appliance.set(json!({ "path": "standard" })).await;
    let content = messages::small("one");
    let mut client = appliance.client().await;
    let reply = client.message("<a@example.org>", TO_B, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrival = sink.wait_for_accepted(1).await.pop().unwrap();
    assert!(arrival.secured);
    appliance.wait_for_queue(0).await;
}
