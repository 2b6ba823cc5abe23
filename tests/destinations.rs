//! Destinations that misbehave: what the client is told, what is stored, and how many copies arrive.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::Reply;
use crate::support::messages;
use crate::support::raw_sink::{Answer, Gate, RawSink, Script};

/// An appliance in front of one destination, with a retry schedule of seconds.
struct Scene {
    appliance: Appliance,
    sink: RawSink,
}

impl Scene {
    async fn with(script: Script) -> Scene {
        let sink = RawSink::start(script).await;
        let appliance = Plan::new().next_hop(sink.address()).start().await;
        appliance
            .set(json!({ "retry_schedule_seconds": [1] }))
            .await;
        Scene { appliance, sink }
    }

    async fn setting(self, settings: Value) -> Scene {
        self.appliance.set(settings).await;
        self
    }

    /// One small message to these recipients; the final reply.
    async fn send(&self, recipients: &[&str]) -> Reply {
        self.send_content(recipients, &messages::small("one")).await
    }

    async fn send_content(&self, recipients: &[&str], content: &[u8]) -> Reply {
        self.appliance
            .client()
            .await
            .message("<a@example.org>", recipients, content)
            .await
    }

    /// The destination gets well: everything waiting arrives, exactly `copies` messages in all, and
    /// the queue is empty.
    async fn heals_to(&self, copies: usize) {
        self.sink.heal();
        self.appliance.wait_for_queue(0).await;
        let accepted = self.sink.wait_for_accepted(copies).await;
        assert_eq!(accepted.len(), copies, "{accepted:?}");
    }

    /// The only row of the queue.
    async fn only_row(&self) -> Value {
        let rows = self.appliance.queue("").await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.into_iter().next().expect("there is one")
    }

    async fn disk_reasons(&self) -> Value {
        self.appliance.statistics().await["since_start"]["disk_reasons"].clone()
    }
}

const TO_B: &[&str] = &["<b@example.net>"];

fn assert_reply(reply: &Reply, code: u16, word: &str) {
    assert_eq!(reply.code, code, "{reply}");
    assert!(reply.text().contains(word), "{word} is missing: {reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_450_to_the_recipient_is_queued_and_retried() {
    let scene =
        Scene::with(Script::accepting().any_recipient(Answer::say("450 4.2.1 Mailbox busy"))).await;
    assert_reply(&scene.send(TO_B).await, 250, "Queued");
    let row = scene.only_row().await;
    assert_eq!(
        (&row["reason"], &row["recipient"]),
        (&json!("deferred"), &json!("b@example.net")),
        "{row}"
    );
    assert!(
        row["last_reply"].as_str().unwrap().contains("Mailbox busy"),
        "{row}"
    );
    assert_eq!(scene.disk_reasons().await["deferred"], 1);
    scene.heals_to(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_550_to_the_only_recipient_is_passed_on() {
    let scene =
        Scene::with(Script::accepting().any_recipient(Answer::say("550 5.1.1 No such user here")))
            .await;
    let reply = scene.send(TO_B).await;
    assert_reply(&reply, 550, "No such user here");
    assert!(reply.text().starts_with("5.1.1 "), "{reply}");
    assert_eq!(scene.appliance.queue_total().await, 0);
    assert_eq!(scene.sink.arrivals().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_452_is_queued_and_so_is_552_to_a_recipient() {
    for reply in [
        "452 4.5.3 Too many recipients",
        "552 5.5.3 Too many recipients",
    ] {
        let scene = Scene::with(Script::accepting().any_recipient(Answer::say(reply))).await;
        assert_reply(&scene.send(TO_B).await, 250, "Queued");
        scene.heals_to(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_451_after_the_dot_is_queued() {
    let scene =
        Scene::with(Script::accepting().end_of_data(Answer::say("451 4.3.0 Try again"))).await;
    assert_reply(&scene.send(TO_B).await, 250, "Queued");
    assert_eq!(scene.only_row().await["reason"], "deferred");
    scene.heals_to(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_554_after_the_dot_is_passed_on() {
    let scene =
        Scene::with(Script::accepting().end_of_data(Answer::say("554 5.6.0 We do not like it")))
            .await;
    assert_reply(&scene.send(TO_B).await, 554, "We do not like it");
    assert_eq!(scene.appliance.queue_total().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_after_the_dot_is_uncertain() {
    let scene = Scene::with(Script::accepting().end_of_data(Answer::HangUp)).await;
    assert_reply(&scene.send(TO_B).await, 250, "Queued");
    let row = scene.only_row().await;
    assert_eq!(
        (&row["state"], &row["reason"]),
        (&json!("uncertain"), &json!("uncertain")),
        "{row}"
    );
    // Ten minutes, whatever the schedule says: the destination may have the message.
    let due: Timestamp = row["next_attempt_at"].as_str().unwrap().parse().unwrap();
    let wait = due.duration_since(Timestamp::now()).as_secs();
    assert!((400..=800).contains(&wait), "due in {wait} s: {row}");
    assert_eq!(
        scene.sink.arrivals().len(),
        1,
        "an uncertain message was sent again at once"
    );

    // The administrator may know better.
    scene.sink.heal();
    assert_eq!(scene.appliance.act("retry", &[row["id"].clone()]).await, 1);
    scene.heals_to(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_250_makes_exactly_one_copy() {
    let gate = Gate::closed();
    let late = Answer::say_after(&gate, "250 2.0.0 At last");
    let scene = Scene::with(Script::accepting().end_of_data(late)).await;
    let scene = scene.setting(json!({ "ack_deadline_seconds": 1 })).await;
    let began = Instant::now();
    assert_reply(&scene.send(TO_B).await, 250, "Queued");
    let took = began.elapsed();
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(6)).contains(&took),
        "{took:?}"
    );
    // The attempt goes on behind the reply, under a lease that nobody else may break.
    assert_eq!(scene.disk_reasons().await["ack_deadline"], 1);
    assert_eq!(scene.appliance.queue_total().await, 1);

    gate.open();
    scene.appliance.wait_for_queue(0).await;
    assert_eq!(scene.sink.arrivals().len(), 1, "more than one copy");
    let trail = scene
        .appliance
        .trail("sender=a@example.org", |trail| {
            trail.to_string().contains("At last")
        })
        .await;
    assert!(trail.to_string().contains("delivered"), "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_450_gives_the_lease_back() {
    let gate = Gate::closed();
    let late = Answer::say_after(&gate, "450 4.2.0 Not after all");
    let scene = Scene::with(Script::accepting().end_of_data(late)).await;
    let scene = scene.setting(json!({ "ack_deadline_seconds": 1 })).await;
    assert_reply(&scene.send(TO_B).await, 250, "Queued");
    gate.open();
    scene
        .sink
        .wait_for("the late 450", || {
            scene.sink.arrivals()[0].answered == Some(450)
        })
        .await;
    scene.heals_to(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_to_a_command_is_deferred_at_the_deadline() {
    let scene = Scene::with(Script::accepting().mail(Answer::Silence)).await;
    let scene = scene.setting(json!({ "ack_deadline_seconds": 1 })).await;
    assert_reply(&scene.send(TO_B).await, 250, "Queued");
    assert_eq!(scene.sink.arrivals().len(), 0);
    assert_eq!(scene.appliance.queue_total().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_greeting_is_queued() {
    let scene =
        Scene::with(Script::accepting().greeting(Answer::say("421 4.3.2 Closing for lunch"))).await;
    assert_reply(&scene.send(TO_B).await, 250, "Queued");
    let row = scene.only_row().await;
    assert!(
        row["last_reply"]
            .as_str()
            .unwrap()
            .contains("Closing for lunch"),
        "{row}"
    );
    scene.heals_to(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_554_greeting_is_ours_to_repair() {
    let scene = Scene::with(Script::accepting().greeting(Answer::say("554 5.7.1 Go away"))).await;
    assert_reply(&scene.send(TO_B).await, 250, "Queued");
    scene.heals_to(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_530_to_the_sender_is_ours_to_repair() {
    let scene =
        Scene::with(Script::accepting().mail(Answer::say("530 5.7.0 Authenticate first"))).await;
    assert_reply(&scene.send(TO_B).await, 250, "Queued");
    scene.heals_to(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_inside_the_data_is_queued() {
    // Large enough not to vanish in the sockets' buffers.
    let content = messages::of_size("large", 8_000_000);
    let scene = Scene::with(Script::accepting().inside_data(100_000, Answer::Reset)).await;
    assert_reply(&scene.send_content(TO_B, &content).await, 250, "Queued");
    assert_eq!(
        scene.only_row().await["state"],
        "waiting",
        "no dot was sent, so nothing is uncertain"
    );
    scene.heals_to(1).await;
    messages::assert_unchanged(&scene.sink.accepted()[0].content, &content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_start_tls_loses_nothing() {
    for answer in ["454 4.7.0 TLS not available", "502 5.5.1 Changed my mind"] {
        let scene = Scene::with(Script::accepting().start_tls(Answer::say(answer))).await;
        let reply = scene.send(TO_B).await;
        assert_eq!(reply.code, 250, "{reply}");
        assert!(
            scene
                .sink
                .commands()
                .iter()
                .any(|command| command == "STARTTLS"),
            "TLS was not tried"
        );
        scene.heals_to(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_have_their_own_fates() {
    let script = Script::accepting()
        .recipient("later@example.net", Answer::say("450 4.2.1 Mailbox busy"))
        .recipient(
            "never@example.net",
            Answer::say("550 5.1.1 No such user here"),
        );
    let scene = Scene::with(script).await;
    let reply = scene
        .send(&[
            "<now@example.net>",
            "<later@example.net>",
            "<never@example.net>",
        ])
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    // One copy for the one who is there, and one report about the one who is not.
    let arrivals = scene.sink.wait_for_accepted(2).await;
    let now = arrivals
        .iter()
        .find(|arrival| arrival.sender.starts_with("<a@example.org>"))
        .unwrap();
    assert_eq!(now.recipient_addresses(), ["now@example.net"]);
    let report = arrivals
        .iter()
        .find(|arrival| arrival.sender.starts_with("<>"))
        .unwrap();
    assert_eq!(report.recipient_addresses(), ["a@example.org"]);
    assert!(String::from_utf8_lossy(&report.content).contains("never@example.net"));
    scene.heals_to(3).await;
    let later = scene.sink.accepted().pop().unwrap();
    assert_eq!(later.recipient_addresses(), ["later@example.net"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_are_refused_the_first_words_are_passed_on() {
    let script = Script::accepting()
        .recipient("one@example.net", Answer::say("551 5.1.6 Moved away"))
        .recipient("two@example.net", Answer::say("550 5.1.1 Never heard of"));
    let scene = Scene::with(script).await;
    assert_reply(
        &scene
            .send(&["<one@example.net>", "<two@example.net>"])
            .await,
        551,
        "Moved away",
    );
    assert_eq!(
        (
            scene.appliance.queue_total().await,
            scene.sink.arrivals().len()
        ),
        (0, 0)
    );

    let scene = scene.setting(json!({ "when_refused": "report" })).await;
    let reply = scene
        .send(&["<one@example.net>", "<two@example.net>"])
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let report = scene.sink.wait_for_accepted(1).await.pop().unwrap();
    let report = String::from_utf8_lossy(&report.content).into_owned();
    assert!(
        report.contains("one@example.net") && report.contains("two@example.net"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_pass_hands_the_4xx_on_and_stores_nothing() {
    let scene =
        Scene::with(Script::accepting().any_recipient(Answer::say("450 4.2.1 Mailbox busy"))).await;
    let scene = scene.setting(json!({ "when_deferred": "pass" })).await;
    assert_reply(&scene.send(TO_B).await, 450, "Mailbox busy");
    assert_eq!(scene.appliance.queue_total().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_that_is_passed_on_becomes_451() {
    // A 421 would tell the client that its own session is over (RFC 5321 §3.8).
    let scene =
        Scene::with(Script::accepting().end_of_data(Answer::say("421 4.3.2 Closing"))).await;
    let scene = scene.setting(json!({ "when_deferred": "pass" })).await;
    assert_eq!(scene.send(TO_B).await.code, 451);
    assert_eq!(scene.appliance.queue_total().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_down_is_left_alone_and_found_again() {
    // A port that nobody listens on any more.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let appliance = Plan::new().next_hop(address).start().await;
    appliance
        .set(json!({ "retry_schedule_seconds": [1] }))
        .await;
    for number in 0..5 {
        let mut client = appliance.client().await;
        let content = messages::small(&format!("number {number}"));
        let reply = client.message("<a@example.org>", TO_B, &content).await;
        assert_eq!(reply.code, 250, "{reply}");
    }
    let reasons = appliance.statistics().await["since_start"]["disk_reasons"].clone();
    assert!(
        reasons["destination_suspended"].as_u64().unwrap_or(0) >= 1,
        "the breaker did not open: {reasons}"
    );

    // "Retry now" is the administrator's word that it is up again, so it need not wait for a probe.
    let sink = RawSink::start_at(address, Script::accepting()).await;
    let ids: Vec<Value> = appliance
        .queue("")
        .await
        .into_iter()
        .map(|row| row["id"].clone())
        .collect();
    assert_eq!(appliance.act("retry", &ids).await, 5);
    sink.wait_within("all of them", Duration::from_secs(60), || {
        sink.accepted().len() == 5
    })
    .await;
    appliance.wait_for_queue(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_transparent_retry_when_a_kept_connection_has_died() {
    let scene = Scene::with(Script::accepting()).await;
    assert_reply(&scene.send(TO_B).await, 250, "Delivered");
    let before = scene.sink.connections();
    // The kept connection is closed by the destination when the next MAIL comes on it; a fresh one works.
    scene.sink.end_connections();
    assert_reply(&scene.send(TO_B).await, 250, "Delivered");
    assert_eq!(scene.sink.accepted().len(), 2);
    assert_eq!(scene.sink.connections(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_8_bit_message_for_a_7_bit_destination_is_not_lost() {
    let mut script = Script::accepting();
    script
        .capabilities
        .retain(|capability| capability != "8BITMIME");
    let scene = Scene::with(script).await;
    let content =
        "Subject: one\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngrößer\r\n".as_bytes();
    let mut client = scene.appliance.client().await;
    let reply = client
        .message("<a@example.org> BODY=8BITMIME", TO_B, content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let row = scene.only_row().await;
    assert_eq!(row["reason"], "conversion", "{row}");
}
