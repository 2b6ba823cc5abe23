//! The scenes' own instruments, without an appliance between them: what the client sends is what the
//! destination keeps, so that a difference seen in a scene is the appliance's.

use crate::support::client::Client;
use crate::support::messages;
use crate::support::peers::{SmtpSink, smtp_source};
use crate::support::raw_sink::{Answer, Gate, RawSink, Script, Transport};

const SENDER: &str = "<a@example.org> BODY=8BITMIME";
const TO_B: &[&str] = &["<b@example.net> NOTIFY=NEVER"];

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_keeps_what_the_client_sends() {
    let sink = RawSink::start(Script::accepting().offering("CHUNKING")).await;
    let mut client = Client::greeted(sink.address()).await;
    let contents: [&[u8]; 5] = [
        b"",
        b".\r\n",
        b"..\r\n.a\r\n\r\n",
        b"a\r\n.\r\nb\r\n",
        &messages::of_size("large", 300_000),
    ];
    for content in contents {
        assert_eq!(client.message(SENDER, TO_B, content).await.code, 250);
        assert_eq!(
            client
                .message_in_chunks(SENDER, TO_B, content, &[1, 70_000])
                .await
                .code,
            250
        );
        let arrivals = sink.accepted();
        let [.., through_data, through_chunks] = arrivals.as_slice() else {
            panic!("{arrivals:?}")
        };
        assert_eq!(
            (through_data.transport, through_chunks.transport),
            (Transport::Data, Transport::Chunks)
        );
        for arrival in [through_data, through_chunks] {
            assert_eq!(arrival.content, content);
            assert_eq!(
                (arrival.sender.as_str(), &arrival.recipients[0][..]),
                (SENDER, TO_B[0])
            );
            assert_eq!(arrival.recipient_addresses(), ["b@example.net"]);
        }
        assert_eq!(through_data.wire, messages::stuffed(content));
    }
    client.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_does_what_its_script_says() {
    let gate = Gate::closed();
    let script = Script::accepting()
        .recipient("never@example.net", Answer::say("550 5.1.1 No"))
        .end_of_data(Answer::say_after(&gate, "250 2.0.0 Late"));
    let sink = RawSink::start(script).await;
    let mut client = Client::greeted(sink.address()).await;
    client.command("MAIL FROM:<a@example.org>", 250).await;
    client.command("RCPT TO:<never@example.net>", 550).await;
    client.command("RCPT TO:<b@example.net>", 250).await;
    client.command("DATA", 354).await;
    client.send(b".\r\n").await.unwrap();
    sink.wait_for("the message", || sink.arrivals().len() == 1)
        .await;
    assert_eq!(
        (sink.accepted().len(), sink.arrivals()[0].answered),
        (0, None)
    );
    gate.open();
    client.expect(250).await;
    assert_eq!(sink.accepted().len(), 1);

    sink.change(|script| script.end_of_data = Answer::HangUp);
    client
        .hand_over("<a@example.org>", &["<b@example.net>"], b"")
        .await;
    client.expect_close().await;
    assert_eq!((sink.arrivals().len(), sink.accepted().len()), (2, 1));

    sink.heal();
    sink.change(|script| script.inside_data = Some((10, Answer::Reset)));
    let mut client = Client::greeted(sink.address()).await;
    client
        .envelope("<a@example.org>", &["<b@example.net>"])
        .await;
    client.command("DATA", 354).await;
    client.send(b"more than ten bytes").await.unwrap();
    client.expect_close().await;
    assert_eq!((sink.arrivals().len(), sink.connections()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_noticed() {
    let received = b"Received: from a by b;\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n";
    let check = |front: &[u8], behind: &[u8], sent: &'static [u8], unchanged: bool| {
        let arrived = [front, behind].concat();
        let outcome = std::panic::catch_unwind(|| messages::assert_unchanged(&arrived, sent));
        assert_eq!(outcome.is_ok(), unchanged, "{}", arrived.escape_ascii());
    };
    check(received, b"a\r\n", b"a\r\n", true);
    check(received, b"", b"", true);
    check(received, b" a\r\n", b" a\r\n", true);
    check(received, b"a\r\n\r\n", b"a\r\n", false);
    check(received, b"X: y\r\na\r\n", b"a\r\n", false);
    check(b"", b"a\r\n", b"a\r\n", false);
    check(received, b"b\r\n", b"a\r\n", false);
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_tools_can_be_used() {
    let sink = SmtpSink::start(&[]).await;
    smtp_source(sink.address(), 5, 200, 2_000).await;
    sink.wait_for(200).await;
    assert_eq!(sink.messages(), 200);
}
