//! SMTP logins: a real client uses one, the trail says which, and a change is in force at once.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::process::Command;

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::Client;
use crate::support::messages;
use crate::support::peers;
use crate::support::raw_sink::{RawSink, Script};

const LOGINS: &str = "/api/v1/smtp-logins";
const PASSWORD: &str = "open sesame";
const TO_B: &[&str] = &["<b@example.net>"];

/// An appliance that trusts no client by its address, with the login `robot`.
async fn with_login() -> (Appliance, RawSink) {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new()
        .next_hop(sink.address())
        .environment("FASTPATH_TRUSTED_NETWORKS", "192.0.2.0/24")
        .start()
        .await;
    let login = json!({"name": "robot", "password": PASSWORD, "note": "the shop's"});
    let added = appliance.call(Method::POST, LOGINS, Some(login)).await;
    assert_eq!(added.0, StatusCode::CREATED, "{}", added.1);
    (appliance, sink)
}

async fn secure(appliance: &Appliance) -> Client {
    let mut client = appliance.client().await;
    client.command("STARTTLS", 220).await;
    let mut client = client.handshake().await;
    client.command("EHLO client.example.org", 250).await;
    client
}

async fn log_in(appliance: &Appliance, password: &str, code: u16) -> Client {
    let mut client = secure(appliance).await;
    let response = BASE64_STANDARD.encode(format!("\0robot\0{password}"));
    client
        .command(&format!("AUTH PLAIN {response}"), code)
        .await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_client_logs_in_and_the_trail_names_its_login() {
    let (appliance, sink) = with_login().await;
    let content = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(content.path(), messages::small("one")).unwrap();
    for (number, mechanism) in ["PLAIN", "LOGIN"].into_iter().enumerate() {
        // Whoever signed our certificate: what is tested is the login.
        let output = peers::run(
            Command::new(peers::program("curl"))
                .args(["--verbose", "--insecure", "--ssl-reqd"])
                .args([
                    "--url",
                    &format!("smtp://{}/client.example.org", appliance.smtp()),
                ])
                .args(["--user", &format!("robot:{PASSWORD}")])
                .args(["--login-options", &format!("AUTH={mechanism}")])
                .args([
                    "--mail-from",
                    "shop@example.org",
                    "--mail-rcpt",
                    "b@example.net",
                ])
                .arg("--upload-file")
                .arg(content.path()),
            Duration::from_secs(30),
        )
        .await;
        let conversation = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{conversation}");
        let arrival = sink.wait_for_accepted(number + 1).await.pop().unwrap();
        let received = messages::header(&arrival.content, "Received").unwrap();
        assert!(received.contains(" with ESMTPSA id "), "{received}");
    }
    let trail = appliance.trail("sender=shop@example.org", |_| true).await;
    let id = trail["message_id"].as_str().unwrap();
    let trail = appliance.read(&format!("/api/v1/messages/{id}")).await;
    assert!(trail.to_string().contains("\"login\":\"robot\""), "{trail}");
    assert!(!appliance.log().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_in_force_at_once_and_after_a_restart() {
    let (mut appliance, sink) = with_login().await;
    let robot = format!("{LOGINS}/robot");
    // Twice, so that the second one comes from the memory that a change must not leave behind.
    for _ in 0..2 {
        log_in(&appliance, PASSWORD, 235).await.quit().await;
    }
    let mut before = log_in(&appliance, PASSWORD, 235).await;
    let change = Some(json!({"password": "another word"}));
    let (status, answer) = appliance.call(Method::PUT, &robot, change).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    log_in(&appliance, PASSWORD, 535).await.quit().await;
    log_in(&appliance, "another word", 235).await.quit().await;
    // Who had logged in before has to do so again, in the same session or in another.
    before.command("MAIL FROM:<a@example.org>", 530).await;
    let response = BASE64_STANDARD.encode("\0robot\0another word");
    before.command(&format!("AUTH PLAIN {response}"), 235).await;
    let reply = before
        .message("<a@example.org>", TO_B, &messages::small("one"))
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait_for_accepted(1).await;

    assert!(appliance.terminate(Duration::from_secs(20)).await.success());
    let appliance = appliance.restart().await;
    log_in(&appliance, "another word", 235).await.quit().await;
    let listed = appliance.read(LOGINS).await;
    assert_eq!(listed["items"][0]["note"], "the shop's");
    assert!(!listed.to_string().contains("argon2"), "{listed}");

    let (status, _) = appliance.call(Method::DELETE, &robot, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    // The last one is gone, and with it the whole command.
    log_in(&appliance, "another word", 502).await.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_removed_half_way_sends_nothing_on_any_path() {
    for path in ["fast", "standard", "cut_through"] {
        let (appliance, sink) = with_login().await;
        appliance.set(json!({ "path": path })).await;
        let other = json!({"name": "printer", "password": PASSWORD});
        let added = appliance.call(Method::POST, LOGINS, Some(other)).await;
        assert_eq!(added.0, StatusCode::CREATED, "{}", added.1);
        let mut client = log_in(&appliance, PASSWORD, 235).await;
        client.envelope("<a@example.org>", TO_B).await;
        client.command("DATA", 354).await;
        let content = messages::stuffed(&messages::of_size("half", 100_000));
        let (first, rest) = content.split_at(50_000);
        client.send(first).await.unwrap();
        let robot = format!("{LOGINS}/robot");
        let (status, _) = appliance.call(Method::DELETE, &robot, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        client.send(rest).await.unwrap();
        let reply = client.reply().await.expect("a reply to the end of data");
        assert_eq!(reply.code, 530, "{path}: {reply}");
        client.command("NOOP", 250).await;
        assert_eq!(sink.accepted().len(), 0, "{path}");
        assert_eq!(appliance.read("/api/v1/queue").await["total"], 0, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_told_to_come_back_later() {
    let (appliance, _sink) = with_login().await;
    let guess = BASE64_STANDARD.encode("\0robot\0not this one");
    let mut wrong = 0;
    let mut refused = false;
    while !refused {
        let mut client = secure(&appliance).await;
        for _ in 0..2 {
            client
                .send(format!("AUTH PLAIN {guess}\r\n").as_bytes())
                .await
                .unwrap();
            let reply = client.reply().await.unwrap();
            wrong += u32::from(reply.code == 535);
            refused = reply.code == 454;
        }
        assert!(wrong <= 20, "{wrong} guesses");
    }
    assert_eq!(wrong, 20);
    // Nothing is said about the right one either.
    log_in(&appliance, PASSWORD, 454).await.quit().await;
}
