//! AUTH: who is asked, who is believed, and what a login is good for.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tokio::io::DuplexStream;
use tokio_rustls::client::TlsStream;

use super::scene::{Client, Scene};
use super::tls::handshake;
use crate::limits;

type SecureClient = Client<TlsStream<DuplexStream>>;

/// From an address that is not trusted, with one login.
async fn scene() -> Scene {
    let scene = Scene::with_tls().untrusted();
    scene.add_login("Robot", "open sesame").await;
    scene
}

/// A client under TLS that has said EHLO, and what it was offered.
async fn secure(scene: &Scene) -> (SecureClient, String) {
    let mut plain = scene.client().await;
    plain.say("STARTTLS", "220").await;
    let mut client = handshake(scene, plain.stream).await;
    let offered = client.say("EHLO client.example.org", "250").await;
    (client, offered)
}

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn plain(name: &str, password: &str) -> String {
    format!("AUTH PLAIN {}", base64(&format!("\0{name}\0{password}")))
}

#[tokio::test]
async fn a_client_that_logs_in_may_relay_and_its_message_says_so() {
    let scene = scene().await;
    let (mut client, offered) = secure(&scene).await;
    assert!(offered.contains("AUTH PLAIN LOGIN\r\n"), "{offered}");
    client.say("MAIL FROM:<a@example.org>", "250").await;
    client.say("RCPT TO:<b@example.net>", "550 5.7.1").await;
    client.say("RSET", "250").await;
    client
        .say(&plain("robot", "open sesame"), "235 2.7.0")
        .await;
    client
        .say(&plain("robot", "open sesame"), "503 5.5.1")
        .await;
    // RFC 4954 §4: EHLO does not undo it.
    client.say("EHLO client.example.org", "250").await;
    client.say("MAIL FROM:<a@example.org> AUTH=<>", "250").await;
    client.say("RCPT TO:<b@example.net>", "250").await;
    client.say("RCPT TO:<b%elsewhere@example.net>", "550").await;
    client.say("DATA", "354").await;
    client.say("x\r\n.", "250").await;
    let taken = scene.desk.taken.lock().unwrap();
    let message = &taken[0].message;
    assert_eq!(message.client.login.as_deref(), Some("Robot"));
    let received = std::str::from_utf8(&message.prefix).unwrap();
    assert!(received.contains(" with ESMTPSA id "), "{received}");
    assert_eq!(scene.context.counters.logins.value(), 1);
}

#[tokio::test]
async fn all_ways_to_say_it() {
    let scene = scene().await;
    let (name, password) = (base64("robot"), base64("open sesame"));
    let whole = base64("\0robot\0open sesame");
    for lines in [
        &["auth plain", &whole][..],
        &["AUTH LOGIN", &name, &password],
        &[&format!("AUTH LOGIN {name}"), &password],
    ] {
        let (mut client, _) = secure(&scene).await;
        let (last, asked) = lines.split_last().unwrap();
        for line in asked {
            client.say(line, "334 ").await;
        }
        client.say(last, "235 2.7.0").await;
    }
}

#[tokio::test]
async fn an_exchange_that_goes_wrong_leaves_the_session_as_it_was() {
    let scene = scene().await;
    let (mut client, _) = secure(&scene).await;
    for (asked, answer, reply) in [
        ("AUTH PLAIN", "*", "501 5.5.2"),
        ("AUTH LOGIN", "*", "501 5.5.2"),
        ("AUTH PLAIN", "no base64!", "501 5.5.2"),
        ("AUTH LOGIN =", "*", "501 5.5.2"),
    ] {
        client.say(asked, "334 ").await;
        client.say(answer, reply).await;
    }
    client.say("AUTH PLAIN =", "501 5.5.2").await;
    client.say("AUTH CRAM-MD5", "504 5.5.4").await;
    client.say(&plain("robot", "open sesame"), "235").await;
}

#[tokio::test]
async fn auth_has_its_time() {
    let scene = scene().await;
    // In the clear nobody is asked for a password.
    let mut client = scene.connect();
    client.expect("220").await;
    let offered = client.say("EHLO client.example.org", "250").await;
    assert!(!offered.contains("AUTH"), "{offered}");
    client
        .say(&plain("robot", "open sesame"), "538 5.7.11")
        .await;
    client.say("STARTTLS", "220").await;
    let mut client = handshake(&scene, client.stream).await;
    client.say("AUTH PLAIN", "503 5.5.1").await;
    client.say("HELO client.example.org", "250").await;
    client.say("AUTH PLAIN", "503 5.5.1").await;
    client.say("EHLO client.example.org", "250").await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    client.say("AUTH PLAIN", "503 5.5.1").await;
    client.say("RSET", "250").await;
    client.say("AUTH PLAIN", "334").await;
}

#[tokio::test]
async fn where_nobody_can_log_in_nobody_is_asked_to() {
    let scene = Scene::with_tls();
    let (mut client, offered) = secure(&scene).await;
    assert!(!offered.contains("AUTH"), "{offered}");
    client.say(&plain("robot", "open sesame"), "502").await;
    // The first login is in force at once.
    scene.add_login("robot", "open sesame").await;
    client.say(&plain("robot", "open sesame"), "235").await;
}

#[tokio::test]
async fn three_wrong_logins_end_a_session() {
    let scene = scene().await;
    let (mut client, _) = secure(&scene).await;
    client.say(&plain("robot", "open sesam"), "535 5.7.8").await;
    client
        .say(&plain("nobody", "open sesame"), "535 5.7.8")
        .await;
    client.say("AUTH LOGIN", "334").await;
    client.say(&base64("robot"), "334").await;
    client.say(&base64(""), "535 5.7.8").await;
    client.expect("421 4.7.0").await;
    client.expect_end().await;
    assert_eq!(scene.context.counters.wrong_logins.value(), 3);
}

#[tokio::test]
async fn credentials_may_be_long_and_only_they() {
    let scene = scene().await;
    let (mut client, _) = secure(&scene).await;
    let long = base64(&format!("\0robot\0{}", "x".repeat(8_000)));
    assert!(long.len() > limits::COMMAND_BUFFER_BYTES * 2);
    client.say(&format!("AUTH PLAIN {long}"), "535").await;
    client.say("AUTH PLAIN", "334").await;
    client.say(&long, "535").await;
    let too_long = "A".repeat(limits::AUTH_LINE_BYTES);
    client.say("AUTH PLAIN", "334").await;
    client.say(&too_long, "500 5.5.6").await;
    client.say(&format!("AUTH PLAIN {too_long}"), "500").await;
    client.say(&format!("NOOP {long}"), "500").await;
    client.say("NOOP", "250").await;
    let mut client = scene.client().await;
    client.say(&format!("AUTH PLAIN {long}"), "500").await;
}

#[tokio::test]
async fn a_client_that_is_silent_within_auth_is_left() {
    let scene = scene().await;
    let (mut client, _) = secure(&scene).await;
    client.say("AUTH LOGIN", "334").await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    client.expect("421 4.4.2").await;
    assert!(began.elapsed() <= limits::COMMAND_WAIT + Duration::from_secs(1));
    client.expect_end().await;
}
