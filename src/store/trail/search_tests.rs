//! All indexes find the same messages, page by page.

use serde_json::{Value, json};

use super::*;
use crate::message::trail::{Attempted, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{DiskReason, Storage};
use crate::smtp::address::ReversePath;
use crate::store::testing::{Scene, answered, attempted, time};

fn filter(value: &Value) -> MessageFilter {
    serde_json::from_value(value.clone()).expect("a filter")
}

/// More messages than one look takes, the oldest of them different from the rest; every second one is
/// told in two rows.
async fn long_trail() -> Scene {
    let scene = Scene::new().await;
    let count = i64::from(limits::TRAIL_CANDIDATES) + 100;
    let entries = (1..=count).flat_map(|second| {
        let TrailEntry::Answered(mut answered) = answered(time(second)) else {
            panic!("it is an answer");
        };
        let TrailEntry::Attempted(attempted) = attempted(time(second), "bert@example.net") else {
            panic!("it is an attempt");
        };
        if second == 1 {
            answered.reasons = vec![DiskReason::Deferred];
            answered.storage = Storage::Disk;
            answered.sender = ReversePath::Null;
            let refused = Attempted {
                outcome: OutcomeKind::Refused,
                ..attempted
            };
            return vec![
                TrailEntry::Attempted(refused),
                TrailEntry::Answered(answered),
            ];
        }
        if second % 2 == 0 {
            answered.delivered = Some(attempted);
            return vec![TrailEntry::Answered(answered)];
        }
        vec![
            TrailEntry::Answered(answered),
            TrailEntry::Attempted(attempted),
        ]
    });
    let appended = scene.store.trail.append(entries.collect()).await;
    appended.expect("appended");
    scene
}

/// How many messages a search finds on how many pages.
async fn pages(scene: &Scene, question: &Value) -> (usize, usize) {
    let filter = filter(question);
    let (mut found, mut pages, mut cursor) = (0, 0, None);
    loop {
        let page = scene
            .store
            .trail
            .messages_page(&filter, cursor, 1_000)
            .await;
        let page = page.expect("readable");
        found += page.items.len();
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            return (found, pages);
        }
        assert!(pages < 100, "{question} has no end");
    }
}

#[tokio::test]
async fn every_source_finds_what_is_behind_the_first_look() {
    let scene = long_trail().await;
    let all = limits::TRAIL_CANDIDATES as usize + 100;
    for (question, found, most_pages) in [
        (json!({}), all, 5),
        (json!({"sender": "sender@example.org"}), all - 1, 5),
        (json!({"sender": "s*"}), all - 1, 5),
        (json!({"recipient": "bert@example.net"}), all, 5),
        (json!({"recipient": "b*"}), all, 5),
        (
            json!({"recipient": "bert@example.net", "storage": "disk"}),
            1,
            2,
        ),
        (json!({"recipient": "b*", "storage": "disk"}), 1, 1),
        (
            json!({"recipient": "bert@example.net", "outcome": "refused"}),
            1,
            1,
        ),
        (
            json!({"recipient": "carl@example.net", "outcome": "refused"}),
            0,
            1,
        ),
        (
            json!({"recipient": "bert@example.net", "outcome": "delivered"}),
            all - 1,
            6,
        ),
        (json!({"outcome": "delivered"}), all - 1, 5),
        (json!({"outcome": "refused"}), 1, 1),
        (json!({"reason": "deferred"}), 1, 1),
        (json!({"reason": "deferred", "path": "standard"}), 0, 1),
        (json!({"sender": "<>", "client_address": "192.0.2.1"}), 1, 1),
    ] {
        let (seen, pages) = pages(&scene, &question).await;
        assert_eq!(seen, found, "{question}");
        assert!(pages <= most_pages, "{question} takes {pages} pages");
    }
}
