//! The last mile: LMTP on both sides, a reply for each recipient, and proxies that speak for others.

use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::{Client, Reply};
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::services::dovecot::Dovecot;
use crate::support::wait::{self, PATIENCE};

const SENDER: &str = "<a@example.org>";
const TO_ALL: &[&str] = &["<b@example.net>", "<no@example.net>", "<later@example.net>"];

/// A destination that takes one recipient, refuses another and puts a third off.
fn mixed() -> Script {
    Script::accepting()
        .recipient("no@example.net", Answer::say("550 5.1.1 No such user"))
        .recipient("later@example.net", Answer::say("450 4.2.1 Later"))
}

/// An appliance whose one listener has these particulars.
async fn appliance(sink: &RawSink, particulars: Value) -> Appliance {
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut listener = json!({ "address": appliance.smtp().to_string() });
    for (name, value) in particulars.as_object().unwrap() {
        listener[name] = value.clone();
    }
    appliance.set(json!({ "listeners": [listener] })).await;
    appliance
}

async fn lmtp_client(appliance: &Appliance) -> Client {
    let mut client = Client::connect(appliance.smtp()).await;
    let greeting = client.expect(220).await;
    assert!(greeting.text().contains("LMTP"), "{greeting}");
    client.command("LHLO client.example.org", 250).await;
    client
}

async fn replies(client: &mut Client, count: usize) -> Vec<Reply> {
    let mut replies = Vec::new();
    for _ in 0..count {
        replies.push(client.reply().await.expect("one more reply"));
    }
    replies
}

fn codes(replies: &[Reply]) -> Vec<u16> {
    replies.iter().map(|reply| reply.code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_lmtp_each_recipient_has_a_reply() {
    let sink = RawSink::start(mixed()).await;
    let appliance = appliance(&sink, json!({ "protocol": "lmtp" })).await;
    let mut client = lmtp_client(&appliance).await;
    client.command("EHLO client.example.org", 500).await;
    client
        .hand_over(SENDER, TO_ALL, &messages::small("one"))
        .await;
    let said = replies(&mut client, 3).await;
    assert_eq!(codes(&said), [250, 550, 250], "{said:?}");
    assert!(said[0].text().contains("Delivered"), "{said:?}");
    assert!(said[2].text().contains("Queued"), "{said:?}");
    assert_eq!(appliance.queue_total().await, 1, "only who waits is stored");
    let arrivals = sink.wait_for_accepted(1).await;
    let received = messages::header(&arrivals[0].content, "Received").unwrap();
    assert!(received.contains("with LMTP id"), "{received}");

    // Passed on, nothing is stored at all.
    appliance.set(json!({ "when_deferred": "pass" })).await;
    client
        .hand_over(SENDER, TO_ALL, &messages::small("two"))
        .await;
    let said = replies(&mut client, 3).await;
    assert_eq!(codes(&said), [250, 550, 450], "{said:?}");
    assert_eq!(appliance.queue_total().await, 1);

    // What is refused whole is refused for each.
    client
        .hand_over(SENDER, TO_ALL, b"Subject: NUL\r\n\r\na\0b\r\n")
        .await;
    let said = replies(&mut client, 3).await;
    assert_eq!(codes(&said), [550, 550, 550], "{said:?}");
    client.command("NOOP", 250).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_lmtp_the_standard_path_and_cut_through_answer_for_each() {
    let sink =
        RawSink::start(Script::accepting().end_of_data(Answer::say("250 2.0.0 Taken by the sink")))
            .await;
    let appliance = appliance(&sink, json!({ "protocol": "lmtp", "path": "standard" })).await;
    let mut client = lmtp_client(&appliance).await;
    let to = &["<b@example.net>", "<c@example.net>"];
    client.hand_over(SENDER, to, &messages::small("one")).await;
    let said = replies(&mut client, 2).await;
    assert_eq!(codes(&said), [250, 250]);
    assert!(said[1].text().contains("Queued"), "{said:?}");

    let listener = json!({
        "address": appliance.smtp().to_string(), "protocol": "lmtp", "path": "cut_through",
    });
    appliance.set(json!({ "listeners": [listener] })).await;
    client.envelope(SENDER, to).await;
    let content = messages::small("two");
    let (first, rest) = content.split_at(20);
    assert_eq!(client.chunk(first, false).await.code, 250);
    assert_eq!(client.chunk(rest, true).await.code, 250);
    client.expect(250).await;
    client.command("NOOP", 250).await;
    sink.wait_for_accepted(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_with_prdr_hears_of_each() {
    let sink = RawSink::start(mixed()).await;
    let appliance = appliance(&sink, json!({})).await;
    let mut client = appliance.client().await;
    client
        .hand_over("<a@example.org> PRDR", TO_ALL, &messages::small("one"))
        .await;
    let said = replies(&mut client, 5).await;
    assert_eq!(codes(&said), [353, 250, 550, 250, 250], "{said:?}");
    // Where all are alike one reply is enough.
    let to = &["<b@example.net>", "<c@example.net>"];
    client
        .hand_over("<a@example.org> PRDR", to, &messages::small("two"))
        .await;
    client.expect(250).await;
    client.command("NOOP", 250).await;
    // And who does not ask has one in any case.
    let reply = client
        .message(SENDER, TO_ALL, &messages::small("three"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    client.command("NOOP", 250).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_cut_through_prdr_hears_what_each_next_hop_said() {
    let one = RawSink::start(Script::accepting()).await;
    let two = RawSink::start(Script::accepting().end_of_data(Answer::say("452 4.3.1 Full"))).await;
    let appliance = appliance(&one, json!({ "path": "cut_through" })).await;
    let two_at = format!("smtp://{}", two.address());
    appliance
        .set(json!({ "next_hops": [{ "domain": "two.example", "address": two_at }] }))
        .await;
    let to = &["<b@example.net>", "<c@two.example>"];
    let mut client = appliance.client().await;
    client
        .hand_over("<a@example.org> PRDR", to, &messages::small("one"))
        .await;
    let said = replies(&mut client, 4).await;
    assert_eq!(codes(&said), [353, 250, 452, 250], "{said:?}");
}

/// A proxy's header decides who the client is: trusted or not, and what the Received field says.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_says_whose_connection_it_passes_on() {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = appliance(&sink, json!({ "proxy_networks": ["127.0.0.0/8"] })).await;
    appliance
        .set(json!({ "trusted_networks": ["192.0.2.0/24"] }))
        .await;
    let version_two = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
        &[192, 0, 2, 9, 127, 0, 0, 1, 0x12, 0x34, 0, 25],
    ]
    .concat();
    for header in [
        &b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 25\r\n"[..],
        &version_two,
    ] {
        let mut client = Client::connect(appliance.smtp()).await;
        client.send(header).await.unwrap();
        client.expect(220).await;
        client.command("EHLO client.example.org", 250).await;
        let reply = client
            .message(SENDER, &["<b@example.net>"], &messages::small("one"))
            .await;
        assert_eq!(reply.code, 250, "{reply}");
    }
    let arrivals = sink.wait_for_accepted(2).await;
    for (arrival, address) in arrivals.iter().zip(["192.0.2.7", "192.0.2.9"]) {
        let received = messages::header(&arrival.content, "Received").unwrap();
        assert!(received.contains(&format!("[{address}]")), "{received}");
    }

    // Everybody else may not relay, also when the proxy does not know who it is.
    for header in [
        "PROXY TCP4 198.51.100.7 127.0.0.1 4000 25\r\n",
        "PROXY UNKNOWN\r\n",
    ] {
        let mut client = Client::connect(appliance.smtp()).await;
        client.send(header.as_bytes()).await.unwrap();
        client.expect(220).await;
        client.command("EHLO client.example.org", 250).await;
        client.command("MAIL FROM:<a@example.org>", 250).await;
        client.command("RCPT TO:<b@example.net>", 550).await;
    }
    // And what is no header is not guessed at.
    let mut client = Client::connect(appliance.smtp()).await;
    client.send(b"EHLO client.example.org\r\n").await.unwrap();
    client.expect_close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_may_offer_no_delivery_status_notifications() {
    let sink = RawSink::start(Script::accepting().offering("DSN")).await;
    let appliance = appliance(&sink, json!({ "dsn": false })).await;
    let mut client = appliance.client().await;
    let offered = client.command("EHLO client.example.org", 250).await;
    let has_it = |reply: &Reply| reply.lines.iter().any(|line| line.contains("DSN"));
    assert!(!has_it(&offered), "{offered}");
    for parameter in ["RET=HDRS", "ENVID=x"] {
        let line = format!("MAIL FROM:<a@example.org> {parameter}");
        client.command(&line, 555).await;
    }
    client.command("MAIL FROM:<a@example.org>", 250).await;
    for parameter in ["NOTIFY=SUCCESS", "NOTIFY=NEVER", "ORCPT=rfc822;x@y"] {
        let line = format!("RCPT TO:<b@example.net> {parameter}");
        client.command(&line, 555).await;
    }
    client.command("RSET", 250).await;
    let reply = client
        .message(SENDER, &["<b@example.net>"], &messages::small("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    // It is a matter of the listener: the next session has it again.
    let entry = json!({ "address": appliance.smtp().to_string() });
    appliance.set(json!({ "listeners": [entry] })).await;
    let mut client = appliance.client().await;
    let offered = client.command("EHLO client.example.org", 250).await;
    assert!(has_it(&offered), "{offered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_believed_speaks_for_its_client_by_xclient() {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = appliance(&sink, json!({ "xclient_networks": ["127.0.0.0/8"] })).await;
    let mut client = appliance.client().await;
    let offered = client.command("EHLO proxy.example.org", 250).await;
    let has_it = |reply: &Reply| reply.lines.iter().any(|line| line.contains("XCLIENT"));
    assert!(has_it(&offered), "{offered}");
    client.command("XCLIENT COLOUR=green", 501).await;
    client
        .command(
            "XCLIENT ADDR=198.51.100.7 HELO=client.example.org PROTO=ESMTP",
            220,
        )
        .await;
    // Now it is a stranger, who is not believed and may not relay.
    client.command("XCLIENT ADDR=127.0.0.1", 550).await;
    client.command("MAIL FROM:<a@example.org>", 250).await;
    client.command("RCPT TO:<b@example.net>", 550).await;
    let offered = client.command("EHLO client.example.org", 250).await;
    assert!(!has_it(&offered), "{offered}");

    // One who has logged in at the proxy may.
    let mut client = appliance.client().await;
    client
        .command("XCLIENT ADDR=198.51.100.7 LOGIN=robot", 220)
        .await;
    client.command("EHLO client.example.org", 250).await;
    let reply = client
        .message(SENDER, &["<b@example.net>"], &messages::small("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrivals = sink.wait_for_accepted(1).await;
    let received = messages::header(&arrivals[0].content, "Received").unwrap();
    assert!(received.contains("[198.51.100.7]"), "{received}");
    assert!(received.contains("with ESMTPA"), "{received}");
}

/// Dovecot's LMTP server as the next hop, on every path: each mailbox speaks for itself.
#[tokio::test(flavor = "multi_thread")]
async fn dovecot_takes_mail_over_lmtp() {
    let dovecot = Dovecot::start().await;
    let next_hop = format!("lmtp://{}", dovecot.address());
    let appliance = Plan::new()
        .environment("FASTPATH_NEXT_HOP", &next_hop)
        .start()
        .await;
    let to = |user: &str| format!("<{user}@example.net>");
    let (good, second) = (to("good"), to("second"));
    let (full, broken, unknown) = (to("full"), to("broken"), to("unknown"));
    let mut client = appliance.client().await;

    // The fast path: two have it, one waits, two are refused and reported.
    let everybody = [&good, &second, &full, &broken, &unknown].map(String::as_str);
    let reply = client
        .message("<a@reports.example>", &everybody, &messages::small("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert!(
        reply.text().contains("2 delivered, 1 waiting, 2 failed"),
        "{reply}"
    );
    let row = appliance.queue("recipient=broken@example.net").await;
    assert_eq!(row[0]["next_hop"], next_hop.as_str(), "{row:?}");

    // Cut-through: who is unknown is refused at RCPT, and the rest as it is.
    appliance.set(json!({ "path": "cut_through" })).await;
    client.command("MAIL FROM:<a@example.org> PRDR", 250).await;
    client.command(&format!("RCPT TO:{unknown}"), 550).await;
    for user in [&good, &full, &broken] {
        client.command(&format!("RCPT TO:{user}"), 250).await;
    }
    client.command("DATA", 354).await;
    client
        .send(&messages::stuffed(&messages::small("two")))
        .await
        .unwrap();
    let said = replies(&mut client, 5).await;
    assert_eq!(codes(&said), [353, 250, 552, 451, 250], "{said:?}");

    // The standard path, and the queue once the mailbox is repaired.
    appliance.set(json!({ "path": "standard" })).await;
    let reply = client
        .message(SENDER, &[&second], &messages::small("three"))
        .await;
    assert!(reply.text().contains("Queued"), "{reply}");
    dovecot.repair();
    let ids: Vec<Value> = vec![row[0]["id"].clone()];
    appliance.act("retry", &ids).await;
    wait::until_true("mail in all mailboxes", PATIENCE, || async {
        dovecot.mailbox("second").len() == 2 && dovecot.mailbox("broken").len() == 1
    })
    .await;
    let mails = dovecot.mailbox("good");
    assert_eq!(mails.len(), 2);
    let text = String::from_utf8_lossy(&mails[0]);
    assert!(text.contains("(Fastpath) with ESMTP"), "{text}");
}
