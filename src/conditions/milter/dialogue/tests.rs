//! Dialogues with a milter that plays a script.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::super::scripted::ScriptedMilter;
use super::*;
use crate::conditions::draft::Draft;
use crate::conditions::new_body::NewBodyWriter;
use crate::conditions::testing::{message, settings, tools};
use crate::message::Message;

const CONTENT: &[u8] = b"Subject: a\r\n b\r\nTo:  c\r\n\r\nbody\r\n";
const BODY_MOST: u64 = 1_000;

const ENVELOPE: [&str; 6] = [
    r"O\x00\x00\x00\x06\x00\x00\x00\xff\x00\x1f\xf7\xff",
    r"C[192.0.2.1]\x004\x00\x00192.0.2.1\x00",
    r"Hclient.example.org\x00",
    r"M<anna@example.org>\x00",
    r"R<bert@example.net>\x00",
    r"R<carl@example.net>\x00",
];

fn arrived(content: &'static [u8]) -> Arc<Message> {
    let recipients = ["bert@example.net", "carl@example.net"];
    message("anna@example.org", &recipients, content)
}

/// Where a new body goes.
fn incoming(draft: &Draft) -> (TempDir, Incoming) {
    let (directory, tools) = tools();
    let writer = NewBodyWriter::new(draft.arrived(), &settings(json!({})), &tools);
    (directory, Incoming::new(writer, BODY_MOST))
}

fn put_off() -> Reply {
    Reply::deferred_by_condition("Service unavailable - try again later")
}

fn why(trouble: ServiceError) -> String {
    trouble.to_string()
}

/// What comes of a conversation with a milter, and what it heard.
async fn talk_about(
    message: Arc<Message>,
    milter: ScriptedMilter,
) -> (Result<MilterOutcome, String>, Vec<String>) {
    let draft = Draft::of(message).await.expect("readable");
    let told = Announced {
        hostname: "relay.example.org",
        draft: &draft,
    };
    let (mut ours, theirs) = tokio::io::duplex(4_096);
    let (_directory, incoming) = incoming(&draft);
    let conversation = async move {
        let outcome = converse(&mut ours, told, incoming).await;
        outcome.map_err(why)
    };
    tokio::join!(conversation, milter.play(theirs))
}

async fn talk(milter: ScriptedMilter) -> (Result<MilterOutcome, String>, Vec<String>) {
    talk_about(arrived(CONTENT), milter).await
}

async fn outcome(milter: ScriptedMilter) -> MilterOutcome {
    talk(milter).await.0.expect("an outcome")
}

async fn trouble(milter: ScriptedMilter) -> String {
    talk(milter).await.0.expect_err("no outcome")
}

#[tokio::test]
async fn a_milter_hears_everything_in_its_order() {
    let (outcome, heard) = talk(ScriptedMilter::new()).await;
    let outcome = outcome.expect("an outcome");
    assert_eq!(outcome.end, MilterVerdict::Passed);
    assert_eq!(outcome.quarantine, None);
    assert!(outcome.refused.is_empty());
    let content = [
        "T",
        r"LSubject\x00a\n b\x00",
        r"LTo\x00 c\x00",
        "N",
        r"Bbody\r\n",
        "E",
        "Q",
    ];
    assert_eq!(heard, [&ENVELOPE[..], &content].concat());
}

#[tokio::test]
async fn a_milter_hears_only_what_it_wants() {
    let all_but_the_end = ScriptedMilter::agreeing(6, 0, 0x27f);
    let (outcome, heard) = talk(all_but_the_end).await;
    assert_eq!(outcome.expect("an outcome").end, MilterVerdict::Passed);
    assert_eq!(heard, [ENVELOPE[0], "E", "Q"]);
    let old = ScriptedMilter::agreeing(2, 0x1f, 0x1 | 0x2 | 0x4 | 0x8);
    let (_, heard) = talk(old).await;
    let expected = [
        ENVELOPE[0],
        r"LSubject\x00a\n b\x00",
        r"LTo\x00 c\x00",
        "N",
        r"Bbody\r\n",
        "E",
        "Q",
    ];
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn a_milter_that_does_not_answer_is_not_waited_for() {
    let milter = ScriptedMilter::agreeing(6, 0xff, 0xd_f080 | 1 << 20)
        .silent("CHMRTLNB")
        .says('E', &[(b'r', b"")]);
    let (outcome, heard) = talk(milter).await;
    let outcome = outcome.expect("an outcome");
    assert_eq!(outcome.end, MilterVerdict::Refused(Reply::MILTER_REJECTED));
    assert!(outcome.keeps_leading_space);
    assert_eq!(heard.len(), 13, "{heard:?}");
    assert_eq!(heard[7..9], [r"LSubject\x00 a\n b\x00", r"LTo\x00  c\x00"]);
}

#[tokio::test]
async fn the_rest_of_a_stage_is_skipped() {
    let milter = ScriptedMilter::new()
        .says('R', &[(b's', b"")])
        .says('L', &[(b's', b"")]);
    let (outcome, heard) = talk(milter).await;
    assert_eq!(outcome.expect("an outcome").end, MilterVerdict::Passed);
    let content = ["T", r"LSubject\x00a\n b\x00", "N", r"Bbody\r\n", "E", "Q"];
    assert_eq!(heard, [&ENVELOPE[..5], &content].concat());
}

/// A message whose body has so many bytes.
fn long(bytes: usize) -> Arc<Message> {
    let content = [&b"A: 1\r\n\r\n"[..], &vec![b'x'; bytes]].concat();
    arrived(content.leak())
}

#[tokio::test]
async fn a_body_goes_out_in_chunks() {
    let sizes = |heard: &[String]| -> Vec<usize> {
        let chunks = heard.iter().filter(|command| command.starts_with('B'));
        chunks.map(|chunk| chunk.len() - 1).collect()
    };
    for (bytes, expected) in [
        (0, &[][..]),
        (1, &[1][..]),
        (65_535, &[65_535]),
        (65_536, &[65_535, 1]),
        (150_000, &[65_535, 65_535, 18_930]),
    ] {
        let (outcome, heard) = talk_about(long(bytes), ScriptedMilter::new()).await;
        assert_eq!(outcome.expect("an outcome").end, MilterVerdict::Passed);
        assert_eq!(sizes(&heard), expected);
    }
    let enough = ScriptedMilter::new().says('B', &[(b's', b"")]);
    let (_, heard) = talk_about(long(150_000), enough).await;
    assert_eq!(sizes(&heard), [65_535]);
}

#[tokio::test]
async fn a_body_without_an_empty_line_is_told_whole() {
    for (content, expected) in [
        (&b"A: 1\r\nno field\r\n\r\n"[..], Some(r"Bno field\r\n\r\n")),
        (b"A: 1\r\n", None),
        (b"A: 1\r\n\r\n", None),
        (b"\r\n\r\nbody", Some(r"B\r\nbody")),
    ] {
        let (_, heard) = talk_about(arrived(content), ScriptedMilter::new()).await;
        let body = heard.iter().find(|command| command.starts_with('B'));
        assert_eq!(body.map(String::as_str), expected);
    }
}

#[tokio::test]
async fn what_is_said_early_ends_it() {
    let refused = Reply::new(554, (5, 7, 1), "No");
    for (command, said, heard_last, expected) in [
        (
            'C',
            (b'r', &b""[..]),
            1,
            MilterVerdict::Refused(Reply::MILTER_REJECTED),
        ),
        ('H', (b't', b""), 2, MilterVerdict::Deferred(put_off())),
        ('M', (b'a', b""), 3, MilterVerdict::Passed),
        (
            'M',
            (b'y', b"554 5.7.1 No\0"),
            3,
            MilterVerdict::Refused(refused.clone()),
        ),
        ('R', (b'd', b""), 4, MilterVerdict::Discarded),
        ('R', (b't', b""), 4, MilterVerdict::Deferred(put_off())),
        (
            'B',
            (b'y', b"554 5.7.1 No\0"),
            10,
            MilterVerdict::Refused(refused.clone()),
        ),
        ('E', (b'd', b""), 11, MilterVerdict::Discarded),
    ] {
        let (outcome, heard) = talk(ScriptedMilter::new().says(command, &[said])).await;
        assert_eq!(outcome.expect("an outcome").end, expected, "{command}");
        assert_eq!(heard.len(), heard_last + 2, "{heard:?}");
        assert!(heard[heard_last].starts_with(command), "{heard:?}");
        assert_eq!(heard[heard_last + 1], "Q");
    }
}

#[tokio::test]
async fn recipients_are_refused_by_themselves_and_the_last_one_with_the_message() {
    let mailbox = |text| Mailbox::parse(text).expect("a mailbox");
    let unknown = || Reply::new(550, (5, 1, 1), "Unknown");
    let one = ScriptedMilter::new()
        .says('R', &[(b'c', b"")])
        .says('R', &[(b'y', b"550 5.1.1 Unknown\0")]);
    let (found, heard) = talk(one).await;
    let found = found.expect("an outcome");
    assert_eq!(found.end, MilterVerdict::Passed);
    assert_eq!(found.refused, [(mailbox("carl@example.net"), unknown())]);
    assert_eq!(heard.last().map(String::as_str), Some("Q"));
    assert!(heard.contains(&"E".to_owned()));
    let both = ScriptedMilter::new()
        .says('R', &[(b'r', b"")])
        .says('R', &[(b'y', b"550 5.1.1 Unknown\0")]);
    let (found, heard) = talk(both).await;
    assert_eq!(
        found.expect("an outcome").end,
        MilterVerdict::Refused(unknown())
    );
    assert!(!heard.contains(&"T".to_owned()));
}

#[tokio::test]
async fn changes_come_with_the_end_of_the_body() {
    let milter = ScriptedMilter::new().says(
        'E',
        &[
            (b'p', b""),
            (b'h', b"X-Tag\0yes\0"),
            (b'b', b"new\n"),
            (b'p', b""),
            (b'q', b"odd\0"),
            (b'b', b"body\n"),
            (b'-', b"<carl@example.net>\0"),
            (b'c', b""),
        ],
    );
    let found = outcome(milter).await;
    assert_eq!(found.end, MilterVerdict::Passed);
    assert_eq!(found.quarantine.as_deref(), Some("odd"));
    let edits = found.changes.into_edits(&[], found.keeps_leading_space);
    assert_eq!(edits.len(), 2, "{edits:?}");
    let new_body = found.new_body.expect("it came").expect("room");
    assert_eq!(new_body.body.len(), b"\r\nnew\r\nbody\r\n".len() as u64);
}

#[tokio::test]
async fn nonsense_is_no_outcome() {
    for (command, said, expected) in [
        ('O', (b'c', &b""[..]), "does not speak the milter protocol"),
        ('C', (b'?', b""), "malformed"),
        ('M', (b'y', b"250 fine\0"), "no reply"),
        ('L', (b'h', b"X\0y\0"), "in answer to a header field"),
        ('E', (b'h', b"X"), "malformed"),
        ('E', (b'+', b"nobody\0"), "nobody"),
        ('E', (b'b', &[b'x'; 1_001]), "larger than a message"),
    ] {
        let why = trouble(ScriptedMilter::new().says(command, &[said])).await;
        assert!(why.contains(expected), "{command}: {why}");
    }
}

#[tokio::test]
async fn a_milter_that_goes_away_is_no_outcome() {
    let draft = Draft::of(arrived(CONTENT)).await.expect("readable");
    let told = Announced {
        hostname: "relay.example.org",
        draft: &draft,
    };
    for said in [&b""[..], b"\0\0\0", b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let (mut ours, mut theirs) = tokio::io::duplex(4_096);
        theirs.write_all(said).await.expect("room");
        theirs.shutdown().await.expect("a connection");
        let (_directory, incoming) = incoming(&draft);
        let found = converse(&mut ours, told, incoming).await;
        let trouble = found.expect_err("no outcome");
        assert!(matches!(trouble, ServiceError::Service(_)), "{trouble:?}");
        let why = why(trouble);
        assert!(why.starts_with("it "), "{why}");
    }
}

const ALL: [MilterStage; 9] = [
    MilterStage::Connect,
    MilterStage::Helo,
    MilterStage::Mail,
    MilterStage::Recipient,
    MilterStage::Data,
    MilterStage::Field,
    MilterStage::EndOfHeader,
    MilterStage::Body,
    MilterStage::EndOfBody,
];

/// What a response means at every stage, and at those where it means something else.
fn check(
    response: MilterResponse,
    everywhere: Option<Meaning>,
    but: &[(MilterStage, Option<Meaning>)],
) {
    for stage in ALL {
        let other = but.iter().find(|(place, _)| *place == stage);
        let expected = other.map_or(&everywhere, |(_, meaning)| meaning);
        let found = meaning(stage, response.clone()).ok();
        assert_eq!(found, *expected, "{response:?} at {stage:?}");
    }
}

#[test]
fn each_response_means_something_at_each_stage() {
    let end = |end| Some(Meaning::End(end));
    let refused = Reply::new(554, (5, 7, 1), "No");
    let deferred = Reply::new(452, (4, 7, 1), "Later");
    check(MilterResponse::Continue, Some(Meaning::GoOn), &[]);
    check(MilterResponse::Skip, Some(Meaning::SkipRest), &[]);
    check(MilterResponse::Progress, Some(Meaning::ReadOn), &[]);
    check(MilterResponse::Accept, end(MilterVerdict::Passed), &[]);
    let one = |reply| {
        (
            MilterStage::Recipient,
            Some(Meaning::RefuseRecipient(reply)),
        )
    };
    let all = end(MilterVerdict::Refused(Reply::MILTER_REJECTED));
    check(MilterResponse::Reject, all, &[one(Reply::MILTER_REJECTED)]);
    let all = end(MilterVerdict::Refused(refused.clone()));
    check(MilterResponse::Reply(refused.clone()), all, &[one(refused)]);
    let put_off = || end(MilterVerdict::Deferred(put_off()));
    check(MilterResponse::TemporaryFailure, put_off(), &[]);
    check(MilterResponse::Disconnect, put_off(), &[]);
    let all = end(MilterVerdict::Deferred(deferred.clone()));
    check(MilterResponse::Reply(deferred), all, &[]);
    let connection = [
        (MilterStage::Connect, Some(Meaning::GoOn)),
        (MilterStage::Helo, Some(Meaning::GoOn)),
    ];
    check(
        MilterResponse::Discard,
        end(MilterVerdict::Discarded),
        &connection,
    );
    let quarantine = Some(Meaning::Quarantine("odd".to_owned()));
    check(
        MilterResponse::Quarantine("odd".to_owned()),
        quarantine,
        &[],
    );
    let change = Modification::Body("new".into());
    let at_the_end = [(
        MilterStage::EndOfBody,
        Some(Meaning::Change(change.clone())),
    )];
    check(MilterResponse::Change(change), None, &at_the_end);
}
