//! What a client may do is looked at again where it is used, while its session is open.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;
use tokio::io::DuplexStream;
use tokio_rustls::client::TlsStream;

use super::scene::{Client, LISTENER, Scene};
use super::tls::handshake;

const LOST: &str = "530 5.7.0";

/// A client that has logged in, from an address that is not trusted.
async fn logged_in(scene: &Scene) -> Client<TlsStream<DuplexStream>> {
    scene.add_login("Robot", "open sesame").await;
    let mut plain = scene.client().await;
    plain.say("STARTTLS", "220").await;
    let mut client = handshake(scene, plain.stream).await;
    client.say("EHLO client.example.org", "250").await;
    client.say(&auth("open sesame"), "235").await;
    client
}

fn auth(password: &str) -> String {
    let response = BASE64_STANDARD.encode(format!("\0robot\0{password}"));
    format!("AUTH PLAIN {response}")
}

fn scene() -> Scene {
    Scene::with_tls().untrusted()
}

#[tokio::test]
async fn a_login_that_was_removed_is_lost_at_the_next_message() {
    let scene = scene();
    let mut client = logged_in(&scene).await;
    client.address().await;
    client.say("DATA", "354").await;
    client.say("one\r\n.", "250").await;
    scene.remove_login("robot");
    client.say("MAIL FROM:<a@example.org>", LOST).await;
    client.say("RCPT TO:<b@example.net>", "503").await;
    client.say("MAIL FROM:<a@example.org>", LOST).await;
    // Whoever begins anew is a stranger, who may say what strangers may.
    client.say("EHLO client.example.org", "250").await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    client.say("RCPT TO:<b@example.net>", "550 5.7.1").await;
    assert_eq!(scene.contents(), ["one\r\n"]);
}

#[tokio::test]
async fn a_changed_password_is_asked_for_in_the_same_session() {
    let scene = scene();
    let mut client = logged_in(&scene).await;
    scene.add_login("robot", "another word").await;
    client.say("MAIL FROM:<a@example.org>", LOST).await;
    client.say(&auth("open sesame"), "535").await;
    client.say("MAIL FROM:<a@example.org>", LOST).await;
    client.say(&auth("another word"), "235").await;
    client.address().await;
    client.say("DATA", "354").await;
    client.say("one\r\n.", "250").await;
    assert_eq!(scene.contents(), ["one\r\n"]);
}

#[tokio::test]
async fn what_others_lose_is_nobody_elses_loss() {
    let scene = scene();
    let mut client = logged_in(&scene).await;
    scene.add_login("printer", "of no concern").await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    scene.remove_login("printer");
    client.say("RCPT TO:<b@example.net>", "250").await;
    client.say("DATA", "354").await;
    scene.change(json!({"trusted_networks": [], "relay_domains": []}));
    client.say("one\r\n.", "250").await;
}

#[tokio::test]
async fn a_login_may_be_lost_anywhere_in_a_message() {
    for (said, expected) in [
        (&[][..], "RCPT TO:<b@example.net>"),
        (
            &[("RCPT TO:<b@example.net>", "250")],
            "RCPT TO:<c@example.net>",
        ),
        (&[("RCPT TO:<b@example.net>", "250")], "DATA"),
        (&[("RCPT TO:<b@example.net>", "250")], "BDAT 5 LAST\r\none"),
        (
            &[("RCPT TO:<b@example.net>", "250"), ("DATA", "354")],
            "one\r\n.",
        ),
        (
            &[("RCPT TO:<b@example.net>", "250"), ("BDAT 5\r\none", "250")],
            "BDAT 5 LAST\r\ntwo",
        ),
    ] {
        let scene = scene();
        let mut client = logged_in(&scene).await;
        client.say("MAIL FROM:<a@example.org>", "250").await;
        for (line, code) in said {
            client.say(line, code).await;
        }
        scene.remove_login("robot");
        scene.add_login("robot", "another word").await;
        client.say(expected, LOST).await;
        // Nothing is left of the message, and the session may log in again.
        client.say(&auth("another word"), "235").await;
        client.say("DATA", "503").await;
        client.address().await;
        assert_eq!(scene.contents(), [""; 0], "{expected}");
    }
}

#[tokio::test]
async fn a_network_that_is_not_trusted_any_more_sends_nothing_that_it_has_begun() {
    let relay_only = json!({"trusted_networks": [], "relay_domains": ["example.net"]});
    for (change, code) in [
        (json!({"trusted_networks": []}), "550 5.7.1"),
        // Everybody may send there now.
        (relay_only, "250"),
        (json!({"retries_max": 3}), "250"),
    ] {
        for until in ["RCPT TO:<c@example.net>", "DATA", "BDAT 5 LAST\r\none"] {
            let scene = Scene::new();
            let mut client = scene.addressed().await;
            scene.change(change.clone());
            let code = if until == "DATA" && code == "250" {
                "354"
            } else {
                code
            };
            client.say(until, code).await;
        }
        let scene = Scene::new();
        let mut client = scene.addressed().await;
        client.say("DATA", "354").await;
        scene.change(change.clone());
        client.say("one\r\n.", code).await;
        let taken = scene.contents().len();
        assert_eq!(taken, usize::from(code == "250"), "{change}");
        // The postmaster is there for everybody.
        let mut client = scene.client().await;
        client.say("MAIL FROM:<a@example.org>", "250").await;
        client.say("RCPT TO:<postmaster>", "250").await;
        client.say("DATA", "354").await;
        scene.change(json!({"retries_max": 4}));
        client.say("one\r\n.", "250").await;
    }
}

#[tokio::test]
async fn a_domain_that_we_relay_for_no_more_gets_nothing_that_has_begun() {
    let scene = Scene::with(json!({"relay_domains": ["example.net"]})).untrusted();
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    scene.change(json!({"relay_domains": ["example.org"]}));
    client.say("one\r\n.", "550 5.7.1").await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    client.say("RCPT TO:<b@example.net>", "550 5.7.1").await;
    client.say("RCPT TO:<b@example.org>", "250").await;
    assert_eq!(scene.contents(), [""; 0]);
}

#[tokio::test]
async fn who_was_trusted_only_later_is_so_from_the_next_message_on() {
    let scene = Scene::new().untrusted();
    let mut client = scene.client().await;
    client.say("MAIL FROM:<a@example.org>", "250").await;
    scene.change(json!({"trusted_networks": ["192.0.2.0/24"]}));
    client.say("RCPT TO:<b@example.net>", "550 5.7.1").await;
    client.say("RSET", "250").await;
    client.address().await;
}

fn listener(list: &str, networks: &[&str]) -> serde_json::Value {
    json!({"listeners": [{"address": LISTENER, list: networks}]})
}

#[tokio::test]
async fn what_a_proxy_has_said_counts_while_it_is_believed() {
    let believed = listener("xclient_networks", &["192.0.2.0/24"]);
    let mut scene = Scene::with(believed).untrusted();
    let through_xclient = async |scene: &Scene| {
        let mut client = scene.client().await;
        let words = "XCLIENT ADDR=127.0.0.1 LOGIN=robot HELO=client.example.org PROTO=ESMTP";
        client.say(words, "220").await;
        client.address().await;
        client
    };
    let mut client = through_xclient(&scene).await;
    scene.change(json!({"retries_max": 3}));
    client.say("DATA", "354").await;
    client.say("one\r\n.", "250").await;
    for said in [&[][..], &["DATA"]] {
        let mut client = through_xclient(&scene).await;
        for line in said {
            client.say(line, "354").await;
        }
        scene.change(listener("xclient_networks", &["198.51.100.0/24"]));
        client.say("RSET\r\n.", "421 4.7.0").await;
        client.expect_end().await;
        scene.change(listener("xclient_networks", &["192.0.2.0/24"]));
    }
    // Or by a header before the session.
    scene.change(listener("proxy_networks", &["198.51.100.0/24"]));
    scene.proxy = Some("198.51.100.9".parse().expect("an address"));
    let mut client = scene.client().await;
    scene.change(json!({"retries_max": 4}));
    client.say("NOOP", "250").await;
    scene.change(listener("proxy_networks", &[]));
    client.say("NOOP", "421 4.7.0").await;
    client.expect_end().await;
    assert_eq!(scene.contents(), ["one\r\n"]);
}
