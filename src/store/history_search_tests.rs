//! Which index a search takes, and that all of them find the same messages, page by page.

use serde_json::{Value, json};

use super::super::testing::{Scene, answered, attempted, time};
use super::*;
use crate::message::DiskReason;
use crate::message::trail::{Attempted, TrailEntry};
use crate::smtp::address::ReversePath;

fn filter(value: &Value) -> MessageFilter {
    serde_json::from_value(value.clone()).expect("a filter")
}

#[test]
fn the_best_index_stands_first() {
    for (question, expected) in [
        (json!({}), ""),
        (json!({"path": "fast", "client_address": "192.0.2.1"}), ""),
        (json!({"outcome": "delivered"}), ""),
        (json!({"storage": "memory"}), ""),
        (json!({"message_id": "0000000000011", "sender": "a@b"}), ""),
        (json!({"sender": "a@b"}), "sender"),
        (
            json!({"sender": "a@b", "recipient": "c@d"}),
            "recipient sender",
        ),
        (
            json!({"sender": "a@b", "recipient": "c*"}),
            "sender recipient?",
        ),
        (
            json!({"sender": "a*", "reason": "deferred"}),
            "sender? reason",
        ),
        (
            json!({"recipient": "c@d", "outcome": "refused"}),
            "event? recipient event",
        ),
        (json!({"outcome": "queued"}), "reason"),
        (json!({"storage": "split"}), "reason"),
    ] {
        let sources = Source::candidates(&filter(&question)).into_iter();
        let sources: Vec<String> = sources
            .map(|(source, only)| {
                let name = match source {
                    Source::Recipient(_) => "recipient",
                    Source::Sender(_) => "sender",
                    Source::Event(_) => "event",
                    Source::Reason(_) => "reason",
                    Source::Everything => "everything",
                };
                let doubt = if only == Only::Sparse { "?" } else { "" };
                format!("{name}{doubt}")
            })
            .collect();
        assert_eq!(sources.join(" "), expected, "{question}");
    }
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
    let appended = scene.store.append_trail(entries.collect()).await;
    appended.expect("appended");
    scene
}

/// How many messages a search finds on how many pages.
async fn pages(scene: &Scene, question: &Value) -> (usize, usize) {
    let filter = filter(question);
    let (mut found, mut pages, mut cursor) = (0, 0, None);
    loop {
        let page = scene.store.messages_page(&filter, cursor, 1_000).await;
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
