//! Whatever is asked for, and however far one look reaches: what is found is what a reader of the whole
//! trail would find.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::search::{Looks, TrailSearch};
use super::*;
use crate::message::trail::{AnsweredMessage, Attempted, TrailEntry};
use crate::message::trail_listing::MessageFilter;
use crate::message::words::OutcomeKind;
use crate::message::{DiskReason, MessageId, Storage};
use crate::smtp::address::ReversePath;
use crate::store::testing::{Scene, answered, attempted, mailbox, time};

/// Chunks of the trail.
const CHUNKS: usize = 24;
/// Messages that arrive while one chunk is written; one arrives each second.
const CHUNK_MESSAGES: i64 = 60;

/// Numbers that look like chance, and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        // Knuth's MMIX generator; its upper bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn recipient(&mut self, chunk: usize) -> String {
        match self.below(10) {
            // Common, but not of late; in every spelling.
            0..4 if chunk < CHUNKS - 4 => {
                ["postmaster", "PostMaster"][self.below(2) as usize].into()
            }
            0..8 => "robot".into(),
            8 => format!("p{}", self.below(1_000)),
            _ => format!("user{}", self.below(20)),
        }
    }

    fn sender(&mut self) -> ReversePath {
        match self.below(8) {
            0..4 => ReversePath::Mailbox(mailbox("News@example.com")),
            4 => ReversePath::Null,
            _ => {
                let sender = format!("s{}@example.org", self.below(300));
                ReversePath::Mailbox(mailbox(&sender))
            }
        }
    }
}

/// A trail in which all happens that stirs the order: messages answered late, recipients tried again many
/// chunks later, and events of messages that have no row.
fn entries() -> Vec<Vec<TrailEntry>> {
    let mut chance = Chance(7);
    let mut chunks: Vec<Vec<TrailEntry>> = vec![Vec::new(); CHUNKS];
    for chunk in 0..CHUNKS {
        for place in 0..CHUNK_MESSAGES {
            let at = time(chunk as i64 * CHUNK_MESSAGES + place);
            let mut attempt = |chunk: usize, outcome| {
                let recipient = format!("{}@example.net", chance.recipient(chunk));
                let TrailEntry::Attempted(attempted) = attempted(at, &recipient) else {
                    panic!("it is an attempt");
                };
                let later = chance.below(CHUNKS as u64) as usize;
                (
                    Attempted {
                        outcome,
                        ..attempted
                    },
                    (chunk + later).min(CHUNKS - 1),
                )
            };
            let TrailEntry::Answered(mut answered) = answered(at) else {
                panic!("it is an answer");
            };
            let (attempted, later) = attempt(chunk, OutcomeKind::Delivered);
            match place % 6 {
                0 => {
                    let (deferred, _) = attempt(chunk, OutcomeKind::Deferred);
                    answered.storage = Storage::Disk;
                    answered.recipients = 30;
                    answered.reasons = vec![DiskReason::Deferred];
                    chunks[chunk].push(TrailEntry::Attempted(deferred));
                    chunks[later].push(TrailEntry::Attempted(attempted));
                }
                1 => chunks[chunk].push(TrailEntry::Attempted(attempted)),
                _ => answered.delivered = Some(attempted),
            }
            answered.sender = chance.sender();
            let told = match place % 10 {
                // A report has events only.
                6 => continue,
                7 => later,
                _ => chunk,
            };
            chunks[told].push(TrailEntry::Answered(answered));
        }
    }
    // One message that nobody else is like.
    let TrailEntry::Answered(rare) = answered(time(-1)) else {
        panic!("it is an answer");
    };
    let sender = ReversePath::Mailbox(mailbox("zoe@example.org"));
    chunks[0].push(TrailEntry::Answered(AnsweredMessage { sender, ..rare }));
    chunks[0].push(attempted(time(-1), "zoe@example.net"));
    chunks
}

/// A message as somebody knows it who has read everything.
#[derive(Debug, Default)]
struct Told {
    answered: Option<AnsweredMessage>,
    happened: Vec<(String, OutcomeKind)>,
}

fn told(entries: &[Vec<TrailEntry>]) -> BTreeMap<i64, Told> {
    let mut messages: BTreeMap<i64, Told> = BTreeMap::new();
    let mut happened = |attempted: &Attempted| {
        let what = (
            attempted.recipient.as_str().to_lowercase(),
            attempted.outcome,
        );
        let told = messages.entry(attempted.message.as_i64()).or_default();
        told.happened.push(what);
    };
    for entry in entries.iter().flatten() {
        match entry {
            TrailEntry::Answered(answered) => {
                answered.delivered.iter().for_each(&mut happened);
            }
            TrailEntry::Attempted(attempted) => happened(attempted),
            TrailEntry::Noted(_) => {}
        }
    }
    for entry in entries.iter().flatten() {
        if let TrailEntry::Answered(answered) = entry {
            let told = messages.entry(answered.message.as_i64()).or_default();
            told.answered = Some(answered.clone());
        }
    }
    messages
}

fn is_like(address: &str, wanted: &str) -> bool {
    let address = address.to_lowercase();
    match wanted.strip_suffix('*') {
        Some(beginning) => address.starts_with(&beginning.to_lowercase()),
        None if wanted == "<>" => address.is_empty(),
        None => address == wanted.to_lowercase(),
    }
}

impl Told {
    fn has(&self, party: AddressRole, wanted: &str) -> bool {
        match party {
            AddressRole::Recipient => self.happened.iter().any(|(who, _)| is_like(who, wanted)),
            AddressRole::Sender => {
                let mut answered = self.answered.iter();
                answered.any(|answered| is_like(answered.sender.as_str(), wanted))
            }
        }
    }

    fn is_meant(&self, filter: &MessageFilter) -> bool {
        let Some(answered) = &self.answered else {
            return false;
        };
        let recipient = filter.recipient.as_deref().unwrap_or("*");
        let asks_events = filter.recipient.is_some() || filter.outcome.is_some();
        let happened = self.happened.iter().any(|(who, what)| {
            let wanted = filter.outcome.as_deref();
            is_like(who, recipient) && wanted.is_none_or(|wanted| wanted == what.as_str())
        });
        let sender = filter.sender.as_deref();
        let storage = filter.storage.as_deref();
        (happened || !asks_events)
            && sender.is_none_or(|sender| self.has(AddressRole::Sender, sender))
            && storage.is_none_or(|storage| storage == answered.storage.as_str())
            && filter
                .since
                .is_none_or(|since| answered.received_at >= since)
            && filter
                .until
                .is_none_or(|until| answered.received_at < until)
    }
}

async fn scene(entries: &[Vec<TrailEntry>]) -> Scene {
    let scene = Scene::new().await;
    for chunk in entries {
        scene.store.trail.begin_chunk().await;
        let appended = scene.store.trail.append(chunk.clone()).await;
        appended.expect("appended");
    }
    scene
}

/// All pages of a search, one after the other.
async fn search(scene: &Scene, filter: &MessageFilter, limit: u32, looks: Looks) -> Vec<i64> {
    let (mut found, mut cursor) = (Vec::new(), None);
    for _ in 0..10_000 {
        let search = TrailSearch {
            readers: &scene.store.trail.readers,
            filter,
            bounds: Bounds::of(filter, cursor),
            limit,
            looks,
        };
        let page = search.run().await.expect("readable");
        assert!(page.rows.len() <= limit as usize);
        found.extend(page.rows.iter().map(|row| row.message_id.as_i64()));
        let Some(next) = page.next else {
            return found;
        };
        assert!(
            cursor.is_none_or(|cursor| next < cursor),
            "it goes on at {next}"
        );
        cursor = Some(next);
    }
    panic!("{filter:?} has no end");
}

#[tokio::test]
async fn pages_hold_what_a_reader_of_everything_finds() {
    let entries = entries();
    let messages = told(&entries);
    let scene = scene(&entries).await;
    let middle = CHUNKS as i64 * CHUNK_MESSAGES / 2;
    let mut most = 0;
    for question in [
        json!({"recipient": "p*"}),
        json!({"recipient": "P*"}),
        json!({"recipient": "postmaster@example.net"}),
        json!({"recipient": "robot@*"}),
        json!({"recipient": "user7@example.net"}),
        json!({"recipient": "zoe*"}),
        json!({"recipient": "absent*"}),
        json!({"recipient": "absent@example.net"}),
        json!({"recipient": "*"}),
        json!({"sender": "n*"}),
        json!({"sender": "s1*"}),
        json!({"sender": "zoe@example.org"}),
        json!({"sender": "<>"}),
        json!({"sender": "*"}),
        json!({"sender": "n*", "recipient": "p*"}),
        json!({"sender": "s*", "recipient": "zoe*"}),
        json!({"sender": "zoe*", "recipient": "z*"}),
        json!({"recipient": "p*", "outcome": "deferred"}),
        json!({"recipient": "p*", "outcome": "delivered"}),
        json!({"recipient": "p*", "storage": "disk"}),
        json!({"sender": "n*", "storage": "memory"}),
        json!({"storage": "memory"}),
        json!({"outcome": "deferred"}),
    ] {
        for times in [
            json!({}),
            json!({"since": time(middle)}),
            json!({"until": time(middle)}),
            json!({"since": time(middle - 100), "until": time(middle + 3)}),
            json!({"since": time(middle * 3)}),
        ] {
            let (Value::Object(mut asked), Value::Object(times)) = (question.clone(), times) else {
                panic!("they are objects");
            };
            asked.extend(times);
            let asked = Value::Object(asked);
            let filter = serde_json::from_value(asked.clone()).expect("a filter");
            let meant = messages
                .iter()
                .rev()
                .filter(|(_, told)| told.is_meant(&filter));
            let expected: Vec<i64> = meant.map(|(id, _)| *id).collect();
            most = most.max(expected.len());
            for (limit, candidates, in_turn, recipients) in [
                (29, 50, 200, 100),
                (29, 200, 50, 1_000),
                (1_000, 4_000, 30_000, 40_000),
            ] {
                let looks = Looks {
                    candidates,
                    in_turn,
                    recipients,
                };
                let found = search(&scene, &filter, limit, looks).await;
                assert_eq!(found, expected, "{asked} by {limit}, {looks:?}");
            }
        }
    }
    assert!(most > 1_000, "nothing that was asked for is common");
}

#[tokio::test]
async fn a_walk_tells_how_far_it_came() {
    let entries = entries();
    let messages = told(&entries);
    let scene = scene(&entries).await;
    let readers = &scene.store.trail.readers;
    let (mut cut, mut stuck) = (0, 0);
    for (party, wanted) in [
        (AddressRole::Recipient, "p*"),
        (AddressRole::Recipient, "robot@example.net"),
        (AddressRole::Recipient, "zoe*"),
        (AddressRole::Recipient, "absent*"),
        (AddressRole::Sender, "n*"),
        (AddressRole::Sender, "s*"),
    ] {
        let address = SearchedAddress {
            party,
            wanted: wanted.to_owned(),
        };
        for end in [i64::MAX, id(1_200), id(500), id(3)] {
            let bounds = Bounds { first: id(1), end };
            let within = messages.range(bounds.first..end).rev();
            let within = within.filter(|(_, told)| told.has(party, wanted));
            let all: Vec<i64> = within.map(|(id, _)| *id).collect();
            for reach in [
                (1, 40),
                (4, 9_999),
                (9_999, 40),
                (9_999, 200),
                (9_999, 9_999),
            ] {
                let (chunks, entries) = reach;
                let whole = reach == (9_999, 9_999);
                for most in [1, 20, 500, 5_000] {
                    let case = format!("{wanted} below {end}, {most} within {reach:?}");
                    let reach = Reach { chunks, entries };
                    let newest = address.newest(readers, bounds, most, reach).await;
                    let Some(newest) = newest.expect("readable") else {
                        assert!(!whole, "{case} leads nowhere");
                        stuck += 1;
                        continue;
                    };
                    let found = newest.ids.len();
                    assert!(found <= most as usize, "{case}");
                    assert_eq!(newest.ids, all[..found], "{case}");
                    let Some(next) = newest.next else {
                        assert_eq!(found, all.len(), "{case}");
                        continue;
                    };
                    assert!(next < end, "{case}");
                    assert!(all[found..].iter().all(|&id| id < next), "{case}");
                    assert!(newest.ids.iter().all(|&id| id >= next), "{case}");
                    let is_cut = found < most as usize;
                    assert!(!(is_cut && whole), "{case} stops too soon");
                    cut += usize::from(is_cut);
                }
            }
        }
    }
    assert!(cut > 20 && stuck > 20, "{cut} were cut, {stuck} stuck");
}

#[tokio::test]
async fn what_is_common_is_found_in_few_chunks_and_entries() {
    let entries = entries();
    let scene = scene(&entries).await;
    let readers = &scene.store.trail.readers;
    let bounds = Bounds {
        first: 0,
        end: i64::MAX,
    };
    for (party, wanted) in [(AddressRole::Recipient, "r*"), (AddressRole::Sender, "n*")] {
        let address = SearchedAddress {
            party,
            wanted: wanted.to_owned(),
        };
        let reach = Reach {
            chunks: 6,
            entries: 200,
        };
        let newest = address.newest(readers, bounds, 20, reach).await;
        let newest = newest.expect("readable").expect("it leads somewhere");
        assert_eq!(newest.ids.len(), 20, "{wanted}");
    }
}

#[tokio::test]
async fn the_record_of_chunks_is_what_an_upgrade_would_write() {
    let scene = scene(&entries()).await;
    let chunks = scene.history_number("SELECT count(*) FROM chunks").await;
    assert_eq!(chunks, 2 * CHUNKS as i64);
    let differing = "SELECT count(*) FROM (
        SELECT * FROM chunks EXCEPT SELECT * FROM (
            SELECT 'messages', chunk, min(id), max(id) FROM messages GROUP BY chunk
            UNION ALL
            SELECT 'events', chunk, min(message), max(message) FROM events GROUP BY chunk))";
    assert_eq!(scene.history_number(differing).await, 0);
}

fn id(second: i64) -> i64 {
    MessageId::earliest_at(time(second)).as_i64()
}
