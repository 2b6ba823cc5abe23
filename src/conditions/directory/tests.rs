use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::super::testing::{asker, settings};
use super::testing::{FakeDirectory, FakeEntry, Manner, message};
use super::*;
use crate::conditions::ServiceState;

const ENTRIES: &[FakeEntry] = &[
    (
        "bert@example.net",
        "uid=bert,dc=example,dc=org",
        &[
            ("mailhost;lang-de", "mail.example.net"),
            ("MAIL", "a@b"),
            ("mail", "c@d"),
        ],
    ),
    ("two@example.net", "uid=one", &[]),
    ("two@example.net", "uid=two", &[]),
];

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).expect("a mailbox")
}

fn question(address: &str) -> DirectoryQuery {
    DirectoryQuery::about(&mailbox(address), "(mail=%s)", &[Some("mailHost"), None])
}

fn directory_settings(patch: serde_json::Value) -> Settings {
    settings(serde_json::json!({"directory": patch}))
        .directory
        .clone()
}

const WAIT: Duration = Duration::from_secs(10);

async fn ask(
    directory: &DirectoryClient,
    settings: &Settings,
    address: &str,
) -> Result<LookUpResult, String> {
    let (question, asker) = (question(address), asker(address, WAIT));
    let found = directory.find(settings, question, Freshness::Remembered, asker);
    found.await.map_err(|no_answer| no_answer.to_string())
}

async fn why_not(manner: Manner) -> String {
    let fake = FakeDirectory::start(manner).await;
    let settings = directory_settings(fake.settings());
    let found = ask(&DirectoryClient::default(), &settings, "bert@example.net").await;
    found.expect_err("it cannot tell")
}

#[test]
fn filters_are_filled_in_and_escaped() {
    for (address, filter, expected) in [
        ("Bert@Example.NET", "(mail=%s)", "(mail=Bert@example.net)"),
        (
            "bert@example.net",
            "(&(uid=%u)(o=%d))",
            "(&(uid=bert)(o=example.net))",
        ),
        ("b*t@example.net", "(uid=%u)", r"(uid=b\2at)"),
        (
            r#""b)(\\ t%s"@example.net"#,
            "(uid=%u)",
            r"(uid=b\29\28\5c t%s)",
        ),
        ("ä@example.net", "(uid=%u)", "(uid=ä)"),
    ] {
        let question = DirectoryQuery::about(&mailbox(address), filter, &[]);
        assert_eq!(question.filter, expected);
        assert!(ldap3::parse_filter(&question.filter).is_ok(), "{expected}");
    }
}

#[tokio::test]
async fn entries_are_found_and_remembered() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let settings = directory_settings(fake.settings());
    let directory = DirectoryClient::default();
    for _ in 0..2 {
        let found = ask(&directory, &settings, "bert@example.net").await;
        let Ok(LookUpResult::Entry(entry)) = found else {
            panic!("there is one: {found:?}");
        };
        assert_eq!(entry.dn, "uid=bert,dc=example,dc=org");
        let values: Vec<&str> = entry.values("mailHost").collect();
        assert_eq!(values, ["mail.example.net"]);
        assert_eq!(entry.values("mail").count(), 2);
        let nobody = ask(&directory, &settings, "nobody@example.net").await;
        assert_eq!(nobody, Ok(LookUpResult::Nobody));
        let several = ask(&directory, &settings, "two@example.net").await;
        assert_eq!(several, Ok(LookUpResult::Several));
    }
    // One connection for one after the other.
    assert_eq!(fake.asked(), ["connection", "search", "search", "search"]);
    let anew = directory.find(
        &settings,
        question("nobody@example.net"),
        Freshness::Anew,
        asker("anna", WAIT),
    );
    assert_eq!(anew.await, Ok(LookUpResult::Nobody));
    assert_eq!(fake.asked().len(), 5);
}

#[tokio::test]
async fn nothing_is_remembered_when_that_is_set() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let mut patch = fake.settings();
    patch["cache_seconds"] = 0.into();
    let settings = directory_settings(patch);
    let directory = DirectoryClient::default();
    for _ in 0..2 {
        let nobody = ask(&directory, &settings, "nobody@example.net").await;
        assert_eq!(nobody, Ok(LookUpResult::Nobody));
    }
    assert_eq!(fake.asked(), ["connection", "search", "search"]);
}

#[tokio::test]
async fn whoever_is_set_logs_in_and_other_settings_are_another_directory() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let directory = DirectoryClient::default();
    for password in ["one", "two"] {
        let mut patch = fake.settings();
        patch["bind_dn"] = "cn=relay".into();
        patch["bind_password"] = password.into();
        let settings = directory_settings(patch);
        let found = ask(&directory, &settings, "nobody@example.net").await;
        assert_eq!(found, Ok(LookUpResult::Nobody));
    }
    let expected = [
        "connection",
        "login cn=relay one",
        "search",
        "connection",
        "login cn=relay two",
        "search",
    ];
    assert_eq!(fake.asked(), expected);
}

#[tokio::test]
async fn nobody_logs_in_without_a_password() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let mut settings = directory_settings(fake.settings());
    settings.bind_dn = Some("cn=relay".to_owned());
    let why = ask(&DirectoryClient::default(), &settings, "bert@example.net").await;
    assert_eq!(why, Err("LDAP directory: no password is set".to_owned()));
    assert!(fake.asked().iter().all(|asked| asked == "connection"));
}

#[tokio::test]
async fn a_connection_that_was_closed_is_made_anew() {
    let fake = FakeDirectory::start(Manner::HangsUp(ENTRIES)).await;
    let settings = directory_settings(fake.settings());
    let directory = DirectoryClient::default();
    for address in ["a@example.net", "b@example.net", "c@example.net"] {
        let nobody = ask(&directory, &settings, address).await;
        assert_eq!(nobody, Ok(LookUpResult::Nobody));
    }
}

#[tokio::test]
async fn what_the_directory_says_is_told() {
    for (manner, part) in [
        (Manner::SearchFails(32), "no such entry (32): so be it"),
        (Manner::SearchFails(13), "TLS is needed"),
        (Manner::SearchFails(4), "something else (4)"),
        (
            Manner::Says(message(0, 0x78, 52)),
            "it hangs up: it says that it is not available",
        ),
        (Manner::Says(message(7, 0x65, 0)), "no LDAP"),
        (Manner::Says(message(1, 0x61, 0)), "no LDAP"),
        (
            Manner::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            "no LDAP",
        ),
        (
            Manner::Says(b"\x30\x84\x7f\xff\xff\xff".to_vec()),
            "longer than",
        ),
        (Manner::Says(b"\x30\x80\0\0".to_vec()), "no LDAP"),
        (
            Manner::Says(b"\x30\x05\x02\x01".to_vec()),
            "closed the connection",
        ),
        (
            Manner::Says([b"\x30\x82\x4e\x20".as_slice(), &[0x30; 20_000]].concat()),
            "no LDAP",
        ),
        (Manner::Says(Vec::new()), "closed the connection"),
    ] {
        let why = why_not(manner).await;
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[tokio::test]
async fn a_login_that_fails_is_told() {
    let fake = FakeDirectory::start(Manner::LoginFails(49)).await;
    let mut patch = fake.settings();
    patch["bind_dn"] = "cn=relay".into();
    patch["bind_password"] = "wrong".into();
    let settings = directory_settings(patch);
    let why = ask(&DirectoryClient::default(), &settings, "bert@example.net").await;
    let expected = "LDAP directory: the login: it says that the login is wrong (49): so be it";
    assert_eq!(why, Err(expected.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_silent_costs_no_more_than_the_deadline() {
    let began = Instant::now();
    let why = why_not(Manner::Silent).await;
    assert!(why.contains("no answer within 10.0 s"), "{why}");
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn a_directory_that_is_down_is_left_alone_after_a_while() {
    let fake = FakeDirectory::start(Manner::Silent).await;
    let settings = directory_settings(fake.settings());
    drop(fake);
    tokio::task::yield_now().await;
    let directory = DirectoryClient::default();
    let mut last = String::new();
    for _ in 0..=limits::SERVICE_FAILURES {
        let found = ask(&directory, &settings, "bert@example.net").await;
        last = found.expect_err("it is down");
    }
    assert!(last.contains("fails a neutral question"), "{last}");
    let state = directory.figures().expect("it was asked").state;
    assert!(matches!(state, ServiceState::LeftAlone(_)), "{state:?}");
    // Another one is not answerable for it.
    let other = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let settings = directory_settings(other.settings());
    let nobody = ask(&directory, &settings, "nobody@example.net").await;
    assert_eq!(nobody, Ok(LookUpResult::Nobody));
}

#[tokio::test(start_paused = true)]
async fn look_ups_that_it_is_slow_with_are_nobody_else_s_trouble() {
    let fake = FakeDirectory::start(Manner::SilentAbout("slow", ENTRIES)).await;
    let mut patch = fake.settings();
    patch["bind_dn"] = "cn=relay".into();
    patch["bind_password"] = "one".into();
    let settings = directory_settings(patch);
    let directory = DirectoryClient::default();
    for client in ["anna", "bert", "carl"] {
        let (question, asker) = (question("slow@example.net"), asker(client, WAIT));
        let found = directory.find(&settings, question, Freshness::Remembered, asker);
        let no_answer = found.await.expect_err("it is silent");
        assert!(
            no_answer.to_string().contains("no answer within"),
            "{no_answer}"
        );
    }
    let before = fake.asked().len();
    let nobody = ask(&directory, &settings, "nobody@example.net").await;
    assert_eq!(nobody, Ok(LookUpResult::Nobody));
    // The neutral question, on a connection of its own, then the one about the message.
    let login = "login cn=relay one";
    let expected = ["connection", login, "search", "connection", login, "search"];
    assert_eq!(fake.asked()[before..], expected);
}

#[tokio::test]
async fn a_certificate_is_checked() {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let chain = vec![own.cert.der().clone()];
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let fake = FakeDirectory::start(Manner::Secure(ENTRIES, acceptor)).await;
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("ca.pem");
    std::fs::write(&file, own.cert.pem()).expect("written");

    let mut patch = fake.settings();
    patch["start_tls"] = true.into();
    let strange = directory_settings(patch.clone());
    let why = ask(&DirectoryClient::default(), &strange, "bert@example.net").await;
    let why = why.expect_err("nobody vouches for it");
    assert!(why.contains("TLS: "), "{why}");
    assert_eq!(
        fake.asked(),
        ["connection"],
        "nothing is said to a stranger"
    );

    patch["ca_file"] = file.to_str().into();
    let known = directory_settings(patch.clone());
    let found = ask(&DirectoryClient::default(), &known, "nobody@example.net").await;
    assert_eq!(found, Ok(LookUpResult::Nobody));

    patch["ca_file"] = place.path().join("none.pem").to_str().into();
    let unreadable = directory_settings(patch);
    let why = ask(&DirectoryClient::default(), &unreadable, "bert@example.net").await;
    let why = why.expect_err("there is no such file");
    assert!(why.contains("none.pem"), "{why}");
}

#[tokio::test]
async fn a_directory_without_tls_is_not_asked_in_the_clear() {
    let fake = FakeDirectory::start(Manner::Proper(ENTRIES)).await;
    let mut patch = fake.settings();
    patch["start_tls"] = true.into();
    let why = ask(
        &DirectoryClient::default(),
        &directory_settings(patch),
        "a@example.net",
    )
    .await;
    let why = why.expect_err("it does not offer it");
    assert!(why.contains("StartTLS: "), "{why}");
    assert_eq!(fake.asked(), ["connection"]);
}
