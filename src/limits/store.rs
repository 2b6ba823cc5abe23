//! The database.

use std::time::Duration;

/// A spool file is read once through within this before it is sent: the largest message from a slow disk.
pub const STORED_FILE_WAIT: Duration = Duration::from_secs(120);
/// A row of a queued message with all that belongs to it, as it is counted before it is stored.
pub const STORED_ROW_BYTES: u64 = 4_096;
/// Changes that wait for the writer; beyond it callers wait.
pub const WRITER_QUEUE: usize = 4_096;
/// Changes in one transaction.
pub const WRITER_BATCH: usize = 512;
/// Bytes of bodies in one transaction: a batch must not take longer than a client waits.
pub const WRITER_BATCH_BYTES: u64 = 16 * 1_048_576;
/// A change that no caller waits for (a delivered row's removal) is on the disk at the latest so long after its commit.
pub const WRITER_LAZY_WAIT: Duration = Duration::from_millis(20);
/// A change that found the disk full is tried again this often.
pub const WRITER_RETRY_WAIT: Duration = Duration::from_secs(1);
/// Rows of one INSERT: a statement costs two thread switches however many rows it has.
pub const INSERT_ROWS: usize = 64;
/// Bytes in the write-ahead log after which a checkpoint begins, off the reply's way.
pub const CHECKPOINT_BYTES: u64 = 32 * 1_048_576;
/// But on a small disk already at this part of it.
pub const CHECKPOINT_PART: u64 = 32;
/// Bytes of the log that the writer carries over by itself, between two batches: some milliseconds.
pub const CHECKPOINT_REST_BYTES: u64 = 4 * 1_048_576;
/// Rounds of a checkpoint that follows a busy writer; then the writer waits for the rest.
pub const CHECKPOINT_ROUNDS: usize = 3;
/// A smaller write-ahead log is carried over when nothing was written for this long.
pub const CHECKPOINT_IDLE: Duration = Duration::from_secs(5);
/// The log's file is cut to this length when it is begun anew: overwriting it is cheaper than
/// growing it, but a burst must not hold the disk for ever.
pub const WAL_KEPT_BYTES: u64 = 128 * 1_048_576;
/// But on a small disk to this part of it.
pub const WAL_KEPT_PART: u64 = 16;
/// Connections of each pool of readers; each is a thread.
pub const STORE_READERS: u32 = 4;
/// Another process (a backup, the command line) may hold the database this long.
pub const STORE_BUSY_WAIT: Duration = Duration::from_secs(5);
/// At shutdown the writer drains and the databases close within this, part of `SHUTDOWN_GRACE`.
pub const STORE_CLOSE_WAIT: Duration = Duration::from_secs(4);
/// How often a backup copies the queue anew because messages were delivered while their contents were
/// copied. Each time there is less left to copy; what goes away even then is left out.
pub const BACKUP_ROUNDS: usize = 4;
/// Next hops and domains for which recipients wait, of which one look has so many.
pub const ROUTES_READ: usize = 500;
/// Rows that one transaction of a bulk action touches.
pub const BULK_CHUNK: usize = 500;
/// Messages returned in one transaction, each with a report of [`REPORT_BODY_BYTES`](super::REPORT_BODY_BYTES).
pub const RETURN_CHUNK: usize = 50;
/// The store answers within this, or the message counts as not stored.
pub const STORE_WAIT: Duration = Duration::from_secs(30);
