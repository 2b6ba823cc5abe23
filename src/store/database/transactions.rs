//! Transactions over the one connection that writes, and what follows from their COMMIT.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sqlx::SqliteConnection;
use tokio::time::Instant;

use super::connections::{self, checkpoint};
use super::error::{OpenError, StoreError};
use super::log_growth::LogGrowth;
use super::log_sync::{LogSync, Synced};
use crate::message::Spool;

/// What goes with rows that a transaction removes.
#[derive(Debug, Default)]
pub(in crate::store) struct Removed {
    /// Spool files that no row names any more.
    pub(in crate::store) files: Vec<String>,
    /// Bytes of content that stood in the database.
    pub(in crate::store) inline_bytes: u64,
}

/// The connection that writes, and what is known of the disk beneath it.
#[derive(Debug)]
pub(in crate::store) struct Transactions {
    connection: SqliteConnection,
    log: LogSync,
    spool: Arc<Spool>,
    /// False after an I/O error at COMMIT, until a restart.
    healthy: Arc<AtomicBool>,
    growth: LogGrowth,
    /// Bytes of content that stand in the database.
    inline_bytes: Arc<AtomicU64>,
}

impl Transactions {
    /// Over the connection to the database in `file`, whose bodies have so many bytes. What the last run
    /// committed may not be on the disk, and the sweep of the spool builds on it: it is synced first.
    pub(in crate::store) async fn open(
        connection: SqliteConnection,
        file: &Path,
        spool: Arc<Spool>,
        growth: LogGrowth,
        inline_bytes: u64,
    ) -> Result<Self, OpenError> {
        let broken_log = |cause: String| OpenError::Database {
            file: file.to_owned(),
            cause: format!("its write-ahead log: {cause}"),
        };
        let mut log = LogSync::of(file).map_err(|error| broken_log(error.to_string()))?;
        let synced = log.sync().await;
        synced.map_err(|error| broken_log(error.to_string()))?;
        Ok(Self {
            connection,
            log,
            spool,
            healthy: Arc::new(AtomicBool::new(true)),
            growth,
            inline_bytes: Arc::new(AtomicU64::new(inline_bytes)),
        })
    }

    /// False after an I/O error at COMMIT: nothing is stored until a restart.
    pub(in crate::store) fn healthy(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.healthy)
    }

    /// Bytes of content that stand in the database, as they are at any moment.
    pub(in crate::store) fn inline_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.inline_bytes)
    }

    /// For statements within a transaction.
    pub(in crate::store) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Has the next transactions commit in this way. Called between transactions.
    ///
    /// # Errors
    /// After a failed COMMIT the page cache may differ from the disk: nothing may build on it.
    pub(in crate::store) async fn switch(&mut self, mode: Synced) -> Result<(), StoreError> {
        if !self.healthy.load(Ordering::Acquire) {
            return Err(StoreError::Distrusted);
        }
        self.log.switch(&mut self.connection, mode).await
    }

    /// Begins a transaction that writes.
    pub(in crate::store) async fn begin(&mut self) -> Result<(), StoreError> {
        let begun = sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut self.connection)
            .await;
        self.noted(begun.map(drop).map_err(StoreError::from))
    }

    /// Commits what gave `result`, or rolls it back.
    pub(in crate::store) async fn end<T>(
        &mut self,
        result: Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let ended = end(&mut self.connection, result).await;
        self.noted(ended)
    }

    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Commit(cause)) = &result {
            tracing::error!(%cause, "COMMIT failed: nothing is stored until a restart");
            self.healthy.store(false, Ordering::Release);
        }
        if matches!(result, Err(StoreError::Full)) {
            self.spool.room().found_full();
        }
        result
    }

    /// Content went into the database; counted before what the same transaction removed, so that the sum
    /// never goes below zero.
    pub(in crate::store) fn stored_inline(&self, bytes: u64) {
        self.inline_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// After a COMMIT, which may have written nothing: has the files of messages whose rows are removed go
    /// after them, and counts what they took in the database.
    pub(in crate::store) fn let_go(&mut self, wrote: bool, removed: Removed) {
        let bytes = removed.inline_bytes;
        self.inline_bytes.fetch_sub(bytes, Ordering::Relaxed);
        let files = self.log.committed(wrote, removed.files);
        self.unlink(files);
    }

    /// Removes spool files that no row names. One that stays is swept at the next start.
    fn unlink(&self, files: Vec<String>) {
        if files.is_empty() {
            return;
        }
        let spool = Arc::clone(&self.spool);
        tokio::task::spawn_blocking(move || {
            for name in files {
                if let Err(error) = spool.remove(&name) {
                    tracing::warn!(file = %name, %error, "a spool file was not removed; the next start sweeps it");
                }
            }
        });
    }

    /// About what the log has gained: pages of tables and indexes, and values that are large.
    pub(in crate::store) fn count(&self, rows: usize, bytes: u64) {
        const TRANSACTION_BYTES: u64 = 32_768;
        const ROW_BYTES: u64 = 1_024;
        self.growth
            .add(TRANSACTION_BYTES + ROW_BYTES * rows as u64 + bytes);
    }

    /// When [`Self::sync`] has to be called, if it has to.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        self.log.due()
    }

    /// Lets the commits that nobody waited for outlive the machine.
    pub(super) async fn sync(&mut self) {
        let synced = self.log.sync().await;
        if let Ok(files) = self.noted(synced) {
            self.unlink(files);
        }
    }

    /// Carries the rest of the log over, so that it begins anew.
    pub(super) async fn finish_checkpoint(&mut self) {
        if let Err(error) = checkpoint(&mut self.connection).await {
            tracing::warn!(%error, "the write-ahead log was not carried over");
        }
    }

    /// Closes the database.
    pub(super) async fn close(self) {
        if let Err(error) = connections::close(self.connection).await {
            tracing::warn!(%error, "the database was not closed cleanly; the next start repairs that");
        }
    }
}

async fn end<T>(
    connection: &mut SqliteConnection,
    result: Result<T, sqlx::Error>,
) -> Result<T, StoreError> {
    let error = match result {
        Ok(value) => match sqlx::query("COMMIT").execute(&mut *connection).await {
            Ok(_) => return Ok(value),
            Err(error) => StoreError::of(&error, true),
        },
        Err(error) => error.into(),
    };
    // SQLite has rolled back by itself after some errors; then this one fails, and that is well.
    let _ = sqlx::query("ROLLBACK").execute(connection).await;
    Err(error)
}
