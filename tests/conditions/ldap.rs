//! The LDAP conditions: slapd says where recipients are, and what senders are called.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stage::Stage;
use crate::support::messages;
use crate::support::raw_sink::{RawSink, Script};
use crate::support::services::slapd::{ADMINISTRATOR, PASSWORD, SUFFIX, Slapd};

/// A person with these further lines.
fn person(uid: &str, lines: &str) -> String {
    format!(
        "dn: uid={uid},{SUFFIX}\nobjectClass: inetOrgPerson\n\
         objectClass: inetLocalMailRecipient\nuid: {uid}\ncn: {uid}\nsn: {uid}\n{lines}\n\n"
    )
}

/// How the directory is asked, logged in under TLS; what the certificate is checked with stands in the
/// directory that comes with it.
pub(super) fn directory(slapd: &Slapd) -> (Value, TempDir) {
    let place = tempfile::tempdir().unwrap();
    let authority = place.path().join("ca.pem");
    fs::write(&authority, slapd.certificate()).unwrap();
    let settings = json!({
        "url": format!("ldap://{}", slapd.address()), "start_tls": true, "ca_file": authority,
        "bind_dn": ADMINISTRATOR, "bind_password": PASSWORD, "base": SUFFIX, "cache_seconds": 0,
    });
    (settings, place)
}

fn relaying(directory: &Value, more: Value) -> Value {
    let mut relaying = json!({"enabled": true, "domains": ["example.net"]});
    let (Value::Object(all), Value::Object(more)) = (&mut relaying, more) else {
        unreachable!("both are objects");
    };
    all.extend(more);
    json!({"directory": directory, "ldap_relaying": relaying})
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_are_delivered_where_the_directory_says() {
    let inside = RawSink::start(Script::accepting()).await;
    let host = inside.address();
    let slapd = Slapd::start(&format!(
        "{}{}{}",
        person("anna", &format!("mail: anna@example.net\nmailHost: {host}")),
        person(
            "bert",
            &format!(
                "mailLocalAddress: bert@example.net\nmailLocalAddress: b(*)@example.net\n\
                 mailRoutingAddress: b.inside@example.com\nmailHost: {host}"
            )
        ),
        person(
            "carl",
            "mail: carl@example.net\nmailHost: relay.example.org"
        ),
    ))
    .await;
    let (directory, _place) = directory(&slapd);
    let stage = Stage::with(relaying(&directory, json!({}))).await;
    let recipients = [
        "anna@example.net",
        "\"b(*)\"@example.net",
        "carl@example.net",
        "nobody@example.net",
        "anna@example.org",
    ];
    let content = messages::small("routed");
    let reply = stage.send("a@example.org", &recipients, &content).await;
    assert_eq!(reply.code, 250, "{reply}");
    stage.assert_fast("a@example.org").await;

    let mut inside = arrived(&inside, 2).await;
    inside.sort();
    assert_eq!(inside, ["anna@example.net", "b.inside@example.com"]);
    let mut outside = arrived(&stage.sink, 3).await;
    outside.sort();
    let expected = ["anna@example.org", "carl@example.net", "nobody@example.net"];
    assert_eq!(outside, expected);
    let trail = stage.trail("a@example.org").await;
    let said = trail["examined"].as_str().unwrap();
    for part in [
        &format!("anna@example.net goes to smtp://{host}"),
        "as b.inside@example.com",
        "nobody@example.net is not in the directory",
    ] {
        assert!(said.contains(part), "{trail}");
    }
}

/// The recipients of what has arrived, once there are so many.
async fn arrived(sink: &RawSink, recipients: usize) -> Vec<String> {
    let found = || {
        let accepted = sink.accepted().into_iter();
        let found = accepted.flat_map(|arrival| arrival.recipient_addresses());
        found.collect::<Vec<_>>()
    };
    let what = format!("{recipients} recipients");
    sink.wait_for(&what, || found().len() >= recipients).await;
    found()
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_recipients_are_refused_at_rcpt_and_none_while_the_directory_is_down() {
    let slapd = Slapd::start(&person("anna", "mail: anna@example.net")).await;
    let (directory, _place) = directory(&slapd);
    let refusing = json!({"refuse_unknown": true, "domains": ["example.net"]});
    let stage = Stage::with(relaying(&directory, refusing)).await;
    let mut client = stage.appliance.client().await;
    client.command("MAIL FROM:<a@example.org>", 250).await;
    let reply = client.command("RCPT TO:<who@example.net>", 550).await;
    assert!(reply.text().contains("5.1.1"), "{reply}");
    client.command("RCPT TO:<anna@example.net>", 250).await;
    client
        .command("RCPT TO:<postmaster@example.net>", 250)
        .await;
    client.command("RCPT TO:<who@example.org>", 250).await;
    client.command("RSET", 250).await;

    drop(slapd);
    client.command("MAIL FROM:<a@example.org>", 250).await;
    let reply = client.command("RCPT TO:<anna@example.net>", 451).await;
    assert!(reply.text().contains("4.4.3"), "{reply}");
    client.command("RCPT TO:<who@example.org>", 250).await;
    client.quit().await;

    // Nothing is lost: what is accepted goes on by the setting.
    stage
        .appliance
        .set(json!({"ldap_relaying": {"when_unavailable": "pass"}}))
        .await;
    let content = messages::small("unchecked");
    let reply = stage
        .send("p@example.org", &["anna@example.net"], &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let trail = stage.trail("p@example.org").await;
    let said = trail["examined"].as_str().unwrap();
    assert!(
        said.starts_with("ldap_relaying: passed unchecked"),
        "{trail}"
    );
    let defer = json!({"ldap_relaying": {"when_unavailable": "defer", "refuse_unknown": false}});
    stage.appliance.set(defer).await;
    let reply = stage
        .send("d@example.org", &["anna@example.net"], &content)
        .await;
    assert_eq!(reply.code, 451, "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_become_their_official_addresses() {
    let slapd = Slapd::start(&person("asmith", "mail: Anna.Smith@example.com")).await;
    let (directory, _place) = directory(&slapd);
    let stage = Stage::with(json!({
        "directory": directory,
        "ldap_masquerading": {"enabled": true, "domains": ["example.org"]},
    }))
    .await;
    let content = b"Subject: official\r\nFrom: Anna <asmith@example.org>\r\n\r\nbody\r\n";
    let reply = stage
        .send("asmith@example.org", &["b@example.net"], content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrival = stage.arrived("official").await;
    assert!(
        arrival.sender.starts_with("<Anna.Smith@example.com>"),
        "{arrival:?}"
    );
    let from = messages::header(&arrival.content, "From");
    assert_eq!(from.as_deref(), Some("Anna <Anna.Smith@example.com>"));

    // The null path is nobody's, and neither is that of another domain.
    let trail = stage.taken("asmith@example.net").await;
    assert_eq!(trail["path"], "fast", "{trail}");
    let reply = stage
        .send("", &["b@example.net"], &messages::small("report"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    assert!(stage.arrived("report").await.sender.starts_with("<>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn relaying_that_is_off_may_be_a_condition() {
    let when_off = json!({"ldap_relaying": {"disables_fast_path_when_off": true}});
    let stage = Stage::with(when_off).await;
    stage.taken("off@example.org").await;
    stage
        .assert_diverted("off@example.org", "ldap_relaying")
        .await;
}
