//! Antivirus: clamd decides, with a signature of the test's own.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::messages;
use crate::support::services::clamd::{Clamd, EICAR, eicar};

fn settings(server: &str, more: Value) -> Value {
    let mut antivirus = json!({"enabled": true, "server": server});
    let (Value::Object(all), Value::Object(more)) = (&mut antivirus, more) else {
        unreachable!("both are objects");
    };
    all.extend(more);
    json!({ "antivirus": antivirus })
}

fn infected(subject: &str) -> Vec<u8> {
    format!("Subject: {subject}\r\n\r\n{}\r\n", eicar()).into_bytes()
}

async fn stage(clamd: &Clamd, more: Value) -> Stage {
    Stage::with(settings(&clamd.address().to_string(), more)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_mail_takes_the_standard_path_and_infected_mail_is_refused() {
    let clamd = Clamd::start().await;
    let stage = stage(&clamd, json!({})).await;
    stage.taken("clean@example.org").await;
    stage
        .assert_diverted("clean@example.org", "antivirus")
        .await;
    stage.arrived("clean@example.org").await;

    let content = infected("infected");
    let reply = stage
        .send("bad@example.org", &["b@example.net"], &content)
        .await;
    assert_eq!(reply.code, 554, "{reply}");
    assert!(reply.to_string().contains(EICAR), "{reply}");
    let trail = stage.trail("bad@example.org").await;
    let said = trail["examined"].as_str().unwrap();
    assert_eq!(said, format!("antivirus: refused, {EICAR} found"));
    assert_eq!(trail["code"], 554);
    assert_eq!(stage.sink.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_fast_path_it_is_checked_in_memory() {
    let clamd = Clamd::start().await;
    let stage = stage(&clamd, json!({"disables_fast_path": false})).await;
    let trail = stage.taken("clean@example.org").await;
    assert_eq!(trail["examined"], "antivirus: passed");
    stage.assert_fast("clean@example.org").await;
    let content = infected("infected");
    let reply = stage
        .send("bad@example.org", &["b@example.net"], &content)
        .await;
    assert_eq!(reply.code, 554, "{reply}");
    assert_eq!(stage.appliance.queue_total().await, 0);
    // Large enough for a spool file, and for many chunks.
    let large = messages::of_size("large", 2_000_000);
    let reply = stage
        .send("large@example.org", &["b@example.net"], &large)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    messages::assert_unchanged(&stage.arrived("large").await.content, &large);
}

#[tokio::test(flavor = "multi_thread")]
async fn infected_mail_may_be_tagged() {
    let clamd = Clamd::start().await;
    let stage = stage(&clamd, json!({"when_found": "tag"})).await;
    let content = infected("tagged");
    let reply = stage
        .send("bad@example.org", &["b@example.net"], &content)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrival = stage.arrived("tagged").await;
    let tag = messages::header(&arrival.content, "X-Virus-Found");
    assert_eq!(tag.as_deref(), Some(EICAR));
    assert!(
        arrival.content.ends_with(&content),
        "what was sent is behind it"
    );

    // Nobody else may say so.
    let forged = b"X-Virus-Found: none\r\nSubject: forged\r\n\r\nclean\r\n";
    let reply = stage
        .send("c@example.org", &["b@example.net"], forged)
        .await;
    assert_eq!(reply.code, 250, "{reply}");
    let arrival = stage.arrived("forged").await;
    let tag = messages::header(&arrival.content, "X-Virus-Found");
    assert_eq!(tag, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn infected_mail_may_wait_for_an_operator() {
    let clamd = Clamd::start().await;
    let stage = stage(&clamd, json!({"when_found": "quarantine"})).await;
    for (subject, action, arrives) in [("released", "release", true), ("purged", "purge", false)] {
        let before = stage.sink.accepted().len();
        let sender = format!("{subject}@example.org");
        let content = infected(subject);
        let reply = stage.send(&sender, &["b@example.net"], &content).await;
        assert_eq!(reply.code, 250, "{reply}");
        let rows = stage.appliance.queue("state=quarantined").await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0]["reason"], "condition:antivirus");
        let words = rows[0]["last_reply"].as_str().unwrap();
        assert_eq!(words, format!("antivirus: {EICAR} found"));
        stage.assert_diverted(&sender, "antivirus").await;
        assert_eq!(
            stage.sink.accepted().len(),
            before,
            "nothing leaves by itself"
        );
        assert_eq!(
            stage.appliance.act(action, &[rows[0]["id"].clone()]).await,
            1
        );
        stage.appliance.wait_for_queue(0).await;
        let after = before + usize::from(arrives);
        assert_eq!(stage.sink.accepted().len(), after);
    }
    messages::assert_unchanged(
        &stage.arrived("released").await.content,
        &infected("released"),
    );
}

/// A server that takes connections and says `words`, or nothing at all.
async fn nonsense(words: &'static [u8]) -> std::net::SocketAddr {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if !words.is_empty() {
                let _ = stream.write_all(words).await;
                let _ = stream.shutdown().await;
            }
            open.push(stream);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clamd_that_cannot_tell_gives_the_answer_that_is_set() {
    let nobody = {
        // A port that nobody listens on any more.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let servers = [
        nobody,
        nonsense(b"HTTP/1.1 400 Bad Request\r\n").await,
        nonsense(b"").await,
    ];
    let stage = Stage::with(json!({})).await;
    for (number, server) in servers.into_iter().enumerate() {
        for (answer, code) in [("defer", 451), ("pass", 250)] {
            let more = json!({"when_unavailable": answer, "timeout_seconds": 1});
            stage
                .appliance
                .set(settings(&server.to_string(), more))
                .await;
            let sender = format!("{answer}-{number}@example.org");
            let began = Instant::now();
            let content = messages::small(&sender);
            let reply = stage.send(&sender, &["b@example.net"], &content).await;
            assert_eq!(reply.code, code, "{server} {answer}: {reply}");
            assert!(began.elapsed() < Duration::from_secs(20), "it hangs");
            let said = stage.trail(&sender).await["examined"].to_string();
            let expected = if code == 250 {
                "passed unchecked, "
            } else {
                "deferred, "
            };
            assert!(said.contains(expected) && said.contains("clamd"), "{said}");
        }
    }
}
