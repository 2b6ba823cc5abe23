//! Clients that drip are cut off: one byte a second of data ends with the session, at the real limits.
//!
//! The limit of a command is five minutes, which is the session's own test to show, with a clock that
//! it can turn.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::support::appliance::Plan;
use crate::support::raw_sink::{RawSink, Script};
use crate::support::wait;

/// DESIGN: 500 bytes a second, averaged, are asked for after 30 s.
const GRACE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn data_that_drips_is_cut_off() {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    client
        .envelope("<a@example.org>", &["<b@example.net>"])
        .await;
    client.command("DATA", 354).await;
    let began = Instant::now();
    let cut_off = async {
        let mut drips = interval(Duration::from_secs(1));
        drips.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                reply = client.reply() => return reply,
                _ = drips.tick() => {}
            }
            if client.send(b"x").await.is_err() {
                return None;
            }
        }
    };
    let reply = wait::within("the cut", PATIENCE, cut_off).await;
    assert!(
        reply.as_ref().is_none_or(|reply| reply.code == 421),
        "{reply:?}"
    );
    let took = began.elapsed();
    assert!(
        took >= GRACE - Duration::from_secs(1),
        "cut off after {took:?}, which is too early"
    );
    assert_eq!(sink.arrivals().len(), 0);

    let resident = appliance.statistics().await["resident"].clone();
    assert_eq!(resident["memory_bytes"], 0, "{resident}");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_only_slow_arrives() {
    // A thin line: a kilobyte a second for longer than the grace is twice what is asked for.
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    client
        .envelope("<a@example.org>", &["<b@example.net>"])
        .await;
    client.command("DATA", 354).await;
    let began = Instant::now();
    let mut pieces = interval(Duration::from_millis(500));
    let mut line = vec![b'x'; 510];
    line.extend_from_slice(b"\r\n");
    while began.elapsed() < GRACE + Duration::from_secs(5) {
        pieces.tick().await;
        client.send(&line).await.unwrap();
    }
    client.send(b".\r\n").await.unwrap();
    client.expect(250).await;
    assert_eq!(sink.accepted().len(), 1);
}
