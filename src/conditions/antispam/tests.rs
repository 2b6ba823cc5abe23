//! What becomes of messages, and engines that are down, slow, or talk nonsense.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::draft::Draft;
use super::super::testing::{conditions, message, of_message, settings};
use super::*;

const RECEIVED: &str = "Received: by us;\r\n\tnow\r\n";
const CONTENT: &[u8] =
    b"X-Spam-Flag: NO\r\nSubject: x\r\nx-spam-score: -99\r\nX-SPAM-FLAG: NO\r\n\r\nbody\r\n";
/// The same without what only we may write.
const HONEST: &str = "Subject: x\r\n\r\nbody\r\n";

fn opinion(score: &str, action: Option<&str>) -> Opinion {
    Opinion {
        score: score.parse().expect("a score"),
        required: Some(Score::whole(15)),
        action: action.map(str::to_owned),
        symbols: "GTUBE, X".to_owned(),
    }
}

fn set(patch: Value) -> Antispam {
    settings(json!({"antispam": patch})).antispam.clone()
}

fn check_step(patch: Value, score: &str, action: Option<&str>, expected: Option<SpamAction>) {
    let found = opinion(score, action).step(&set(patch.clone()));
    assert_eq!(found, expected, "{patch} {score} {action:?}");
}

#[test]
fn what_rspamd_advises_is_done() {
    for (action, expected) in [
        ("no action", Some(SpamAction::Pass)),
        ("greylist", Some(SpamAction::Pass)),
        ("add header", Some(SpamAction::Tag)),
        ("rewrite subject", Some(SpamAction::Tag)),
        ("soft reject", Some(SpamAction::Defer)),
        ("quarantine", Some(SpamAction::Quarantine)),
        ("reject", Some(SpamAction::Refuse)),
        ("discard", Some(SpamAction::Refuse)),
        ("dance", None),
    ] {
        // The score would have it otherwise.
        check_step(json!({}), "20", Some(action), expected);
    }
    let quarantine = || json!({"when_spam_is_refused": "quarantine"});
    check_step(
        quarantine(),
        "0",
        Some("reject"),
        Some(SpamAction::Quarantine),
    );
    check_step(
        quarantine(),
        "0",
        Some("soft reject"),
        Some(SpamAction::Defer),
    );
}

#[test]
fn scores_decide_where_no_advice_is_followed() {
    let scores =
        || json!({"follow_action": false, "tag_score": 5, "defer_score": 7.5, "refuse_score": 10});
    for (score, expected) in [
        ("-3", SpamAction::Pass),
        ("4.99", SpamAction::Pass),
        ("5", SpamAction::Tag),
        ("7.49", SpamAction::Tag),
        ("7.5", SpamAction::Defer),
        ("10", SpamAction::Refuse),
        ("1000", SpamAction::Refuse),
    ] {
        check_step(scores(), score, Some("reject"), Some(expected));
        check_step(scores(), score, None, Some(expected));
    }
    // spamd advises nothing: its scores count, whatever the switch says.
    check_step(json!({}), "5", None, Some(SpamAction::Tag));
    check_step(json!({}), "15", None, Some(SpamAction::Refuse));
    let quarantine = json!({"when_spam_is_refused": "quarantine"});
    check_step(quarantine, "15", None, Some(SpamAction::Quarantine));
    let only_looked_at = json!({"tag_score": null, "refuse_score": null});
    check_step(only_looked_at, "1000", None, Some(SpamAction::Pass));
}

#[test]
fn a_verdict_says_what_was_found() {
    let settings = set(json!({}));
    let refused = judge(&opinion("15.2", Some("reject")), &settings);
    assert_eq!(refused.words, "score 15.2 of 15.0, action reject, GTUBE, X");
    let CheckAnswer::Refuse(reply) = refused.answer else {
        panic!("it is refused");
    };
    let expected = "554 5.7.1 Refused: the message looks like spam";
    assert_eq!(reply.to_string(), expected);

    let deferred = judge(&opinion("1", Some("soft reject")), &settings);
    let CheckAnswer::Defer(reply) = deferred.answer else {
        panic!("it is deferred");
    };
    let expected = "451 4.7.1 The message looks suspect, try again later";
    assert_eq!(reply.to_string(), expected);

    let strange = judge(&opinion("1", Some("dance\r\n")), &settings);
    assert!(matches!(strange.answer, CheckAnswer::CannotTell));
    let expected = "its action is unknown: score 1.0 of 15.0, action dance, GTUBE, X";
    assert_eq!(strange.words, expected);

    let plain = Opinion {
        required: None,
        symbols: String::new(),
        ..opinion("0.1", None)
    };
    assert_eq!(judge(&plain, &settings).words, "score 0.1");
}

/// A service that takes one connection, reads up to `end`, answers, and gives what it read.
async fn service(end: &'static str, answer: String) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = Vec::new();
        while !request.ends_with(end.as_bytes()) {
            let read = stream.read_buf(&mut request).await.expect("readable");
            assert!(read > 0, "the question is cut short");
        }
        // Who is told too much hangs up.
        let _ = stream.write_all(answer.as_bytes()).await;
        String::from_utf8(request).expect("text")
    });
    (address, serving)
}

fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

async fn ask(patch: Value) -> (CheckVerdict, Draft) {
    let mut patch = patch;
    patch["enabled"] = json!(true);
    let message = message("anna@example.org", &["bert@example.net"], CONTENT);
    let draft = Draft::of(message).await.expect("readable");
    let (_directory, conditions) = conditions();
    let settings = settings(json!({"antispam": patch}));
    let wait = Duration::from_secs(settings.antispam.timeout_seconds);
    let verdict = check(of_message(&conditions, &settings, &draft, wait)).await;
    let verdict = verdict.behind(draft.forged(CHECK.tags));
    (verdict, draft)
}

async fn travels(draft: &mut Draft, verdict: CheckVerdict) -> String {
    draft.apply(verdict.edits).expect("each can be made");
    let mut reader = draft.reader();
    let mut all = Vec::new();
    while let Some(block) = reader.next().await.expect("readable") {
        all.extend_from_slice(&block);
    }
    String::from_utf8(all).expect("text")
}

#[tokio::test]
async fn rspamd_is_shown_the_message_and_its_transaction() {
    let body =
        r#"{"score":7.2,"required_score":15,"action":"add header","symbols":{"A":{"score":7.2}}}"#;
    let (address, serving) = service("body\r\n", http("200 OK", body)).await;
    let (verdict, mut draft) = ask(json!({"server": address.to_string()})).await;
    assert!(matches!(verdict.answer, CheckAnswer::Pass), "{verdict:?}");
    assert_eq!(verdict.words, "score 7.2 of 15.0, action add header, A");

    let request = serving.await.expect("it was asked");
    let (header, content) = request.split_once("\r\n\r\n").expect("a request");
    let arrived = String::from_utf8_lossy(CONTENT);
    assert_eq!(content, format!("{RECEIVED}{arrived}"));
    assert!(header.starts_with("POST /checkv2 HTTP/1.1\r\n"), "{header}");
    let length = format!("content-length: {}", content.len());
    for line in [
        length.as_str(),
        "ip: 192.0.2.1",
        "helo: client.example.org",
        "from: <anna@example.org>",
        "rcpt: <bert@example.net>",
        "mta-name: relay.example.org",
    ] {
        let found = header.split("\r\n").any(|found| found == line);
        assert!(found, "{line} is not in {header}");
    }

    let tags = "X-Spam-Flag: YES\r\nX-Spam-Score: 7.2 (required 15.0)\r\nX-Spam-Symbols: A\r\n";
    let expected = format!("{RECEIVED}{tags}{HONEST}");
    assert_eq!(travels(&mut draft, verdict).await, expected);
}

#[tokio::test]
async fn spamd_is_shown_the_message() {
    let answer = "SPAMD/1.1 0 EX_OK\r\nContent-length: 1\r\nSpam: True ; 7.1 / 5.0\r\n\r\nA";
    let (address, serving) = service("body\r\n", answer.to_owned()).await;
    let patch = json!({
        "engine": "spamd", "server": address.to_string(), "tag_score": null, "refuse_score": 7,
        "when_spam_is_refused": "quarantine",
    });
    let (verdict, mut draft) = ask(patch).await;
    assert!(
        matches!(verdict.answer, CheckAnswer::Quarantine),
        "{verdict:?}"
    );
    assert_eq!(verdict.words, "score 7.1 of 5.0, A");
    let request = serving.await.expect("it was asked");
    let arrived = String::from_utf8_lossy(CONTENT);
    let length = RECEIVED.len() + arrived.len();
    let expected = format!(
        "SYMBOLS SPAMC/1.5\r\nContent-length: {length}\r\nUser: bert@example.net\r\n\r\n{RECEIVED}{arrived}"
    );
    assert_eq!(request, expected);
    let tags = "X-Spam-Flag: YES\r\nX-Spam-Score: 7.1 (required 5.0)\r\nX-Spam-Symbols: A\r\n";
    let expected = format!("{RECEIVED}{tags}{HONEST}");
    assert_eq!(travels(&mut draft, verdict).await, expected);
}

async fn check_cannot_tell(patch: Value, part: &str) {
    let (verdict, mut draft) = ask(patch).await;
    assert!(
        matches!(verdict.answer, CheckAnswer::CannotTell),
        "{verdict:?}"
    );
    assert!(verdict.words.contains(part), "{}", verdict.words);
    // What passes unchecked is not what its sender says of it, either.
    let expected = format!("{RECEIVED}{HONEST}");
    assert_eq!(travels(&mut draft, verdict).await, expected);
}

#[tokio::test]
async fn an_engine_that_is_down_cannot_tell() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    drop(listener);
    check_cannot_tell(json!({"server": address}), "refused").await;
    let spamd = json!({"engine": "spamd", "server": address});
    check_cannot_tell(spamd, "cannot be reached").await;
    let socket = json!({"engine": "spamd", "server": "unix:/nowhere/spamd.sock"});
    check_cannot_tell(socket, "spamd: unix:/nowhere/spamd.sock cannot be reached").await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_says_nothing_cannot_tell() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    for engine in ["rspamd", "spamd"] {
        let patch = json!({"engine": engine, "server": address, "timeout_seconds": 5});
        let part = format!("{engine}: no answer within 5.0 s");
        check_cannot_tell(patch, &part).await;
    }
}

#[tokio::test]
async fn an_engine_that_talks_nonsense_cannot_tell() {
    let endless = "x".repeat(crate::limits::SERVICE_ANSWER_BYTES + 1);
    for (answer, part) in [
        (http("200 OK", "{}"), "rspamd: its answer makes no sense"),
        (
            http("500 invalid command", r#"{"error":"invalid command"}"#),
            r#"rspamd: it answers 500 Internal Server Error: {"error":"invalid command"}"#,
        ),
        (
            http("302 Found\r\nLocation: /checkv2", ""),
            "it answers 302 Found",
        ),
        (http("200 OK", &endless), "its answer is longer than"),
        (
            "nonsense\r\n\r\n".to_owned(),
            "rspamd: error sending request",
        ),
        (String::new(), "rspamd: error sending request"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_owned(),
            "end of file before message length",
        ),
    ] {
        let (address, _serving) = service("body\r\n", answer).await;
        check_cannot_tell(json!({"server": address.to_string()}), part).await;
    }
    for (answer, part) in [
        ("nonsense", "spamd: it says “nonsense”"),
        ("", "spamd: it closed the connection without an answer"),
        ("SPAMD/1.1 0 EX_OK\r\nSpam: Tr", "cut short"),
        (endless.as_str(), "its answer is longer than"),
    ] {
        let (address, _serving) = service("body\r\n", answer.to_owned()).await;
        let patch = json!({"engine": "spamd", "server": address.to_string()});
        check_cannot_tell(patch, part).await;
    }
}

#[tokio::test]
async fn nothing_is_taken_out_where_nothing_is_forged() {
    let message = message("", &["bert@example.net"], b"Subject: x\r\n\r\nbody\r\n");
    let draft = Draft::of(Arc::clone(&message)).await.expect("readable");
    assert_eq!(draft.forged(CHECK.tags).count(), 0);
}
