//! RCPT where recipients are asked about before it is answered.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;

use super::scene::{Scene, check};
use crate::limits;
use crate::smtp::reply::Reply;

/// Recipients at example.net are asked about; `unknown@` and `down@` are not taken.
fn scene() -> Scene {
    let scene = Scene::with(json!({
        "directory": {"url": "ldap://127.0.0.1", "base": "dc=example"},
        "ldap_relaying": {
            "enabled": true, "refuse_unknown": true, "domains": ["example.net"],
        },
        "relay_domains": ["example.net"],
    }));
    *scene.desk.refused.lock().unwrap() = vec![
        ("unknown@example.net", Reply::RECIPIENT_UNKNOWN),
        ("unknown@example.com", Reply::RECIPIENT_UNKNOWN),
        ("postmaster@example.net", Reply::RECIPIENT_UNKNOWN),
        ("down@example.net", Reply::RECIPIENT_UNCHECKED),
    ];
    scene
}

#[tokio::test]
async fn recipients_are_taken_by_what_is_known_of_them() {
    let scene = scene();
    check(
        &scene,
        "< 220
         > EHLO client.example.org
         < 250-relay.example.net
         > RCPT TO:<unknown@example.net>
         < 503
         > MAIL FROM:<a@example.org>
         < 250 2.1.0
         > RCPT TO:<unknown@example.net>
         < 550 5.1.1
         > DATA
         < 554 5.5.1
         > MAIL FROM:<a@example.org>
         < 250 2.1.0
         > RCPT TO:<unknown@example.net>
         < 550 5.1.1
         > RCPT TO:<down@example.net>
         < 451 4.4.3
         > DATA
         < 451 4.4.3
         > MAIL FROM:<a@example.org>
         < 250 2.1.0
         > RCPT TO:<b@example.net>
         < 250 2.1.5
         > RCPT TO:<unknown@example.net>
         < 550 5.1.1
         > RCPT TO:<unknown@example.com>
         < 250 2.1.5
         > RCPT TO:<postmaster@example.net>
         < 250 2.1.5
         > RCPT TO:<c@example.net>
         < 250 2.1.5
         > DATA
         < 354
         > .
         < 250 2.0.0
         > QUIT
         < 221
         < end",
    )
    .await;
    let taken = scene.desk.taken.lock().unwrap();
    let recipients = taken[0].message.envelope.recipients.iter();
    let recipients: Vec<&str> = recipients.map(|one| one.address.as_str()).collect();
    let expected = [
        "b@example.net",
        "unknown@example.com",
        "postmaster@example.net",
        "c@example.net",
    ];
    assert_eq!(recipients, expected);
}

#[tokio::test]
async fn pipelined_commands_wait_and_keep_their_order() {
    let scene = scene();
    let gate = Arc::new(Notify::new());
    *scene.desk.recipient_gate.lock().unwrap() = Some(Arc::clone(&gate));
    let mut client = scene.client().await;
    client
        .send(
            "MAIL FROM:<a@example.org>\r\nRCPT TO:<unknown@example.net>\r\n\
             RCPT TO:<b@example.net>\r\nDATA\r\n",
        )
        .await;
    // What was answered already is said while the directory thinks.
    client.expect("250 2.1.0").await;
    scene.desk.asked.notified().await;
    gate.notify_one();
    client.expect("550 5.1.1").await;
    scene.desk.asked.notified().await;
    gate.notify_one();
    client.expect("250 2.1.5").await;
    client.expect("354").await;
    client.say("x\r\n.", "250 2.0.0").await;
    assert_eq!(scene.contents(), ["x\r\n"]);
}

#[tokio::test]
async fn the_end_of_the_appliance_ends_the_wait() {
    let scene = scene();
    *scene.desk.recipient_gate.lock().unwrap() = Some(Arc::new(Notify::new()));
    let mut client = scene.client().await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    client.send("RCPT TO:<b@example.net>\r\n").await;
    scene.desk.asked.notified().await;
    scene.shutdown.cancel();
    client.expect("421 4.3.2").await;
    client.expect_end().await;
}

/// Who may send to everybody is no guesser: a list may hold many addresses that are gone.
#[tokio::test]
async fn a_trusted_client_may_name_many_who_are_unknown() {
    let scene = scene();
    let mut client = scene.client().await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    for _ in 0..3 * limits::SESSION_ERRORS {
        client.say("RCPT TO:<unknown@example.net>", "550").await;
    }
    client.say("RCPT TO:<b@example.net>", "250").await;
}

#[tokio::test]
async fn a_directory_that_is_down_is_no_fault_of_the_client() {
    let scene = scene().untrusted();
    let mut client = scene.client().await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    for _ in 0..=limits::SESSION_ERRORS {
        client.say("RCPT TO:<down@example.net>", "451").await;
    }
    for _ in 1..limits::SESSION_ERRORS {
        client.say("RCPT TO:<unknown@example.net>", "550").await;
    }
    client.say("RCPT TO:<unknown@example.net>", "421").await;
}

#[tokio::test]
async fn who_may_not_send_there_learns_nothing() {
    let scene = scene().untrusted();
    let mut client = scene.client().await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    client
        .say("RCPT TO:<unknown@example.com>", "550 5.7.1")
        .await;
}
