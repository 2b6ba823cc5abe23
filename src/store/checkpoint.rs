//! Carrying the write-ahead log over into the database, off the reply's way.
//!
//! A checkpoint of many megabytes takes longer than a client should wait. So a connection of its own
//! makes it while the writer goes on, and the writer only carries over the little that it has added
//! meanwhile, which lets it begin the log anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{Connection, Row, SqliteConnection};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::writer::Job;
use crate::limits;

/// How the writer tells of its writes.
#[derive(Debug)]
pub(super) struct Written {
    shared: Arc<Shared>,
}

/// The task that makes checkpoints.
#[derive(Debug)]
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// About how many bytes the log has gained since the last checkpoint.
    bytes: AtomicU64,
    enough: Notify,
}

/// The two ends.
pub(super) fn channel() -> (Checkpointer, Written) {
    let shared = Arc::new(Shared::default());
    let checkpointer = Checkpointer {
        shared: Arc::clone(&shared),
    };
    (checkpointer, Written { shared })
}

impl Written {
    /// About `bytes` were committed.
    pub(super) fn add(&self, bytes: u64) {
        let before = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= limits::CHECKPOINT_BYTES {
            self.shared.enough.notify_one();
        }
    }
}

impl Checkpointer {
    /// Makes checkpoints until `stop`.
    pub(super) async fn run(
        self,
        mut connection: SqliteConnection,
        jobs: mpsc::WeakSender<Job>,
        stop: CancellationToken,
    ) {
        let mut seen = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.shared.enough.notified() => {}
                () = tokio::time::sleep(limits::CHECKPOINT_IDLE) => {}
            }
            let bytes = self.shared.bytes.load(Ordering::Relaxed);
            let idle = bytes == seen;
            if bytes > 0 && (idle || bytes >= limits::CHECKPOINT_BYTES) {
                self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
                if let Some(jobs) = jobs.upgrade() {
                    carry_over(&mut connection, &jobs).await;
                }
            }
            seen = self.shared.bytes.load(Ordering::Relaxed);
        }
        // Nothing hangs on how this connection ends.
        let _ = connection.close().await;
    }
}

async fn carry_over(connection: &mut SqliteConnection, jobs: &mpsc::Sender<Job>) {
    match checkpoint(connection).await {
        Ok(0) => {}
        // A writer that is busy beyond its queue is asked again at the next checkpoint.
        Ok(_) => drop(jobs.try_send(Job::FinishCheckpoint)),
        Err(error) => tracing::warn!(%error, "the write-ahead log was not carried over"),
    }
}

/// Carries over what no reader holds, and says how many pages are left.
pub(super) async fn checkpoint(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_one(connection)
        .await?;
    let (in_log, carried_over): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    Ok(in_log - carried_over)
}
