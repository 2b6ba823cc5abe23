//! Cut-through: the next hops are asked first, nothing touches the disk, and the client hears what they
//! said. What is not delivered stays with it, and its repetition reaches only those who lack it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::Client;
use crate::support::messages;
use crate::support::peers::SmtpSink;
use crate::support::raw_sink::{Answer, RawSink, Script};
use crate::support::turn;

const SENDER: &str = "<a@example.org>";
const TO_ONE: &str = "<b@one.example>";
const TO_TWO: &str = "<c@two.example>";
const TO_THREE: &str = "<d@three.example>";

/// An appliance that streams everything through, with a server for each of these domains.
async fn appliance(next_hops: &[(&str, SocketAddr)]) -> Appliance {
    let appliance = Plan::new().start().await;
    let entries: Vec<Value> = next_hops
        .iter()
        .map(
            |(domain, address)| json!({ "domain": domain, "address": format!("smtp://{address}") }),
        )
        .collect();
    appliance
        .set(json!({ "path": "cut_through", "cut_through_tries": 1, "next_hops": entries }))
        .await;
    appliance
}

/// An appliance in front of one sink.
async fn scene(script: Script) -> (Appliance, RawSink) {
    let sink = RawSink::start(script).await;
    let appliance = appliance(&[("one.example", sink.address())]).await;
    (appliance, sink)
}

/// How one transaction of a client went.
#[derive(Debug)]
struct Course {
    /// The replies to RCPT, with the recipients.
    recipients: Vec<(&'static str, u16)>,
    /// To DATA; none when nobody was accepted.
    data: Option<u16>,
    /// To the end of data; none when it did not come to that.
    end: Option<(u16, String)>,
}

impl Course {
    /// The replies alone, written as a line of the table.
    fn in_short(&self) -> String {
        let mut codes: Vec<String> = Vec::new();
        codes.extend(self.recipients.iter().map(|(_, code)| code.to_string()));
        codes.extend(self.data.map(|code| format!("DATA {code}")));
        codes.extend(self.end.as_ref().map(|(code, _)| format!("end {code}")));
        codes.join(" ")
    }

    /// Whom a server would send it to again.
    fn left(&self) -> Vec<&'static str> {
        let last = self.end.as_ref().map(|(code, _)| *code).or(self.data);
        let again = last.is_some_and(|code| code / 100 == 4);
        let left = self.recipients.iter().filter(|(_, code)| match code / 100 {
            2 => again,
            class => class == 4,
        });
        left.map(|(recipient, _)| *recipient).collect()
    }
}

/// One transaction as a server conducts it: whoever is accepted gets the content.
async fn transact(client: &mut Client, recipients: &[&'static str], content: &[u8]) -> Course {
    client.command(&format!("MAIL FROM:{SENDER}"), 250).await;
    let mut course = Course {
        recipients: Vec::new(),
        data: None,
        end: None,
    };
    for recipient in recipients {
        client
            .send(format!("RCPT TO:{recipient}\r\n").as_bytes())
            .await
            .unwrap();
        let reply = client.reply().await.expect("a reply to RCPT");
        course.recipients.push((recipient, reply.code));
    }
    if course.recipients.iter().all(|(_, code)| *code != 250) {
        client.command("RSET", 250).await;
        return course;
    }
    client.send(b"DATA\r\n").await.unwrap();
    let reply = client.reply().await.expect("a reply to DATA");
    course.data = Some(reply.code);
    if reply.code == 354 {
        client.send(&messages::stuffed(content)).await.unwrap();
        let reply = client.reply().await.expect("a reply to the end of data");
        course.end = Some((reply.code, reply.text()));
    }
    course
}

/// A destination fails at each stage in turn beside two that work; then it gets well, and the client
/// sends again to whom it has to. The table of replies, and one copy for everybody who can have one.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_replies() {
    let script = Script::accepting;
    let stage = |change: fn(&mut Script)| {
        let mut script = script();
        change(&mut script);
        Some(script)
    };
    // The stage, the replies of the first transaction, who has the message when all is over, and words
    // that the last reply has.
    let rows: Vec<(&str, Option<Script>, &str, bool, &str)> = vec![
        (
            "all well",
            stage(|_| {}),
            "250 250 250 DATA 354 end 250",
            true,
            "Delivered",
        ),
        ("no server", None, "250 250 451 DATA 354 end 250", true, ""),
        (
            "greeting 554",
            stage(|script| script.greeting = Answer::say("554 Not today")),
            "250 250 451 DATA 354 end 250",
            true,
            "",
        ),
        (
            "MAIL 550",
            stage(|script| script.mail = Answer::say("550 5.7.1 Not you")),
            "250 250 550 DATA 354 end 250",
            false,
            "",
        ),
        (
            "RCPT 450",
            stage(|script| script.any_recipient = Answer::say("450 4.2.1 Later")),
            "250 250 450 DATA 354 end 250",
            true,
            "",
        ),
        (
            "RCPT 550",
            stage(|script| script.any_recipient = Answer::say("550 5.1.1 Unknown")),
            "250 250 550 DATA 354 end 250",
            false,
            "",
        ),
        (
            "RCPT, closed",
            stage(|script| script.any_recipient = Answer::HangUp),
            "250 250 451 DATA 354 end 250",
            true,
            "",
        ),
        (
            "DATA 451",
            stage(|script| script.data = Answer::say("451 4.3.0 Not now")),
            "250 250 250 DATA 354 end 451",
            true,
            "not yet to d@three.example (451 Not now)",
        ),
        (
            "DATA 554",
            stage(|script| script.data = Answer::say("554 5.7.1 Never")),
            "250 250 250 DATA 354 end 554",
            false,
            "refused for d@three.example (554 Never)",
        ),
        (
            "inside the data, closed",
            stage(|script| script.inside_data = Some((50_000, Answer::HangUp))),
            "250 250 250 DATA 354 end 451",
            true,
            "not yet to d@three.example",
        ),
        (
            "end 452",
            stage(|script| script.end_of_data = Answer::say("452 4.3.1 Full")),
            "250 250 250 DATA 354 end 451",
            true,
            "not yet to d@three.example",
        ),
        (
            "end 550",
            stage(|script| script.end_of_data = Answer::say("550 5.7.1 Spam")),
            "250 250 250 DATA 354 end 554",
            false,
            "Delivered to b@one.example, c@two.example; refused for d@three.example",
        ),
    ];
    for (name, script, expected, arrives, words) in rows {
        let (one, two) = (SmtpSink::start(&[]).await, SmtpSink::start(&[]).await);
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let (mut third, address) = match script {
            Some(script) => {
                let sink = RawSink::start(script).await;
                let address = sink.address();
                (Some(sink), address)
            }
            None => (None, free),
        };
        let appliance = appliance(&[
            ("one.example", one.address()),
            ("two.example", two.address()),
            ("three.example", address),
        ])
        .await;
        let content = messages::of_size(name, 200_000);
        let mut client = appliance.client().await;
        let first = transact(&mut client, &[TO_ONE, TO_TWO, TO_THREE], &content).await;
        assert_eq!(first.in_short(), expected, "{name}: {first:?}");
        if let Some((_, text)) = &first.end {
            assert!(text.contains(words), "{name}: {words} is missing: {text}");
        }

        match &third {
            Some(sink) => sink.heal(),
            None => third = Some(RawSink::start_at(address, Script::accepting()).await),
        }
        let sink = third.expect("it is there now");
        let left = first.left();
        if !left.is_empty() {
            let again = transact(&mut client, &left, &content).await;
            assert!(again.left().is_empty(), "{name}: {again:?}");
        }
        client.quit().await;
        let copies = usize::from(arrives);
        assert_eq!(sink.accepted().len(), copies, "{name}");
        for arrival in sink.accepted() {
            messages::assert_unchanged(&arrival.content, &content);
        }
        // The counts of smtp-sink lag behind: a further message for each of them comes last.
        let mut client = appliance.client().await;
        for to in [TO_ONE, TO_TWO] {
            let reply = client
                .message(SENDER, &[to], &messages::small("last"))
                .await;
            assert_eq!(reply.code, 250, "{reply}");
        }
        for sink in [&one, &two] {
            sink.wait_for(2).await;
            assert_eq!(sink.messages(), 2, "{name}: a second copy");
        }
        assert_eq!(appliance.queue_total().await, 0, "{name}");
    }
}

/// The end was handed over and no reply came: it counts as deferred, and whoever has the message for
/// certain does not get it twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_end_is_a_451() {
    let sink = RawSink::start(Script::accepting()).await;
    let silent = RawSink::start(Script::accepting().end_of_data(Answer::HangUp)).await;
    let appliance = appliance(&[
        ("one.example", sink.address()),
        ("two.example", silent.address()),
    ])
    .await;
    let content = messages::small("one");
    let mut client = appliance.client().await;
    let first = transact(&mut client, &[TO_ONE, TO_TWO], &content).await;
    assert_eq!(first.in_short(), "250 250 DATA 354 end 451", "{first:?}");
    silent.heal();
    let again = transact(&mut client, &[TO_ONE, TO_TWO], &content).await;
    assert_eq!(again.in_short(), "250 250 DATA 354 end 250", "{again:?}");
    assert_eq!(sink.accepted().len(), 1);
    // Read, and so forgotten: the same bytes on purpose are delivered again.
    let on_purpose = transact(&mut client, &[TO_ONE], &content).await;
    assert_eq!(on_purpose.in_short(), "250 DATA 354 end 250");
    assert_eq!(sink.accepted().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_nobody_reaches_is_tried_again_and_then_a_451() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let appliance = appliance(&[("one.example", free)]).await;
    let mut client = appliance.client().await;
    let none = transact(&mut client, &[TO_ONE], b"").await;
    assert_eq!(none.in_short(), "451");
    // Beside one who has the message, its story says with whom the other is left.
    let other = RawSink::start(Script::accepting()).await;
    appliance
        .set(json!({ "default_next_hop": format!("smtp://{}", other.address()) }))
        .await;
    let some = transact(&mut client, &[TO_TWO, TO_ONE], &messages::small("some")).await;
    assert_eq!(some.in_short(), "250 451 DATA 354 end 250");
    let story = appliance
        .trail("recipient=c@two.example", |story| {
            let latest = story["latest"].as_array();
            latest.is_some_and(|latest| latest.len() == 2)
        })
        .await;
    let what = |recipient: &str| {
        let latest = story["latest"].as_array().unwrap().iter();
        let mut found = latest.filter(|one| one["recipient"] == recipient);
        found.next().unwrap_or_else(|| panic!("{story}"))["what"].clone()
    };
    assert_eq!(what("c@two.example"), "delivered", "{story}");
    assert_eq!(what("b@one.example"), "left_with_client", "{story}");
    // The first try fails, and before the second it is there.
    appliance.set(json!({ "cut_through_tries": 10 })).await;
    client.command(&format!("MAIL FROM:{SENDER}"), 250).await;
    client
        .send(format!("RCPT TO:{TO_ONE}\r\n").as_bytes())
        .await
        .unwrap();
    let sink = RawSink::start_at(free, Script::accepting()).await;
    client.expect(250).await;
    client.command("DATA", 354).await;
    client
        .send(&messages::stuffed(&messages::small("late")))
        .await
        .unwrap();
    client.expect(250).await;
    assert_eq!(sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_comes_through_unchanged_by_data_and_by_bdat() {
    let (appliance, sink) = scene(Script::accepting()).await;
    let mut client = appliance.client().await;
    let dots = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nno end of line here".to_vec();
    let contents = [
        messages::small("small"),
        messages::of_size("large", 3_000_000),
        Vec::new(),
        dots,
    ];
    for (number, content) in contents.iter().enumerate() {
        let mut whole = content.clone();
        if !whole.is_empty() && !whole.ends_with(b"\r\n") {
            whole.extend_from_slice(b"\r\n");
        }
        let reply = match number % 2 {
            0 => client.message(SENDER, &[TO_ONE], &whole).await,
            _ => {
                client
                    .message_in_chunks(SENDER, &[TO_ONE], content, &[10, 70_000])
                    .await
            }
        };
        assert_eq!(reply.code, 250, "{reply}");
        let arrivals = sink.wait_for_accepted(number + 1).await;
        messages::assert_unchanged(&arrivals[number].content, &whole);
    }
    let statistics = appliance.statistics().await;
    let since_start = &statistics["since_start"];
    assert_eq!(since_start["paths"]["cut_through"], 4, "{statistics}");
    assert_eq!(since_start["messages"]["memory"], 4, "{statistics}");
    assert_eq!(since_start["ratio"], 1.0, "{statistics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_a_client_did_not_finish() {
    let (appliance, sink) = scene(Script::accepting()).await;
    let mut client = appliance.client().await;
    client.envelope(SENDER, &[TO_ONE]).await;
    client.command("DATA", 354).await;
    let content = messages::of_size("half", 300_000);
    client.send(&content[..200_000]).await.unwrap();
    client.reset();
    // Nor what is refused at its end: a NUL is only seen in its last line.
    let mut client = appliance.client().await;
    let reply = client
        .message(SENDER, &[TO_ONE], b"Subject: NUL\r\n\r\na\0b\r\n")
        .await;
    assert_eq!(reply.code, 550, "{reply}");
    let reply = client
        .message(SENDER, &[TO_ONE], &messages::small("whole"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrivals = sink.arrivals();
    assert_eq!(arrivals.len(), 1, "{arrivals:?}");
}

/// An envelope that comes to nothing leaves its connection to the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_given_up_costs_no_connection() {
    let (appliance, sink) = scene(Script::accepting()).await;
    let mut client = appliance.client().await;
    for number in 0..5 {
        client.envelope(SENDER, &[TO_ONE]).await;
        client.command("RSET", 250).await;
        let content = messages::small(&number.to_string());
        let reply = client.message(SENDER, &[TO_ONE], &content).await;
        assert_eq!(reply.code, 250, "{reply}");
    }
    assert_eq!(sink.accepted().len(), 5);
    assert_eq!(sink.connections(), 1, "{:?}", sink.commands());
}

/// Whatever has to see the content first, or takes less than may come, has the message held; the trail
/// says why.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_go_straight_through_is_held() {
    let filter = json!({ "content_filter": { "enabled": true, "disables_fast_path": false, "rules": [
        { "name": "none", "part": "any_header", "pattern": "nothing has this", "action": "refuse" }
    ]}});
    let standard = json!({ "own_conditions": [{ "name": "two", "recipients_more_than": 1 }] });
    let only_ascii = |script: &mut Script| script.capabilities.retain(|word| word != "8BITMIME");
    type Row = (
        &'static str,
        Value,
        bool,
        &'static [&'static str],
        &'static str,
        &'static str,
    );
    let rows: [Row; 4] = [
        (
            "a filter",
            filter,
            false,
            &[TO_ONE],
            "fast",
            "content_filter needs the content",
        ),
        (
            "7-bit",
            json!({}),
            true,
            &[TO_ONE],
            "fast",
            "it does not offer 8BITMIME",
        ),
        (
            "a condition",
            standard,
            false,
            &[TO_ONE, "<e@one.example>"],
            "standard",
            "not cut through: two",
        ),
        ("nothing", json!({}), false, &[TO_ONE], "cut_through", ""),
    ];
    for (name, settings, seven_bit, recipients, path, why) in rows {
        let mut script = Script::accepting();
        if seven_bit {
            only_ascii(&mut script);
        }
        let (appliance, sink) = scene(script).await;
        appliance.set(settings).await;
        let mut client = appliance.client().await;
        let content = messages::small(name);
        let reply = client.message(SENDER, recipients, &content).await;
        assert_eq!(reply.code, 250, "{name}: {reply}");
        sink.wait_for_accepted(1).await;
        let story = appliance
            .trail("recipient=b@one.example", |story| story["path"] == path)
            .await;
        let examined = story["examined"].as_str().unwrap_or_default();
        assert!(examined.contains(why), "{name}: {story}");
    }
}

/// One condition of the administrator's own sends large mail straight through, and the rest is fast.
#[tokio::test(flavor = "multi_thread")]
async fn a_condition_leads_to_cut_through() {
    let (appliance, sink) = scene(Script::accepting()).await;
    let large = json!({ "name": "large", "larger_than_bytes": 50_000, "leads_to": "cut_through" });
    appliance
        .set(json!({ "path": "fast", "own_conditions": [large] }))
        .await;
    let mut client = appliance.client().await;
    for (size, path) in [(1_000, "fast"), (100_000, "cut_through")] {
        let sender = format!("{SENDER} SIZE={size}");
        let content = messages::of_size(path, size);
        let reply = client.message(&sender, &[TO_ONE], &content).await;
        assert_eq!(reply.code, 250, "{reply}");
        appliance
            .trail("recipient=b@one.example", |story| story["path"] == path)
            .await;
    }
    assert_eq!(sink.accepted().len(), 2);
}

/// A hundred messages of 10 MB at one time: each costs its buffers, not its size.
#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_however_large_the_messages() {
    const AT_ONE_TIME: usize = 100;
    let _turn = turn::take().await;
    let sink = RawSink::start(Script::accepting().keeping(0)).await;
    let appliance = appliance(&[("one.example", sink.address())]).await;
    let one_each = json!({ "connections_max": AT_ONE_TIME });
    let entry = json!({ "domain": "one.example", "address": format!("smtp://{}", sink.address()),
        "connections_max": AT_ONE_TIME });
    appliance
        .set(json!({ "next_hop_defaults": one_each, "next_hops": [entry] }))
        .await;
    let mut clients = Vec::new();
    for _ in 0..AT_ONE_TIME {
        let mut client = appliance.client().await;
        client.envelope(SENDER, &[TO_ONE]).await;
        client.command("DATA", 354).await;
        clients.push(client);
    }
    let idle = appliance.process().resident_bytes();
    let content = Arc::new(messages::stuffed(&messages::of_size("large", 10 << 20)));
    let mut sending = JoinSet::new();
    for mut client in clients {
        let content = Arc::clone(&content);
        sending.spawn(async move {
            client.send(&content).await.unwrap();
            client.expect(250).await;
        });
    }
    let mut most = idle;
    while !sending.is_empty() {
        // What has been answered, or else a look at the memory twenty times a second.
        let answered = tokio::time::timeout(Duration::from_millis(50), sending.join_next());
        if let Ok(Some(answered)) = answered.await {
            answered.unwrap();
        }
        most = most.max(appliance.process().resident_bytes());
    }
    let grown = most.saturating_sub(idle);
    assert!(grown < 100 << 20, "{grown} bytes above idle");
    assert_eq!(sink.accepted().len(), AT_ONE_TIME);
}

/// A recipient that shares its transaction with others is forgotten with them: once the client has read
/// that everybody has the message, the same bytes are meant.
#[tokio::test(flavor = "multi_thread")]
async fn fingerprints_of_all_end_with_the_last_reply() {
    let sink = RawSink::start(Script::accepting()).await;
    let other =
        RawSink::start(Script::accepting().end_of_data(Answer::say("452 4.3.1 Full"))).await;
    let appliance = appliance(&[
        ("one.example", sink.address()),
        ("two.example", other.address()),
    ])
    .await;
    let both = [TO_ONE, "<e@one.example>"];
    let all = [TO_ONE, "<e@one.example>", TO_TWO];
    let content = messages::small("one");
    let mut client = appliance.client().await;
    let first = transact(&mut client, &all, &content).await;
    assert_eq!(first.in_short(), "250 250 250 DATA 354 end 451");
    // Put off once more, and what is known stays known.
    let again = transact(&mut client, &all, &content).await;
    assert_eq!(again.in_short(), "250 250 250 DATA 354 end 451");
    other.heal();
    let last = transact(&mut client, &all, &content).await;
    assert_eq!(last.in_short(), "250 250 250 DATA 354 end 250");
    assert_eq!(sink.accepted().len(), 1);
    let on_purpose = transact(&mut client, &both, &content).await;
    assert_eq!(on_purpose.in_short(), "250 250 DATA 354 end 250");
    let accepted = sink.accepted();
    assert_eq!(accepted.len(), 2);
    assert_eq!(accepted[1].recipients.len(), 2, "{accepted:?}");
}

/// A next hop that stops reading is cut off, and does not keep the others from their copy.
#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_next_hop_is_cut_off() {
    let sink = RawSink::start(Script::accepting().keeping(0)).await;
    let stalled = RawSink::start(Script::accepting().inside_data(1_000, Answer::Deafness)).await;
    let appliance = appliance(&[
        ("one.example", sink.address()),
        ("two.example", stalled.address()),
    ])
    .await;
    // More than all the buffers on the way hold.
    let content = messages::of_size("large", 24 << 20);
    let mut client = appliance.client().await;
    client.envelope(SENDER, &[TO_ONE, TO_TWO]).await;
    client.command("DATA", 354).await;
    client.send(&messages::stuffed(&content)).await.unwrap();
    let reply = client.reply().await.expect("a reply to the end of data");
    assert_eq!(reply.code, 451, "{reply}");
    assert!(reply.text().contains("not yet to c@two.example"), "{reply}");
    assert_eq!(sink.accepted().len(), 1);
}
