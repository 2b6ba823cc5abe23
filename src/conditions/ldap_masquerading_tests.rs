use serde_json::json;

use super::super::directory::testing::{FakeDirectory, FakeEntry, Manner};
use super::super::draft::Draft;
use super::super::header::Header;
use super::super::testing::{SOON, conditions, message, of_message, settings};
use super::super::verdict::CheckAnswer;
use super::*;

const ENTRIES: &[FakeEntry] = &[
    (
        "asmith",
        "uid=asmith",
        &[("mail", "Anna.Smith@example.com")],
    ),
    ("same", "uid=same", &[("mail", "Same@example.org")]),
    ("none", "uid=none", &[]),
    (
        "alias",
        "uid=alias",
        &[("mail", "x@example.com"), ("mail", "alias@example.org")],
    ),
    (
        "vague",
        "uid=vague",
        &[("mail", "x@example.com"), ("mail", "y@example.com")],
    ),
    ("bad", "uid=bad", &[("mail", "nobody in particular")]),
    ("two", "uid=one", &[]),
    ("two", "uid=other", &[]),
];

const CONTENT: &[u8] =
    b"Subject: x\r\nFrom: \"asmith@example.org\"\r\n <asmith@example.org>\r\n\r\nbody\r\n";

#[tokio::test]
async fn senders_get_their_official_addresses() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let masquerading = json!({"enabled": true});
    let patch = json!({"directory": fake.settings(), "ldap_masquerading": masquerading});
    let settings = settings(patch);
    for (sender, expected, words) in [
        (
            "asmith@example.org",
            "Anna.Smith@example.com",
            "asmith@example.org became Anna.Smith@example.com, in From too",
        ),
        ("", "", ""),
        ("same@example.org", "same@example.org", ""),
        ("none@example.org", "none@example.org", ""),
        ("alias@example.org", "alias@example.org", ""),
        (
            "who@example.org",
            "who@example.org",
            "who@example.org is not in the directory",
        ),
    ] {
        let message = message(sender, &["bert@example.net"], CONTENT);
        let mut draft = Draft::of(message).await.expect("readable");
        let (_directory, conditions) = conditions();
        let verdict = check(of_message(&conditions, &settings, &draft, SOON)).await;
        assert!(matches!(verdict.answer, CheckAnswer::Pass), "{sender}");
        assert_eq!(verdict.words, words);
        draft.apply(verdict.edits).expect("each can be made");
        assert_eq!(draft.message().envelope.sender.as_str(), expected);
        let from = draft.fields().iter().find(|field| field.is_named(FROM));
        let from = String::from_utf8_lossy(from.expect("it stays").raw()).into_owned();
        let address = match expected {
            "Anna.Smith@example.com" => expected,
            _ => "asmith@example.org",
        };
        let expected = format!("From: \"asmith@example.org\"\r\n <{address}>\r\n");
        assert_eq!(from, expected);
    }
}

#[tokio::test]
async fn what_does_not_tell_the_sender_cannot_tell() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let patch = json!({"directory": fake.settings(), "ldap_masquerading": {"enabled": true}});
    let settings = settings(patch);
    for (sender, part) in [
        ("vague@example.org", "uid=vague has several mail"),
        (
            "bad@example.org",
            "mail “nobody in particular” is no address, in uid=bad",
        ),
        ("two@example.org", "several entries for two@example.org"),
    ] {
        let message = message(sender, &["bert@example.net"], CONTENT);
        let draft = Draft::of(message).await.expect("readable");
        let (_directory, conditions) = conditions();
        let verdict = check(of_message(&conditions, &settings, &draft, SOON)).await;
        assert!(
            matches!(verdict.answer, CheckAnswer::CannotTell),
            "{sender}"
        );
        assert!(verdict.words.contains(part), "{part}: {}", verdict.words);
        assert!(verdict.edits.is_empty());
    }
}

#[test]
fn a_from_of_somebody_else_stays() {
    let fields = Header::read(b"From: boss@example.org\r\nFrom: asmith@example.org\r\n\r\n");
    let mailbox = |text| Mailbox::parse(text).expect("a mailbox");
    let verdict = masqueraded(
        &mailbox("asmith@example.org"),
        &mailbox("a@example.com"),
        &fields.fields,
    );
    let [Edit::Sender(_), Edit::Change(name, nth, field)] = &verdict.edits[..] else {
        panic!("{:?}", verdict.edits);
    };
    assert_eq!((name.as_str(), *nth), ("From", 2));
    assert_eq!(&field.raw()[..], b"From: a@example.com\r\n");
}
