//! Several next hops behind one message, and what is set for each: they go out side by side, each
//! with its own fate, and none takes more connections than it is given.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{Answer, Gate, RawSink, Script};

/// An appliance with a next hop of its own for each of two domains.
struct Scene {
    appliance: Appliance,
    near: RawSink,
    far: RawSink,
}

const TO_BOTH: &[&str] = &["<b@near.example>", "<c@far.example>"];

impl Scene {
    async fn with(near: Script, far: Script) -> Scene {
        let (near, far) = (RawSink::start(near).await, RawSink::start(far).await);
        let appliance = Plan::new().next_hop(near.address()).start().await;
        appliance
            .set(json!({
                "retry_schedule_seconds": [1],
                "next_hops": [entry("near.example", &near, json!({})), entry("far.example", &far, json!({}))],
            }))
            .await;
        Scene {
            appliance,
            near,
            far,
        }
    }
}

/// A domain's entry in the settings, with what `more` says.
fn entry(domain: &str, sink: &RawSink, more: Value) -> Value {
    let mut entry = json!({ "domain": domain, "address": format!("smtp://{}", sink.address()) });
    entry
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    entry
}

#[tokio::test(flavor = "multi_thread")]
async fn each_next_hop_gets_its_own_recipients() {
    let scene = Scene::with(Script::accepting(), Script::accepting()).await;
    let content = messages::small("one");
    let reply = scene
        .appliance
        .client()
        .await
        .message("<a@example.org>", TO_BOTH, &content)
        .await;
    assert!(
        reply.code == 250 && reply.text().contains("Delivered"),
        "{reply}"
    );
    let (near, far) = (scene.near.accepted(), scene.far.accepted());
    assert_eq!((near.len(), far.len()), (1, 1));
    assert_eq!(near[0].recipient_addresses(), ["b@near.example"]);
    assert_eq!(far[0].recipient_addresses(), ["c@far.example"]);
    for arrival in near.iter().chain(&far) {
        messages::assert_unchanged(&arrival.content, &content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_of_one_next_hop_share_a_transaction() {
    let scene = Scene::with(Script::accepting(), Script::accepting()).await;
    let recipients: Vec<String> = (0..150)
        .map(|number| format!("<r{number}@near.example>"))
        .collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let content = messages::small("one");
    let reply = scene
        .appliance
        .client()
        .await
        .message("<a@example.org>", &recipients, &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    // A hundred in one transaction, so a hundred and fifty take two.
    let mut sizes: Vec<usize> = scene
        .near
        .wait_for_accepted(2)
        .await
        .iter()
        .map(|arrival| arrival.recipients.len())
        .collect();
    sizes.sort_unstable();
    assert!(
        sizes.len() == 2 && sizes[1] <= 100 && sizes.iter().sum::<usize>() == 150,
        "{sizes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_defers_does_not_undo_the_other() {
    let scene = Scene::with(
        Script::accepting(),
        Script::accepting().mail(Answer::say("451 4.3.0 Not now")),
    )
    .await;
    let content = messages::small("one");
    let reply = scene
        .appliance
        .client()
        .await
        .message("<a@example.org>", TO_BOTH, &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(scene.near.accepted().len(), 1);
    let rows = scene.appliance.queue("").await;
    assert_eq!(
        (rows.len(), &rows[0]["recipient"]),
        (1, &json!("c@far.example")),
        "{rows:?}"
    );

    scene.far.heal();
    scene.appliance.wait_for_queue(0).await;
    let far = scene.far.accepted();
    assert_eq!((scene.near.accepted().len(), far.len()), (1, 1));
    messages::assert_unchanged(&far[0].content, &content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_recipient_is_never_undone_by_the_policy_pass() {
    let scene = Scene::with(
        Script::accepting(),
        Script::accepting().mail(Answer::say("451 4.3.0 Not now")),
    )
    .await;
    scene
        .appliance
        .set(json!({ "when_deferred": "pass" }))
        .await;
    let content = messages::small("one");
    let reply = scene
        .appliance
        .client()
        .await
        .message("<a@example.org>", TO_BOTH, &content)
        .await;
    // A 4xx would make the client send again to who has it already.
    assert_eq!(reply.code, 250, "{reply}");
    scene.far.heal();
    scene.appliance.wait_for_queue(0).await;
    assert_eq!(
        (scene.near.accepted().len(), scene.far.accepted().len()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_silent_holds_the_client_no_longer_than_the_deadline() {
    let gate = Gate::closed();
    let late = Answer::say_after(&gate, "250 2.0.0 At last");
    let scene = Scene::with(Script::accepting(), Script::accepting().end_of_data(late)).await;
    scene
        .appliance
        .set(json!({ "ack_deadline_seconds": 1 }))
        .await;
    let mut client = scene.appliance.client().await;
    let began = Instant::now();
    let reply = client
        .message("<a@example.org>", TO_BOTH, &messages::small("one"))
        .await;
    assert!(
        reply.code == 250 && began.elapsed() < Duration::from_secs(6),
        "{reply}"
    );
    let rows = scene.appliance.queue("").await;
    assert_eq!(
        (rows.len(), &rows[0]["recipient"]),
        (1, &json!("c@far.example")),
        "{rows:?}"
    );
    gate.open();
    scene.appliance.wait_for_queue(0).await;
    assert_eq!(
        (scene.near.arrivals().len(), scene.far.arrivals().len()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn uncertain_may_be_taken_as_delivered() {
    let scene = Scene::with(
        Script::accepting(),
        Script::accepting().end_of_data(Answer::HangUp),
    )
    .await;
    let entries = json!([entry(
        "far.example",
        &scene.far,
        json!({ "uncertain": "assume_delivered" })
    )]);
    scene.appliance.set(json!({ "next_hops": entries })).await;
    let mut client = scene.appliance.client().await;
    let reply = client
        .message(
            "<a@example.org>",
            &["<c@far.example>"],
            &messages::small("one"),
        )
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert_eq!(
        (
            scene.appliance.queue_total().await,
            scene.far.arrivals().len()
        ),
        (0, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_next_hop_sends_the_rest_to_the_queue() {
    let gate = Gate::closed();
    let slow = Answer::say_after(&gate, "250 2.0.0 Ok");
    let scene = Scene::with(Script::accepting(), Script::accepting().end_of_data(slow)).await;
    let entries = json!([entry(
        "far.example",
        &scene.far,
        json!({ "connections_max": 2 })
    )]);
    scene
        .appliance
        .set(json!({ "next_hops": entries, "ack_deadline_seconds": 4 }))
        .await;
    let mut clients = Vec::new();
    for number in 0..6 {
        let mut client = scene.appliance.client().await;
        let content = messages::small(&format!("number {number}"));
        client
            .hand_over("<a@example.org>", &["<c@far.example>"], &content)
            .await;
        clients.push(client);
    }
    for client in &mut clients {
        client.expect(250).await;
    }
    let reasons = scene.appliance.statistics().await["since_start"]["disk_reasons"].clone();
    assert!(
        reasons["destination_busy"].as_u64().unwrap_or(0) >= 1,
        "{reasons}"
    );
    assert!(
        scene.far.arrivals().len() <= 2,
        "more connections than were allowed"
    );

    gate.open();
    scene.appliance.wait_for_queue(0).await;
    assert_eq!(scene.far.accepted().len(), 6);
}
