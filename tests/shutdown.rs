//! SIGTERM under load: the appliance says 421 to who is idle, finishes or stores what is under way,
//! and ends with 0 within ten seconds; nothing that was acknowledged is lost.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::Client;
use crate::support::ledger::{Ledger, Load, ONE_DOMAIN};
use crate::support::messages;
use crate::support::raw_sink::{Answer, Gate, RawSink, Script};
use crate::support::turn;
use crate::support::wait::{self, PATIENCE};

/// DESIGN: 8 s for what is under way, and a little for closing the database. `docker stop` kills after 10.
const END_WAIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_under_load() {
    let _turn = turn::take().await;
    let busy = Answer::say("450 4.2.1 Mailbox busy");
    let script = Script::accepting()
        .recipient("r1@example.net", busy)
        .keeping(1_024);
    let sink = RawSink::start(script).await;
    let ledger = Arc::new(Ledger::default());
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    appliance
        .set(json!({ "retry_schedule_seconds": [1] }))
        .await;
    for round in 0..3 {
        let load = Load::start(appliance.smtp(), 8, round, ONE_DOMAIN, &ledger);
        let enough = ledger.promised() + 100;
        wait::until_true("messages to pass", PATIENCE, || async {
            ledger.promised() > enough
        })
        .await;
        let status = appliance.terminate(END_WAIT).await;
        assert_eq!(status.code(), Some(0), "round {round}");
        load.stop().await;
        appliance = appliance.restart().await;
    }
    sink.heal();
    appliance.wait_for_queue(0).await;
    let account = ledger.account(&[&sink], &[]);
    assert!(account.lost.is_empty(), "{account:?}");
    assert_eq!(
        account.duplicates, 0,
        "an ordered end needs no second copy: {account:?}"
    );
}

/// An appliance that has handed a message over, whose client waits while the destination says nothing until the
/// gate is opened.
async fn unanswered(gate: &Gate) -> (Appliance, RawSink, Client) {
    let script = Script::accepting().end_of_data(Answer::say_after(gate, "250 2.0.0 Ok"));
    let sink = RawSink::start(script).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    let content = messages::small("one");
    client
        .hand_over("<a@example.org>", &["<b@example.net>"], &content)
        .await;
    sink.wait_for("the message at the destination", || {
        sink.arrivals().len() == 1
    })
    .await;
    (appliance, sink, client)
}

/// What hooks, rotated logs and closing terminals send ends nothing: the message under way gets its reply.
#[tokio::test(flavor = "multi_thread")]
async fn other_signals_end_nothing() {
    for signal in [
        Signal::HUP,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::XFSZ,
    ] {
        let gate = Gate::closed();
        let (mut appliance, _sink, mut client) = unanswered(&gate).await;
        appliance.process().signal(signal);
        if signal == Signal::HUP {
            wait::until_true("the signal in the log", PATIENCE, || async {
                appliance.log().contains("SIGHUP")
            })
            .await;
        }
        gate.open();
        let reply = client.reply().await.expect("a reply");
        assert_eq!(reply.code, 250, "{signal:?}: {reply}");
        assert!(appliance.is_running(), "{signal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_is_told() {
    let sink = RawSink::start(Script::accepting()).await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut idle = appliance.client().await;
    let mut in_transaction = appliance.client().await;
    in_transaction
        .envelope("<a@example.org>", &["<b@example.net>"])
        .await;
    assert_eq!(appliance.terminate(END_WAIT).await.code(), Some(0));
    for client in [&mut idle, &mut in_transaction] {
        client.expect(421).await;
        client.expect_close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_dot_is_stored_as_uncertain() {
    let gate = Gate::closed();
    let (mut appliance, _sink, mut client) = unanswered(&gate).await;
    assert_eq!(appliance.terminate(END_WAIT).await.code(), Some(0));
    // Handed over and not answered: it is ours now, and the client hears so.
    client.expect(250).await;
    let appliance = appliance.restart().await;
    let rows = appliance.queue("").await;
    assert_eq!(
        (rows.len(), &rows[0]["state"]),
        (1, &json!("uncertain")),
        "{rows:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_before_its_dot_is_stored_as_deferred() {
    let sink = RawSink::start(Script::accepting().mail(Answer::Silence)).await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    client
        .hand_over(
            "<a@example.org>",
            &["<b@example.net>"],
            &messages::small("one"),
        )
        .await;
    sink.wait_for("MAIL at the destination", || {
        sink.commands()
            .iter()
            .any(|command| command.starts_with("MAIL"))
    })
    .await;
    assert_eq!(appliance.terminate(END_WAIT).await.code(), Some(0));
    client.expect(250).await;
    sink.heal();
    let appliance = appliance.restart().await;
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_message_is_not_kept() {
    let sink = RawSink::start(Script::accepting()).await;
    let mut appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    client
        .envelope("<a@example.org>", &["<b@example.net>"])
        .await;
    client.command("DATA", 354).await;
    client.send(b"Subject: one\r\n\r\nhalf").await.unwrap();
    assert_eq!(appliance.terminate(END_WAIT).await.code(), Some(0));
    let reply = client.reply().await;
    assert!(
        reply.as_ref().is_none_or(|reply| reply.code == 421),
        "{reply:?}"
    );
    let appliance = appliance.restart().await;
    assert_eq!(
        (appliance.queue_total().await, sink.arrivals().len()),
        (0, 0)
    );
}
