//! The retry queue as it is stored: messages, their bodies, and a row for each recipient that waits.
//!
//! [`QueueStore`] is what the queue works with, [`QueueView`] what pages, figures and alerts read. Another
//! backend is a sibling of this room: see `docs/decisions/0021-the-store-in-three-rooms.md`.

mod actions;
mod clock_step;
mod damaged;
mod destinations;
mod detail;
mod due;
mod figures;
mod filter;
mod group;
mod listing;
mod load;
mod plan;
mod rerouting;
mod selection;
mod write;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;
use sqlx::{Row, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};

use super::database::columns::count;
use super::database::error::{ReadError, StoreError};
use super::database::transactions::Transactions;
use super::database::writer::{ChangeSender, Job};
use super::rows::{NewQueued, RowChange};
use crate::boot::DiskRoom;
use crate::message::{RowId, Spool};
pub(super) use group::QueueGroup;
use plan::{DurableMessage, Member};

pub use detail::SourceStart;
pub use selection::SelectedRows;

/// What the queue works with. Clones share it.
#[derive(Clone, Debug)]
pub struct QueueStore {
    /// For what shares transactions.
    jobs: mpsc::Sender<Job<Member>>,
    /// For what has a transaction of its own.
    changes: ChangeSender,
    readers: SqlitePool,
    spool: Arc<Spool>,
    /// The next row id.
    next_row: Arc<AtomicI64>,
    /// See [`Self::rescheduled`].
    rescheduled: Arc<Notify>,
    /// See [`Self::inline_bytes`].
    inline_bytes: Arc<AtomicU64>,
}

/// The queue as pages, figures and alerts read it. Clones share it.
#[derive(Clone, Debug)]
pub struct QueueView {
    readers: SqlitePool,
    spool: Arc<Spool>,
}

/// What the last run left.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftRows {
    /// The greatest id that was ever stored; 0 when none was.
    greatest_row: i64,
    /// Bytes of content that stand in the database.
    pub(super) inline_bytes: u64,
}

impl LeftRows {
    /// Looks at the rows, and with `recover_at` puts them right: those that were under way are due then,
    /// uncertain ones in [`limits::UNCERTAIN_WAIT`](crate::limits::UNCERTAIN_WAIT).
    pub(super) async fn of(
        connection: &mut SqliteConnection,
        recover_at: Option<Timestamp>,
    ) -> Result<Self, sqlx::Error> {
        if let Some(now) = recover_at {
            let recovered = write::recover(connection, now).await?;
            if recovered > 0 {
                tracing::info!(rows = recovered, "rows of the last run are put right");
            }
        }
        let row = sqlx::query(
            "SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'recipients') AS greatest_row,
                    (SELECT sum(content_bytes) FROM messages WHERE spool_file IS NULL) AS inline_bytes",
        )
        .fetch_one(connection)
        .await?;
        Ok(Self {
            greatest_row: row.try_get::<Option<i64>, _>("greatest_row")?.unwrap_or(0),
            inline_bytes: count(&row, "inline_bytes"),
        })
    }
}

impl QueueView {
    pub(super) fn new(readers: SqlitePool, spool: Arc<Spool>) -> Self {
        Self { readers, spool }
    }
}

impl QueueStore {
    /// The queue over a database that is open, and its part of the writer behind `jobs`.
    pub(super) fn new(
        left: LeftRows,
        jobs: mpsc::Sender<Job<Member>>,
        transactions: &Transactions,
        readers: SqlitePool,
        spool: Arc<Spool>,
    ) -> (Self, QueueGroup) {
        let rescheduled = Arc::new(Notify::new());
        let group = QueueGroup::new(Arc::clone(&rescheduled));
        let store = Self {
            changes: ChangeSender::through(jobs.clone()),
            jobs,
            readers,
            spool,
            next_row: Arc::new(AtomicI64::new(left.greatest_row + 1)),
            rescheduled,
            inline_bytes: transactions.inline_bytes(),
        };
        (store, group)
    }

    /// The room on the disk.
    #[must_use]
    pub fn room(&self) -> &DiskRoom {
        self.spool.room()
    }

    /// Bytes of queued content that stand in the database itself, not in spool files.
    #[must_use]
    pub fn inline_bytes(&self) -> u64 {
        self.inline_bytes.load(Ordering::Relaxed)
    }

    /// Ids for `count` new rows. An id is never given twice, not even after a restart.
    #[must_use]
    pub fn allocate_rows(&self, count: usize) -> Vec<RowId> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let first = self.next_row.fetch_add(count, Ordering::Relaxed);
        (first..first.saturating_add(count)).map(RowId).collect()
    }

    /// Stores messages with their recipients: all or none, and durable when it returns.
    /// Figure 2A, step 204, and Figure 3B, step 316.
    ///
    /// # Errors
    /// Nothing was stored; see [`StoreError`] for what that means.
    pub async fn insert(&self, queued: Vec<NewQueued>) -> Result<(), StoreError> {
        self.settle(Vec::new(), queued).await
    }

    /// Changes rows and stores messages, all or nothing, and durable when it returns: a failed
    /// recipient goes as its report comes.
    ///
    /// # Errors
    /// Nothing was changed or stored; see [`StoreError`] for what that means.
    pub async fn settle(
        &self,
        changes: Vec<RowChange>,
        reports: Vec<NewQueued>,
    ) -> Result<(), StoreError> {
        let mut inserts = Vec::with_capacity(reports.len());
        for queued in reports {
            // Outside the writer, so that the files of several messages are synced side by side.
            let id = queued.message.id;
            let durable = queued.message.body.make_durable(&self.spool, id).await?;
            inserts.push(DurableMessage { queued, durable });
        }
        let (answer, answered) = oneshot::channel();
        let member = Member {
            inserts,
            changes,
            answer: Some(answer),
        };
        let sent = self.jobs.send(Job::Grouped(member)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Changes rows while nobody waits, behind everything that was given before: stored as soon as the writer
    /// comes to it, and on the disk [`limits::WRITER_LAZY_WAIT`](crate::limits::WRITER_LAZY_WAIT) later at the
    /// latest. Waits only for room in the writer's queue. A full disk delays the changes; a crash before that
    /// loses them, and then a message may go out twice, but is never lost.
    pub async fn change(&self, changes: Vec<RowChange>) {
        let member = Member::lazy(changes);
        if self.jobs.send(Job::Grouped(member)).await.is_err() {
            tracing::warn!(
                "rows were changed after the store was closed; they are due again at the next start"
            );
        }
    }

    /// Returns when rows have been made to wait since it last returned: [`Self::next_due`] may have
    /// become sooner. For one waiter.
    pub async fn rescheduled(&self) {
        self.rescheduled.notified().await;
    }

    /// The greatest id that a stored message has.
    pub(super) async fn greatest_message(&self) -> Result<Option<i64>, ReadError> {
        let greatest = sqlx::query_scalar("SELECT max(id) FROM messages");
        Ok(greatest.fetch_one(&self.readers).await?)
    }

    /// The spool files that rows name: all others are swept at start. None when a name cannot be read:
    /// any file may be the one that it named.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn spool_names_in_use(&self) -> Result<Option<HashSet<String>>, ReadError> {
        let rows = sqlx::query("SELECT spool_file FROM messages WHERE spool_file IS NOT NULL")
            .fetch_all(&self.readers)
            .await?;
        Ok(rows
            .iter()
            .map(|row| row.try_get("spool_file").ok())
            .collect())
    }
}
