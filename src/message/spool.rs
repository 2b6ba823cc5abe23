//! The spool: the files of bodies that are too large for memory.
//!
//! A file's name begins with the boot that made it. Nothing is ever renamed: a file counts once a
//! committed row names it, and what no row names is swept at the next start, never while we run.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;

use super::MessageId;
use super::checksum::{Checksum, Summing};
use crate::boot::DiskRoom;
use crate::limits;

/// The directory of spool files.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    boot: String,
    bytes: AtomicU64,
    room: DiskRoom,
}

impl Spool {
    /// Opens the spool in `directory`, which is made when it is missing. `boot` is this start's id.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(directory: PathBuf, boot: &str) -> io::Result<Arc<Self>> {
        std::fs::create_dir_all(&directory)?;
        let mut bytes = 0;
        for entry in std::fs::read_dir(&directory)? {
            match entry?.metadata() {
                Ok(metadata) => bytes += metadata.len(),
                // A command beside a running appliance sees files go whose messages were delivered.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Arc::new(Self {
            directory,
            boot: boot.to_owned(),
            bytes: AtomicU64::new(bytes),
            room: DiskRoom::default(),
        }))
    }

    /// The room on the disk.
    pub fn room(&self) -> &DiskRoom {
        &self.room
    }

    /// Counts bytes of new mail that are going to be written.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when they would touch the reserve.
    pub(super) fn take_room(&self, bytes: u64) -> io::Result<()> {
        if self.room.take(bytes) {
            return Ok(());
        }
        let words = "what is left of the disk is kept for what is owed";
        Err(io::Error::new(io::ErrorKind::StorageFull, words))
    }

    /// Passes a result on, and remembers that the disk was full.
    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && is_full(error)
        {
            self.room.found_full();
        }
        result
    }

    /// Bytes in spool files now.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Removes the files of earlier boots that no row names, and says how many. Called once, at
    /// start, before anything is received.
    ///
    /// # Errors
    /// When the directory cannot be read or a file cannot be removed.
    pub fn sweep(&self, named: &HashSet<String>) -> io::Result<u64> {
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if named.contains(&name) || name.starts_with(&self.boot) {
                continue;
            }
            self.unlink(&entry.path())?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Makes the file of a message.
    ///
    /// # Errors
    /// When the file cannot be made: the disk is full or broken.
    pub async fn create(self: &Arc<Self>, message: MessageId) -> io::Result<SpoolFile> {
        let name = format!("{}-{message}", self.boot);
        let path = self.directory.join(&name);
        let file = blocking(move || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).open(path)
        })
        .await;
        Ok(SpoolFile {
            spool: Arc::clone(self),
            name,
            file: Arc::new(self.noted(file)?),
            kept: AtomicBool::new(false),
        })
    }

    /// Opens the file that a committed row names.
    ///
    /// # Errors
    /// When the file is missing or cannot be read.
    pub async fn open_stored(self: &Arc<Self>, name: String) -> io::Result<SpoolFile> {
        let path = self.directory.join(&name);
        let file = blocking(move || OpenOptions::new().read(true).open(path)).await?;
        Ok(SpoolFile {
            spool: Arc::clone(self),
            name,
            file: Arc::new(file),
            kept: AtomicBool::new(true),
        })
    }

    /// The first `most` bytes of the file that a committed row names, or all when it has no more, and how
    /// long it is.
    ///
    /// # Errors
    /// When the file is missing or cannot be read.
    pub async fn start_of_stored(&self, name: String, most: usize) -> io::Result<(Vec<u8>, u64)> {
        let path = self.directory.join(&name);
        blocking(move || {
            let file = OpenOptions::new().read(true).open(path)?;
            let length = file.metadata()?.len();
            let mut start = Vec::new();
            file.take(most as u64).read_to_end(&mut start)?;
            Ok((start, length))
        })
        .await
    }

    /// Removes the file that a row named, after the row's removal was committed.
    ///
    /// # Errors
    /// When the file cannot be removed for another reason than that it is gone.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match self.unlink(&self.directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let bytes = std::fs::metadata(path)?.len();
        std::fs::remove_file(path)?;
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Ok(())
    }
}

/// One file of the spool. It is removed when dropped, unless a committed row names it.
#[derive(Debug)]
pub struct SpoolFile {
    spool: Arc<Spool>,
    name: String,
    file: Arc<File>,
    kept: AtomicBool,
}

impl SpoolFile {
    /// The name that a row stores.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As [`Spool::take_room`].
    pub(super) fn take_room(&self, bytes: u64) -> io::Result<()> {
        self.spool.take_room(bytes)
    }

    /// A committed row names the file now: it stays until the row's removal.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Release);
    }

    /// Writes `pieces` one behind the other from `offset` on. They are freed where they were made, if the caller
    /// still waits there: what other threads free is not given back to the system for as long as its own
    /// thread makes nothing of that size.
    ///
    /// # Errors
    /// As the file system says; the disk may be full.
    pub async fn write_at(&self, pieces: Vec<Bytes>, offset: u64) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        let spool = Arc::clone(&self.spool);
        let write = move |pieces: &[Bytes]| {
            let before = file.metadata()?.len();
            let mut position = offset;
            let written = pieces.iter().try_for_each(|piece| {
                file.write_all_at(piece, position)?;
                position += piece.len() as u64;
                Ok(())
            });
            let after = file.metadata()?.len();
            spool.bytes.fetch_add(after - before, Ordering::Relaxed);
            spool.noted(written)
        };
        let written = spawn_blocking(move || (write(&pieces), pieces)).await;
        let (written, _pieces) = written.map_err(io::Error::other)?;
        written
    }

    /// Reads `length` bytes from `offset` on.
    ///
    /// # Errors
    /// As the file system says; a file that ends early is an error too.
    pub async fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let file = Arc::clone(&self.file);
        blocking(move || {
            let mut block = BytesMut::zeroed(length);
            file.read_exact_at(&mut block, offset)?;
            Ok(block.freeze())
        })
        .await
    }

    /// The checksum of the file's `length` bytes, read back.
    ///
    /// # Errors
    /// As the file system says; a file of another length is an error too.
    pub async fn checksum(&self, length: u64) -> io::Result<Checksum> {
        let file = Arc::clone(&self.file);
        blocking(move || checksum(&file, length)).await
    }

    /// Makes the file's content and its name durable, and gives the checksum of its `length` bytes: what
    /// is read back now is what will be sent.
    ///
    /// # Errors
    /// As the file system says; a file of another length is an error too.
    pub async fn sync(&self, length: u64) -> io::Result<Checksum> {
        let file = Arc::clone(&self.file);
        let directory = self.spool.directory.clone();
        blocking(move || {
            let checksum = checksum(&file, length)?;
            file.sync_all()?;
            File::open(directory)?.sync_all()?;
            Ok(checksum)
        })
        .await
    }
}

/// Whether it says that the disk, or a quota on it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Works on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

fn checksum(file: &File, length: u64) -> io::Result<Checksum> {
    let there = file.metadata()?.len();
    if there != length {
        let words = format!("it has {there} bytes instead of {length}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
    }
    let mut block = vec![0; limits::SPOOL_BLOCK_BYTES];
    let mut summing = Summing::default();
    let mut position = 0;
    while position < length {
        let rest = usize::try_from(length - position).unwrap_or(usize::MAX);
        let read = rest.min(block.len());
        file.read_exact_at(&mut block[..read], position)?;
        summing.add(&block[..read]);
        position += read as u64;
    }
    Ok(summing.checksum())
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if self.kept.load(Ordering::Acquire) {
            return;
        }
        let spool = Arc::clone(&self.spool);
        let name = std::mem::take(&mut self.name);
        let remove = move || {
            if let Err(error) = spool.remove(&name) {
                tracing::warn!(file = %name, %error, "a spool file could not be removed; the next start sweeps it");
            }
        };
        // Removing a large file takes milliseconds that the sessions on this thread need.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn_blocking(remove);
            }
            Err(_) => remove(),
        }
    }
}
