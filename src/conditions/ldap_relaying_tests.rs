use std::sync::Arc;

use serde_json::{Value, json};

use super::super::directory::testing::{FakeDirectory, FakeEntry, Manner};
use super::super::draft::Draft;
use super::super::testing::{asker, conditions, message, of_envelope, settings, tools};
use super::super::verdict::CheckAnswer;
use super::*;

const ENTRIES: &[FakeEntry] = &[
    (
        "host@example.net",
        "uid=host",
        &[("mailHost", "Mail.example.net")],
    ),
    (
        "port@example.net",
        "uid=port",
        &[("mailHost", "[2001:db8::1]:2525")],
    ),
    (
        "ours@example.net",
        "uid=ours",
        &[("mailHost", "RELAY.example.org")],
    ),
    (
        "both@example.net",
        "uid=both",
        &[
            ("mailHost", "192.0.2.7"),
            ("mailRoutingAddress", "b@inner.example"),
        ],
    ),
    (
        "same@example.net",
        "uid=same",
        &[("mailRoutingAddress", "same@EXAMPLE.net")],
    ),
    ("blanks@example.net", "uid=bad", &[("mailHost", "a b")]),
    (
        "nonsense@example.net",
        "uid=bad",
        &[("mailRoutingAddress", "a@b\r\nX: y")],
    ),
    (
        "many@example.net",
        "uid=many",
        &[("mailHost", "a"), ("mailHost", "b")],
    ),
    ("two@example.net", "uid=one", &[]),
    ("two@example.net", "uid=two", &[]),
];

fn relaying(fake: &FakeDirectory, patch: Value) -> Settings {
    let mut relaying = json!({"enabled": true});
    for (field, value) in patch.as_object().expect("an object") {
        relaying[field] = value.clone();
    }
    settings(json!({"directory": fake.settings(), "ldap_relaying": relaying}))
}

/// Each recipient's way, or why it cannot tell.
async fn check(settings: &Settings, recipients: &[&str], expected: Result<&[&str], &str>) {
    let message = message("anna@example.org", recipients, b"\r\nbody\r\n");
    let (_directory, conditions) = conditions();
    let asker = asker("anna", Duration::from_secs(10));
    let verdict = super::check(of_envelope(&conditions, settings, &message, asker)).await;
    match (expected, verdict.answer) {
        (Ok(expected), CheckAnswer::Pass) => {
            let told: Vec<&str> = verdict
                .words
                .split(", ")
                .filter(|one| !one.is_empty())
                .collect();
            assert_eq!(told, expected);
            let directed = expected.iter().filter(|one| one.contains(" goes "));
            assert_eq!(verdict.edits.len(), directed.count());
        }
        (Err(part), CheckAnswer::CannotTell) => {
            assert!(verdict.words.contains(part), "{part}: {}", verdict.words);
            assert!(!verdict.words.contains(['\r', '\n']));
        }
        (_, answer) => panic!("{recipients:?}: {answer:?}, {}", verdict.words),
    }
}

#[tokio::test]
async fn recipients_go_where_the_directory_says() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let settings = relaying(&fake, json!({"domains": ["example.net"]}));
    for (recipients, expected) in [
        (
            &["host@example.net"][..],
            Ok(&["host@example.net goes to smtp://mail.example.net:25"][..]),
        ),
        (
            &["port@example.net"],
            Ok(&["port@example.net goes to smtp://[2001:db8::1]:2525"]),
        ),
        (&["ours@example.net", "same@example.net"], Ok(&[])),
        (&["host@example.com"], Ok(&[])),
        (
            &["nobody@example.net", "host@example.com", "both@example.net"],
            Ok(&[
                "nobody@example.net is not in the directory",
                "both@example.net goes to smtp://192.0.2.7:25 as b@inner.example",
            ]),
        ),
        (&["blanks@example.net"], Err("mailHost “a b” is no server")),
        (&["nonsense@example.net"], Err("is no address, in uid=bad")),
        (&["many@example.net"], Err("uid=many has several mailHost")),
        (
            &["host@example.net", "two@example.net"],
            Err("several entries for two@example.net"),
        ),
    ] {
        check(&settings, recipients, expected).await;
    }
    let bare = relaying(&fake, json!({"host_attribute": null}));
    check(&bare, &["many@example.net"], Ok(&[])).await;
    let as_other = "both@example.net goes as b@inner.example";
    check(&bare, &["both@example.net"], Ok(&[as_other])).await;
}

#[tokio::test]
async fn the_edit_names_the_recipient_by_its_place() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let settings = relaying(&fake, json!({}));
    let message = message(
        "anna@example.org",
        &["carl@example.com", "both@example.net"],
        b"\r\nbody\r\n",
    );
    let mut draft = Draft::of(message).await.expect("readable");
    let (_directory, conditions) = conditions();
    let asker = asker("anna", Duration::from_secs(10));
    let asked = of_envelope(&conditions, &settings, draft.arrived(), asker);
    let verdict = super::check(asked).await;
    draft.apply(verdict.edits).expect("each can be made");
    let travels = draft.message();
    let recipients = &travels.envelope.recipients;
    assert_eq!(recipients[0].mail_host, None);
    assert_eq!(recipients[1].address.as_str(), "b@inner.example");
    let next_hop = recipients[1].next_hop(&settings);
    assert_eq!(&**next_hop.name(), "192.0.2.7:25");
}

#[tokio::test]
async fn many_recipients_are_told_in_short() {
    let fake = FakeDirectory::start(Manner::Proper(&[])).await;
    let settings = relaying(&fake, json!({}));
    let recipients: Vec<String> = (0..30).map(|one| format!("r{one}@example.net")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let message = message("anna@example.org", &recipients, b"\r\nbody\r\n");
    let (_directory, conditions) = conditions();
    let asker = asker("anna", Duration::from_secs(10));
    let verdict = super::check(of_envelope(&conditions, &settings, &message, asker)).await;
    assert!(verdict.words.ends_with(", 20 more"), "{}", verdict.words);
    let connections = fake.asked();
    let connections = connections.iter().filter(|one| *one == "connection");
    assert!(connections.count() <= settings.directory.connections_max as usize);
}

#[tokio::test]
async fn rcpt_is_answered_by_what_the_directory_knows() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let failing = FakeDirectory::start(Manner::SearchFails(52)).await;
    let refusing = json!({"refuse_unknown": true, "domains": ["example.net"]});
    let passing = json!({
        "refuse_unknown": true, "domains": ["example.net"], "when_unavailable": "pass",
    });
    for (fake, patch, address, expected) in [
        (&fake, &refusing, "host@example.net", None),
        (&fake, &refusing, "nobody@example.net", Some("550 5.1.1")),
        (&fake, &refusing, "nobody@example.com", None),
        (&fake, &refusing, "PostMaster@example.net", None),
        (&fake, &refusing, "two@example.net", Some("451 4.4.3")),
        (&fake, &json!({}), "nobody@example.net", None),
        (&failing, &refusing, "host@example.net", Some("451 4.4.3")),
        (&failing, &passing, "host@example.net", None),
    ] {
        let settings = relaying(fake, patch.clone());
        let (_place, tools) = tools();
        let conditions = Arc::new(Conditions::new(tools));
        let mailbox = Mailbox::parse(address).expect("a mailbox");
        let reply = conditions
            .recipient(&mailbox, ClientId::Ourselves, &settings)
            .await;
        let reply = reply.err().map(|reply| reply.to_string());
        match expected {
            None => assert_eq!(reply, None, "{address}"),
            Some(code) => assert!(reply.expect(address).starts_with(code), "{address}"),
        }
    }
}

/// A recipient that nobody was asked about is not taken, whatever the policy: others keep the directory busy.
#[tokio::test(start_paused = true)]
async fn nobody_is_taken_because_the_directory_is_busy() {
    let silent = FakeDirectory::start(Manner::Silent).await;
    let mut directory = silent.settings();
    directory["connections_max"] = 1.into();
    let settings = settings(json!({
        "directory": directory,
        "ldap_relaying": {
            "enabled": true, "refuse_unknown": true, "when_unavailable": "pass",
            "domains": ["example.net"],
        },
    }));
    let (_place, tools) = tools();
    let conditions = Conditions::new(tools);
    let mailbox = |text| Mailbox::parse(text).expect("a mailbox");
    let (busy, waiting) = (mailbox("host@example.net"), mailbox("both@example.net"));
    let party = |name: &str| ClientId::Login(name.into());
    let (asked, not_asked) = tokio::join!(
        conditions.recipient(&busy, party("anna"), &settings),
        conditions.recipient(&waiting, party("bert"), &settings),
    );
    assert_eq!(asked, Ok(()));
    assert_eq!(not_asked, Err(Reply::RECIPIENT_UNCHECKED));
}

#[tokio::test]
async fn a_look_up_can_be_tried_while_relaying_is_off() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let settings = settings(json!({"directory": fake.settings()}));
    let (_place, tools) = tools();
    let conditions = Conditions::new(tools);
    let mailbox = |text| Mailbox::parse(text).expect("a mailbox");
    let route = conditions
        .try_route(&mailbox("both@example.net"), &settings)
        .await;
    let route = route.expect("it answers").expect("there is one");
    assert_eq!(route.entry, "uid=both");
    let nobody = conditions
        .try_route(&mailbox("nobody@example.net"), &settings)
        .await;
    assert_eq!(nobody, Ok(None));
    let none = super::super::testing::settings(json!({}));
    let why = conditions
        .try_route(&mailbox("both@example.net"), &none)
        .await;
    assert_eq!(why, Err("LDAP directory: no server is set".to_owned()));
}
