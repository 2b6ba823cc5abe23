//! How fast the store is where it stands on the reply's way, on this machine's disk with real syncs.
//!
//! `TMPDIR` decides which disk: a directory in memory measures nothing.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastpath::message::backlog::Destinations;
use fastpath::message::queue_filter::QueueFilter;
use fastpath::message::queue_listing::{QueueOrder, QueuePageRequest};
use fastpath::message::trail::{AnsweredMessage, Attempted, TrailEntry};
use fastpath::message::trail_listing::MessageFilter;
use fastpath::message::words::OutcomeKind;
use fastpath::message::{
    Body, Client, DiskReason, Envelope, MemoryBudget, Message, MessageId, Path, Recipient,
    Reservation, RowState, Spool, Storage,
};
use fastpath::smtp::address::{Mailbox, ReversePath};
use fastpath::smtp::command::BodyType;
use fastpath::store::{NewQueued, NewRow, NextHopShare, RowChange, RowUpdate, Store};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Callers at one time, as the yardstick's source has connections.
const CALLERS: u64 = 20;
/// Rows of the large queue.
const ROWS: usize = 100_000;

struct Bench {
    runtime: Runtime,
    store: Store,
    next_message: AtomicI64,
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let spool = Spool::open(directory.path().join("spool"), "bench").expect("a spool");
        let opened = runtime.block_on(Store::open(
            directory.path(),
            &spool,
            Some(Timestamp::now()),
        ));
        let (store, _writers) = opened.expect("a store");
        Self {
            runtime,
            store,
            next_message: AtomicI64::new(1),
            directory,
        }
    }

    /// A message with one row.
    fn queued(&self, content: &Bytes, state: RowState, next_hop: &str) -> NewQueued {
        let number = self.next_message.fetch_add(1, Ordering::Relaxed);
        let now = Timestamp::now();
        let id = MessageId::from_i64(MessageId::earliest_at(now).as_i64() + number);
        // Not in the order of arrival.
        let spread = number.wrapping_mul(0x9e37_79b9).cast_unsigned() % 5_000;
        let recipient = Recipient::plain(mailbox(&format!("recipient{spread}@example.net")));
        let message = Message {
            id,
            received_at: now,
            client: client(),
            envelope: Envelope {
                sender: ReversePath::Mailbox(mailbox(&format!("sender{spread}@example.org"))),
                recipients: vec![recipient.clone()],
                body_type: BodyType::SevenBit,
                smtputf8: false,
                ret: None,
                envelope_id: None,
            },
            prefix: Bytes::from_static(&[b'r'; 160]),
            body: Body::in_memory(
                vec![content.clone()],
                Reservation::empty(MemoryBudget::new(0)),
            )
            .into(),
            content_from: 0,
            for_clause_at: None,
            eight_bit: false,
            needs_smtputf8: false,
        };
        let row = NewRow {
            id: self.store.queue.allocate_rows(1)[0],
            recipient,
            next_hop: next_hop.into(),
            state,
            reason: DiskReason::StandardPath,
            attempts: 0,
            last_reply: format!("451 4.7.1 Greylisted, try again in {spread} seconds"),
            next_attempt_at: now,
        };
        NewQueued {
            message: Arc::new(message),
            rows: vec![row],
            kept_from: now,
        }
    }

    /// `count` messages, each stored, awaited, and removed, by [`CALLERS`] at one time.
    fn insert_and_remove(self: &Arc<Self>, content: &Bytes, count: u64) -> Duration {
        let begun = Instant::now();
        self.runtime.block_on(async {
            let callers = (0..CALLERS).map(|caller| {
                let bench = Arc::clone(self);
                let content = content.clone();
                let share = count / CALLERS + u64::from(caller < count % CALLERS);
                tokio::spawn(async move {
                    for _ in 0..share {
                        let queued = bench.queued(&content, RowState::Delivering, "mx.example.net");
                        let row = queued.rows[0].id;
                        bench
                            .store
                            .queue
                            .insert(vec![queued])
                            .await
                            .expect("stored");
                        bench.store.queue.change(vec![RowChange::Remove(row)]).await;
                    }
                })
            });
            for caller in callers.collect::<Vec<_>>() {
                caller.await.expect("it ends well");
            }
        });
        begun.elapsed()
    }
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).expect("a mailbox")
}

fn client() -> Client {
    Client {
        address: Some([192, 0, 2, 1].into()),
        helo: "client.example.org".into(),
        login: None,
    }
}

fn inserts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("insert_and_remove");
    group.sample_size(10).throughput(Throughput::Elements(1));
    for kibibytes in [4, 32] {
        let bench = Arc::new(Bench::new());
        let content = Bytes::from(vec![b'x'; kibibytes << 10]);
        group.bench_function(format!("{kibibytes} KiB, {CALLERS} callers"), |bencher| {
            bencher.iter_custom(|count| bench.insert_and_remove(&content, count));
        });
        let log = bench.directory.path().join("appliance.db-wal");
        let bytes = log.metadata().map_or(0, |log| log.len());
        println!("the write-ahead log has {} MiB", bytes >> 20);
    }
    group.finish();
}

fn large_queue(criterion: &mut Criterion) {
    let bench = Bench::new();
    let content = Bytes::from_static(b"small");
    for piece in (0..ROWS).collect::<Vec<_>>().chunks(1_000) {
        let queued = piece.iter().map(|row| {
            let next_hop = format!("mx{}.example.net", row % 1_000);
            bench.queued(&content, RowState::Waiting, &next_hop)
        });
        let stored = bench.store.queue.insert(queued.collect());
        bench.runtime.block_on(stored).expect("stored");
    }
    let mut group = criterion.benchmark_group("large_queue");
    group.sample_size(10);
    group.bench_function("take 200 due rows of 1,000 next hops", |bencher| {
        bencher.iter(|| {
            let now = Timestamp::now();
            let due = bench.store.queue.due_next_hops(now, &[]);
            let due = bench.runtime.block_on(due).expect("readable");
            let shares = due.into_iter().take(200).map(|next_hop| NextHopShare {
                next_hop,
                attempts: 1,
            });
            let shares: Vec<NextHopShare> = shares.collect();
            let taken = bench.store.queue.take_due(now, &shares);
            let taken = bench.runtime.block_on(taken).expect("taken");
            assert_eq!(taken.len(), 200);
            let back = taken.iter().map(|row| {
                RowChange::Update(
                    row.id,
                    RowUpdate {
                        state: Some(RowState::Waiting),
                        ..RowUpdate::default()
                    },
                )
            });
            let back = bench.store.queue.settle(back.collect(), Vec::new());
            bench.runtime.block_on(back).expect("given back");
        });
    });
    let sender = QueueFilter {
        sender: Some("nder77@exam".into()),
        ..QueueFilter::default()
    };
    let reply = QueueFilter {
        last_reply: Some("in 4999 sec".into()),
        ..QueueFilter::default()
    };
    let middle = QueuePageRequest {
        order: QueueOrder::Recipient,
        offset: ROWS as u64 / 2,
        ..QueuePageRequest::default()
    };
    let due = QueuePageRequest {
        order: QueueOrder::NextAttemptAt,
        ..QueuePageRequest::default()
    };
    let last = QueuePageRequest {
        order: QueueOrder::Sender,
        offset: ROWS as u64 - 100,
        ..QueuePageRequest::default()
    };
    for (name, filter, page) in [
        (
            "first page",
            QueueFilter::default(),
            QueuePageRequest::default(),
        ),
        ("first page by due time", QueueFilter::default(), due),
        (
            "first page of a sender",
            sender,
            QueuePageRequest::default(),
        ),
        ("last page by sender", QueueFilter::default(), last),
        ("middle page by recipient", QueueFilter::default(), middle),
        (
            "first page of a reply",
            reply.clone(),
            QueuePageRequest::default(),
        ),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let page = bench.store.queue_view.page(&filter, page, Timestamp::now());
                black_box(bench.runtime.block_on(page).expect("readable"));
            });
        });
    }
    for (name, by) in [
        ("next hops by age", Destinations::NextHop),
        ("domains by age", Destinations::Domain),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let table = bench.store.queue_view.age_table(by, 10, Timestamp::now());
                black_box(bench.runtime.block_on(table).expect("readable"));
            });
        });
    }
    group.bench_function("what an action on a reply would touch", |bencher| {
        bencher.iter(|| {
            let choice = bench
                .store
                .queue_view
                .selection_by_filter(&reply, 10, Timestamp::now());
            black_box(bench.runtime.block_on(choice).expect("readable"));
        });
    });
    group.bench_function("figures", |bencher| {
        bencher.iter(|| {
            let figures = bench.runtime.block_on(bench.store.queue_view.figures());
            black_box(figures.expect("readable"));
        });
    });
    group.finish();
}

fn trail(criterion: &mut Criterion) {
    const MESSAGES: i64 = 10_000;
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("trail");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(MESSAGES.unsigned_abs()));
    let first = MessageId::earliest_at(Timestamp::now()).as_i64();
    let mut next = 0;
    group.bench_function("one second at 10,000 messages", |bencher| {
        bencher.iter_batched(
            || {
                next += MESSAGES;
                (next - MESSAGES..next)
                    .map(|number| entry(first, number))
                    .collect()
            },
            |batch| {
                let appended = bench.runtime.block_on(bench.store.trail.append(batch));
                appended.expect("appended");
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.finish();
    let size = bench.directory.path().join("history.db").metadata();
    let bytes = size.map_or(0, |size| size.len());
    println!(
        "{next} messages have {} bytes each",
        bytes / next.unsigned_abs().max(1)
    );
}

/// A message that was delivered at once: its addresses are all different, which is the worst case.
fn entry(first: i64, number: i64) -> TrailEntry {
    let message = MessageId::from_i64(first + (number << 7));
    // Spread over the index, not in its order.
    let spread = number.wrapping_mul(0x9e37_79b9).cast_unsigned() & 0xffff_ffff;
    let attempted = Attempted {
        message,
        recipient: mailbox(&format!("{spread:08x}@example.net")),
        at: Timestamp::now(),
        next_hop: "mx.example.net".into(),
        peer: Some(([192, 0, 2, 25], 25).into()),
        outcome: OutcomeKind::Delivered,
        words: "250 2.0.0 Ok: queued as 4F2B1C3D".into(),
        took: Duration::from_millis(1),
        tls: false,
    };
    TrailEntry::Answered(AnsweredMessage {
        message,
        received_at: Timestamp::now(),
        client: client(),
        sender: ReversePath::Mailbox(mailbox(&format!("{spread:08x}@example.org"))),
        recipients: 1,
        size_bytes: 4_096,
        path: Path::Fast,
        storage: Storage::Memory,
        reasons: Vec::new(),
        code: 250,
        reply: "2.0.0 Delivered (250 2.0.0 Ok: queued as 4F2B1C3D)".into(),
        acknowledged_after: Duration::from_micros(1_500),
        delivered: Some(attempted),
        examined: String::new(),
    })
}

/// Messages of the long trail.
const LONG_TRAIL: i64 = 1_000_000;

/// One of a million messages: half are of one sender and 500,000 messages old, every tenth is for one
/// recipient, one of twenty was queued first, one of 10,000 was refused.
fn long_entry(first: i64, number: i64) -> Vec<TrailEntry> {
    let TrailEntry::Answered(mut answered) = entry(first, number) else {
        unreachable!("it is an answer");
    };
    answered.received_at = Timestamp::now();
    if number < LONG_TRAIL / 2 {
        answered.sender = ReversePath::Mailbox(mailbox("news@example.com"));
    }
    let mut attempted = answered.delivered.take().expect("it is delivered");
    if number % 10 == 0 {
        attempted.recipient = mailbox("postmaster@example.net");
    }
    if number % 10_000 == 17 {
        attempted.outcome = OutcomeKind::Refused;
        return vec![
            TrailEntry::Attempted(attempted),
            TrailEntry::Answered(answered),
        ];
    }
    if number % 20 != 3 {
        answered.delivered = Some(attempted);
        return vec![TrailEntry::Answered(answered)];
    }
    answered.storage = Storage::Disk;
    answered.reasons = vec![DiskReason::Deferred];
    let deferred = Attempted {
        outcome: OutcomeKind::Deferred,
        ..attempted.clone()
    };
    vec![
        TrailEntry::Attempted(deferred),
        TrailEntry::Answered(answered),
        TrailEntry::Attempted(attempted),
    ]
}

/// The questions of the trail's page, from the newest message and from the middle.
fn long_trail(criterion: &mut Criterion) {
    let bench = Bench::new();
    let first = MessageId::earliest_at(Timestamp::now()).as_i64();
    for begin in (0..LONG_TRAIL).step_by(10_000) {
        let batch = (begin..begin + 10_000).flat_map(|number| long_entry(first, number));
        let appended = bench.store.trail.append(batch.collect());
        bench.runtime.block_on(appended).expect("appended");
    }
    let middle = MessageId::from_i64(first + ((LONG_TRAIL / 2) << 7));
    let mut group = criterion.benchmark_group("long_trail");
    group.sample_size(20);
    for (name, question) in [
        ("everything", json!({})),
        (
            "a rare recipient",
            json!({"recipient": "9e3779b9@example.net"}),
        ),
        (
            "a frequent recipient",
            json!({"recipient": "postmaster@example.net"}),
        ),
        (
            "a frequent recipient, refused",
            json!({"recipient": "postmaster@example.net", "outcome": "refused"}),
        ),
        ("recipients by a letter", json!({"recipient": "p*"})),
        ("all recipients", json!({"recipient": "*"})),
        ("a rare sender", json!({"sender": "9e3779b9@example.org"})),
        ("a frequent sender", json!({"sender": "news@example.com"})),
        (
            "a frequent sender, stored",
            json!({"sender": "news@example.com", "storage": "disk"}),
        ),
        ("senders by a letter", json!({"sender": "n*"})),
        ("a reason", json!({"reason": "deferred"})),
        ("a reason of none", json!({"reason": "conversion"})),
        ("refused", json!({"outcome": "refused"})),
        ("delivered", json!({"outcome": "delivered"})),
        ("held", json!({"outcome": "held"})),
        ("a path of none", json!({"path": "standard"})),
        (
            "an address of none",
            json!({"client_address": "198.51.100.7"}),
        ),
    ] {
        let filter: MessageFilter = serde_json::from_value(question).expect("a filter");
        for (place, cursor) in [("newest", None), ("middle", Some(middle))] {
            group.bench_function(format!("{name}, {place}"), |bencher| {
                bencher.iter(|| {
                    let page = bench.store.trail.messages_page(&filter, cursor, 100);
                    black_box(bench.runtime.block_on(page).expect("readable"));
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, inserts, large_queue, trail, long_trail);
criterion_main!(benches);
