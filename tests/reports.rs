//! Delivery reports as their readers get them: RFC 3464 in form, and sent only to who asked for them.

use crate::support::appliance::{Appliance, Plan};
use crate::support::messages;
use crate::support::raw_sink::{Answer, RawSink, Script};

/// A destination that takes everybody but `bad@example.net`.
async fn scene() -> (Appliance, RawSink) {
    let refusing = Answer::say("550 5.1.1 No such user here");
    let script = Script::accepting().offering("SMTPUTF8");
    let sink = RawSink::start(script.recipient("bad@example.net", refusing)).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    (appliance, sink)
}

/// Sends to a good recipient and the bad one with these parameters, and returns what arrived besides
/// the message itself, once the next message has come through.
async fn reports(sender: &str, bad_recipient: &str, content: &[u8]) -> Vec<Vec<u8>> {
    let (appliance, sink) = scene().await;
    let mut client = appliance.client().await;
    let reply = client
        .message(sender, &["<good@example.net>", bad_recipient], content)
        .await;
    assert_eq!(
        reply.code, 250,
        "one was delivered, so the message is ours: {reply}"
    );
    // A report that is due leaves through the queue: it is empty when there is nothing more to come.
    appliance.wait_for_queue(0).await;
    let arrivals = sink.wait_for_accepted(1).await;
    let is_report = |recipients: Vec<String>| recipients != ["good@example.net"];
    let reports = arrivals
        .into_iter()
        .filter(|arrival| is_report(arrival.recipient_addresses()));
    reports
        .map(|report| {
            assert!(
                report.sender.starts_with("<>"),
                "a report has the null sender: {}",
                report.sender
            );
            report.content
        })
        .collect()
}

/// As [`reports`], when there must be exactly one; as text.
async fn report(sender: &str, bad_recipient: &str, content: &[u8]) -> String {
    let mut reports = reports(sender, bad_recipient, content).await;
    assert_eq!(reports.len(), 1);
    String::from_utf8(reports.remove(0)).expect("this message has only ASCII")
}

const BAD: &str = "<bad@example.net>";

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_its_three_parts() {
    let text = report("<a@example.org>", BAD, &messages::small("the-original")).await;
    let header = |name: &str| {
        messages::header(text.as_bytes(), name).unwrap_or_else(|| panic!("no {name}: {text}"))
    };
    let kind = header("Content-Type");
    assert!(
        kind.starts_with("multipart/report") && kind.contains("report-type=delivery-status"),
        "{kind}"
    );
    assert!(header("To").contains("a@example.org"));
    assert!(
        header("From")
            .to_ascii_lowercase()
            .contains("relay.example.org")
    );
    // RFC 3834 §5: so that nobody's holiday notice answers it.
    assert!(header("Auto-Submitted").starts_with("auto-"));
    header("Message-ID");
    header("Date");
    header("Subject");
    for line in [
        "Content-Type: message/delivery-status",
        "Reporting-MTA: dns; relay.example.org",
        "Final-Recipient: rfc822; bad@example.net",
        "Action: failed",
        "Status: 5.1.1",
    ] {
        let loosely = |text: &str| text.replace("; ", ";").to_ascii_lowercase();
        assert!(
            loosely(&text).contains(&loosely(line)),
            "{line} is missing:\n{text}"
        );
    }
    assert!(
        text.contains("Diagnostic-Code:") && text.contains("No such user here"),
        "{text}"
    );
    assert!(
        text.contains("Subject: the-original"),
        "the original is missing:\n{text}"
    );
    assert!(
        !text.contains("good@example.net\r\nAction"),
        "a delivered recipient is reported:\n{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_to_the_null_sender() {
    assert_eq!(reports("<>", BAD, &messages::small("one")).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn notify_decides() {
    async fn check(notify: &str, expected: usize) {
        let recipient = format!("{BAD} NOTIFY={notify}");
        let reports = reports("<a@example.org>", &recipient, &messages::small("one")).await;
        assert_eq!(reports.len(), expected, "NOTIFY={notify}");
    }
    check("NEVER", 0).await;
    check("SUCCESS", 0).await;
    check("DELAY", 0).await;
    check("FAILURE", 1).await;
    check("SUCCESS,FAILURE,DELAY", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sender_wants_back_comes_back() {
    let content = messages::of_size("the-original", 2_000);
    let whole = report("<a@example.org> RET=FULL", BAD, &content).await;
    assert!(
        whole.contains("Content-Type: message/rfc822") && whole.contains(&"x".repeat(60)),
        "{whole}"
    );

    let header_only = report("<a@example.org> RET=HDRS", BAD, &content).await;
    assert!(
        header_only.contains("Subject: the-original"),
        "{header_only}"
    );
    assert!(!header_only.contains(&"x".repeat(60)), "{header_only}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_comes_back_as_its_header() {
    for ret in ["", " RET=FULL"] {
        let content = messages::of_size("the-original", 60_000);
        let text = report(&format!("<a@example.org>{ret}"), BAD, &content).await;
        assert!(text.contains("Subject: the-original"), "{text}");
        assert!(text.len() < 20_000, "{} bytes{ret}", text.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_finds_its_own_names_again() {
    let recipient = format!("{BAD} ORCPT=rfc822;first+2Bname@example.com");
    let text = report(
        "<a@example.org> ENVID=QQ+2B314159",
        &recipient,
        &messages::small("one"),
    )
    .await;
    let loosely = text.replace("; ", ";");
    assert!(
        loosely.contains("Original-Envelope-Id: QQ+314159"),
        "{text}"
    );
    assert!(
        loosely.contains("Original-Recipient: rfc822;first+name@example.com"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_refused_recipients_share_a_report() {
    let script = Script::accepting()
        .recipient(
            "one@example.net",
            Answer::say("550 5.1.1 No such user here"),
        )
        .recipient("three@example.net", Answer::say("550 5.7.1 Not from you"));
    let sink = RawSink::start(script).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let recipients = [
        "<good@example.net>",
        "<one@example.net>",
        "<three@example.net>",
    ];
    let mut client = appliance.client().await;
    let reply = client
        .message("<a@example.org>", &recipients, &messages::small("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrivals = sink.wait_for_accepted(2).await;
    appliance.wait_for_queue(0).await;
    assert_eq!(sink.accepted().len(), 2, "one message and one report");
    let report = arrivals
        .iter()
        .find(|arrival| arrival.sender.starts_with("<>"))
        .unwrap();
    let text = String::from_utf8_lossy(&report.content);
    for word in ["one@example.net", "5.1.1", "three@example.net", "5.7.1"] {
        assert!(text.contains(word), "{word} is missing:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_success_hears_of_it_when_the_destination_will_not_report() {
    async fn check(offers_dsn: bool, notify: &str, expected: usize) {
        let mut script = Script::accepting();
        if offers_dsn {
            script = script.offering("DSN");
        }
        let sink = RawSink::start(script).await;
        let appliance = Plan::new().next_hop(sink.address()).start().await;
        let mut client = appliance.client().await;
        let recipient = format!("<b@example.net>{notify}");
        let reply = client
            .message("<a@example.org>", &[&recipient], &messages::small("one"))
            .await;
        assert!(reply.text().contains("Delivered"), "{reply}");
        appliance.wait_for_queue(0).await;
        let arrivals = sink.wait_for_accepted(1 + expected).await;
        assert_eq!(arrivals.len(), 1 + expected, "DSN {offers_dsn}{notify}");
        if let Some(report) = arrivals.iter().find(|one| one.sender.starts_with("<>")) {
            let text = String::from_utf8_lossy(&report.content);
            for words in ["Action: relayed", "Status: 2.", "b@example.net"] {
                assert!(text.contains(words), "{words} is missing:\n{text}");
            }
        }
    }
    check(false, " NOTIFY=SUCCESS", 1).await;
    check(false, " NOTIFY=FAILURE", 0).await;
    check(false, "", 0).await;
    check(true, " NOTIFY=SUCCESS", 0).await;
}

/// Which parts a report has, and that each names its bytes for what they are.
fn media_types(report: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(report);
    let mut types = Vec::new();
    for part in text.split("\r\n--report-").skip(1) {
        let Some((header, body)) = part.split_once("\r\n\r\n") else {
            continue;
        };
        let field = |name: &str| {
            let mut lines = header.lines();
            lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
        };
        let encoding = field("Content-Transfer-Encoding").unwrap_or("7bit".to_owned());
        let expected = if body.is_ascii() { "7bit" } else { "8bit" };
        assert_eq!(encoding, expected, "{part}");
        types.push(field("Content-Type").unwrap());
    }
    types
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_says_what_its_bytes_are() {
    let plain = "message/delivery-status";
    let global = "message/global-delivery-status";
    // What the sender calls itself, what MAIL and RCPT say, the header; then the types of the last two
    // parts, and a line of the machine's.
    for (sender, mail, rcpt, subject, types, line) in [
        (
            "a@example.org",
            "ENVID=+C3+BC",
            "",
            "x",
            [plain, "message/rfc822"],
            "Original-Envelope-Id: +C3+BC",
        ),
        (
            "a@example.org",
            "ENVID=+0D+0AX:",
            "",
            "x",
            [plain, "message/rfc822"],
            "Original-Envelope-Id: +0D+0AX:",
        ),
        (
            "a@example.org",
            "",
            "ORCPT=rfc822;+C3+BC@x",
            "x",
            [plain, "message/rfc822"],
            "Original-Recipient: rfc822;+C3+BC@x",
        ),
        (
            "a@example.org",
            "SMTPUTF8",
            "ORCPT=utf-8;ü@x",
            "x",
            [plain, "message/rfc822"],
            "Original-Recipient: utf-8;\\x{FC}@x",
        ),
        (
            "a@example.org",
            "SMTPUTF8",
            "",
            "grüße",
            [plain, "message/global"],
            "Final-Recipient: rfc822;bad@example.net",
        ),
        (
            "a@example.org",
            "SMTPUTF8 RET=HDRS",
            "",
            "grüße",
            [plain, "message/global-headers"],
            "Final-Recipient: rfc822;bad@example.net",
        ),
        (
            "ü@example.org",
            "SMTPUTF8",
            "ORCPT=utf-8;ü@x",
            "x",
            [global, "message/rfc822"],
            "Original-Recipient: utf-8;ü@x",
        ),
    ] {
        let content = messages::small("one");
        let content = String::from_utf8(content)
            .unwrap()
            .replace("Subject: one", &format!("Subject: {subject}"));
        let sender = format!("<{sender}> {mail}");
        let mut reports = reports(&sender, &format!("{BAD} {rcpt}"), content.as_bytes()).await;
        assert_eq!(reports.len(), 1, "{sender}");
        let report = reports.remove(0);
        let text = String::from_utf8_lossy(&report);
        assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}:\n{text}");
        assert_eq!(
            media_types(&report)[1..],
            types,
            "{sender} {rcpt} {subject}:\n{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_a_next_hop_are_readable_in_any_language() {
    let refusing = Answer::say("550 5.1.1 Postfach unbekannt: größer");
    let sink = RawSink::start(Script::accepting().recipient("bad@example.net", refusing)).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let mut client = appliance.client().await;
    let recipients = ["<good@example.net>", BAD];
    let reply = client
        .message("<a@example.org>", &recipients, &messages::small("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    appliance.wait_for_queue(0).await;
    let arrivals = sink.accepted();
    let report = arrivals
        .iter()
        .find(|arrival| arrival.sender.starts_with("<>"))
        .unwrap();
    let text = String::from_utf8_lossy(&report.content);
    assert!(
        text.contains("was: 550 5.1.1 Postfach unbekannt: größer"),
        "{text}"
    );
    assert!(
        text.contains("Diagnostic-Code: smtp; 550 5.1.1 Postfach unbekannt: gr??er"),
        "{text}"
    );
    media_types(&report.content);
}
