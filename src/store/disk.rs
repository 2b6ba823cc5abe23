//! What the data directory has of its disk: bytes that are free, and bytes that the databases take.

use std::fs;
use std::io;
use std::path::Path;

use crate::store::database::connections::{Database, beside};

/// The disk under the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFigures {
    /// Bytes that an ordinary user may still write.
    pub free_bytes: u64,
    /// Bytes of the whole file system.
    pub total_bytes: u64,
    /// Bytes of the database of settings and queue, its log included.
    pub appliance_bytes: u64,
    /// Bytes of the database of trail and statistics, its log included.
    pub history_bytes: u64,
}

impl DiskFigures {
    pub(super) fn of(data_directory: &Path) -> io::Result<Self> {
        let system = rustix::fs::statvfs(data_directory)?;
        Ok(Self {
            free_bytes: system.f_bavail.saturating_mul(system.f_frsize),
            total_bytes: system.f_blocks.saturating_mul(system.f_frsize),
            appliance_bytes: file_bytes(&Database::Appliance.file(data_directory)),
            history_bytes: file_bytes(&Database::History.file(data_directory)),
        })
    }
}

/// Bytes of a database and of its write-ahead log; what is not there takes none.
fn file_bytes(file: &Path) -> u64 {
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    bytes(file) + bytes(&beside(file, "-wal"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scene;

    #[tokio::test]
    async fn databases_take_less_than_the_disk_has() {
        let scene = Scene::new().await;
        let disk = scene.store.disk().await.expect("the system answers");
        assert!(disk.free_bytes <= disk.total_bytes);
        assert!(disk.appliance_bytes > 0 && disk.appliance_bytes < disk.total_bytes);
        assert!(disk.history_bytes > 0 && disk.history_bytes < disk.total_bytes);
    }
}
