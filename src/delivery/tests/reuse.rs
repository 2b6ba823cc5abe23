//! Connections that carry more than one message.

use std::sync::Arc;

use futures_util::future::join_all;

use super::scene::{Gate, delivery, kinds, message, next_hop, request, script};
use super::scripted_server::{PIPELINING, ScriptedServer};
use crate::delivery::connection::ServerConnection;
use crate::limits;

const TAKEN: &str = "
    C: MAIL FROM
    C: RCPT TO
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go on
    content
    S: 250 taken
";

const NOBODY: &str = "
    C: MAIL FROM
    C: RCPT TO
    C: DATA
    S: 250 ok
    S: 550 5.1.1 nobody
    S: 503 5.5.1 RCPT first
";

const AGREED: &str = "
    C: EHLO relay.example.net
    S: 250-server
    S: 250-SIZE 100000
    S: 250-8BITMIME
    S: 250 PIPELINING
";

/// Two messages one behind the other; how the second one came out, and the gate of it.
async fn two_messages<const N: usize>(scripts: [String; N]) -> (Vec<String>, (u32, u32)) {
    let server = ScriptedServer::start(scripts).await;
    let delivery = delivery();
    let next_hop = next_hop(server.address);
    let first = request(message(1, "first\r\n"), next_hop.clone());
    delivery.attempt(first, &Gate::default()).await;
    let gate = Gate::default();
    let second = request(message(1, "second\r\n"), next_hop);
    let report = delivery.attempt(second, &gate).await;
    delivery.close().await;
    assert_eq!(delivery.next_hops()[0].open_connections, 0);
    server.finish().await;
    (kinds(&report), gate.counts())
}

#[tokio::test]
async fn the_second_message_takes_the_same_connection() {
    let one = script(&[PIPELINING, TAKEN, TAKEN, "C: QUIT"]);
    let (kinds, gate) = two_messages([one]).await;
    assert_eq!(kinds, ["0 delivered 250"]);
    assert_eq!(gate, (1, 1));
}

#[tokio::test]
async fn both_sides_agree_behind_a_message_that_nobody_may_have() {
    let one = script(&[PIPELINING, NOBODY, AGREED, TAKEN, "C: QUIT"]);
    let (kinds, _) = two_messages([one]).await;
    assert_eq!(kinds, ["0 delivered 250"]);
}

/// All replies of the first message are one too late: a 354 that is under way belongs to its DATA.
#[tokio::test]
async fn a_354_for_the_last_message_is_none_for_this() {
    let too_many = "
        C: MAIL FROM
        C: RCPT TO
        C: DATA
        S: 250 ok
        S: 550 5.0.0 stray
        S: 550 5.0.0 stray
        C: EHLO
        S: 250 ok
    ";
    let first = script(&[PIPELINING, too_many, "S: 354 go on"]);
    let second = script(&[PIPELINING, TAKEN, "C: QUIT"]);
    let (kinds, _) = two_messages([first, second]).await;
    assert_eq!(kinds, ["0 delivered 250"]);
}

/// Whatever ends a reused connection before the dot, a fresh one gets the message.
async fn check_retry(ending: &str) {
    let first = script(&[PIPELINING, TAKEN, ending]);
    let second = script(&[PIPELINING, TAKEN, "C: QUIT"]);
    let (kinds, _) = two_messages([first, second]).await;
    assert_eq!(kinds, ["0 delivered 250"], "{ending}");
}

#[tokio::test]
async fn a_stale_connection_is_replaced_once() {
    check_retry("close").await;
    check_retry("reset").await;
    check_retry("C: MAIL FROM\nreset").await;
    check_retry("C: MAIL FROM\nC: RCPT TO\nC: DATA\nclose").await;
    check_retry("C: MAIL FROM\nC: RCPT TO\nC: DATA\nS: 421 4.4.2 idle for too long").await;
    check_retry("C: MAIL FROM\nC: RCPT TO\nC: DATA\nS: 503 5.5.1 sender already given").await;
    check_retry("C: MAIL FROM\nC: RCPT TO\nC: DATA\nS: 250 ok\nclose").await;
    check_retry("S: 421 4.4.2 idle for too long").await;
    check_retry("C: MAIL FROM\nC: RCPT TO\nC: DATA\nS: 554 5.4.7 too old\nclose").await;
    // The first of these is left of the message before.
    check_retry(
        "C: MAIL FROM
         C: RCPT TO
         C: DATA
         S: 552 5.2.2 late
         S: 250 ok
         S: 250 ok
         S: 354 go on",
    )
    .await;
}

#[tokio::test]
async fn a_refusal_on_a_connection_that_is_used_again_is_agreed_on() {
    let one = script(&[PIPELINING, TAKEN, NOBODY, AGREED, "C: QUIT"]);
    let (kinds, _) = two_messages([one]).await;
    assert_eq!(kinds, ["0 refused 550"]);
}

#[tokio::test]
async fn the_replacement_fails_for_good() {
    let first = script(&[PIPELINING, TAKEN, "close"]);
    let second = script(&[PIPELINING, "C: MAIL FROM\nC: RCPT TO\nC: DATA\nclose"]);
    let (kinds, gate) = two_messages([first, second]).await;
    assert_eq!(kinds, ["0 deferred 451"]);
    assert_eq!(gate, (0, 0));
}

#[tokio::test]
async fn no_retry_after_the_dot() {
    let lost = "
        C: MAIL FROM
        C: RCPT TO
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go on
        content
        reset
    ";
    let (kinds, gate) = two_messages([script(&[PIPELINING, TAKEN, lost])]).await;
    assert_eq!(kinds, ["0 uncertain 451"]);
    assert_eq!(gate, (1, 1));
}

#[tokio::test]
async fn a_dropped_attempt_closes_its_connection() {
    let server = ScriptedServer::start([script(&[PIPELINING, TAKEN, "C: MAIL FROM\nsilence"])]);
    let server = server.await;
    let delivery = delivery();
    let next_hop = next_hop(server.address);
    let first = request(message(1, "first\r\n"), next_hop.clone());
    delivery.attempt(first, &Gate::default()).await;
    let second = tokio::spawn({
        let delivery = delivery.clone();
        let request = request(message(1, "second\r\n"), next_hop);
        async move { delivery.attempt(request, &Gate::default()).await }
    });
    // It has taken the only connection out of the pool as soon as it runs.
    tokio::task::yield_now().await;
    second.abort();
    assert!(second.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(delivery.next_hops()[0].open_connections, 0);
    server.finish().await;
}

#[tokio::test]
async fn idle_connections_are_left_with_a_word() {
    let server = ScriptedServer::start([script(&[PIPELINING, TAKEN, "C: QUIT"])]);
    let server = server.await;
    let delivery = delivery();
    let request = request(message(1, "text\r\n"), next_hop(server.address));
    delivery.attempt(request, &Gate::default()).await;
    assert_eq!(delivery.next_hops()[0].open_connections, 1);
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    server.finish().await;
    let idled = began.elapsed();
    assert!(idled >= limits::CONNECTION_IDLE, "{idled:?}");
    assert!(
        idled <= limits::CONNECTION_IDLE + 2 * limits::IDLE_SWEEP_INTERVAL,
        "{idled:?}"
    );
}

/// Only what nobody holds can be forgotten, and a server may take its time to answer QUIT.
#[tokio::test]
async fn a_connection_that_is_left_holds_no_next_hop() {
    let server = ScriptedServer::start([script(&[PIPELINING, TAKEN, "C: QUIT"])]).await;
    let delivery = delivery();
    let request = request(message(1, "text\r\n"), next_hop(server.address));
    delivery.attempt(request, &Gate::default()).await;
    let expired = delivery.expired(tokio::time::Instant::now() + limits::CONNECTION_IDLE);
    assert_eq!(expired.len(), 1);
    let known = delivery.known.all();
    assert_eq!(Arc::strong_count(&known[0]), 2, "the table's and ours");
    join_all(expired.into_iter().map(ServerConnection::quit)).await;
    server.finish().await;
}
