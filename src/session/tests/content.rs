//! What may be in a message, how large it may be, and where it is held.

use serde_json::json;

use super::scene::Scene;
use crate::limits;
use crate::message::{DiskReason, Storage};

/// Sends `data` after 354 and checks how the answer begins, and that the session goes on, or ends.
async fn check(scene: &Scene, data: impl AsRef<[u8]>, expected: &str, goes_on: bool) {
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    client.send(data).await;
    client.expect(expected).await;
    if goes_on {
        client.say("RCPT TO:<b@example.net>", "503").await;
        client.say("QUIT", "221").await;
    }
    client.expect_end().await;
}

#[tokio::test]
async fn only_the_real_end_ends_data() {
    let scene = Scene::new();
    check(&scene, ".\r\n", "250", true).await;
    check(&scene, "a\n.\nb\r\n.\r\n", "250", true).await;
    check(&scene, "a\n.\r\nMAIL FROM:<>\r\n.\r\n", "250", true).await;
    check(&scene, "a\r\n.\r\r\nb\r\n.\r\n", "250", true).await;
    assert_eq!(
        scene.contents(),
        [
            "",
            "a\r\n.\r\nb\r\n",
            "a\r\n.\r\nMAIL FROM:<>\r\n",
            "a\r\n\r\nb\r\n"
        ]
    );
}

#[tokio::test]
async fn the_end_may_be_cut_anywhere() {
    let scene = Scene::new();
    let mut client = scene.addressed().await;
    client.say("DATA", "354").await;
    for byte in "a\r\n..b\r\n.\r\n".bytes() {
        client.send([byte]).await;
        tokio::task::yield_now().await;
    }
    client.expect("250").await;
    assert_eq!(scene.contents(), ["a\r\n.b\r\n"]);
}

#[tokio::test]
async fn stray_line_ends_are_normalised_and_counted() {
    let scene = Scene::new();
    check(&scene, "a\nb\rc\r\n.\r\n", "250", true).await;
    check(&scene, "a\r\n.\r\n", "250", true).await;
    assert_eq!(scene.contents(), ["a\r\nb c\r\n", "a\r\n"]);
    let counters = &scene.context.counters;
    assert_eq!(counters.messages_normalised.value(), 1);
    assert_eq!(counters.bare_line_feeds.value(), 1);
    assert_eq!(counters.bare_carriage_returns.value(), 1);
}

#[tokio::test]
async fn a_listener_may_reject_stray_line_ends() {
    let scene = Scene::with(json!({"line_ends": "reject"}));
    check(&scene, "a\nb\r\n.\r\n", "550 5.6.0", false).await;
    check(&scene, "a\rb\r\n.\r\nNOOP\r\n", "550 5.6.0", false).await;
    check(&scene, "a\r\n.\r\n", "250", true).await;
    assert_eq!(scene.contents(), ["a\r\n"]);
}

#[tokio::test]
async fn what_no_destination_takes_is_refused() {
    let scene = Scene::new();
    let long = "a".repeat(limits::TEXT_LINE_BYTES);
    let hop = "Received: x\r\n";
    let loops = hop.repeat(limits::HOPS + 1);
    let travelled = hop.repeat(limits::HOPS);
    check(&scene, "a\0b\r\n.\r\n", "550 5.6.0", true).await;
    check(&scene, format!("{long}\r\n.\r\n"), "250", true).await;
    check(&scene, format!("{long}a\r\n.\r\n"), "550", true).await;
    check(&scene, format!("{loops}\r\n.\r\n"), "554 5.4.6", true).await;
    check(&scene, format!("{travelled}\r\n{hop}.\r\n"), "250", true).await;
    assert_eq!(scene.contents().len(), 2);
    scene.desk.taken.lock().unwrap().clear();
    assert_eq!(scene.context.budget.used_bytes(), 0);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_read_to_its_end() {
    let scene = Scene::with(json!({"message_size_max_bytes": 10_000}));
    let line = format!("{}\r\n", "a".repeat(98));
    check(&scene, format!("{}.\r\n", line.repeat(100)), "250", true).await;
    check(
        &scene,
        format!("{}.\r\n", line.repeat(101)),
        "552 5.3.4",
        true,
    )
    .await;
    check(
        &scene,
        format!("{}.\r\n", line.repeat(900)),
        "552 5.3.4",
        true,
    )
    .await;
    let mut client = scene.client().await;
    client.say("MAIL FROM:<> SIZE=10001", "552 5.3.4").await;
    client.say("MAIL FROM:<> SIZE=10000", "250").await;
}

#[tokio::test]
async fn the_threshold_decides_where_a_message_is_held() {
    let scene = Scene::with(json!({"memory_threshold_bytes": 1_000}));
    let text = format!("{}\r\n", "a".repeat(998));
    check(&scene, format!("{text}.\r\n"), "250", true).await;
    check(&scene, format!("{text}b\r\n.\r\n"), "250", true).await;
    let taken = scene.desk.taken.lock().unwrap();
    let held: Vec<_> = taken
        .iter()
        .map(|taken| (taken.message.body.storage(), taken.reasons.as_slice()))
        .collect();
    assert_eq!(
        held,
        [
            (Storage::Memory, [].as_slice()),
            (Storage::Split, [DiskReason::OverThreshold].as_slice())
        ]
    );
    assert_eq!(taken[1].content, format!("{text}b\r\n"));
}

#[tokio::test]
async fn a_spool_that_fails_is_no_fault_of_the_message() {
    let scene = Scene::with(json!({"memory_threshold_bytes": 0}));
    std::fs::remove_dir_all(scene.directory.path().join("spool")).unwrap();
    check(&scene, "a\r\nb\r\n.\r\n", "452 4.3.1", true).await;
    assert_eq!(scene.contents().len(), 0);
    assert_eq!(scene.context.counters.spool_failures.value(), 1);
}

#[tokio::test]
async fn without_memory_or_store_no_message_begins() {
    use std::sync::atomic::Ordering;
    let scene = Scene::new();
    let mut client = scene.addressed().await;
    scene.context.budget.set_limit(0);
    client.say("DATA", "452 4.3.1").await;
    client.say("DATA", "503").await;
    scene.context.budget.set_limit(1 << 20);
    scene.healthy.store(false, Ordering::Relaxed);
    client.say("MAIL FROM:<>", "452 4.3.1").await;
    scene.healthy.store(true, Ordering::Relaxed);
    client.say("MAIL FROM:<>", "250").await;
}
