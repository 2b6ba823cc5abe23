//! Which command is taken when, and what it is told.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use super::scene::{Client, Scene, check};
use crate::message::Storage;
use crate::session::Transport;
use crate::smtp::command::{BodyType, Return};

#[tokio::test]
async fn a_message_is_taken() {
    let scene = Scene::new();
    check(
        &scene,
        "< 220 relay.example.net ESMTP
         > EHLO client.example.org
         < 250-relay.example.net
         > MAIL FROM:<a@example.org> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x
         < 250 2.1.0
         > RCPT TO:<b@example.net> NOTIFY=NEVER
         < 250 2.1.5
         > RCPT TO:<c@example.net>
         < 250 2.1.5
         > DATA
         < 354
         > Subject: x
         >
         > ..dot
         > .
         < 250 2.0.0 Delivered
         > QUIT
         < 221
         < end",
    )
    .await;
    let taken = scene.desk.taken.lock().unwrap();
    let message = &taken[0].message;
    assert_eq!(taken[0].content, "Subject: x\r\n\r\n.dot\r\n");
    assert_eq!(message.body.storage(), Storage::Memory);
    assert_eq!(message.envelope.sender.as_str(), "a@example.org");
    assert_eq!(message.envelope.body_type, BodyType::EightBitMime);
    assert_eq!(message.envelope.ret, Some(Return::Headers));
    let recipients: Vec<_> = message
        .envelope
        .recipients
        .iter()
        .map(|recipient| recipient.address.as_str())
        .collect();
    assert_eq!(recipients, ["b@example.net", "c@example.net"]);
    let received = std::str::from_utf8(&message.prefix).unwrap();
    assert!(
        received.starts_with("Received: from client.example.org ([127.0.0.1])"),
        "{received}"
    );
    assert!(received.contains(" with ESMTP id "), "{received}");
}

#[tokio::test]
async fn what_is_offered() {
    let scene = Scene::with(json!({"message_size_max_bytes": 2_000_000}));
    let mut client = scene.connect();
    client.expect("220").await;
    let offered = client.say("EHLO x", "250-").await;
    let lines: Vec<_> = offered.lines().skip(1).map(|line| &line[4..]).collect();
    for keyword in [
        "PIPELINING",
        "SIZE 2000000",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        "DSN",
        "CHUNKING",
        "PRDR",
    ] {
        assert!(lines.contains(&keyword), "{keyword} in {lines:?}");
    }
    assert_eq!(lines.len(), 8, "{lines:?}");
}

#[tokio::test]
async fn commands_out_of_sequence() {
    let scene = Scene::new();
    check(
        &scene,
        "< 220
         > MAIL FROM:<a@example.org>
         < 503 5.5.1
         > HELO client
         < 250 relay.example.net
         > RCPT TO:<b@example.net>
         < 503 5.5.1
         > DATA
         < 503 5.5.1
         > MAIL FROM:<>
         < 250
         > MAIL FROM:<>
         < 503 5.5.1
         > DATA
         < 503 5.5.1
         > RSET
         < 250
         > RCPT TO:<b@example.net>
         < 503 5.5.1
         > MAIL FROM:<>
         < 250
         > RCPT TO:<b@example.net>
         < 250
         > EHLO again
         < 250-
         > DATA
         < 503 5.5.1",
    )
    .await;
}

#[tokio::test]
async fn commands_that_need_no_envelope() {
    let scene = Scene::new();
    check(
        &scene,
        "< 220
         > NOOP
         < 250
         > VRFY somebody
         < 252
         > HELP
         < 214
         > EXPN list
         < 502 5.5.1
         > AUTH PLAIN
         < 502 5.5.1
         > STARTTLS
         < 502 5.5.1
         > TURN
         < 500 5.5.2
         > QUIT
         < 221
         < end",
    )
    .await;
}

#[tokio::test]
async fn a_refused_data_command_closes_the_envelope() {
    let scene = Scene::new().untrusted();
    check(
        &scene,
        "< 220
         > EHLO x
         < 250
         > MAIL FROM:<a@example.org>
         < 250
         > RCPT TO:<b@example.net>
         < 550 5.7.1
         > DATA
         < 554 5.5.1
         > RCPT TO:<b@example.net>
         < 503
         > DATA
         < 503",
    )
    .await;
}

#[tokio::test]
async fn who_may_send_where() {
    let settings = json!({"relay_domains": ["ours.example.net", ".below.example.net"]});
    let inside = Scene::with(settings.clone());
    let outside = Scene::with(settings).untrusted();
    for (recipient, from_inside, from_outside) in [
        ("b@ours.example.net", "250", "250"),
        ("b@OURS.Example.NET", "250", "250"),
        ("b@x.below.example.net", "250", "250"),
        ("b@example.org", "250", "550 5.7.1"),
        ("b@sub.ours.example.net", "250", "550 5.7.1"),
        ("b@[127.0.0.1]", "250", "550 5.7.1"),
        ("b%example.org@ours.example.net", "550 5.7.1", "550 5.7.1"),
        ("example.org!b@ours.example.net", "550 5.7.1", "550 5.7.1"),
        (
            "\"b@example.org\"@ours.example.net",
            "550 5.7.1",
            "550 5.7.1",
        ),
        ("@ours.example.net:b@example.org", "553 5.1.3", "553 5.1.3"),
        ("", "501 5.1.3", "501 5.1.3"),
        ("postmaster", "250", "250"),
    ] {
        for (scene, expected) in [(&inside, from_inside), (&outside, from_outside)] {
            let mut client = scene.client().await;
            client.say("MAIL FROM:<a@example.org>", "250").await;
            client
                .say(&format!("RCPT TO:<{recipient}>"), expected)
                .await;
        }
    }
}

#[tokio::test]
async fn the_postmaster_is_ours() {
    let scene = Scene::new().untrusted();
    let mut client = scene.client().await;
    client.say("MAIL FROM:<>", "250").await;
    client.say("RCPT TO:<Postmaster>", "250").await;
    client.say("DATA", "354").await;
    client.say(".", "250").await;
    let taken = scene.desk.taken.lock().unwrap();
    let recipient = &taken[0].message.envelope.recipients[0];
    assert_eq!(recipient.address.as_str(), "postmaster@relay.example.net");
    assert!(taken[0].message.envelope.sender.is_null());
}

#[tokio::test]
async fn smtputf8_is_asked_for_only_when_it_is_needed() {
    let scene = Scene::new();
    for (from, to, subject, expected) in [
        ("a@example.org", "b@example.net", "plain", false),
        ("a@example.org", "b@example.net", "bär", true),
        ("ä@example.org", "b@example.net", "plain", true),
        ("a@example.org", "bär@example.net", "plain", true),
    ] {
        let mut client = scene.client().await;
        client
            .say(&format!("MAIL FROM:<{from}> SMTPUTF8"), "250")
            .await;
        client.say(&format!("RCPT TO:<{to}>"), "250").await;
        client.say("DATA", "354").await;
        client
            .say(&format!("Subject: {subject}\r\n\r\nbödy\r\n."), "250")
            .await;
        let taken = scene.desk.taken.lock().unwrap();
        let message = &taken.last().unwrap().message;
        assert_eq!(message.needs_smtputf8, expected, "{from} {to} {subject}");
        assert!(message.eight_bit);
    }
    let mut client = scene.client().await;
    client.say("MAIL FROM:<ä@example.org>", "553 5.6.7").await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    client.say("RCPT TO:<ä@example.org>", "553 5.6.7").await;
}

/// A pipe that counts writes.
struct Counted(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Transport for Counted {}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[tokio::test]
async fn pipelined_replies_leave_in_one_write() {
    let scene = Scene::new();
    let (near, far) = duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    scene.serve(Counted(far, Arc::clone(&writes)));
    let mut client = Client::new(near);
    client.expect("220").await;
    client.say("EHLO x", "250").await;
    assert_eq!(writes.load(Ordering::Relaxed), 2);
    client
        .send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n")
        .await;
    for expected in ["250", "250", "250", "354"] {
        client.expect(expected).await;
    }
    assert_eq!(writes.load(Ordering::Relaxed), 3);
    client.send("text\r\n.\r\nNOOP\r\nQUIT\r\n").await;
    for expected in ["250", "250", "221"] {
        client.expect(expected).await;
    }
    client.expect_end().await;
    // The answer to the message by itself: what became of it is reported.
    assert_eq!(writes.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_client_that_goes_leaves_no_session() {
    let scene = Scene::new();
    let (near, far) = duplex(1_000);
    let session = scene.serve(far);
    drop(near);
    session.await.unwrap();
    assert_eq!(scene.context.counters.sessions_open.value(), 0);
    assert_eq!(scene.context.counters.sessions_opened.value(), 1);
}
