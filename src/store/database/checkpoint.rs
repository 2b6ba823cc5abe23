//! Carrying the write-ahead log over into the database, off the reply's way.
//!
//! A checkpoint of many megabytes takes longer than a client should wait. So a connection of its own
//! makes it while the writer goes on, and the writer only carries over the little that it has added
//! meanwhile, which lets it begin the log anew.

use std::path::Path;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connections::{Database, checkpoint, part_of_disk, unusable};
use super::error::OpenError;
use super::log_growth::LogGrowth;
use super::writer::Job;
use crate::limits;

/// The task that makes checkpoints.
#[derive(Debug)]
pub(in crate::store) struct Checkpointer {
    connection: SqliteConnection,
    growth: LogGrowth,
}

impl Checkpointer {
    /// For a database that was opened.
    pub(in crate::store) async fn open(
        database: Database,
        data_directory: &Path,
    ) -> Result<Self, OpenError> {
        // The log of a small disk must be small: what it holds is written a second time.
        let part = part_of_disk(data_directory, limits::CHECKPOINT_PART);
        let connection = database.beside(data_directory).await;
        Ok(Self {
            connection: connection
                .map_err(|error| unusable(&database.file(data_directory), &error))?,
            growth: LogGrowth::new(part.min(limits::CHECKPOINT_BYTES)),
        })
    }

    /// Where the writer counts what it commits.
    pub(in crate::store) fn growth(&self) -> LogGrowth {
        self.growth.clone()
    }

    /// Makes checkpoints until `stop`.
    pub(in crate::store) async fn run<M: Send>(
        mut self,
        jobs: mpsc::WeakSender<Job<M>>,
        stop: CancellationToken,
    ) {
        let mut seen = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.growth.enough() => {}
                () = tokio::time::sleep(limits::CHECKPOINT_IDLE) => {}
            }
            let bytes = self.growth.bytes();
            let idle = bytes == seen;
            if bytes > 0 && (idle || self.growth.is_enough(bytes)) {
                self.carry_over(&jobs).await;
            }
            seen = self.growth.bytes();
        }
        // Nothing hangs on how this connection ends.
        let _ = self.connection.close().await;
    }

    /// Follows the writer until little is left, and leaves that to it: SQLite begins the log anew when
    /// a write finds all of it carried over, which under load only the writer itself can bring about.
    async fn carry_over<M: Send>(&mut self, jobs: &mpsc::WeakSender<Job<M>>) {
        let mut left = self.growth.take();
        for _ in 0..limits::CHECKPOINT_ROUNDS {
            if left == 0 {
                return;
            }
            if let Err(error) = checkpoint(&mut self.connection).await {
                tracing::warn!(%error, "the write-ahead log was not carried over");
                return;
            }
            left = self.growth.take();
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
            let stored = store.queue.insert(vec![queued(id, &[id], &content)]).await;
            stored.expect("stored");
            store.queue.change(vec![RowChange::Remove(RowId(id))]).await;
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
