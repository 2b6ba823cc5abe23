//! Encryption: GnuPG makes the keys and opens what arrives.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::appliance::{Appliance, Plan};
use crate::support::client::Reply;
use crate::support::messages;
use crate::support::raw_sink::{Arrival, RawSink, Script};
use crate::support::services::gnupg::GnuPg;

const ANNA: &str = "anna@example.net";
const BERT: &str = "bert@example.net";
const PLAIN: &str = "plain@example.net";

/// A text with umlauts and an attachment, as it is to be found in the encrypted part.
const PART: &str = "Content-Type: multipart/mixed; boundary=inner\r\n\r\n\
    --inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    Grüße\r\n.\r\n\
    --inner\r\nContent-Type: application/octet-stream\r\n\
    Content-Disposition: attachment; filename=numbers.bin\r\n\
    Content-Transfer-Encoding: base64\r\n\r\n\
    AAECAwQFBgcICQ==\r\n\
    --inner--\r\n";

struct Scene {
    appliance: Appliance,
    sink: RawSink,
}

impl Scene {
    async fn with(settings: Value) -> Scene {
        let sink = RawSink::start(Script::accepting().offering("8BITMIME")).await;
        let appliance = Plan::new().next_hop(sink.address()).start().await;
        appliance.set(settings).await;
        Scene { appliance, sink }
    }

    /// Somebody whose key is made, and added for their own address.
    async fn person(&self, address: &str) -> GnuPg {
        let home = GnuPg::home().await;
        home.generate_key(address).await;
        let key = json!({"key": home.public_key(address).await});
        let path = "/api/v1/openpgp-keys";
        let (status, answer) = self.appliance.call(Method::POST, path, Some(key)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        assert_eq!(answer["stands_for"], json!([address]), "{answer}");
        assert_eq!(answer["state"], "valid", "{answer}");
        home
    }

    async fn send(&self, sender: &str, recipients: &[&str], content: &[u8]) -> Reply {
        let mut client = self.appliance.client().await;
        let recipients: Vec<String> = recipients.iter().map(|one| format!("<{one}>")).collect();
        let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
        let sender = format!("<{sender}>");
        let reply = client.message(&sender, &recipients, content).await;
        client.quit().await;
        reply
    }

    async fn trail(&self, sender: &str) -> Value {
        let query = format!("sender={sender}");
        self.appliance.trail(&query, |_| true).await
    }
}

fn content() -> Vec<u8> {
    let header =
        "From: a@example.org\r\nTo: anna@example.net\r\nSubject: numbers\r\nMIME-Version: 1.0\r\n";
    format!("{header}{PART}").into_bytes()
}

/// The one message that arrived for `address` alone.
fn arrival_for(arrivals: &[Arrival], address: &str) -> Arrival {
    let mut own = arrivals
        .iter()
        .filter(|one| one.recipient_addresses() == [address]);
    let only = own
        .next()
        .unwrap_or_else(|| panic!("nothing for {address} alone: {arrivals:?}"));
    assert!(own.next().is_none(), "two for {address}");
    only.clone()
}

/// The armored message in a PGP/MIME one.
fn armor(content: &[u8]) -> Vec<u8> {
    let kind = messages::header(content, "Content-Type").unwrap();
    assert!(
        kind.starts_with("multipart/encrypted; protocol=\"application/pgp-encrypted\""),
        "{kind}"
    );
    assert_eq!(
        messages::header(content, "Subject").as_deref(),
        Some("numbers")
    );
    let text = String::from_utf8(content.to_vec()).unwrap();
    assert!(!text.contains("numbers.bin"), "{text}");
    const END: &str = "-----END PGP MESSAGE-----";
    let begin = text.find("-----BEGIN PGP MESSAGE-----").unwrap();
    let end = text.find(END).unwrap() + END.len();
    text.as_bytes()[begin..end].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_gets_what_only_its_own_key_opens() {
    let scene = Scene::with(json!({"encryption": {"enabled": true}})).await;
    let anna = scene.person(ANNA).await;
    let bert = scene.person(BERT).await;
    let sender = "several@example.org";
    let reply = scene.send(sender, &[ANNA, BERT, PLAIN], &content()).await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrivals = scene.sink.wait_for_accepted(3).await;
    for (home, address) in [(&anna, ANNA), (&bert, BERT)] {
        let arrival = arrival_for(&arrivals, address);
        let opened = home.decrypt(&armor(&arrival.content)).await;
        assert_eq!(String::from_utf8(opened).unwrap(), PART, "{address}");
    }
    let plain = arrival_for(&arrivals, PLAIN);
    messages::assert_unchanged(&plain.content, &content());
    scene.appliance.wait_for_queue(0).await;

    let trail = scene.trail(sender).await;
    assert_eq!(trail["path"], "standard", "{trail}");
    assert_eq!(trail["reasons"], json!(["condition:encryption"]), "{trail}");
    let said = trail["examined"].as_str().unwrap();
    assert_eq!(said, "encryption: passed, encrypted for 2, as it is for 1");
    assert!(
        reply
            .to_string()
            .contains(trail["message_id"].as_str().unwrap()),
        "{reply}: {trail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_the_arrived_message_leads_to_those_made_of_it() {
    let scene = Scene::with(json!({"encryption": {"enabled": true}})).await;
    let _anna = scene.person(ANNA).await;
    let sender = "story@example.org";
    let reply = scene.send(sender, &[ANNA, PLAIN], &content()).await;
    assert_eq!(reply.code, 250, "{reply}");
    scene.sink.wait_for_accepted(2).await;
    let trail = scene.trail(sender).await;
    let arrived = trail["message_id"].as_str().unwrap().to_owned();
    let story = scene
        .appliance
        .read(&format!("/api/v1/messages/{arrived}"))
        .await;
    let events = story["events"].as_array().unwrap();
    let copied: Vec<_> = events
        .iter()
        .filter(|event| event["what"] == "copied")
        .collect();
    assert_eq!(copied.len(), 2, "{story}");
    for event in copied {
        let made = event["words"].as_str().unwrap();
        let path = format!("/api/v1/messages/{made}");
        let story = scene.appliance.read(&path).await;
        let events = story["events"].as_array().unwrap();
        let first = events.first().unwrap();
        assert_eq!(
            (&first["what"], &first["words"]),
            (&json!("made"), &json!(arrived))
        );
        assert_eq!(first["recipient"], event["recipient"], "{story}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_encrypted_and_large_messages_pass() {
    let settings = json!({"encryption": {"enabled": true}, "memory_threshold_bytes": 4_096});
    let scene = Scene::with(settings).await;
    let anna = scene.person(ANNA).await;
    let header = "From: a@example.org\r\nSubject: numbers\r\n";
    let body = "0123456789 0123456789 0123456789\r\n".repeat(60_000);
    let large = format!("{header}\r\n{body}").into_bytes();
    let reply = scene.send("large@example.org", &[ANNA], &large).await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrivals = scene.sink.wait_for_accepted(1).await;
    let opened = anna.decrypt(&armor(&arrivals[0].content)).await;
    assert_eq!(String::from_utf8(opened).unwrap(), format!("\r\n{body}"));
    scene.appliance.wait_for_queue(0).await;
    let trail = scene.trail("large@example.org").await;
    assert_eq!(trail["path"], "standard", "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_a_message_stays_on_the_fast_path_or_is_refused() {
    let scene = Scene::with(json!({"encryption": {"enabled": true}})).await;
    let _anna = scene.person(ANNA).await;
    let reply = scene.send("fast@example.org", &[PLAIN], &content()).await;
    assert_eq!(reply.code, 250, "{reply}");
    let trail = scene.trail("fast@example.org").await;
    assert_eq!(
        (&trail["path"], &trail["storage"]),
        (&json!("fast"), &json!("memory"))
    );
    assert_eq!(trail["reasons"], json!([]), "{trail}");

    let policy = json!({"encryption": {"when_no_key": "refuse"}});
    scene.appliance.set(policy).await;
    let reply = scene
        .send("refused@example.org", &[ANNA, PLAIN], &content())
        .await;
    assert_eq!(
        reply.to_string(),
        format!("550 5.7.1 No OpenPGP key for {PLAIN}")
    );
    let trail = scene.trail("refused@example.org").await;
    assert_eq!(trail["code"], 550, "{trail}");
    assert_eq!(scene.sink.accepted().len(), 1);
    assert_eq!(scene.appliance.queue_total().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_survive_a_restart_and_end_with_their_removal() {
    let mut scene = Scene::with(json!({"encryption": {"enabled": true}})).await;
    let anna = scene.person(ANNA).await;
    scene
        .appliance
        .terminate(std::time::Duration::from_secs(20))
        .await;
    scene.appliance = scene.appliance.restart().await;
    let reply = scene.send("again@example.org", &[ANNA], &content()).await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrivals = scene.sink.wait_for_accepted(1).await;
    let opened = anna.decrypt(&armor(&arrivals[0].content)).await;
    assert_eq!(String::from_utf8(opened).unwrap(), PART);

    let keys = scene.appliance.read("/api/v1/openpgp-keys").await;
    let fingerprint = keys["items"][0]["fingerprint"].as_str().unwrap();
    let path = format!("/api/v1/openpgp-keys/{fingerprint}");
    let (status, answer) = scene.appliance.call(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    let reply = scene.send("gone@example.org", &[ANNA], &content()).await;
    assert_eq!(reply.code, 250, "{reply}");
    let trail = scene.trail("gone@example.org").await;
    assert_eq!(trail["path"], "fast", "{trail}");
}
