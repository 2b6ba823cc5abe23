use serde_json::json;
use tempfile::TempDir;

use super::super::services::Conditions;
use super::super::testing::{SOON, all_taken, message, of_message, settings, tools_with};
use super::*;
use crate::message::{BodyReader, Message};
use crate::openpgp::testing::{Made, Recipe};

const PLAIN: &[u8] = b"Received: from there\r\n\
    From: anna@example.org\r\n\
    Subject: secret\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain;\r\n\tcharset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\
    \r\n\
    Gr\xc3\xbc\xc3\x9fe\r\n.\r\n";

/// What stands in the encrypted part of it.
const PART: &[u8] = b"Content-Type: text/plain;\r\n\tcharset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\
    \r\n\
    Gr\xc3\xbc\xc3\x9fe\r\n.\r\n";

struct Scene {
    directory: TempDir,
    conditions: Conditions,
    settings: Settings,
}

impl Scene {
    fn new(keys: &[(&Made, &[&str])], policy: &str) -> Self {
        let added = Timestamp::UNIX_EPOCH;
        let keys = keys.iter().map(|(made, names)| made.kept(names, added));
        let (directory, tools) = tools_with(Keyring::new(keys));
        Self {
            directory,
            conditions: Conditions::new(tools),
            settings: settings(json!({"encryption": {"enabled": true, "when_no_key": policy}})),
        }
    }

    async fn check(&self, draft: &Draft) -> CheckVerdict {
        check(of_message(&self.conditions, &self.settings, draft, SOON)).await
    }

    /// The messages that come of one, and the words.
    async fn made(
        &self,
        recipients: &[&str],
        content: &'static [u8],
    ) -> (Vec<Arc<Message>>, String) {
        let arrived = message("anna@example.org", recipients, content);
        let mut draft = Draft::of(arrived).await.expect("readable");
        let verdict = self.check(&draft).await;
        assert!(matches!(verdict.answer, CheckAnswer::Pass), "{verdict:?}");
        draft.apply(verdict.edits).expect("each can be made");
        (draft.messages(&self.conditions.tools), verdict.words)
    }
}

async fn read(message: &Arc<Message>) -> Vec<u8> {
    let mut content = message.prefix.to_vec();
    let mut reader = BodyReader::new(Arc::clone(message));
    while let Some(block) = reader.next().await.expect("readable") {
        content.extend_from_slice(&block);
    }
    content
}

fn recipients(message: &Message) -> Vec<&str> {
    let recipients = message.envelope.recipients.iter();
    recipients.map(|one| one.address.as_str()).collect()
}

/// Takes a PGP/MIME message apart by RFC 3156 §4: its header, and the armored message.
fn taken_apart(content: &[u8]) -> (String, String) {
    let text = String::from_utf8(content.to_vec()).expect("ASCII");
    assert!(text.is_ascii());
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    let (header, body) = text.split_once("\r\n\r\n").expect("a header");
    let (_, rest) = header.split_once("boundary=\"").expect("a boundary");
    let (boundary, _) = rest.split_once('"').expect("its end");
    let delimiter = format!("\r\n--{boundary}\r\n");
    let parts: Vec<&str> = body.split(&delimiter).collect();
    let [preamble, control, data] = parts.as_slice() else {
        panic!("{text}");
    };
    assert!(preamble.starts_with("This is"), "{preamble}");
    assert!(control.starts_with("Content-Type: application/pgp-encrypted\r\n"));
    assert!(control.ends_with("\r\n\r\nVersion: 1\r\n"), "{control}");
    let (data_header, armor) = data.split_once("\r\n\r\n").expect("a part");
    assert!(data_header.starts_with("Content-Type: application/octet-stream"));
    let closing = format!("\r\n--{boundary}--\r\n");
    let armor = armor.strip_suffix(&closing).expect("the last delimiter");
    (format!("{header}\r\n"), armor.to_owned())
}

#[tokio::test]
async fn each_recipient_with_a_key_gets_a_message_that_only_its_key_opens() {
    let bert = Recipe::plain("bert@example.net").make();
    let carl = Recipe::plain("carl@example.net").make();
    let scene = Scene::new(
        &[(&bert, &["bert@example.net"]), (&carl, &["@example.com"])],
        "send_plain",
    );
    let to = [
        "bert@example.net",
        "plain@example.net",
        "carl@example.com",
        "dora@example.com",
    ];
    let (messages, words) = scene.made(&to, PLAIN).await;
    assert_eq!(words, "encrypted for 3, as it is for 1");
    let [for_bert, for_carl, plain] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    assert_eq!(recipients(for_bert), ["bert@example.net"]);
    assert_eq!(
        recipients(for_carl),
        ["carl@example.com", "dora@example.com"]
    );
    assert_eq!(recipients(plain), ["plain@example.net"]);
    let received = "Received: by us;\r\n\tnow\r\n";
    assert_eq!(read(plain).await, [received.as_bytes(), PLAIN].concat());
    for (message, made, other) in [(for_bert, &bert, &carl), (for_carl, &carl, &bert)] {
        let (header, armor) = taken_apart(&read(message).await);
        let begin = format!(
            "{received}Received: from there\r\nFrom: anna@example.org\r\nSubject: secret\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/encrypted;"
        );
        assert!(header.starts_with(&begin), "{header}");
        assert_eq!(header.matches("Content-").count(), 1, "{header}");
        assert_eq!(made.decrypt(armor.as_bytes()).as_deref(), Some(PART));
        assert_eq!(other.decrypt(armor.as_bytes()), None);
        assert!(!message.eight_bit);
    }
    let mut ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| id.as_i64() > 1), "{ids:?}");
}

#[tokio::test]
async fn one_message_keeps_its_name() {
    let bert = Recipe::plain("bert@example.net").make();
    let scene = Scene::new(&[(&bert, &["bert@example.net"])], "refuse");
    let (messages, words) = scene.made(&["Bert@Example.net"], PLAIN).await;
    assert_eq!(words, "encrypted for 1");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].id.as_i64(), 1);
}

#[tokio::test]
async fn large_messages_pass_in_blocks_and_use_the_disk() {
    let bert = Recipe::plain("bert@example.net").make();
    let mut scene = Scene::new(&[(&bert, &["bert@example.net"])], "send_plain");
    scene.settings = settings(json!({
        "encryption": {"enabled": true}, "memory_threshold_bytes": 1_000,
    }));
    let content: Vec<u8> = [
        &b"Subject: large\r\n\r\n"[..],
        &b"0123456789\r\n".repeat(50_000),
    ]
    .concat();
    let content: &'static [u8] = content.leak();
    let (messages, _) = scene.made(&["bert@example.net"], content).await;
    let (_, armor) = taken_apart(&read(&messages[0]).await);
    let plain = bert.decrypt(armor.as_bytes()).expect("it is for bert");
    assert_eq!(plain, content[b"Subject: large\r\n".len()..]);
    assert_eq!(messages[0].body.storage(), crate::message::Storage::Split);
}

#[tokio::test]
async fn headers_and_bodies_of_every_shape_are_encrypted() {
    let bert = Recipe::plain("bert@example.net").make();
    let scene = Scene::new(&[(&bert, &["bert@example.net"])], "send_plain");
    for (content, expected) in [
        (&b"Subject: x\r\n"[..], &b"\r\n"[..]),
        (b"Subject: x\r\n\r\n", b"\r\n"),
        (b"\r\nbody\r\n", b"\r\nbody\r\n"),
        (
            b"Subject: x\r\nno field\r\nbody\r\n",
            b"\r\nno field\r\nbody\r\n",
        ),
        (
            b"CONTENT-ID: <x>\r\n\r\n\r\nbody\r\n",
            b"CONTENT-ID: <x>\r\n\r\n\r\nbody\r\n",
        ),
    ] {
        let (messages, _) = scene.made(&["bert@example.net"], content).await;
        let (_, armor) = taken_apart(&read(&messages[0]).await);
        let plain = bert.decrypt(armor.as_bytes());
        assert_eq!(
            plain.as_deref(),
            Some(expected),
            "{}",
            content.escape_ascii()
        );
    }
    let arrived = message(
        "anna@example.org",
        &["bert@example.net"],
        b"Subject: x\r\nFrom",
    );
    let draft = Draft::of(arrived).await.expect("readable");
    let verdict = scene.check(&draft).await;
    assert!(
        matches!(verdict.answer, CheckAnswer::Refuse(_)),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn the_policy_refuses_and_names_who_has_no_key() {
    let bert = Recipe::plain("bert@example.net").make();
    let expired = Recipe {
        subkey_days: Some(1),
        ..Recipe::plain("old@example.net")
    };
    let expired = expired.make();
    let scene = Scene::new(
        &[
            (&bert, &["bert@example.net"]),
            (&expired, &["old@example.net"]),
        ],
        "refuse",
    );
    for (to, expected) in [
        (
            &["bert@example.net", "old@example.net"][..],
            "550 5.7.1 No OpenPGP key for old@example.net",
        ),
        (
            &["a@b.c", "b@b.c", "c@b.c", "d@b.c", "e@b.c"],
            "550 5.7.1 No OpenPGP key for a@b.c, b@b.c, c@b.c and 2 more",
        ),
    ] {
        let arrived = message("anna@example.org", to, PLAIN);
        let draft = Draft::of(arrived).await.expect("readable");
        let verdict = scene.check(&draft).await;
        let CheckAnswer::Refuse(reply) = verdict.answer else {
            panic!("{verdict:?}");
        };
        assert_eq!(reply.to_string(), expected);
    }
}

#[test]
fn what_is_encrypted_already_is_known() {
    for (value, expected) in [
        ("text/plain", false),
        (
            "Multipart/Encrypted; protocol=\"application/pgp-encrypted\"",
            true,
        ),
        ("multipart/encrypted", true),
        (
            "multipart/signed; protocol=\"application/pgp-signature\"",
            false,
        ),
        ("application/pkcs7-mime; smime-type=enveloped-data", true),
        ("application/x-pkcs7-mime; name=smime.p7m", true),
        (
            "application/pkcs7-mime;\r\n\tsmime-type=\"signed-data\"",
            false,
        ),
    ] {
        let fields = [Field::exact("content-type", value.as_bytes())];
        assert_eq!(is_encrypted(&fields), expected, "{value}");
    }
    assert!(!is_encrypted(&[Field::new(
        "Subject",
        "multipart/encrypted"
    )]));
}

#[tokio::test]
async fn what_is_encrypted_already_passes_as_it_is() {
    let bert = Recipe::plain("bert@example.net").make();
    let scene = Scene::new(&[(&bert, &["bert@example.net"])], "refuse");
    let content: &[u8] = b"Content-Type: multipart/encrypted\r\n\r\nsecret\r\n";
    let (messages, words) = scene.made(&["other@example.net"], content).await;
    assert_eq!(words, "it is encrypted already");
    assert_eq!(messages.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_place_in_time_is_to_come_back() {
    let bert = Recipe::plain("bert@example.net").make();
    let scene = Scene::new(&[(&bert, &["bert@example.net"])], "send_plain");
    let places = &scene.conditions.encryptions;
    let place = all_taken(places, limits::ENCRYPTIONS_AT_ONCE).await;
    let arrived = message("anna@example.org", &["bert@example.net"], PLAIN);
    let draft = Draft::of(arrived).await.expect("readable");
    let verdict = scene.check(&draft).await;
    assert!(
        matches!(verdict.answer, CheckAnswer::CannotTell),
        "{verdict:?}"
    );
    drop(place);
}

#[tokio::test]
async fn a_full_disk_puts_the_message_off() {
    let bert = Recipe::plain("bert@example.net").make();
    let mut scene = Scene::new(&[(&bert, &["bert@example.net"])], "send_plain");
    scene.settings = settings(json!({
        "encryption": {"enabled": true}, "memory_threshold_bytes": 0,
    }));
    std::fs::remove_dir_all(scene.directory.path()).expect("removed");
    let arrived = message("anna@example.org", &["bert@example.net"], PLAIN);
    let draft = Draft::of(arrived).await.expect("readable");
    let verdict = scene.check(&draft).await;
    assert!(
        matches!(verdict.answer, CheckAnswer::CannotTell),
        "{verdict:?}"
    );
}
