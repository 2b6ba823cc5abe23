//! Milters behind real sockets, and what their words mean for a message.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::change::Modification;
use super::changes::Changes;
use super::scripted::ScriptedMilter;
use super::*;
use crate::conditions::testing::{message, new_body, settings, tools};
use crate::conditions::{Accepted, CheckOutcome, CheckRun, Conditions};
use crate::limits;
use crate::smtp::address::Mailbox;

const CONTENT: &[u8] = b"Subject: x\r\n\r\nbody\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

fn passed() -> MilterOutcome {
    MilterOutcome {
        end: MilterVerdict::Passed,
        quarantine: None,
        refused: Vec::new(),
        unshown: 0,
        changes: Changes::default(),
        new_body: None,
        keeps_leading_space: false,
    }
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).expect("a mailbox")
}

/// Answer, number of edits and words of a verdict.
fn check(outcome: MilterOutcome, answer: &str, edits: usize, words: &str) {
    let verdict = verdict(outcome, "unix:/m", &[]);
    let found = match &verdict.answer {
        CheckAnswer::Pass => "pass".to_owned(),
        CheckAnswer::Quarantine => "quarantine".to_owned(),
        CheckAnswer::Refuse(reply) | CheckAnswer::Defer(reply) => reply.to_string(),
        CheckAnswer::CannotTell => "cannot tell".to_owned(),
        CheckAnswer::NotAsked => "not asked".to_owned(),
    };
    assert_eq!(found, answer);
    assert_eq!(verdict.edits.len(), edits, "{:?}", verdict.edits);
    assert_eq!(verdict.words, words);
}

#[test]
fn outcomes_become_verdicts() {
    let unknown = Reply::new(550, (5, 1, 1), "Unknown");
    let later = Reply::new(451, (4, 7, 1), "Later");
    let ended = |end| MilterOutcome { end, ..passed() };
    check(passed(), "pass", 0, "unix:/m");
    check(
        ended(MilterVerdict::Refused(unknown.clone())),
        "550 5.1.1 Unknown",
        0,
        "unix:/m: 550 5.1.1 Unknown",
    );
    check(
        ended(MilterVerdict::Deferred(later)),
        "451 4.7.1 Later",
        0,
        "unix:/m: 451 4.7.1 Later",
    );
    let wanted = "unix:/m: wants it discarded";
    check(ended(MilterVerdict::Discarded), "quarantine", 0, wanted);
    let refused = MilterOutcome {
        refused: vec![(mailbox("bert@example.net"), unknown)],
        ..passed()
    };
    let words = "unix:/m: refused <bert@example.net>: 550 5.1.1 Unknown";
    check(refused, "pass", 1, words);
    let blind = MilterOutcome {
        unshown: 2,
        ..passed()
    };
    let words = "unix:/m: 2 header fields not shown, too large";
    check(blind, "pass", 0, words);
    let silent = MilterOutcome {
        quarantine: Some(String::new()),
        ..passed()
    };
    check(silent, "quarantine", 0, "unix:/m: wants it kept back");
    let mut changes = Changes::default();
    let recipient = mailbox("carl@example.net");
    for change in [
        Modification::RemoveRecipient(recipient.clone()),
        Modification::RemoveRecipient(recipient),
    ] {
        changes.take(change).expect("within bounds");
    }
    let odd = MilterOutcome {
        quarantine: Some("odd".to_owned()),
        changes,
        new_body: Some(Ok(new_body("new"))),
        ..passed()
    };
    let words = "unix:/m: odd, a new body, 2 changes of the envelope";
    check(odd, "quarantine", 3, words);
    let homeless = MilterOutcome {
        new_body: Some(Err(io::ErrorKind::StorageFull.into())),
        ..passed()
    };
    let reply = "452 4.3.1 Insufficient system storage, try again later";
    check(homeless, reply, 0, "unix:/m: its new body finds no place");
}

/// Looks a message into with these settings; gives what comes of it and the words for the trail.
async fn examine(milter: Value) -> (Result<Accepted, Reply>, String) {
    let (_directory, tools) = tools();
    let conditions = Conditions::new(tools);
    let examined = look(&conditions, milter).await;
    (examined.result, examined.words)
}

async fn look(conditions: &Conditions, milter: Value) -> CheckOutcome {
    look_as(conditions, milter, "anna@example.org", 1).await
}

/// Has a message from `sender` looked into, brought by a client at 192.0.2.`client`.
async fn look_as(conditions: &Conditions, milter: Value, sender: &str, client: u8) -> CheckOutcome {
    let settings = settings(json!({"milter": milter}));
    let recipients = ["bert@example.net", "carl@example.net"];
    let mut message = message(sender, &recipients, CONTENT);
    let arrived = Arc::get_mut(&mut message).expect("nobody else has it");
    arrived.client.address = Some([192, 0, 2, client].into());
    let run = CheckRun {
        message: &message,
        declared_size: None,
        settings: &settings,
        deadline: Instant::now() + PATIENCE,
    };
    conditions.check(run, &CancellationToken::new()).await
}

fn not_taken(result: Result<Accepted, Reply>) -> String {
    result.expect_err("it is not taken").to_string()
}

/// A milter on a port of its own, which plays its script once; what it heard comes at the end.
async fn serve(milter: ScriptedMilter) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let playing = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        milter.play(stream).await
    });
    (address, playing)
}

/// A milter on a port of its own, which plays its script to everybody; how often it was asked to.
async fn serve_all(milter: ScriptedMilter) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(milter.clone().play(stream));
        }
    });
    (address, connections)
}

#[tokio::test]
async fn each_milter_sees_what_the_one_before_has_changed() {
    let signing = ScriptedMilter::new().says(
        'E',
        &[
            (b'i', b"\0\0\0\x01X-One\0a;\n\tb\0"),
            (b'b', b"other\r\n"),
            (b'-', b"<bert@example.net>\0"),
            (b'e', b"<dora@example.org>\0"),
            (b'c', b""),
        ],
    );
    let (one, _) = serve(signing).await;
    let (two, hearing) = serve(ScriptedMilter::new()).await;
    let (result, words) = Box::pin(examine(json!({"enabled": true, "milters": [one, two]}))).await;
    let expected = format!(
        "milter: passed, {one}: 1 change of the header, a new body, 2 changes of the envelope; \
         milter: passed, {two}"
    );
    assert_eq!(words, expected);
    let taken = result.expect("it is taken");
    assert!(taken.standard_path.is_some());
    let heard = hearing.await.expect("it played");
    for expected in [
        r"M<dora@example.org>\x00",
        r"R<carl@example.net>\x00",
        r"LX-One\x00a;\n\tb\x00",
        r"LSubject\x00x\x00",
        r"Bother\r\n",
    ] {
        assert!(heard.contains(&expected.to_owned()), "{heard:?}");
    }
    let prefix = "Received: by us;\r\n\tnow\r\nX-One: a;\r\n\tb\r\nSubject: x\r\n";
    assert_eq!(taken.messages[0].prefix, prefix.as_bytes());
}

#[tokio::test]
async fn a_unix_socket_is_as_good() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("milter.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let refusing = ScriptedMilter::new().says('E', &[(b'y', b"554 5.7.1 No\0")]);
        refusing.play(stream).await
    });
    let address = format!("unix:{}", path.display());
    let (result, words) = Box::pin(examine(json!({"enabled": true, "milters": [address]}))).await;
    assert_eq!(not_taken(result), "554 5.7.1 No");
    assert_eq!(words, format!("milter: refused, {address}: 554 5.7.1 No"));
}

#[tokio::test]
async fn what_is_to_be_discarded_is_kept_back() {
    let (address, _) = serve(ScriptedMilter::new().says('M', &[(b'd', b"")])).await;
    let (result, _) = Box::pin(examine(json!({"enabled": true, "milters": [address]}))).await;
    let quarantine = result
        .expect("it is taken")
        .quarantine
        .expect("it is kept back");
    let words = format!("milter: {address}: wants it discarded");
    assert_eq!(quarantine.words, words);
}

#[tokio::test]
async fn a_milter_that_is_down_is_left_alone_by_itself() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let down = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let (up, _) = serve_all(ScriptedMilter::new()).await;
    let (_directory, tools) = tools();
    let conditions = Conditions::new(tools);
    let policies = std::iter::once("defer").chain(std::iter::repeat("pass"));
    // All messages are one client's. The neutral question comes before the last but one.
    for when in policies.take(limits::SERVICE_FAILURES as usize + 2) {
        let milter = json!({"enabled": true, "milters": [down, up], "when_unavailable": when});
        let examined = look(&conditions, milter).await;
        match when {
            "defer" => {
                let reply = not_taken(examined.result);
                assert_eq!(reply, Reply::UNCHECKED.to_string());
                assert!(examined.words.contains(&down), "{}", examined.words);
            }
            _ => assert!(examined.result.expect("it is taken").quarantine.is_none()),
        }
    }
    let services = conditions.services();
    let states: Vec<_> = services
        .iter()
        .map(|service| {
            let is_asked = service.state == crate::conditions::ServiceState::Asked;
            (&*service.name, service.asked, is_asked)
        })
        .collect();
    let failures = u64::from(limits::SERVICE_FAILURES);
    let expected = [
        // What passes is shown to it all the same.
        ("milter 1", failures + 2, false),
        ("milter 2", failures + 1, true),
    ];
    assert_eq!(states, expected);
}

#[tokio::test(start_paused = true)]
async fn a_milter_that_says_nothing_is_not_waited_for() {
    let (address, _) = serve(ScriptedMilter::new().silent("E")).await;
    let began = Instant::now();
    let milter = json!({"enabled": true, "milters": [address], "timeout_seconds": 5});
    let (result, words) = Box::pin(examine(milter)).await;
    assert_eq!(not_taken(result), Reply::UNCHECKED.to_string());
    assert!(words.contains("no answer within 5.0 s"), "{words}");
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn messages_that_a_milter_hangs_over_are_nobody_else_s_trouble() {
    let slow = ScriptedMilter::new().silent_about("slow@example.org");
    let (address, connections) = serve_all(slow).await;
    let (_directory, tools) = tools();
    let conditions = Conditions::new(tools);
    let milter = json!({"enabled": true, "milters": [address], "when_unavailable": "pass"});
    for number in 1..=3 {
        let examined = look_as(&conditions, milter.clone(), "slow@example.org", number).await;
        assert!(
            examined.words.contains("passed unchecked"),
            "{}",
            examined.words
        );
    }
    let examined = look_as(&conditions, milter, "anna@example.org", 4).await;
    assert_eq!(examined.words, format!("milter: passed, {address}"));
    // One of them was for the neutral question.
    assert_eq!(connections.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_service_of_another_kind_cannot_tell() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let greeting = b"220 mail.example.net ESMTP\r\n";
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, greeting).await;
        std::future::pending::<()>().await;
    });
    let (result, words) = Box::pin(examine(json!({"enabled": true, "milters": [address]}))).await;
    assert_eq!(not_taken(result), Reply::UNCHECKED.to_string());
    assert!(words.contains("it sends a packet of"), "{words}");
}
