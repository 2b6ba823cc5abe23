//! What the store's tests share: small messages, times, and a store in a directory of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;

use super::{AdministrationStore, NewQueued, NewRow, ReadError, Store, Writers};
use crate::accounts::{AuditEntry, AuditFilter, AuditItem};
use crate::message::body::Durable;
pub(super) use crate::message::testing::mailbox;
use crate::message::trail::{AnsweredMessage, Attempted, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{
    Checksum, Client, DiskReason, Envelope, MemoryBudget, Message, MessageId, Path, Recipient,
    RowId, RowState, Spool, Storage, testing,
};
use crate::smtp::address::ReversePath;
use crate::smtp::command::BodyType;

/// The tests' noon: all their times are counted from here.
const NOON_SECOND: i64 = 1_800_000_000;

/// `seconds` after the tests' noon.
pub(super) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOON_SECOND + seconds).expect("a time within all times")
}

/// What the audit says of a change.
pub(super) fn audit_entry(action: &str) -> AuditEntry {
    AuditEntry {
        at: time(0),
        who: "admin".into(),
        from: None,
        action: action.into(),
        before: None,
        after: None,
        until: None,
    }
}

/// A store in a directory that goes with it.
pub(super) struct Scene {
    pub(super) store: Store,
    pub(super) spool: Arc<Spool>,
    pub(super) budget: Arc<MemoryBudget>,
    writers: Writers,
    directory: TempDir,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self::in_directory(directory, "boot1", time(0)).await
    }

    async fn in_directory(directory: TempDir, boot: &str, now: Timestamp) -> Self {
        let spool = Spool::open(directory.path().join("spool"), boot).expect("a spool");
        let opened = Store::open(directory.path(), &spool, Some(now)).await;
        let (store, writers) = opened.expect("a store");
        Self {
            store,
            spool,
            budget: MemoryBudget::new(1 << 30),
            writers,
            directory,
        }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Closes the store and opens it again at `now`.
    pub(super) async fn restart(self, now: Timestamp) -> Self {
        assert!(self.store.close(self.writers).await, "it closes in time");
        Self::in_directory(self.directory, "boot2", now).await
    }

    /// What is left of it on the disk.
    pub(super) async fn close(self) -> TempDir {
        assert!(self.store.close(self.writers).await, "it closes in time");
        self.directory
    }

    /// A connection of somebody else, to look at the tables or to break them.
    pub(super) async fn stranger(&self, file: &str) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(self.path().join(file))
            .foreign_keys(false)
            .connect()
            .await
            .expect("a connection")
    }

    /// Runs one statement over a connection of somebody else.
    pub(super) async fn meddle(&self, sql: &'static str) {
        let mut connection = self.stranger("appliance.db").await;
        let done = sqlx::query(sql).execute(&mut connection).await;
        done.expect("the statement runs");
    }

    /// One number from the tables.
    pub(super) async fn number(&self, sql: &'static str) -> i64 {
        let mut connection = self.stranger("appliance.db").await;
        let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
        number.expect("the statement gives a number")
    }

    /// One number from the trail.
    pub(super) async fn history_number(&self, sql: &'static str) -> i64 {
        let mut connection = self.stranger("history.db").await;
        let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
        number.expect("the statement gives a number")
    }

    /// Everything that was given to the writer before is stored when this returns.
    pub(super) async fn settled(&self) {
        let settled = self.store.queue.settle(Vec::new(), Vec::new()).await;
        settled.expect("the writer answers");
    }
}

impl AdministrationStore {
    /// The newest entries of the audit before the entry `before`, or the newest of all.
    pub(crate) async fn audit_page(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditItem>, ReadError> {
        let everything = AuditFilter::default();
        self.audit_search(&everything, before, limit).await
    }
}

/// A message from `sender@example.org`, received at noon, with `content` in memory.
pub(super) fn message(id: i64, recipients: Vec<Recipient>, content: &[u8]) -> Arc<Message> {
    let message = testing::message("sender@example.org", &[], content);
    Arc::new(Message {
        id: MessageId::from_i64(id),
        received_at: time(0),
        envelope: Envelope {
            recipients,
            body_type: BodyType::EightBitMime,
            ..message.envelope
        },
        prefix: Bytes::from_static(b"Received: by test\r\n"),
        eight_bit: true,
        ..message
    })
}

/// A row for `user<id>@example.net`, waiting for `mx.example.net`, due at noon.
pub(super) fn row(id: i64) -> NewRow {
    NewRow {
        id: RowId(id),
        recipient: Recipient::plain(mailbox(&format!("user{id}@Example.NET"))),
        next_hop: "mx.example.net".into(),
        state: RowState::Waiting,
        reason: DiskReason::Deferred,
        attempts: 1,
        last_reply: "451 4.3.0 later".into(),
        next_attempt_at: time(0),
    }
}

/// A message with a row for each id.
pub(super) fn queued(message_id: i64, rows: &[i64], content: &[u8]) -> NewQueued {
    let rows: Vec<NewRow> = rows.iter().map(|&id| row(id)).collect();
    let recipients = rows.iter().map(|row| row.recipient.clone()).collect();
    NewQueued {
        message: message(message_id, recipients, content),
        rows,
        kept_from: time(0),
    }
}

/// How the body of a small message is stored.
pub(super) fn inline(queued: &NewQueued) -> Durable {
    let head = queued.message.body.head();
    Durable::Inline(head.to_vec(), Checksum::of(head))
}

/// A message that was received at `at`, the only one of its millisecond.
pub(super) fn answered(at: Timestamp) -> TrailEntry {
    let message = MessageId::earliest_at(at);
    TrailEntry::Answered(AnsweredMessage {
        message,
        received_at: at,
        client: Client {
            address: Some([192, 0, 2, 1].into()),
            helo: "client.example.org".into(),
            login: None,
        },
        sender: ReversePath::Mailbox(mailbox("Sender@example.org")),
        recipients: 1,
        size_bytes: 4_096,
        path: Path::Fast,
        storage: Storage::Memory,
        reasons: Vec::new(),
        code: 250,
        reply: "2.0.0 Delivered (250 2.0.0 Ok: queued as 4F2B1C3D)".into(),
        acknowledged_after: Duration::from_micros(1_500),
        delivered: None,
        examined: String::new(),
    })
}

/// A delivery of the message that was received at `at`.
pub(super) fn attempted(at: Timestamp, recipient: &str) -> TrailEntry {
    TrailEntry::Attempted(Attempted {
        message: MessageId::earliest_at(at),
        recipient: mailbox(recipient),
        at,
        next_hop: "mx.example.net".into(),
        peer: Some(([192, 0, 2, 25], 25).into()),
        outcome: OutcomeKind::Delivered,
        words: "250 2.0.0 Ok: queued as 4F2B1C3D".into(),
        took: Duration::from_millis(2),
        tls: false,
    })
}
