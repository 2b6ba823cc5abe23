//! In charge of everything that outlives the process: the only SQL.
//!
//! Three rooms that do not know each other: [`QueueStore`] with [`QueueView`], [`AdministrationStore`] and
//! [`TrailStore`], over the files and connections of `database/`. `appliance.db` holds the first two; what was
//! committed there is synced. One writer task writes it, everything of the queue that waits while it is busy in
//! one transaction, and answers after COMMIT; pages and the queue read beside it. `history.db` holds the trail
//! and the figures of each minute; nobody waits for it, and it may lose its last second in a power cut.

mod administration;
mod copy;
mod database;
mod disk;
mod queue;
mod repair;
mod rows;
#[cfg(test)]
mod testing;
mod trail;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use administration::{
    AccessChange, AccessError, AccessRefusal, AccountPatch, AdministrationStore, AuditedChange,
    KeptSession, LastUse, NewAccount, NewApiToken, NewSession, OfflineSettings, OpenPgpKeyChange,
    SecondFactorProof, SmtpLoginChange, StoredAccount, StoredSession, StoredSettings,
    TOKEN_REVOKED,
};
pub use copy::{CopyError, DatabaseCopy, SpooledContent};
pub use database::error::{HistoryError, LoadError, OpenError, ReadError, StoreError};
pub use disk::DiskFigures;
pub use queue::{QueueStore, QueueView, SelectedRows, SourceStart};
pub use repair::{RepairError, Repaired, Saved, repair};
pub use rows::{
    DamagedRow, NewQueued, NewRow, NextHopShare, QueuedRoute, Remains, RowAction, RowChange,
    RowUpdate, TakenRow,
};
pub use trail::{Period, Pruned, TrailSize, TrailStore};

use crate::limits;
use crate::message::{MessageId, Spool};
use database::checkpoint::Checkpointer;
use database::connections::{Database, unusable};
use database::transactions::Transactions;
use database::writer::{ChangeSender, DatabaseWriter};
use queue::LeftRows;

/// The store: its rooms, and what is true of all of them. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    /// What the queue works with.
    pub queue: QueueStore,
    /// The queue as pages, figures and alerts read it.
    pub queue_view: QueueView,
    /// What administrators keep.
    pub administration: AdministrationStore,
    /// The history of messages.
    pub trail: Arc<TrailStore>,
    data_directory: Arc<Path>,
    /// Readers of `appliance.db`.
    readers: SqlitePool,
    /// False after an I/O error at COMMIT, until a restart.
    healthy: Arc<AtomicBool>,
}

/// The tasks behind a store, for [`Store::close`].
#[derive(Debug)]
pub struct Writers {
    writer: JoinHandle<()>,
    checkpointer: JoinHandle<()>,
    stop: CancellationToken,
}

impl Store {
    /// Whether there is a store in this directory.
    #[must_use]
    pub fn is_in(data_directory: &Path) -> bool {
        Database::Appliance.file(data_directory).is_file()
    }

    /// Opens both databases, and makes or migrates them. With `recover_at`, for the appliance that runs and has the
    /// data directory's lock, the rows are put right that the last run left: those that were under way are due then,
    /// uncertain ones in [`limits::UNCERTAIN_WAIT`]. A command, beside an appliance that may be running, has none.
    ///
    /// # Errors
    /// When a file cannot be used, or the stored settings do not hold.
    pub async fn open(
        data_directory: &Path,
        spool: &Arc<Spool>,
        recover_at: Option<Timestamp>,
    ) -> Result<(Self, Writers), OpenError> {
        let database = Database::Appliance;
        let file = database.file(data_directory);
        let mut connection = database.open(data_directory).await?;
        let left = LeftRows::of(&mut connection, recover_at).await;
        let left = left.map_err(|error| unusable(&file, &error))?;
        let readers = database.readers(data_directory).await?;
        let (jobs, waiting) = mpsc::channel(limits::WRITER_QUEUE);
        let changes = ChangeSender::through(jobs.clone());
        let administration = AdministrationStore::new(changes, readers.clone(), data_directory);
        administration.load_settings().await?;
        let trail = Arc::new(TrailStore::open(data_directory).await?);
        let checkpointer = Checkpointer::open(database, data_directory).await?;
        let transactions = Transactions::open(
            connection,
            &file,
            Arc::clone(spool),
            checkpointer.growth(),
            left.inline_bytes,
        )
        .await?;

        let healthy = transactions.healthy();
        let (queue, group) = QueueStore::new(
            left,
            jobs.clone(),
            &transactions,
            readers.clone(),
            Arc::clone(spool),
        );
        let writer = DatabaseWriter::new(transactions, group, waiting);
        let stop = CancellationToken::new();
        let writers = Writers {
            writer: tokio::spawn(writer.run(stop.clone())),
            checkpointer: tokio::spawn(checkpointer.run(jobs.downgrade(), stop.clone())),
            stop,
        };
        let store = Self {
            queue,
            queue_view: QueueView::new(readers.clone(), Arc::clone(spool)),
            administration,
            trail,
            data_directory: data_directory.into(),
            readers,
            healthy,
        };
        Ok((store, writers))
    }

    /// Stores what was given so far, closes both databases, and says whether that was done in time.
    /// Later callers get [`StoreError::Closed`].
    pub async fn close(&self, writers: Writers) -> bool {
        writers.stop.cancel();
        let closing = async {
            // The checkpointer first: its connection must be gone when the log is cut.
            let checkpointer = writers.checkpointer.await;
            self.readers.close().await;
            let writer = writers.writer.await;
            self.trail.close().await;
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
        self.healthy.load(Ordering::Acquire)
    }

    /// The greatest id that a stored message or the trail holds: new ids continue behind it.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn greatest_message_id(&self) -> Result<Option<MessageId>, ReadError> {
        let queued = self.queue.greatest_message().await?;
        // An id that only a damaged trail knows cannot be given again: it tells the time.
        let trailed = self.trail.greatest_message().await;
        let trailed = trailed.unwrap_or_else(|error| {
            tracing::error!(%error, "the trail cannot be read");
            None
        });
        Ok(queued.max(trailed).map(MessageId::from_i64))
    }

    /// Asks the system about the disk, on a thread that may wait for it.
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub async fn disk(&self) -> io::Result<DiskFigures> {
        let directory = Arc::clone(&self.data_directory);
        let asking = tokio::task::spawn_blocking(move || DiskFigures::of(&directory));
        asking.await.map_err(io::Error::other)?
    }
}
