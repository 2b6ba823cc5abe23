//! Every word of the trail as a sentence, and whole stories.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::message::trail_listing::AnsweredRow;
use crate::message::words::{DiskReason, OutcomeKind, Path, Storage};
use crate::message::{MessageId, RowId, RowState};

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_348_801 + seconds).expect("a time within all times")
}

fn answered() -> AnsweredRow {
    AnsweredRow {
        message_id: MessageId::from_i64(1),
        received_at: time(0),
        sender: "anna@example.org".into(),
        client_address: Some("192.0.2.1".into()),
        helo: "client.example.org".into(),
        login: None,
        recipients: 1,
        size_bytes: 4_200,
        path: "fast".into(),
        storage: "memory".into(),
        reasons: Vec::new(),
        code: 250,
        reply: "250 2.0.0 Delivered".into(),
        acknowledged_seconds: 0.039,
        examined: String::new(),
    }
}

/// An event of bert's, told like this: attempts have a server, everything else has none.
fn event(what: &str, words: &str) -> TrailEvent {
    let is_attempt = OutcomeKind::from_word(what).is_some();
    TrailEvent {
        at: time(1),
        recipient: "bert@example.net".into(),
        what: what.into(),
        words: words.into(),
        next_hop: is_attempt.then(|| "mx.example.net".into()),
        peer: is_attempt.then(|| "192.0.2.25:25".into()),
        tls: is_attempt.then_some(true),
        took_seconds: is_attempt.then_some(0.038),
    }
}

fn row(state: RowState, attempts: u64) -> QueueItem {
    QueueItem {
        id: RowId(7),
        message_id: MessageId::from_i64(1),
        sender: "anna@example.org".into(),
        recipient: "Bert@example.net".into(),
        next_hop: "mx.example.net".into(),
        state,
        reason: "deferred".into(),
        attempts,
        last_reply: "451 4.3.0 later".into(),
        size_bytes: 4_200,
        received_at: time(0),
        next_attempt_at: time(300),
    }
}

fn trail(answered: AnsweredRow, events: Vec<TrailEvent>) -> TrailOfMessage {
    let last: BTreeMap<String, &str> = events
        .iter()
        .map(|event| (event.recipient.to_ascii_lowercase(), event.what.as_str()))
        .collect();
    let mut ends = BTreeMap::new();
    for what in last.values() {
        *ends.entry((*what).to_owned()).or_default() += 1;
    }
    TrailOfMessage {
        answered: Some(answered),
        total: last.len() as u64,
        ends,
        events,
        shortened: Vec::new(),
    }
}

/// A sentence as a person reads it.
fn read(sentence: &Sentence) -> String {
    match sentence.quotation.as_str() {
        "" => format!("{}.", sentence.text),
        quotation => format!("{}: {quotation}", sentence.text),
    }
}

fn read_all(story: &Story) -> Vec<String> {
    let chapters = story.chapters.iter().flat_map(|chapter| &chapter.sentences);
    story.beginning.iter().chain(chapters).map(read).collect()
}

#[test]
fn a_plain_delivery() {
    let trail = trail(answered(), vec![event("delivered", "250 2.0.0 Ok")]);
    let story = tell(&trail, &[], time(9));
    assert_eq!(story.end.text, "Delivered");
    assert_eq!(story.end.mood, Mood::Good);
    let expected = [
        "Received from 192.0.2.1 (client.example.org), 4.1 KiB from anna@example.org for bert@example.net.",
        "It took the fast path, was held in memory and never touched a disk.",
        "Delivered to mx.example.net (192.0.2.25:25, TLS) in 38 ms: 250 2.0.0 Ok",
        "Answered after 39 ms: 250 2.0.0 Delivered",
    ];
    assert_eq!(read_all(&story), expected);
    assert_eq!(story.beginning[0].at, Some(time(0)));
    assert_eq!(story.chapters[0].sentences[0].at, Some(time(1)));
}

#[test]
fn the_reply_stands_behind_what_was_stored_for_it() {
    let stored = AnsweredRow {
        storage: "disk".into(),
        reasons: vec!["deferred".into()],
        reply: "250 2.0.0 Queued".into(),
        ..answered()
    };
    let events = vec![
        event("deferred", "451 4.3.0 later"),
        event("queued", "451 4.3.0 later"),
        event("retried", "admin from 192.0.2.9"),
        event("delivered", "250 2.0.0 Ok"),
    ];
    let waiting = tell(
        &trail(stored.clone(), events[..2].to_vec()),
        &[row(RowState::Waiting, 1)],
        time(60),
    );
    assert_eq!(waiting.end.text, "Waiting in the retry queue");
    assert_eq!(waiting.chapters[0].row, Some(7));
    let expected = [
        "Deferred by mx.example.net (192.0.2.25:25, TLS) after 38 ms: 451 4.3.0 later",
        "Put into the retry queue: 451 4.3.0 later",
        "Answered after 39 ms: 250 2.0.0 Queued",
        "It waits in the retry queue, tried once; the next try is in 4 min 0 s.",
    ];
    assert_eq!(read_all(&waiting)[2..], expected);
    let done = tell(&trail(stored, events), &[], time(60));
    assert_eq!(done.end.text, "Delivered");
    let expected = [
        "Answered after 39 ms: 250 2.0.0 Queued",
        "“Retry now” was asked for by admin from 192.0.2.9.",
        "Delivered to mx.example.net (192.0.2.25:25, TLS) in 38 ms: 250 2.0.0 Ok",
    ];
    assert_eq!(read_all(&done)[4..], expected);
}

#[test]
fn every_outcome_is_a_sentence() {
    let check = |change: fn(&mut TrailEvent), expected: [&str; 4]| {
        for (outcome, expected) in OutcomeKind::ALL.iter().zip(expected) {
            let mut event = event(outcome.as_str(), "words");
            change(&mut event);
            assert_eq!(read(&sentence::of(&event)), format!("{expected}: words"));
        }
    };
    check(
        |_| {},
        [
            "Delivered to mx.example.net (192.0.2.25:25, TLS) in 38 ms",
            "Deferred by mx.example.net (192.0.2.25:25, TLS) after 38 ms",
            "Refused by mx.example.net (192.0.2.25:25, TLS) after 38 ms",
            "Sent to mx.example.net (192.0.2.25:25, TLS), which did not answer within 38 ms; it may have arrived",
        ],
    );
    check(
        |event| {
            event.next_hop = event.peer.clone();
            event.tls = Some(false);
        },
        [
            "Delivered to 192.0.2.25:25 (no TLS) in 38 ms",
            "Deferred by 192.0.2.25:25 (no TLS) after 38 ms",
            "Refused by 192.0.2.25:25 (no TLS) after 38 ms",
            "Sent to 192.0.2.25:25 (no TLS), which did not answer within 38 ms; it may have arrived",
        ],
    );
    check(
        |event| {
            event.peer = None;
            event.tls = None;
        },
        [
            "Delivered to mx.example.net in 38 ms",
            "Deferred without a connection to mx.example.net",
            "Refused without a connection to mx.example.net",
            "Sent to mx.example.net, which did not answer within 38 ms; it may have arrived",
        ],
    );
}

#[test]
fn every_event_is_a_sentence() {
    let expected = [
        (
            RecipientEvent::Queued,
            "Put into the retry queue: anna from 192.0.2.9",
        ),
        (
            RecipientEvent::Copied,
            "Made into a message of its own, which has its own story: anna from 192.0.2.9",
        ),
        (
            RecipientEvent::Made,
            "Made by a condition of the message that arrived: anna from 192.0.2.9",
        ),
        (
            RecipientEvent::AlreadySettled,
            "Recognised as a repetition: it had been settled before and was not sent again: anna from 192.0.2.9",
        ),
        (
            RecipientEvent::LeftWithClient,
            "Left with the client, which was told to send it again.",
        ),
        (
            RecipientEvent::Reported,
            "The failure was reported to the sender: anna from 192.0.2.9",
        ),
        (
            RecipientEvent::FailedSilently,
            "Failed without a report, since nobody was to get one: anna from 192.0.2.9",
        ),
        (
            RecipientEvent::NotReported,
            "Its sender had asked for a report of success and gets none: a client that is not trusted gets few \
             of them.",
        ),
        (
            RecipientEvent::Expired,
            "Given up: its time or its number of tries was used up: anna from 192.0.2.9",
        ),
        (
            RecipientEvent::Damaged,
            "What is stored of it was found damaged, so that it cannot be sent: anna from 192.0.2.9",
        ),
        (
            RecipientEvent::Retried,
            "“Retry now” was asked for by anna from 192.0.2.9.",
        ),
        (
            RecipientEvent::Quarantined,
            "Kept back in the queue by a condition, until an operator decides: anna from 192.0.2.9",
        ),
        (RecipientEvent::Held, "Held by anna from 192.0.2.9."),
        (RecipientEvent::Released, "Released by anna from 192.0.2.9."),
        (
            RecipientEvent::Purged,
            "Purged without a report by anna from 192.0.2.9.",
        ),
        (
            RecipientEvent::Returned,
            "Returned to the sender by anna from 192.0.2.9.",
        ),
    ];
    assert_eq!(expected.map(|(event, _)| event), RecipientEvent::ALL);
    for (done, expected) in expected {
        let told = sentence::of(&event(done.as_str(), "anna from 192.0.2.9"));
        assert_eq!(read(&told), expected);
        assert_eq!(told.at, Some(time(1)), "{expected}");
    }
    for (what, expected) in [
        ("queued", "Put into the retry queue."),
        ("purged", "Purged without a report by an operator."),
        ("beamed_up", "“beamed_up”."),
    ] {
        assert_eq!(read(&sentence::of(&event(what, ""))), expected);
    }
}

#[test]
fn every_path_storage_and_reason_is_a_clause() {
    let way = |path: &str, storage: &str, reasons: &[&str]| {
        let reasons = reasons.iter().map(|reason| (*reason).to_owned());
        read(&sentence::way(&AnsweredRow {
            path: path.into(),
            storage: storage.into(),
            reasons: reasons.collect(),
            ..answered()
        }))
    };
    let paths = [
        "It took the fast path",
        "It took the standard path",
        "It was streamed straight through",
    ];
    let storages = [
        ", was held in memory and never touched a disk",
        ", its head in memory and its tail on disk",
        " and was stored on disk",
    ];
    for (path, begin) in Path::ALL.iter().zip(paths) {
        for (storage, end) in Storage::ALL.iter().zip(storages) {
            let end = match (path, storage) {
                (Path::CutThrough, Storage::Memory) => {
                    ", was held nowhere and never touched a disk"
                }
                _ => end,
            };
            assert_eq!(
                way(path.as_str(), storage.as_str(), &[]),
                format!("{begin}{end}.")
            );
        }
    }
    let named = DiskReason::Condition("antivirus".into());
    let reasons = [
        "it exceeded the memory threshold",
        "a next hop put it off or was not reached",
        "the delivery took longer than the sender was to wait",
        "no connection to the next hop became free in time",
        "the next hop was suspended after failures",
        "an operator had paused the next hop",
        "the memory for messages was used up",
        "the next hop takes only 7-bit content",
        "a next hop got all of it and did not answer",
        "the standard path was chosen for all messages",
        "the condition “antivirus” was present",
    ];
    for (reason, expected) in DiskReason::PLAIN.iter().chain([&named]).zip(reasons) {
        let told = way("fast", "disk", &[&reason.as_word()]);
        assert_eq!(
            told,
            format!("It took the fast path and was stored on disk, because {expected}.")
        );
    }
    for (reasons, expected) in [
        (
            &["over_threshold", "deferred"][..],
            "because it exceeded the memory threshold and a next hop put it off or was not reached.",
        ),
        (
            &["over_threshold", "uncertain", "rain"],
            "because it exceeded the memory threshold, a next hop got all of it and did not answer and \
             “rain” is given as the reason.",
        ),
    ] {
        assert!(
            way("fast", "split", reasons).ends_with(expected),
            "{reasons:?}"
        );
    }
    assert_eq!(
        way("scenic", "paper", &[]),
        "It took the path “scenic” and was held in “paper”."
    );
}

#[test]
fn beginnings() {
    let received = |patch: Value, only: Option<&str>| {
        let mut row = answered();
        row.sender = patch["sender"].as_str().unwrap_or(&row.sender).to_owned();
        row.helo = patch["helo"].as_str().unwrap_or(&row.helo).to_owned();
        row.login = patch["login"].as_str().map(str::to_owned);
        row.recipients = patch["recipients"].as_u64().unwrap_or(1);
        if patch["client_address"] == "" {
            row.client_address = None;
        }
        read(&sentence::received(&row, only))
    };
    for (patch, only, expected) in [
        (
            json!({"login": "anna", "recipients": 1_200}),
            None,
            "Received from 192.0.2.1 (client.example.org), logged in as anna, 4.1 KiB from \
             anna@example.org for 1,200 recipients.",
        ),
        (
            json!({"sender": "", "helo": ""}),
            Some("bert@example.net"),
            "Received from 192.0.2.1, 4.1 KiB from nobody (a report) for bert@example.net.",
        ),
        (
            json!({"client_address": ""}),
            None,
            "Written by ourselves, 4.1 KiB from anna@example.org for one recipient.",
        ),
        (
            json!({"recipients": 2}),
            Some("bert@example.net"),
            "Received from 192.0.2.1 (client.example.org), 4.1 KiB from anna@example.org for 2 recipients.",
        ),
    ] {
        assert_eq!(received(patch, only), expected);
    }
}

#[test]
fn replies_say_who_has_the_message_now() {
    for (code, reply, expected) in [
        (
            250,
            "250 2.0.0 Queued",
            "Answered after 39 ms: 250 2.0.0 Queued",
        ),
        (
            250,
            "2.0.0 Queued",
            "Answered after 39 ms: 250 2.0.0 Queued",
        ),
        (
            452,
            "452 4.3.1 No room",
            "Not taken yet: after 39 ms the sender was told to try again later: 452 4.3.1 No room",
        ),
        (
            550,
            "550 5.1.1 Nobody",
            "Not taken: after 39 ms the sender was told that it failed: 550 5.1.1 Nobody",
        ),
        (0, "", "Answered after 39 ms: 0"),
    ] {
        let row = AnsweredRow {
            code,
            reply: reply.into(),
            ..answered()
        };
        assert_eq!(read(&sentence::reply(&row)), expected);
    }
}

#[test]
fn every_state_of_a_waiting_row_is_a_sentence() {
    let expected = [
        "It waits in the retry queue, not tried yet; the next try is in 5 min 0 s.",
        "It is being tried right now.",
        "It is held in the retry queue, tried once, until somebody releases it.",
        "It waits in the retry queue as uncertain, tried 2 times; the next try is in 5 min 0 s.",
        "It is kept in quarantine until somebody decides.",
        "It is damaged in the retry queue and waits there until it is repaired, or until its time is over and \
         its sender is told.",
    ];
    for ((state, attempts), expected) in RowState::ALL.iter().zip([0, 0, 1, 2, 0, 0]).zip(expected)
    {
        assert_eq!(
            read(&sentence::in_queue(&row(*state, attempts), time(0))),
            expected
        );
    }
    let due = sentence::in_queue(&row(RowState::Waiting, 1), time(400));
    assert!(due.text.ends_with("the next try is now"), "{}", due.text);
}

#[test]
fn several_recipients_have_a_chapter_each() {
    let of = |recipient: &str, what: &str| TrailEvent {
        recipient: recipient.into(),
        ..event(what, "words")
    };
    let events = vec![
        of("bert@example.net", "delivered"),
        of("carl@example.net", "deferred"),
        of("Carl@Example.net", "queued"),
        of("dora@example.net", "refused"),
        of("dora@example.net", "reported"),
    ];
    let row_of_three = AnsweredRow {
        recipients: 3,
        ..answered()
    };
    let story = tell(&trail(row_of_three, events), &[], time(9));
    assert_eq!(
        story.end.text,
        "Of 3 recipients: 1 delivered, 1 waiting and 1 failed"
    );
    assert_eq!(story.end.mood, Mood::Bad);
    let chapters: Vec<_> = story
        .chapters
        .iter()
        .map(|chapter| {
            (
                chapter.recipient.as_str(),
                chapter.status,
                chapter.sentences.len(),
            )
        })
        .collect();
    let expected = [
        ("bert@example.net", RecipientStatus::Delivered, 1),
        ("carl@example.net", RecipientStatus::Waiting, 2),
        ("dora@example.net", RecipientStatus::Failed, 2),
    ];
    assert_eq!(chapters, expected);
    assert_eq!(
        read(&story.beginning[2]),
        "Answered after 39 ms: 250 2.0.0 Delivered"
    );
}

#[test]
fn ends() {
    let check = |code: u16, events: &[(&str, &str)], expected: &str| {
        let events = events.iter().map(|(recipient, what)| TrailEvent {
            recipient: (*recipient).into(),
            ..event(what, "")
        });
        let row = AnsweredRow { code, ..answered() };
        let story = tell(&trail(row, events.collect()), &[], time(9));
        assert_eq!(story.end.text, expected);
    };
    for (what, expected) in [
        ("delivered", "Delivered"),
        ("already_settled", "Delivered"),
        ("deferred", "Waiting in the retry queue"),
        ("queued", "Waiting in the retry queue"),
        ("retried", "Waiting in the retry queue"),
        ("released", "Waiting in the retry queue"),
        ("held", "Held in the retry queue"),
        ("uncertain", "Uncertain: it may have arrived"),
        ("purged", "Purged"),
        ("refused", "Not delivered"),
        ("reported", "Not delivered"),
        ("failed_silently", "Not delivered"),
        ("expired", "Not delivered"),
        ("returned", "Not delivered"),
        ("beamed_up", "Unknown"),
    ] {
        check(250, &[("bert", what)], expected);
    }
    check(250, &[], "Nothing is known of its recipients");
    check(
        250,
        &[("bert", "delivered"), ("carl", "delivered")],
        "Delivered for all 2 recipients",
    );
    check(
        550,
        &[("bert", "refused")],
        "Refused: the sender was told so",
    );
    check(452, &[], "Not taken: the sender keeps it and tries again");
    check(
        451,
        &[("bert", "deferred")],
        "Not taken: the sender keeps it and tries again",
    );
    check(
        451,
        &[("bert", "delivered"), ("carl", "deferred")],
        "Of 2 recipients: 1 delivered and 1 waiting",
    );
}

#[test]
fn a_part_of_the_recipients_is_told_under_the_end_of_all() {
    let part = TrailOfMessage {
        total: 1,
        ends: [("delivered".to_owned(), 998), ("deferred".to_owned(), 2)].into(),
        shortened: vec!["Bert@example.net".into()],
        ..trail(
            AnsweredRow {
                recipients: 1_000,
                ..answered()
            },
            vec![event("deferred", "451 later")],
        )
    };
    let story = tell(&part, &[], time(9));
    let end = "Of 1,000 recipients: 998 delivered and 2 waiting";
    assert_eq!(story.end.text, end);
    assert!(story.chapters[0].is_shortened);
    let told = read_all(&story);
    assert!(told[0].ends_with("for 1,000 recipients."), "{told:?}");
    assert_eq!(told[2], "Answered after 39 ms: 250 2.0.0 Delivered");
    assert_eq!(story.chapters[0].sentences.len(), 1);
    let alone = TrailOfMessage {
        answered: Some(answered()),
        ends: [("deferred".to_owned(), 1)].into(),
        ..part
    };
    let told = read_all(&tell(&alone, &[], time(9)));
    let reply = "Answered after 39 ms: 250 2.0.0 Delivered";
    assert_eq!(told[2], reply, "before what is left out");
}

#[test]
fn a_report_of_our_own_has_no_beginning() {
    let trail = TrailOfMessage {
        answered: None,
        ..trail(answered(), vec![event("delivered", "250 2.0.0 Ok")])
    };
    let story = tell(&trail, &[], time(9));
    let told = read_all(&story);
    assert!(
        told[0].starts_with("How this message for bert@example.net began"),
        "{told:?}"
    );
    assert_eq!((told.len(), story.end.text.as_str()), (2, "Delivered"));
}
