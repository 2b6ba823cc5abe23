//! Carrying the write-ahead log over into the database, off the reply's way.
//!
//! A checkpoint of many megabytes takes longer than a client should wait. So a connection of its own
//! makes it while the writer goes on, and the writer only carries over the little that it has added
//! meanwhile, which lets it begin the log anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::store::writer::Job;

/// How the writer tells of its writes.
#[derive(Debug)]
pub(in crate::store) struct Written {
    shared: Arc<Shared>,
}

/// The task that makes checkpoints.
#[derive(Debug)]
pub(in crate::store) struct Checkpointer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// About how many bytes the log has gained since the last checkpoint.
    bytes: AtomicU64,
    enough: Notify,
    /// So many bytes begin a checkpoint.
    most: u64,
}

/// The two ends. A checkpoint begins when the log has gained `most` bytes.
pub(in crate::store) fn channel(most: u64) -> (Checkpointer, Written) {
    let shared = Arc::new(Shared {
        bytes: AtomicU64::new(0),
        enough: Notify::new(),
        most,
    });
    let checkpointer = Checkpointer {
        shared: Arc::clone(&shared),
    };
    (checkpointer, Written { shared })
}

impl Written {
    /// About `bytes` were committed.
    pub(in crate::store) fn add(&self, bytes: u64) {
        let before = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= self.shared.most {
            self.shared.enough.notify_one();
        }
    }
}

impl Checkpointer {
    /// Makes checkpoints until `stop`.
    pub(in crate::store) async fn run(
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
            if bytes > 0 && (idle || bytes >= self.shared.most) {
                self.carry_over(&mut connection, &jobs).await;
            }
            seen = self.shared.bytes.load(Ordering::Relaxed);
        }
        // Nothing hangs on how this connection ends.
        let _ = connection.close().await;
    }

    /// Follows the writer until little is left, and leaves that to it: SQLite begins the log anew when
    /// a write finds all of it carried over, which under load only the writer itself can bring about.
    async fn carry_over(&self, connection: &mut SqliteConnection, jobs: &mpsc::WeakSender<Job>) {
        let mut left = self.shared.bytes.swap(0, Ordering::Relaxed);
        for _ in 0..limits::CHECKPOINT_ROUNDS {
            if left == 0 {
                return;
            }
            if let Err(error) = checkpoint(connection).await {
                tracing::warn!(%error, "the write-ahead log was not carried over");
                return;
            }
            left = self.shared.bytes.swap(0, Ordering::Relaxed);
            if left <= limits::CHECKPOINT_REST_BYTES {
                break;
            }
        }
        if left > 0
            && let Some(jobs) = jobs.upgrade()
        {
            // The writer may be busy beyond its queue: then it is asked again after the next round.
            let _ = jobs.try_send(Job::FinishCheckpoint);
        }
    }
}

/// Carries over what the log holds now, as far as no reader needs it there.
pub(in crate::store) async fn checkpoint(
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_one(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;
    use std::path::Path;

    use crate::message::RowId;
    use crate::store::testing::{Scene, queued};
    use crate::store::{RowChange, Store};

    /// About eight megabytes of log.
    async fn burst(store: &Store, first: i64) {
        let content = vec![b'x'; 100_000];
        for id in first..first + 80 {
            let stored = store.insert(vec![queued(id, &[id], &content)]).await;
            stored.expect("stored");
            store.change(vec![RowChange::Remove(RowId(id))]).await;
        }
    }

    /// How often the log was begun anew: the checkpoint sequence number in the header of its file
    /// (SQLite's file format, §4.1).
    fn times_begun(log: &Path) -> u32 {
        let mut number = [0; 4];
        let file = std::fs::File::open(log).expect("it is there");
        file.read_exact_at(&mut number, 12)
            .expect("it has a header");
        u32::from_be_bytes(number)
    }

    #[tokio::test]
    async fn the_log_is_begun_anew_under_load() {
        // A log that is never begun anew would be eight hundred megabytes by then.
        const BURSTS: i64 = 100;
        let scene = Scene::new().await;
        let log = scene.path().join("appliance.db-wal");
        burst(&scene.store, 1).await;
        let before = times_begun(&log);
        for round in 1..BURSTS {
            burst(&scene.store, round * 80 + 1).await;
            if times_begun(&log) > before {
                return;
            }
        }
        panic!("everybody wrote all the time, and the log was never begun anew");
    }
}
