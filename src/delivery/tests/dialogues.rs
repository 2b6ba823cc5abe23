//! Conversations in good order, with servers of all kinds.

use super::scene::{Gate, delivery, kinds, message, next_hop, request, script};
use super::scripted_server::{PIPELINING, ScriptedServer};

/// One message for as many recipients as outcomes are expected, to a server that plays `dialogue`.
async fn check(dialogue: &[&str], expected: &[&str], gate_counts: (u32, u32)) -> String {
    let server = ScriptedServer::start([script(dialogue)]).await;
    let delivery = delivery();
    let gate = Gate::default();
    let message = message(expected.len(), "Subject: test\r\n\r\ntext\r\n");
    let request = request(message, next_hop(server.address));
    let report = delivery.attempt(request, &gate).await;
    assert_eq!(kinds(&report), expected);
    assert_eq!(gate.counts(), gate_counts);
    assert_eq!(report.peer, Some(server.address));
    assert!(!report.tls);
    delivery.close().await;
    server.finish().await.remove(0)
}

#[tokio::test]
async fn the_whole_envelope_goes_out_before_the_first_reply() {
    let dialogue = "
        C: MAIL FROM:<sender@example.net> SIZE=44
        C: RCPT TO:<a@example.org>
        C: RCPT TO:<b@example.org>
        C: DATA
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.1.5 recipient ok
        S: 354 go on
        content
        S: 250 2.0.0 taken
        C: QUIT
    ";
    let expected = ["0 delivered 250", "1 delivered 250"];
    check(&[PIPELINING, dialogue], &expected, (1, 1)).await;
}

#[tokio::test]
async fn a_server_without_pipelining_is_spoken_to_in_turn() {
    let dialogue = "
        S: 220 server ready
        C: EHLO relay.example.net
        S: 502 5.5.2 what?
        C: HELO relay.example.net
        S: 250 server
        C: MAIL FROM:<sender@example.net>
        S: 250 sender ok
        C: RCPT TO:<a@example.org>
        S: 250 recipient ok
        C: RCPT TO:<b@example.org>
        S: 550 5.1.1 nobody
        C: DATA
        S: 354 go on
        content
        S: 250 taken
        C: QUIT
    ";
    check(&[dialogue], &["0 delivered 250", "1 refused 550"], (1, 1)).await;
}

#[tokio::test]
async fn in_turn_nothing_is_said_that_makes_no_sense_any_more() {
    let dialogue = "
        S: 220 server ready
        C: EHLO relay.example.net
        S: 250 server
        C: MAIL FROM:<sender@example.net>
        S: 250 sender ok
        C: RCPT TO:<a@example.org>
        S: 450 4.2.1 later
        C: QUIT
    ";
    check(&[dialogue], &["0 deferred 450"], (0, 0)).await;
}

#[tokio::test]
async fn everybody_has_an_outcome_of_their_own() {
    let dialogue = "
        C: MAIL FROM
        C: RCPT TO:<a
        C: RCPT TO:<b
        C: RCPT TO:<c
        C: RCPT TO:<d
        C: DATA
        S: 250 sender ok
        S: 250 recipient ok
        S: 550-5.1.1 nobody
        S: 550 5.1.1 of that name
        S: 451 4.2.1 later
        S: 552 5.5.3 too many
        S: 354 go on
        content
        S: 250 2.0.0 taken
        C: QUIT
    ";
    let expected = [
        "0 delivered 250",
        "1 refused 550",
        "2 deferred 451",
        "3 deferred 452",
    ];
    check(&[PIPELINING, dialogue], &expected, (1, 1)).await;
}

#[tokio::test]
async fn a_refused_sender_refuses_everybody() {
    let dialogue = "
        C: MAIL FROM
        C: RCPT TO:<a
        C: RCPT TO:<b
        C: DATA
        S: 550 5.7.1 not you
        S: 503 5.5.1 MAIL first
        S: 503 5.5.1 MAIL first
        S: 503 5.5.1 RCPT first
        C: QUIT
    ";
    let expected = ["0 refused 550", "1 refused 550"];
    check(&[PIPELINING, dialogue], &expected, (0, 0)).await;
}

#[tokio::test]
async fn no_dot_for_nobody() {
    let dialogue = "
        C: MAIL FROM
        C: RCPT TO:<a
        C: DATA
        S: 250 sender ok
        S: 550 5.1.1 nobody
        S: 354 go on all the same
        client closes
    ";
    check(&[PIPELINING, dialogue], &["0 refused 550"], (0, 0)).await;
}

#[tokio::test]
async fn a_refused_content_refuses_the_accepted() {
    let dialogue = "
        C: MAIL FROM
        C: RCPT TO:<a
        C: RCPT TO:<b
        C: DATA
        S: 250 sender ok
        S: 250 recipient ok
        S: 451 4.2.1 later
        S: 354 go on
        content
        S: 554 5.6.0 not this
        C: QUIT
    ";
    let expected = ["0 refused 554", "1 deferred 451"];
    check(&[PIPELINING, dialogue], &expected, (1, 1)).await;
}

#[tokio::test]
async fn a_server_that_takes_chunks_is_given_data() {
    let dialogue = "
        S: 220 server ready
        C: EHLO relay.example.net
        S: 250-server
        S: 250-PIPELINING
        S: 250 CHUNKING
        C: MAIL FROM
        C: RCPT TO
        C: DATA
        S: 250 sender ok
        S: 250 recipient ok
        S: 354 go on
        content
        S: 250 2.0.0 taken
        C: QUIT
    ";
    check(&[dialogue], &["0 delivered 250"], (1, 1)).await;
}

#[tokio::test]
async fn an_unfit_message_is_not_offered() {
    let dialogue = "
        S: 220 server ready
        C: EHLO relay.example.net
        S: 250-server
        S: 250 SIZE 20
        C: QUIT
    ";
    check(&[dialogue], &["0 refused 552"], (0, 0)).await;
}
