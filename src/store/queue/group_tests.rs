//! The queue's writer under good and bad conditions, over real files.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::future::join_all;
use sqlx::Connection;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::plan::DurableMessage;
use super::*;
use crate::accounts::AuditEntry;
use crate::limits;
use crate::message::body::BodyWriter;
use crate::message::queue_filter::QueueFilter;
use crate::message::queue_listing::QueuePageRequest;
use crate::message::{DiskReason, MemoryBudget, Message, MessageId, Reservation, RowId, RowState};
use crate::settings::OverThreshold;
use crate::store::database::connections::Database;
use crate::store::database::log_growth::LogGrowth;
use crate::store::database::writer::{DatabaseWriter, Job};
use crate::store::testing::{self, Scene, audit_entry, queued, row, time};
use crate::store::{NewQueued, NextHopShare, RowAction, RowUpdate, Store};

fn uncertain(row: i64) -> RowChange {
    RowChange::Update(
        RowId(row),
        RowUpdate {
            state: Some(RowState::Uncertain),
            next_attempt_at: Some(time(600)),
            ..RowUpdate::default()
        },
    )
}

fn remove(row: i64) -> RowChange {
    RowChange::Remove(RowId(row))
}

/// A message whose body lies in a spool file for its larger part.
async fn large(scene: &Scene, id: i64, content: &[u8]) -> NewQueued {
    let id = MessageId::from_i64(id);
    let share = Reservation::empty(Arc::clone(&scene.budget));
    let mut writer = BodyWriter::new(id, 1_000, OverThreshold::Split, share, &scene.spool);
    writer.append(content).await.expect("the disk takes it");
    let (body, _) = writer.finish().await.expect("the disk takes it");
    let mut queued = queued(id.as_i64(), &[id.as_i64()], b"");
    let small = Arc::try_unwrap(queued.message).expect("nobody else holds it");
    let body = Arc::new(body);
    queued.message = Arc::new(Message { body, ..small });
    queued
}

/// Spool files are removed on a blocking thread.
async fn until_spool_is_empty(scene: &Scene) {
    while scene.spool.bytes() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn rows_can_be_seen_to_wait_when_the_store_says_so() {
    let scene = Scene::new().await;
    let mut leased = queued(1, &[1], b"content");
    leased.rows[0].state = RowState::Delivering;
    scene
        .store
        .queue
        .insert(vec![leased])
        .await
        .expect("stored");
    let again = RowChange::Update(
        RowId(1),
        RowUpdate {
            state: Some(RowState::Waiting),
            reason: Some(DiskReason::Deferred),
            attempts: Some(1),
            last_reply: Some("450 later".into()),
            next_attempt_at: Some(time(1)),
            ..RowUpdate::default()
        },
    );
    scene.store.queue.change(vec![again]).await;
    scene.store.queue.rescheduled().await;
    let next_due = scene
        .store
        .queue
        .next_due(time(0))
        .await
        .expect("an answer");
    assert_eq!(next_due, Some(time(1)));
}

#[tokio::test]
async fn everybody_who_waits_is_answered() {
    let scene = Scene::new().await;
    let inserts = (1..=300).map(|id| {
        scene
            .store
            .queue
            .insert(vec![queued(id, &[id], b"content")])
    });
    let answers = join_all(inserts).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(scene.number("SELECT count(*) FROM recipients").await, 300);
    let removals = (1..=300).map(|id| scene.store.queue.settle(vec![remove(id)], Vec::new()));
    assert!(join_all(removals).await.iter().all(Result::is_ok));
    for table in [
        "SELECT count(*) FROM recipients",
        "SELECT count(*) FROM messages",
        "SELECT count(*) FROM bodies",
    ] {
        assert_eq!(scene.number(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_member_that_does_not_fit_fails_alone() {
    let scene = Scene::new().await;
    let twice = scene
        .store
        .queue
        .insert(vec![queued(1, &[1], b"first")])
        .await;
    twice.expect("stored");
    // The row 1 is taken: its message must not come in, and must not keep the others out.
    let mut bad = vec![queued(50, &[50], b"good"), queued(51, &[1], b"bad")];
    bad[1].rows[0].attempts = 9;
    let inserts = (2..=20).map(|id| match id {
        10 => scene.store.queue.insert(bad.clone()),
        id => scene.store.queue.insert(vec![queued(id, &[id], b"good")]),
    });
    let answers = join_all(inserts).await;
    let failed: Vec<usize> = (0..answers.len())
        .filter(|&i| answers[i].is_err())
        .collect();
    assert_eq!(failed, [8]);
    assert!(
        matches!(answers[8], Err(StoreError::Rejected(_))),
        "{:?}",
        answers[8]
    );
    assert_eq!(scene.number("SELECT count(*) FROM recipients").await, 19);
    assert_eq!(
        scene
            .number("SELECT count(*) FROM messages WHERE id >= 50")
            .await,
        0
    );
    assert!(scene.store.healthy());
}

#[tokio::test]
async fn changes_follow_what_was_given_before() {
    let scene = Scene::new().await;
    let store = &scene.store;
    // Given while the insert is still on its way.
    let (inserted, (), ()) = tokio::join!(
        store.queue.insert(vec![queued(1, &[1, 2, 3], b"x")]),
        store.queue.change(vec![uncertain(1), uncertain(2)]),
        store.queue.change(vec![remove(1)]),
    );
    inserted.expect("stored");
    scene.settled().await;
    let rows: Vec<_> = store
        .queue_view
        .matching(&QueueFilter::default(), time(0))
        .await
        .expect("readable");
    let expected = [
        (RowId(2), RowState::Uncertain),
        (RowId(3), RowState::Waiting),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_change_nobody_waits_for_is_stored_soon() {
    let scene = Scene::new().await;
    scene
        .store
        .queue
        .insert(vec![queued(1, &[1], b"x")])
        .await
        .expect("stored");
    scene.store.queue.change(vec![remove(1)]).await;
    while scene.number("SELECT count(*) FROM recipients").await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_report_comes_as_its_recipient_goes() {
    let scene = Scene::new().await;
    scene
        .store
        .queue
        .insert(vec![queued(1, &[1], b"x")])
        .await
        .expect("stored");
    let report = queued(2, &[1], b"its row id is taken");
    let settled = scene
        .store
        .queue
        .settle(vec![remove(7)], vec![report])
        .await;
    assert!(settled.is_err());
    let report = queued(2, &[2], b"report");
    let settled = scene
        .store
        .queue
        .settle(vec![remove(1)], vec![report])
        .await;
    settled.expect("settled");
    assert_eq!(
        scene
            .number("SELECT group_concat(id) = '2' FROM recipients")
            .await,
        1
    );
}

#[tokio::test]
async fn row_ids_are_not_used_again_after_a_restart() {
    let scene = Scene::new().await;
    let ids = scene.store.queue.allocate_rows(3);
    assert_eq!(ids, [RowId(1), RowId(2), RowId(3)]);
    scene
        .store
        .queue
        .insert(vec![queued(1, &[1, 2, 3], b"x")])
        .await
        .expect("stored");
    let removals = vec![remove(1), remove(2), remove(3)];
    scene
        .store
        .queue
        .settle(removals, Vec::new())
        .await
        .expect("settled");
    let scene = scene.restart(time(1)).await;
    assert_eq!(scene.store.queue.allocate_rows(1), [RowId(4)]);
}

#[tokio::test]
async fn a_restart_gives_leases_back() {
    let scene = Scene::new().await;
    let mut queued = queued(1, &[1, 2, 3, 4, 5, 6, 7], b"x");
    for (row, state) in queued.rows.iter_mut().zip(RowState::ALL) {
        row.state = *state;
        row.next_attempt_at = time(50);
    }
    queued.rows[6].state = RowState::Uncertain;
    queued.rows[6].next_attempt_at = time(5_000);
    scene
        .store
        .queue
        .insert(vec![queued])
        .await
        .expect("stored");
    let scene = scene.restart(time(100)).await;
    let all = QueueFilter::default();
    let page = scene
        .store
        .queue_view
        .page(&all, QueuePageRequest::default(), time(0));
    let rows: Vec<_> = page
        .await
        .expect("readable")
        .items
        .into_iter()
        .map(|item| {
            let due = item.next_attempt_at.as_second() - time(0).as_second();
            (item.state, due)
        })
        .collect();
    let expected = [
        (RowState::Waiting, 50),
        (RowState::Waiting, 100),
        (RowState::Held, 50),
        (RowState::Uncertain, 700),
        (RowState::Quarantined, 50),
        (RowState::Damaged, 50),
        (RowState::Uncertain, 5_000),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_command_beside_leaves_the_rows_alone() {
    let scene = Scene::new().await;
    let mut queued = queued(1, &[1], b"x");
    queued.rows[0].state = RowState::Delivering;
    scene
        .store
        .queue
        .insert(vec![queued])
        .await
        .expect("stored");
    let opened = Store::open(scene.path(), &scene.spool, None).await;
    let (beside, writers) = opened.expect("it opens beside");
    let rows = beside
        .queue_view
        .matching(&QueueFilter::default(), time(0))
        .await;
    assert_eq!(rows.expect("readable"), [(RowId(1), RowState::Delivering)]);
    assert!(beside.close(writers).await);
    scene
        .store
        .queue
        .insert(vec![testing::queued(2, &[2], b"y")])
        .await
        .expect("stored still");
}

#[tokio::test]
async fn the_writer_waits_for_a_stranger_who_holds_the_database() {
    let scene = Scene::new().await;
    let mut stranger = scene.stranger("appliance.db").await;
    let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut stranger).await;
    begun.expect("the database is free");
    let insert = scene.store.queue.insert(vec![queued(1, &[1], b"x")]);
    let let_go = async {
        // The insert stands before the lock by then, or will: either way it has to wait.
        tokio::task::yield_now().await;
        assert_eq!(scene.number("SELECT count(*) FROM recipients").await, 0);
        stranger.close().await.expect("closed");
    };
    let (inserted, ()) = tokio::join!(insert, let_go);
    inserted.expect("stored in the end");
}

#[tokio::test]
async fn what_somebody_no_longer_waits_for_is_not_begun() {
    let scene = Scene::new().await;
    let note = |action: &str, until| AuditEntry {
        until,
        ..audit_entry(action)
    };
    let mut stranger = scene.stranger("appliance.db").await;
    let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut stranger).await;
    begun.expect("the database is free");
    // Stands before the others, and waits for the stranger.
    let insert = scene.store.queue.insert(vec![queued(1, &[1], b"x")]);
    let (now, later) = (Instant::now(), Instant::now() + limits::STORE_WAIT);
    let late = scene
        .store
        .administration
        .change((), note("late", Some(now)));
    let in_time = scene
        .store
        .administration
        .change((), note("in time", Some(later)));
    let always = scene
        .store
        .administration
        .change((), note("whenever", None));
    let let_go = async {
        tokio::task::yield_now().await;
        stranger.close().await.expect("closed");
    };
    let (inserted, late, in_time, always, ()) = tokio::join!(insert, late, in_time, always, let_go);
    inserted.expect("stored in the end");
    assert_eq!(late, Err(StoreError::Overdue));
    assert_eq!((in_time, always), (Ok(()), Ok(())));
    let audit = scene
        .store
        .administration
        .audit_page(None, 9)
        .await
        .expect("readable");
    let actions: Vec<_> = audit.iter().map(|item| item.action.as_str()).collect();
    assert_eq!(actions, ["whenever", "in time"]);
}

#[tokio::test]
async fn a_spool_file_goes_with_its_message() {
    let scene = Scene::new().await;
    let content = b"0123456789".repeat(20_000);
    let queued = large(&scene, 1, &content).await;
    scene
        .store
        .queue
        .insert(vec![queued])
        .await
        .expect("stored");
    let names = scene
        .store
        .queue
        .spool_names_in_use()
        .await
        .expect("readable");
    let names = names.expect("every name");
    assert_eq!(names.len(), 1);
    assert_eq!(scene.number("SELECT count(*) FROM bodies").await, 0);
    assert!(scene.spool.bytes() >= content.len() as u64);
    scene
        .store
        .queue
        .settle(vec![remove(1)], Vec::new())
        .await
        .expect("settled");
    until_spool_is_empty(&scene).await;
    assert_eq!(
        scene
            .store
            .queue
            .spool_names_in_use()
            .await
            .expect("readable")
            .expect("every name"),
        HashSet::new()
    );
}

#[tokio::test]
async fn a_spool_file_goes_when_its_row_was_refused_or_never_needed() {
    let scene = Scene::new().await;
    scene
        .store
        .queue
        .insert(vec![queued(1, &[1], b"x")])
        .await
        .expect("stored");
    let mut refused = large(&scene, 2, &[b'x'; 5_000]).await;
    refused.rows = vec![row(1)];
    scene
        .store
        .queue
        .insert(vec![refused])
        .await
        .expect_err("the row id is taken");
    until_spool_is_empty(&scene).await;

    let unneeded = large(&scene, 3, &[b'x'; 5_000]).await;
    let (inserted, ()) = tokio::join!(scene.store.queue.insert(vec![unneeded]), async {
        // Behind the insert, and in its batch or a later one.
        while scene.spool.bytes() == 0 {
            tokio::task::yield_now().await;
        }
        scene.store.queue.change(vec![remove(3)]).await;
    });
    inserted.expect("stored");
    scene.settled().await;
    scene.store.queue.change(vec![remove(3)]).await;
    until_spool_is_empty(&scene).await;
}

#[tokio::test]
async fn what_cannot_be_committed_ends_all_trust() {
    let scene = Scene::new().await;
    for sql in [
        "CREATE TABLE trap (message REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER spring AFTER INSERT ON recipients WHEN new.id = 13
         BEGIN INSERT INTO trap VALUES (-1); END",
    ] {
        scene.meddle(sql).await;
    }
    scene
        .store
        .queue
        .insert(vec![queued(1, &[1], b"x")])
        .await
        .expect("stored");
    let failed = scene.store.queue.insert(vec![queued(2, &[13], b"x")]).await;
    assert!(matches!(failed, Err(StoreError::Commit(_))), "{failed:?}");
    assert!(!scene.store.healthy());
    let after = scene.store.queue.insert(vec![queued(3, &[3], b"x")]).await;
    assert_eq!(after, Err(StoreError::Distrusted));
    let taken = scene
        .store
        .queue
        .take_due(
            time(0),
            &[NextHopShare {
                next_hop: "mx.example.net".to_owned(),
                attempts: 9,
            }],
        )
        .await;
    assert!(matches!(taken, Err(StoreError::Distrusted)));
    scene.meddle("DROP TRIGGER spring").await;
    let scene = scene.restart(time(1)).await;
    assert!(scene.store.healthy());
    assert_eq!(scene.number("SELECT count(*) FROM recipients").await, 1);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let scene = Scene::new().await;
    let store = scene.store.clone();
    let scene = scene.restart(time(1)).await;
    let inserted = store.queue.insert(vec![queued(1, &[1], b"x")]).await;
    assert_eq!(inserted, Err(StoreError::Closed));
    store.queue.change(vec![remove(1)]).await;
    assert_eq!(scene.number("SELECT count(*) FROM recipients").await, 0);
}

/// A writer whose database may not grow beyond `pages` more: SQLite's own way to a full disk.
async fn cramped(scene: &Scene, pages: i64) -> (mpsc::Sender<Job<Member>>, CancellationToken) {
    let mut connection = Database::Appliance
        .open(scene.path())
        .await
        .expect("it opens");
    let used: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut connection)
        .await
        .expect("an answer");
    let limit = format!("PRAGMA max_page_count = {}", used + pages);
    let limited = sqlx::query(sqlx::AssertSqlSafe(limit))
        .execute(&mut connection)
        .await;
    limited.expect("limited");
    let (jobs, waiting) = mpsc::channel(64);
    let file = Database::Appliance.file(scene.path());
    let spool = Arc::clone(&scene.spool);
    let growth = LogGrowth::new(u64::MAX);
    let transactions = Transactions::open(connection, &file, spool, growth, 0).await;
    let transactions = transactions.expect("a log");
    let group = QueueGroup::new(Arc::new(Notify::new()));
    let writer = DatabaseWriter::new(transactions, group, waiting);
    let stop = CancellationToken::new();
    tokio::spawn(writer.run(stop.clone()));
    (jobs, stop)
}

async fn ask(
    jobs: &mpsc::Sender<Job<Member>>,
    changes: Vec<RowChange>,
    inserts: Vec<NewQueued>,
) -> Result<(), StoreError> {
    let (answer, answered) = oneshot::channel();
    let prepare = |queued: NewQueued| {
        let durable = testing::inline(&queued);
        DurableMessage { queued, durable }
    };
    let member = Member {
        inserts: inserts.into_iter().map(prepare).collect(),
        changes,
        answer: Some(answer),
    };
    jobs.send(Job::Grouped(member))
        .await
        .expect("the writer lives");
    answered.await.expect("the writer answers")
}

#[tokio::test]
async fn a_full_disk_refuses_inserts_and_keeps_changes() {
    let scene = Scene::new().await;
    let filler = vec![b'x'; 100_000];
    scene
        .store
        .queue
        .insert(vec![queued(1, &[1, 2], b"x"), queued(3, &[3], &filler)])
        .await
        .expect("stored");
    let (jobs, _stop) = cramped(&scene, 0).await;
    let refused = ask(&jobs, Vec::new(), vec![queued(9, &[9], &filler)]).await;
    assert_eq!(refused, Err(StoreError::Full));

    // A change that needs a page more than there is: kept, not lost.
    let wordy = RowChange::Update(
        RowId(1),
        RowUpdate {
            state: Some(RowState::Waiting),
            reason: Some(DiskReason::Deferred),
            attempts: Some(7),
            last_reply: Some("y".repeat(50_000)),
            next_attempt_at: Some(time(60)),
            ..RowUpdate::default()
        },
    );
    jobs.send(Job::Grouped(Member::lazy(vec![wordy])))
        .await
        .expect("the writer lives");
    let refused = ask(&jobs, Vec::new(), vec![queued(9, &[9], &filler)]).await;
    assert_eq!(
        refused,
        Err(StoreError::Full),
        "the writer has met the change by now"
    );
    assert_eq!(
        scene
            .number("SELECT attempts FROM recipients WHERE id = 1")
            .await,
        1
    );

    // A removal makes room. It goes through although what was kept does not fit at its time.
    ask(&jobs, vec![remove(3)], Vec::new())
        .await
        .expect("there is room for less");
    while scene
        .number("SELECT attempts FROM recipients WHERE id = 1")
        .await
        != 7
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn kept_changes_stay_in_order() {
    let scene = Scene::new().await;
    let filler = vec![b'x'; 100_000];
    scene
        .store
        .queue
        .insert(vec![queued(1, &[1], b"x"), queued(3, &[3], &filler)])
        .await
        .expect("stored");
    let (jobs, _stop) = cramped(&scene, 0).await;
    let wordy = RowChange::Update(
        RowId(1),
        RowUpdate {
            state: Some(RowState::Waiting),
            reason: Some(DiskReason::Deferred),
            attempts: Some(7),
            last_reply: Some("y".repeat(50_000)),
            next_attempt_at: Some(time(60)),
            ..RowUpdate::default()
        },
    );
    jobs.send(Job::Grouped(Member::lazy(vec![wordy])))
        .await
        .expect("the writer lives");
    let held = RowChange::Update(
        RowId(1),
        RowUpdate {
            state: Some(RowState::Held),
            ..RowUpdate::default()
        },
    );
    // Of the same row: it cannot pass the change that was kept.
    assert_eq!(
        ask(&jobs, vec![held.clone()], Vec::new()).await,
        Err(StoreError::Full)
    );
    jobs.send(Job::Grouped(Member::lazy(vec![held])))
        .await
        .expect("the writer lives");
    ask(&jobs, vec![remove(3)], Vec::new())
        .await
        .expect("there is room for less");
    while scene
        .number("SELECT attempts FROM recipients WHERE id = 1")
        .await
        != 7
    {
        tokio::task::yield_now().await;
    }
    let held = "SELECT count(*) FROM recipients WHERE id = 1 AND state = 'held'";
    assert_eq!(scene.number(held).await, 1);
}

#[tokio::test]
async fn a_stored_message_comes_back_as_it_was() {
    let scene = Scene::new().await;
    let small = queued(1, &[1, 2], b"small content\r\n");
    let content = b"0123456789".repeat(20_000);
    let large = large(&scene, 3, &content).await;
    let stored = [(&small, &b"small content\r\n"[..]), (&large, &content[..])];
    scene
        .store
        .queue
        .insert(vec![small.clone(), large.clone()])
        .await
        .expect("stored");
    let budget = MemoryBudget::new(1);
    for (queued, content) in stored {
        let message = &queued.message;
        let loaded = scene
            .store
            .queue
            .load(message.id, &budget)
            .await
            .expect("loaded");
        assert_eq!(loaded.received_at, message.received_at);
        assert_eq!(loaded.client, message.client);
        assert_eq!(loaded.prefix, message.prefix);
        assert_eq!(loaded.envelope.sender, message.envelope.sender);
        assert_eq!(loaded.envelope.body_type, message.envelope.body_type);
        assert_eq!((loaded.eight_bit, loaded.needs_smtputf8), (true, false));
        let mut reader = crate::message::BodyReader::new(Arc::new(loaded));
        let mut read = Vec::new();
        while let Some(block) = reader.next().await.expect("readable") {
            read.extend_from_slice(&block);
        }
        assert_eq!(Bytes::from(read), Bytes::copy_from_slice(content));
    }
    assert_eq!(budget.used_bytes(), 0, "given back with the message");
}

#[tokio::test]
async fn what_stands_in_the_database_is_counted() {
    let mut scene = Scene::new().await;
    let first = queued(1, &[1, 2], b"a dozen byte");
    let second = queued(2, &[3], b"7 bytes");
    let in_file = large(&scene, 5, &[b'x'; 200_000]).await;
    let stored = scene.store.queue.insert(vec![first, second, in_file]).await;
    stored.expect("stored");
    assert_eq!(scene.store.queue.inline_bytes(), 19);
    scene = scene.restart(time(1)).await;
    assert_eq!(scene.store.queue.inline_bytes(), 19);

    // The message stays as long as one of its recipients does.
    scene.store.queue.change(vec![remove(1)]).await;
    let purge = async |row| {
        let rows = vec![RowId(row)];
        let purged = scene.store.queue.act(RowAction::Purge, rows, time(2)).await;
        purged.expect("purged");
    };
    purge(3).await;
    assert_eq!(scene.store.queue.inline_bytes(), 12);
    purge(2).await;
    assert_eq!(scene.store.queue.inline_bytes(), 0);
}
