//! The trail: written, found again, page by page.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::TrailStore;
use super::super::figures::Period;
use super::OpenChunk;
use crate::limits;
use crate::message::trail::{AnsweredMessage, Attempted, Noted, RecipientEvent, TrailEntry};
use crate::message::trail_listing::{MessageFilter, MessagesPage, StoryPart};
use crate::message::words::OutcomeKind;
use crate::message::{DiskReason, MessageId, Path, Storage};
use crate::smtp::address::ReversePath;
use crate::store::testing::{Scene, answered, attempted, mailbox, time};

impl TrailStore {
    /// What is written from now on begins new chunks, as after a restart.
    pub(in crate::store::trail) async fn begin_chunk(&self) {
        let mut guard = self.writer.lock().await;
        let appender = &mut guard.as_mut().expect("it is open").appender;
        appender.chunk = OpenChunk::begin(appender.chunk.number + 1);
    }
}

fn id(second: i64) -> MessageId {
    MessageId::earliest_at(time(second))
}

fn answered_with(second: i64, change: impl FnOnce(&mut AnsweredMessage)) -> TrailEntry {
    let TrailEntry::Answered(mut entry) = answered(time(second)) else {
        panic!("it is an answer");
    };
    change(&mut entry);
    TrailEntry::Answered(entry)
}

fn attempted_with(second: i64, recipient: &str, outcome: OutcomeKind) -> TrailEntry {
    let TrailEntry::Attempted(entry) = attempted(time(second), recipient) else {
        panic!("it is an attempt");
    };
    TrailEntry::Attempted(Attempted { outcome, ..entry })
}

/// A message that was delivered to its one recipient before it was answered.
fn delivered(second: i64, recipient: &str) -> TrailEntry {
    answered_with(second, |answered| {
        let TrailEntry::Attempted(entry) = attempted(time(second), recipient) else {
            panic!("it is an attempt");
        };
        answered.delivered = Some(entry);
    })
}

/// Messages of the seconds 1 to 4, each different in something a filter asks for.
fn entries() -> Vec<TrailEntry> {
    vec![
        answered(time(1)),
        attempted(time(1), "anna@example.net"),
        answered_with(2, |answered| {
            answered.sender = ReversePath::Null;
            answered.path = Path::Standard;
            answered.storage = Storage::Disk;
            answered.reasons = vec![
                DiskReason::StandardPath,
                DiskReason::Condition("antivirus".into()),
            ];
        }),
        attempted_with(2, "Anna@example.net", OutcomeKind::Deferred),
        attempted_with(2, "bert@example.net", OutcomeKind::Delivered),
        answered_with(3, |answered| {
            answered.client.address = Some([198, 51, 100, 7].into());
            answered.storage = Storage::Split;
            answered.reasons = vec![DiskReason::OverThreshold];
        }),
        attempted_with(3, "bert@example.net", OutcomeKind::Refused),
        TrailEntry::Noted(Noted {
            message: id(3),
            recipient: mailbox("bert@example.net"),
            at: time(4),
            event: RecipientEvent::Reported,
            words: "to sender@example.org".into(),
        }),
        delivered(4, "Carl@example.net"),
    ]
}

fn seconds(page: &MessagesPage) -> Vec<i64> {
    let second = |at: Timestamp| at.as_second() - time(0).as_second();
    page.items
        .iter()
        .map(|item| second(item.answered.received_at))
        .collect()
}

async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.store.trail.append(entries()).await.expect("appended");
    scene
}

#[tokio::test]
async fn filters_find_the_messages_they_say() {
    let scene = scene().await;
    for (filter, expected) in [
        (json!({}), &[4, 3, 2, 1][..]),
        (json!({"sender": "sender@example.ORG"}), &[4, 3, 1]),
        (json!({"sender": "send*"}), &[4, 3, 1]),
        (json!({"sender": "sender"}), &[]),
        (json!({"sender": "<>"}), &[2]),
        (json!({"recipient": "anna@example.net"}), &[2, 1]),
        (json!({"recipient": "b*"}), &[3, 2]),
        (json!({"recipient": "*"}), &[4, 3, 2, 1]),
        (json!({"recipient": "carl@example.net"}), &[4]),
        (json!({"recipient": "carl*", "outcome": "delivered"}), &[4]),
        (json!({"recipient": "carl*", "outcome": "deferred"}), &[]),
        (json!({"recipient": "c*", "sender": "send*"}), &[4]),
        (json!({"recipient": "b*", "sender": "<>"}), &[2]),
        (
            json!({"recipient": "bert@example.net", "outcome": "refused"}),
            &[3],
        ),
        (
            json!({"recipient": "anna@example.net", "outcome": "delivered"}),
            &[1],
        ),
        (json!({"outcome": "delivered"}), &[4, 2, 1]),
        (json!({"outcome": "reported"}), &[3]),
        (json!({"client_address": "198.51.100.7"}), &[3]),
        (json!({"path": "standard"}), &[2]),
        (json!({"storage": "memory"}), &[4, 1]),
        (json!({"reason": "over_threshold"}), &[3]),
        (json!({"reason": "threshold"}), &[]),
        (json!({"reason": "condition:antivirus"}), &[2]),
        (json!({"reason": "condition:*"}), &[2]),
        (json!({"message_id": id(3).to_string()}), &[3]),
        (
            json!({"message_id": id(3).to_string(), "path": "standard"}),
            &[],
        ),
        (
            json!({"since": time(2).to_string(), "until": time(4).to_string()}),
            &[3, 2],
        ),
        (
            json!({"since": time(2).to_string(), "sender": "send*", "path": ""}),
            &[4, 3],
        ),
    ] {
        let read: MessageFilter = serde_json::from_value(filter.clone()).expect("a filter");
        let page = scene
            .store
            .trail
            .messages_page(&read, None, 10)
            .await
            .expect("readable");
        assert_eq!(seconds(&page), expected, "{filter}");
        assert_eq!(page.next, None, "{filter}");
    }
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let scene = scene().await;
    for filter in [
        json!({}),
        json!({"sender": "*"}),
        json!({"recipient": "*"}),
        json!({"client_address": "192.0.2.1"}),
    ] {
        let read: MessageFilter = serde_json::from_value(filter.clone()).expect("a filter");
        let whole = scene
            .store
            .trail
            .messages_page(&read, None, 10)
            .await
            .expect("readable");
        let mut cursor = None;
        let mut found = Vec::new();
        loop {
            let page = scene
                .store
                .trail
                .messages_page(&read, cursor, 1)
                .await
                .expect("readable");
            found.extend(seconds(&page));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, seconds(&whole), "{filter}");
    }
}

#[tokio::test]
async fn a_listing_shows_what_happened_last() {
    let scene = scene().await;
    let page = scene
        .store
        .trail
        .messages_page(&MessageFilter::default(), None, 3)
        .await;
    let page = page.expect("readable");
    let latest: Vec<Vec<(&str, &str)>> = page
        .items
        .iter()
        .map(|item| {
            item.latest
                .iter()
                .map(|event| (event.recipient.as_str(), event.what.as_str()))
                .collect()
        })
        .collect();
    let expected = [
        vec![("Carl@example.net", "delivered")],
        vec![("bert@example.net", "reported")],
        vec![
            ("Anna@example.net", "deferred"),
            ("bert@example.net", "delivered"),
        ],
    ];
    assert_eq!(latest, expected);
}

/// About how much work SQLite has with the newest messages, in hundreds of its instructions.
async fn work_of_a_listing(scene: &Scene) -> u64 {
    let count = Arc::new(AtomicU64::new(0));
    let mut readers = Vec::new();
    for _ in 0..limits::STORE_READERS {
        let reader = scene.store.trail.readers.acquire().await;
        let mut reader = reader.expect("a reader");
        let counter = Arc::clone(&count);
        let mut handle = reader.lock_handle().await.expect("a handle");
        handle.set_progress_handler(100, move || {
            counter.fetch_add(1, Ordering::Relaxed);
            true
        });
        drop(handle);
        readers.push(reader);
    }
    drop(readers);
    let filter = MessageFilter::default();
    let page = scene.store.trail.messages_page(&filter, None, 100).await;
    let page = page.expect("readable");
    assert_eq!(page.items[0].latest.len(), limits::TRAIL_RECIPIENTS_SHOWN);
    count.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_listing_does_not_read_all_that_happened() {
    let scene = Scene::new().await;
    let recipient = |number: usize| format!("user{number:04}@example.net");
    let round = |recipients: usize, outcome: OutcomeKind| {
        let attempt = move |number| attempted_with(1, &recipient(number), outcome);
        (0..recipients).map(attempt).collect::<Vec<TrailEntry>>()
    };
    let mut few = vec![answered(time(1))];
    few.extend(round(20, OutcomeKind::Deferred));
    scene.store.trail.append(few).await.expect("appended");
    let before = work_of_a_listing(&scene).await;
    for _ in 0..9 {
        let more = round(limits::RECIPIENTS, OutcomeKind::Deferred);
        scene.store.trail.append(more).await.expect("appended");
    }
    let last = round(1, OutcomeKind::Delivered);
    scene.store.trail.append(last).await.expect("appended");
    let after = work_of_a_listing(&scene).await;
    assert!(
        before > 0 && after <= 2 * before,
        "{before} have become {after}"
    );
    let filter = MessageFilter::default();
    let page = scene.store.trail.messages_page(&filter, None, 1).await;
    let latest = page.expect("readable").items.remove(0).latest;
    let latest: Vec<(&str, &str)> = latest
        .iter()
        .map(|event| (event.recipient.as_str(), event.what.as_str()))
        .collect();
    assert_eq!(latest[0], ("user0000@example.net", "delivered"));
    assert_eq!(latest[9], ("user0009@example.net", "deferred"));
}

#[tokio::test]
async fn a_recipient_of_an_internationalised_domain_is_found_in_either_form() {
    let scene = Scene::new().await;
    let tried = attempted_with(1, "info@bücher.test", OutcomeKind::Deferred);
    let entries = vec![tried, answered(time(1))];
    scene.store.trail.append(entries).await.expect("appended");
    for (recipient, found) in [
        ("info@bücher.test", 1),
        ("INFO@BÜCHER.test", 1),
        ("info@xn--bcher-kva.test", 1),
        ("info@xn--bucher-kva.test", 0),
    ] {
        let filter = MessageFilter {
            recipient: Some(recipient.to_owned()),
            ..MessageFilter::default()
        };
        let page = scene.store.trail.messages_page(&filter, None, 1).await;
        assert_eq!(page.expect("readable").items.len(), found, "{recipient}");
    }
}

#[tokio::test]
async fn a_listing_knows_the_last_events_of_many() {
    let scene = Scene::new().await;
    let recipients: Vec<String> = (100..300).map(|n| format!("u{n}@example.net")).collect();
    for outcome in [OutcomeKind::Deferred, OutcomeKind::Delivered] {
        let tried = recipients.iter();
        let tried = tried.map(|recipient| attempted_with(1, recipient, outcome));
        let mut entries: Vec<TrailEntry> = tried.collect();
        entries.push(answered(time(1)));
        scene.store.trail.append(entries).await.expect("appended");
        let expected: Vec<(&str, &str)> = recipients[..limits::TRAIL_RECIPIENTS_SHOWN]
            .iter()
            .map(|recipient| (recipient.as_str(), outcome.as_str()))
            .collect();
        let all = MessageFilter::default();
        let page = scene.store.trail.messages_page(&all, None, 1).await;
        let page = page.expect("readable");
        let latest = page.items[0].latest.iter();
        let latest: Vec<(&str, &str)> = latest
            .map(|event| (event.recipient.as_str(), event.what.as_str()))
            .collect();
        assert_eq!(latest, expected);
    }
}

#[tokio::test]
async fn the_trail_of_a_message_is_whole_and_in_order() {
    let scene = scene().await;
    let trail = scene
        .store
        .trail
        .trail_of(id(3), &StoryPart::default())
        .await
        .expect("readable");
    let trail = serde_json::to_value(&trail).expect("JSON");
    let event = json!({
        "at": "2027-01-15T08:00:03Z", "recipient": "bert@example.net", "what": "refused",
        "words": "250 2.0.0 Ok: queued as 4F2B1C3D", "next_hop": "mx.example.net",
        "peer": "192.0.2.25:25", "tls": false, "took_seconds": 0.002,
    });
    assert_eq!(trail["events"][0], event);
    assert_eq!(trail["events"][1]["what"], "reported");
    assert_eq!(trail["events"][1]["took_seconds"], Value::Null);
    assert_eq!(trail["answered"]["reasons"], json!(["over_threshold"]));
    assert_eq!(trail["answered"]["acknowledged_seconds"], 0.0015);
    assert_eq!(trail["answered"]["code"], 250);
    let in_one_row = scene
        .store
        .trail
        .trail_of(id(4), &StoryPart::default())
        .await
        .expect("readable");
    let in_one_row = serde_json::to_value(&in_one_row).expect("JSON");
    let event = json!([{
        "at": "2027-01-15T08:00:04Z", "recipient": "Carl@example.net", "what": "delivered",
        "words": "250 2.0.0 Ok: queued as 4F2B1C3D", "next_hop": "mx.example.net",
        "peer": "192.0.2.25:25", "tls": false, "took_seconds": 0.002,
    }]);
    assert_eq!(in_one_row["events"], event);
    let unknown = scene
        .store
        .trail
        .trail_of(id(99), &StoryPart::default())
        .await
        .expect("readable");
    assert_eq!((unknown.answered, unknown.events.len()), (None, 0));
}

#[tokio::test]
async fn the_trail_goes_on_after_a_restart() {
    let scene = scene().await;
    let scene = scene.restart(time(10)).await;
    let again = attempted_with(2, "anna@example.net", OutcomeKind::Delivered);
    scene
        .store
        .trail
        .append(vec![again])
        .await
        .expect("appended");
    let trail = scene
        .store
        .trail
        .trail_of(id(2), &StoryPart::default())
        .await
        .expect("readable");
    let what: Vec<_> = trail
        .events
        .iter()
        .map(|event| event.what.as_str())
        .collect();
    assert_eq!(what, ["deferred", "delivered", "delivered"]);
    let greatest = scene.store.greatest_message_id().await.expect("readable");
    assert_eq!(greatest, Some(id(4)));
}

#[tokio::test]
async fn large_batches_begin_new_chunks() {
    let scene = Scene::new().await;
    let entries: Vec<TrailEntry> = (0..10_000)
        .flat_map(|second| {
            let recipient = format!("user{second}@example.net");
            if second % 2 == 0 {
                return vec![delivered(second, &recipient)];
            }
            vec![answered(time(second)), attempted(time(second), &recipient)]
        })
        .collect();
    scene.store.trail.append(entries).await.expect("appended");
    let chunks = "SELECT count(DISTINCT chunk) FROM messages";
    assert_eq!(scene.history_number(chunks).await, 3);
    for second in [0, 4_095, 4_096, 9_999] {
        let filter = MessageFilter {
            recipient: Some(format!("USER{second}@example.net")),
            ..MessageFilter::default()
        };
        let page = scene
            .store
            .trail
            .messages_page(&filter, None, 10)
            .await
            .expect("readable");
        assert_eq!(seconds(&page), [second]);
    }
}

#[tokio::test]
async fn minutes_are_written_over_and_read_in_order() {
    let scene = Scene::new().await;
    for (minute, figures) in [(7, "seven"), (5, "five"), (7, "seven again")] {
        scene
            .store
            .trail
            .save_figures(Period::Minute, minute, figures.to_owned())
            .await
            .expect("saved");
    }
    let loaded = scene
        .store
        .trail
        .load_figures(Period::Minute, 0..=6)
        .await
        .expect("readable");
    assert_eq!(loaded, [(5, "five".to_owned())]);
    let loaded = scene
        .store
        .trail
        .load_figures(Period::Minute, 0..=7)
        .await
        .expect("readable");
    assert_eq!(loaded.last(), Some(&(7, "seven again".to_owned())));
}

#[tokio::test]
async fn hours_are_written_over_and_read_in_order() {
    let scene = Scene::new().await;
    for (hour, figures) in [(7, "seven"), (5, "five"), (7, "seven again")] {
        let saved = scene
            .store
            .trail
            .save_figures(Period::Hour, hour, figures.to_owned())
            .await;
        saved.expect("saved");
    }
    let loaded = scene
        .store
        .trail
        .load_figures(Period::Hour, 5..=7)
        .await
        .expect("readable");
    let expected = [(5, "five".to_owned()), (7, "seven again".to_owned())];
    assert_eq!(loaded, expected);
}

#[tokio::test]
async fn a_batch_that_was_given_up_leaves_no_trace() {
    let scene = Scene::new().await;
    for polls in 1..40 {
        let mut appending = pin!(scene.store.trail.append(entries()));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            if appending.as_mut().poll(&mut context).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    scene
        .store
        .trail
        .append(vec![answered(time(50))])
        .await
        .expect("appended");
    let newest = scene
        .store
        .trail
        .messages_page(&MessageFilter::default(), None, 1)
        .await;
    assert_eq!(seconds(&newest.expect("readable")), [50]);
}
