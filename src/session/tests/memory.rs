//! What sessions hold of the memory budget, and how they go on without it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::DuplexStream;

use super::scene::{Client, Scene};
use crate::limits;
use crate::message::{Reservation, Storage};

/// What the first piece of a body takes.
const HEAD: u64 = limits::FIRST_CHUNK_BYTES as u64;

/// A scene whose messages are on disk but for their first kilobyte.
fn spooling() -> Scene {
    Scene::with(json!({"memory_threshold_bytes": 1_000}))
}

/// Waits until the budget holds something that `wanted` likes.
async fn held(scene: &Scene, wanted: impl Fn(u64) -> bool) {
    let budget = &scene.context.budget;
    let reached = async {
        while !wanted(budget.used_bytes()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let reached = tokio::time::timeout(limits::BUFFER_IDLE * 5, reached).await;
    assert!(reached.is_ok(), "it holds {} bytes", budget.used_bytes());
}

/// So many bytes of content, in lines.
fn lines(bytes: usize) -> String {
    let line = format!("{}\r\n", "a".repeat(78));
    line.repeat(bytes / line.len())
}

async fn in_data(scene: &Scene) -> Client<DuplexStream> {
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    client
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_within_data_gives_its_buffers_back() {
    let scene = spooling();
    let mut client = in_data(&scene).await;
    let content = lines(60_000);
    client.send(&content).await;
    held(&scene, |bytes| bytes > HEAD).await;
    held(&scene, |bytes| bytes == HEAD).await;
    client.send(&content).await;
    held(&scene, |bytes| bytes > HEAD).await;
    client.say(".", "250").await;
    assert_eq!(scene.contents(), [content.repeat(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_between_chunks_gives_its_buffers_back() {
    let scene = spooling();
    let mut client = scene.addressed().await;
    let content = lines(60_000);
    client
        .send(format!("BDAT {}\r\n{content}", content.len()))
        .await;
    client.expect("250").await;
    held(&scene, |bytes| bytes == HEAD).await;
    client
        .send(format!("BDAT {} LAST\r\n{content}", content.len()))
        .await;
    client.expect("250").await;
    assert_eq!(scene.contents(), [content.repeat(2)]);
}

#[tokio::test]
async fn an_ordinary_message_asks_for_its_body_alone() {
    let scene = Scene::new();
    let mut client = in_data(&scene).await;
    client.send(lines(4_000)).await;
    client.say(".", "250").await;
    assert_eq!(scene.context.budget.used_bytes(), HEAD);
}

#[tokio::test]
async fn without_memory_a_message_takes_longer_and_is_taken() {
    let scene = Scene::new();
    for stray in ["", "\n.\n"] {
        let mut client = in_data(&scene).await;
        scene.context.budget.set_limit(0);
        let content = format!("{}{}", lines(300_000), stray.repeat(30_000));
        client.send(&content).await;
        client
            .say(if stray.is_empty() { "." } else { "\r\n." }, "250")
            .await;
        let taken = scene.desk.taken.lock().unwrap().pop().unwrap();
        assert_eq!(taken.message.body.storage(), Storage::Disk);
        let canonical = content.replace("\r\n", "\n").replace('\n', "\r\n");
        let end = if stray.is_empty() { "" } else { "\r\n" };
        assert!(taken.content == canonical + end, "it was changed");
        assert_eq!(scene.context.budget.used_bytes(), 0);
        scene.context.budget.set_limit(1 << 20);
    }
}

#[tokio::test]
async fn strangers_are_put_off_before_trusted_clients() {
    let relays = json!({"relay_domains": ["example.net"]});
    let mut scene = Scene::with(relays).untrusted();
    let budget = Arc::clone(&scene.context.budget);
    let mut others = Reservation::empty(Arc::clone(&budget));
    let part = budget.limit_bytes() / 100 * limits::BUDGET_STRANGERS_PERCENT;
    others.grow_regardless(part / 100 * 96);
    let mut stranger = scene.addressed().await;
    stranger.say("DATA", "452 4.3.1").await;
    scene.address = "127.0.0.1";
    in_data(&scene).await;
    others.grow_regardless(budget.limit_bytes() / 100 * 20);
    let mut trusted = scene.addressed().await;
    trusted.say("DATA", "452 4.3.1").await;
}

#[tokio::test]
async fn a_large_envelope_is_in_the_budget() {
    let scene = Scene::new();
    let budget = Arc::clone(&scene.context.budget);
    let mut client = scene.addressed().await;
    assert_eq!(budget.used_bytes(), 0);
    let original = "o".repeat(400);
    let recipient = |number: usize, said: &str| {
        let local = "l".repeat(200);
        let line = format!("RCPT TO:<{local}{number}@example.net> ORCPT=rfc822;{original}");
        (line, said.to_owned())
    };
    for number in 0..100 {
        let (line, said) = recipient(number, "250");
        client.say(&line, &said).await;
    }
    let held = budget.used_bytes();
    assert!(held > 100 * 2 * 600 - limits::ENVELOPE_BYTES, "{held}");
    budget.set_limit(held);
    let mut refused = 0;
    for number in 100..110 {
        let (line, _) = recipient(number, "");
        client.send(format!("{line}\r\n")).await;
        refused += usize::from(
            client
                .reply()
                .await
                .is_some_and(|reply| reply.starts_with("452 4.3.1")),
        );
    }
    assert!(refused >= 5, "{refused} were refused");
    // It stays as long as the message does.
    budget.set_limit(1 << 20);
    client.say("DATA", "354").await;
    client.say("a\r\n.", "250").await;
    assert_eq!(budget.used_bytes(), held + HEAD);
    scene.desk.taken.lock().unwrap().clear();
    assert_eq!(budget.used_bytes(), 0);
}
