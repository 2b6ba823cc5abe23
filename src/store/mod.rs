//! In charge of everything that outlives the process: the only SQL.
//!
//! `appliance.db` holds settings, accounts, audit and retry queue; what was committed is synced. One
//! [`writer`] task writes it, everything that waits while it is busy in one transaction, and answers
//! after COMMIT; pages and the queue read beside it. `history.db` holds the trail and the figures of
//! each minute; nobody waits for it, and it may lose its last second in a power cut.
//!
//! Each function is one question or one change in the words of the queue, so that a second backend
//! can stand beside this one.

mod administration;
mod copy;
mod database;
mod disk;
mod queue;
mod repair;
#[cfg(test)]
mod testing;
mod trail;
mod writer;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use administration::access::{AccessError, NewAccount, Refusal, TOKEN_REVOKED};
pub use administration::accounts::{AccountPatch, StoredAccount};
pub use administration::api_tokens::{NewApiToken, StoredApiToken};
pub use administration::offline::SettingsBeside;
pub use administration::openpgp_keys::OpenPgpKeyChange;
pub use administration::sessions::{KeptSession, NewSession, SecondFactor, StoredSession};
pub use administration::settings::{AuditEntry, AuditFilter, AuditItem, StoredSettings};
pub use administration::smtp_logins::SmtpLoginChange;
pub use copy::{CopyError, DatabaseCopy, QueueCount, SpooledContent};
pub use database::error::{HistoryError, LoadError, OpenError, ReadError, StoreError};
pub use disk::DiskFigures;
pub use queue::anew::Route;
pub use queue::choice::Choice;
pub use queue::damaged::{DamagedRow, DamagedRows, Remains};
pub use queue::destinations::{
    AGE_BOUNDS_SECONDS, AgeRow, AgeTable, ByAge, Destinations, OtherDestinations,
};
pub use queue::detail::{QueuedRecipient, SourceStart};
pub use queue::figures::{NextHopBacklog, QueueFigures, QueueOverview, QueueSize};
pub use queue::filter::QueueFilter;
pub use queue::listing::{QueueItem, QueueOrder, QueuePage, QueuePageRequest};
pub use queue::rows::{Action, NewQueued, NewRow, RowChange, Share, TakenRow};
pub use repair::{RepairError, Repaired, Saved, repair};
pub use trail::prune::Pruned;
pub use trail::rows::{
    AnsweredRow, LatestEvent, MessageFilter, MessageItem, MessagesPage, RecipientStory,
    StoryFilter, StoryPart, TrailEvent, TrailOfMessage, is_like,
};
pub use trail::size::TrailSize;

use crate::boot::{self, DiskRoom};
use crate::limits;
use crate::message::{MessageId, RowId, Spool};
use database::connections::{Database, unusable};
use database::log_sync::LogSync;
use queue::plan::{Member, Prepared};
use trail::history::History;
use writer::{Job, Writer};

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    data_directory: PathBuf,
    /// To the writer of `appliance.db`.
    jobs: mpsc::Sender<Job>,
    /// Readers of `appliance.db`.
    readers: SqlitePool,
    history: History,
    spool: Arc<Spool>,
    /// The next row id.
    next_row: AtomicI64,
    /// False after an I/O error at COMMIT, until a restart.
    healthy: Arc<AtomicBool>,
    /// See [`Store::rescheduled`].
    rescheduled: Arc<Notify>,
    /// See [`Store::inline_bytes`].
    inline_bytes: Arc<AtomicU64>,
}

/// A part of the file system of this directory; without end when it cannot be asked.
fn part_of_disk(directory: &Path, part: u64) -> u64 {
    boot::disk_space(directory).map_or(u64::MAX, |space| space.total_bytes / part)
}

/// The tasks behind a store, for [`Store::close`].
#[derive(Debug)]
pub struct Writers {
    writer: JoinHandle<()>,
    checkpointer: JoinHandle<()>,
    stop: CancellationToken,
}

impl Store {
    /// Opens both databases of the appliance that runs, makes or migrates them, and puts the rows
    /// right that the last run left: those that were under way are due at `now`, uncertain ones in
    /// [`limits::UNCERTAIN_WAIT`]. The caller holds the data directory's lock.
    ///
    /// # Errors
    /// When a file cannot be used, or the stored settings do not hold.
    pub async fn open(
        data_directory: &Path,
        spool: &Arc<Spool>,
        now: Timestamp,
    ) -> Result<(Self, Writers), OpenError> {
        Self::open_with(data_directory, spool, Some(now)).await
    }

    /// Opens both databases beside an appliance that may be running, for one command: the rows stay
    /// as they are.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_beside(
        data_directory: &Path,
        spool: &Arc<Spool>,
    ) -> Result<(Self, Writers), OpenError> {
        Self::open_with(data_directory, spool, None).await
    }

    /// Whether there is a store in this directory.
    #[must_use]
    pub fn is_in(data_directory: &Path) -> bool {
        Database::Appliance.file(data_directory).is_file()
    }

    async fn open_with(
        data_directory: &Path,
        spool: &Arc<Spool>,
        recover_at: Option<Timestamp>,
    ) -> Result<(Self, Writers), OpenError> {
        let file = Database::Appliance.file(data_directory);
        let failed = |error: sqlx::Error| unusable(&file, &error);
        let mut connection = Database::Appliance.open(data_directory).await?;
        if let Some(now) = recover_at {
            let recovered = queue::write::recover(&mut connection, now)
                .await
                .map_err(failed)?;
            if recovered > 0 {
                tracing::info!(rows = recovered, "rows of the last run are put right");
            }
        }
        let next_row = queue::write::greatest_row(&mut connection)
            .await
            .map_err(failed)?
            + 1;
        let inline_bytes = queue::write::inline_bytes(&mut connection)
            .await
            .map_err(failed)?;
        let inline_bytes = Arc::new(AtomicU64::new(inline_bytes));
        let readers = Database::Appliance.readers(data_directory).await?;
        administration::settings::load(&readers, data_directory).await?;
        let history = History::open(data_directory).await?;
        // The log of a small disk must be small: what it holds is written a second time.
        let part = part_of_disk(data_directory, limits::CHECKPOINT_PART);
        let (checkpointer, checkpoints) =
            database::checkpoint::channel(part.min(limits::CHECKPOINT_BYTES));
        let checkpoint_connection = Database::Appliance.checkpointer(data_directory).await?;

        let (jobs, waiting) = mpsc::channel(limits::WRITER_QUEUE);
        let healthy = Arc::new(AtomicBool::new(true));
        let rescheduled = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        let broken_log = |cause: String| OpenError::Database {
            file: file.clone(),
            cause: format!("its write-ahead log: {cause}"),
        };
        let mut log = LogSync::of(&file).map_err(|error| broken_log(error.to_string()))?;
        // What the last run committed may not be on the disk, and the sweep of the spool builds on it.
        let synced = log.sync().await;
        synced.map_err(|error| broken_log(error.to_string()))?;
        let writer = Writer::new(
            (connection, log),
            waiting,
            Arc::clone(spool),
            Arc::clone(&healthy),
            checkpoints,
            Arc::clone(&rescheduled),
            Arc::clone(&inline_bytes),
        );
        let writers = Writers {
            writer: tokio::spawn(writer.run(stop.clone())),
            checkpointer: tokio::spawn(checkpointer.run(
                checkpoint_connection,
                jobs.downgrade(),
                stop.clone(),
            )),
            stop,
        };
        let shared = Shared {
            data_directory: data_directory.to_owned(),
            jobs,
            readers,
            history,
            spool: Arc::clone(spool),
            next_row: AtomicI64::new(next_row),
            healthy,
            rescheduled,
            inline_bytes,
        };
        let shared = Arc::new(shared);
        Ok((Self { shared }, writers))
    }

    /// Stores what was given so far, closes both databases, and says whether that was done in time.
    /// Whoever asks the store afterwards hears [`StoreError::Closed`].
    pub async fn close(&self, writers: Writers) -> bool {
        writers.stop.cancel();
        let closing = async {
            // The checkpointer first: its connection must be gone when the log is cut.
            let checkpointer = writers.checkpointer.await;
            self.shared.readers.close().await;
            let writer = writers.writer.await;
            self.shared.history.close().await;
            for ended in [checkpointer, writer] {
                if let Err(error) = ended {
                    tracing::error!(%error, "a task of the store ended badly");
                }
            }
        };
        let closed = tokio::time::timeout(limits::STORE_CLOSE_WAIT, closing).await;
        closed.is_ok()
    }

    /// False after an I/O error at COMMIT: nothing is stored until a restart.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::Acquire)
    }

    /// Why there is no trail in the data directory, and no figures of earlier days, where that is so.
    #[must_use]
    pub fn history_problem(&self) -> Option<&str> {
        self.shared.history.problem.as_deref()
    }

    /// Where the trail and the figures of before are, when they were found damaged at the start and begun anew.
    #[must_use]
    pub fn history_set_aside(&self) -> Option<&Path> {
        self.shared.history.set_aside.as_deref()
    }

    /// The room on the disk.
    #[must_use]
    pub fn room(&self) -> &DiskRoom {
        self.shared.spool.room()
    }

    /// Bytes of queued content that stand in the database itself, not in spool files.
    #[must_use]
    pub fn inline_bytes(&self) -> u64 {
        self.shared.inline_bytes.load(Ordering::Relaxed)
    }

    /// Ids for `count` new rows. An id is never given twice, not even after a restart.
    #[must_use]
    pub fn allocate_rows(&self, count: usize) -> Vec<RowId> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let first = self.shared.next_row.fetch_add(count, Ordering::Relaxed);
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
            let durable = queued
                .message
                .body
                .make_durable(&self.shared.spool, id)
                .await?;
            inserts.push(Prepared { queued, durable });
        }
        self.ask(|answer| {
            Job::Write(Member {
                inserts,
                changes,
                answer: Some(answer),
            })
        })
        .await
    }

    /// Changes rows while nobody waits, behind everything that was given before: stored as soon as the writer
    /// comes to it, and on the disk [`limits::WRITER_LAZY_WAIT`] later at the latest. Waits only for room in the
    /// writer's queue. A full disk delays the changes; a crash before that loses them, and then a message may
    /// go out twice, but is never lost.
    pub async fn change(&self, changes: Vec<RowChange>) {
        let member = Member {
            inserts: Vec::new(),
            changes,
            answer: None,
        };
        if self.shared.jobs.send(Job::Write(member)).await.is_err() {
            tracing::warn!(
                "rows were changed after the store was closed; they are due again at the next start"
            );
        }
    }

    /// Returns when rows have been made to wait since it last returned: [`Self::next_due`] may have
    /// become sooner. For one waiter.
    pub async fn rescheduled(&self) {
        self.shared.rescheduled.notified().await;
    }

    /// Gives the writer a job and waits for its answer.
    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.shared.jobs.send(job(answer)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// The greatest id that a stored message or the trail holds: new ids continue behind it.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub async fn greatest_message_id(&self) -> Result<Option<MessageId>, ReadError> {
        let queued: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM messages")
            .fetch_one(&self.shared.readers)
            .await?;
        // An id that only a damaged trail knows cannot be given again: it tells the time.
        let trailed = self.shared.history.greatest_message().await;
        let trailed = trailed.unwrap_or_else(|error| {
            tracing::error!(%error, "the trail cannot be read");
            None
        });
        Ok(queued.max(trailed).map(MessageId::from_i64))
    }

    /// The spool files that rows name: all others are swept at start. None when a name cannot be read:
    /// any file may be the one that it named.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn spool_names_in_use(&self) -> Result<Option<HashSet<String>>, ReadError> {
        let rows = sqlx::query("SELECT spool_file FROM messages WHERE spool_file IS NOT NULL")
            .fetch_all(&self.shared.readers)
            .await?;
        Ok(rows
            .iter()
            .map(|row| row.try_get("spool_file").ok())
            .collect())
    }
}
