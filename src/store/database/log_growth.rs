//! How many bytes the write-ahead log has gained since the last checkpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The count that the writer adds to and the checkpointer follows. Clones share it.
#[derive(Clone, Debug)]
pub(in crate::store) struct LogGrowth {
    counted: Arc<CountedBytes>,
}

#[derive(Debug)]
struct CountedBytes {
    bytes: AtomicU64,
    enough: Notify,
    /// So many bytes begin a checkpoint.
    most: u64,
}

impl LogGrowth {
    /// Nothing yet; [`Self::enough`] returns at `most` bytes.
    pub(in crate::store) fn new(most: u64) -> Self {
        let counted = Arc::new(CountedBytes {
            bytes: AtomicU64::new(0),
            enough: Notify::new(),
            most,
        });
        Self { counted }
    }

    /// About `bytes` were committed.
    pub(super) fn add(&self, bytes: u64) {
        let before = self.counted.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= self.counted.most {
            self.counted.enough.notify_one();
        }
    }

    /// Returns when a checkpoint is due.
    pub(super) async fn enough(&self) {
        self.counted.enough.notified().await;
    }

    /// Bytes since [`Self::take`].
    pub(super) fn bytes(&self) -> u64 {
        self.counted.bytes.load(Ordering::Relaxed)
    }

    /// Bytes since this was called last.
    pub(super) fn take(&self) -> u64 {
        self.counted.bytes.swap(0, Ordering::Relaxed)
    }

    /// Whether `bytes` are enough for a checkpoint.
    pub(super) fn is_enough(&self, bytes: u64) -> bool {
        bytes >= self.counted.most
    }
}
