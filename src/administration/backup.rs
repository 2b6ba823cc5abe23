//! A consistent copy of an appliance, taken while it runs.
//!
//! A backup is a directory with both databases, the spool files that the queue's rows name, the
//! certificate with its key, and a manifest that is written last: without it a backup is not whole.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::boot::DirectoryError;
use crate::limits;
use crate::message::MessageId;
use crate::store::{CopyError, DatabaseCopy};

/// What an appliance keeps beside databases and spool.
pub(super) const OTHER_FILES: [&str; 2] = ["tls/certificate.pem", "tls/key.pem"];
pub(super) const SPOOL: &str = "spool";
const MANIFEST: &str = "backup.json";
/// Rises when the shape of a backup changes.
const FORMAT: u32 = 1;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The Fastpath that took it.
    pub version: String,
    /// The moment that it shows.
    pub taken_at: Timestamp,
    /// Messages in its queue.
    pub messages: u64,
    /// Their recipients that wait.
    pub recipients: u64,
    /// Messages that were left out: they were settled while the backup was taken, or had lost their
    /// content before.
    pub left_out: u64,
}

/// Why there is no backup, or none was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Files of others are not to be mixed with ours.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// A copy of the appliance in itself would be copied along the next time.
    #[error("{} is inside the data directory", .0.display())]
    Inside(PathBuf),
    /// Nothing to back up.
    #[error("there is no appliance in {}", .0.display())]
    NoAppliance(PathBuf),
    /// This is not what [`take`] left.
    #[error("{} is no backup that can be restored: {problem}", directory.display())]
    NoBackup {
        /// Where it was looked for.
        directory: PathBuf,
        /// What is missing or wrong.
        problem: String,
    },
    /// The data directory to restore to cannot be had.
    #[error(transparent)]
    DataDirectory(#[from] DirectoryError),
    /// A database cannot be read, written or trusted.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
}

/// Copies the appliance on `data_directory`, running or not, to `directory`, which is made, or is
/// empty. The caller sees to it that new files belong to their owner only.
///
/// # Errors
/// When something cannot be read or written; `directory` is empty then.
pub async fn take(data_directory: &Path, directory: &Path) -> Result<Manifest, BackupError> {
    if !DatabaseCopy::is_possible(data_directory) {
        return Err(BackupError::NoAppliance(data_directory.to_owned()));
    }
    claim(directory)?;
    if is_inside(directory, data_directory)? {
        // It was made just now, or was empty.
        let _ = fs::remove_dir(directory);
        return Err(BackupError::Inside(directory.to_owned()));
    }
    let taken = copy_all(data_directory, directory).await;
    if taken.is_err() {
        // What is there is of no use, and would be in the way of the next try.
        clear(directory);
    }
    taken
}

/// Both exist.
fn is_inside(directory: &Path, data_directory: &Path) -> Result<bool, BackupError> {
    let whole = |path: &Path| path.canonicalize().map_err(|cause| at(path, cause));
    Ok(whole(directory)?.starts_with(whole(data_directory)?))
}

/// The manifest of the backup in `directory`.
///
/// # Errors
/// When there is none, or it is of another time.
pub(super) fn read_manifest(directory: &Path) -> Result<Manifest, BackupError> {
    let no_backup = |problem: String| BackupError::NoBackup {
        directory: directory.to_owned(),
        problem,
    };
    let text = fs::read_to_string(directory.join(MANIFEST))
        .map_err(|error| no_backup(format!("{MANIFEST}: {error}")))?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| no_backup(format!("{MANIFEST}: {error}")))?;
    if manifest.format != FORMAT {
        let problem = format!("it is of format {}, this is {FORMAT}", manifest.format);
        return Err(no_backup(problem));
    }
    Ok(manifest)
}

/// Makes the directory, or takes it when it is empty.
fn claim(directory: &Path) -> Result<(), BackupError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|cause| at(directory, cause))?;
    let is_ours = |name: &std::ffi::OsStr| name == "lost+found";
    if is_empty_but(directory, is_ours).map_err(|cause| at(directory, cause))? {
        Ok(())
    } else {
        Err(BackupError::NotEmpty(directory.to_owned()))
    }
}

/// Whether there is nothing in a directory but what `is_expected`.
pub(super) fn is_empty_but(
    directory: &Path,
    is_expected: impl Fn(&std::ffi::OsStr) -> bool,
) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        if !is_expected(&entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what a backup or a restore has put into a directory.
pub(super) fn clear(directory: &Path) {
    let files = [
        "appliance.db",
        "appliance.db-journal",
        "history.db",
        MANIFEST,
    ];
    for file in files.iter().chain(&OTHER_FILES) {
        let _ = fs::remove_file(directory.join(file));
    }
    for below in [SPOOL, "tls"] {
        let _ = fs::remove_dir_all(directory.join(below));
    }
}

async fn copy_all(data_directory: &Path, directory: &Path) -> Result<Manifest, BackupError> {
    let copy = DatabaseCopy::at(directory);
    copy.take_history(data_directory).await?;
    let (taken_at, left_out) = copy_queue(&copy, data_directory, directory).await?;
    for file in OTHER_FILES {
        copy_if_there(&data_directory.join(file), &directory.join(file))?;
    }
    for database in ["appliance.db", "history.db"] {
        let path = directory.join(database);
        sync(&path).map_err(|cause| at(&path, cause))?;
    }
    let (messages, recipients) = copy.queue().await?;
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at,
        messages,
        recipients,
        left_out,
    };
    let path = directory.join(MANIFEST);
    write_manifest(&path, &manifest).map_err(|cause| at(&path, cause))?;
    sync(directory).map_err(|cause| at(directory, cause))?;
    Ok(manifest)
}

/// Copies the queue and the contents that its rows name, and says of which moment it is and how many
/// messages were left out.
///
/// Messages are delivered meanwhile, and their contents go. Then the queue is copied once more: it
/// knows what became of them, such as a report to the sender. What is missing in the end has no row.
async fn copy_queue(
    copy: &DatabaseCopy,
    data_directory: &Path,
    directory: &Path,
) -> Result<(Timestamp, u64), BackupError> {
    let spool = directory.join(SPOOL);
    fs::create_dir_all(&spool).map_err(|cause| at(&spool, cause))?;
    let mut taken_at = Timestamp::now();
    let mut missing = BTreeSet::new();
    for _ in 0..limits::BACKUP_ROUNDS {
        taken_at = Timestamp::now();
        copy.take_appliance(data_directory).await?;
        let before = std::mem::replace(
            &mut missing,
            copy_contents(copy, &data_directory.join(SPOOL), &spool).await?,
        );
        // What was missing before and still is will not come: it was lost long ago.
        if missing == before {
            break;
        }
    }
    let left_out = missing.len() as u64;
    copy.forget(missing).await?;
    keep_only_named(copy, &spool).await?;
    Ok((taken_at, left_out))
}

/// Copies the spool files that are not there yet, and gives the messages that have no content.
async fn copy_contents(
    copy: &DatabaseCopy,
    from: &Path,
    to: &Path,
) -> Result<BTreeSet<MessageId>, BackupError> {
    let mut missing: BTreeSet<MessageId> = copy.without_content().await?.into_iter().collect();
    for content in copy.spooled().await? {
        let (source, target) = (from.join(&content.file), to.join(&content.file));
        if !target.exists() {
            copy_if_there(&source, &target)?;
        }
        if !has_bytes(&target, content.bytes) {
            missing.insert(content.message);
        }
    }
    Ok(missing)
}

/// Removes the copies of contents that no row names any more.
async fn keep_only_named(copy: &DatabaseCopy, spool: &Path) -> Result<(), BackupError> {
    let named = copy.spooled().await?;
    let named: BTreeSet<&str> = named.iter().map(|content| content.file.as_str()).collect();
    let unnamed = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        !name.to_str().is_some_and(|name| named.contains(name))
    };
    let sweep = || {
        for entry in fs::read_dir(spool)? {
            let entry = entry?;
            if unnamed(&entry) {
                fs::remove_file(entry.path())?;
            }
        }
        sync(spool)
    };
    sweep().map_err(|cause| at(spool, cause))
}

/// Whether a file is there and has at least so many bytes.
pub(super) fn has_bytes(path: &Path, bytes: u64) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() >= bytes)
}

/// Copies a file to a place where there is none, durable but for its name, for its owner only.
pub(super) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    if let Some(parent) = to.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut target = create(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()
}

fn copy_if_there(from: &Path, to: &Path) -> Result<(), BackupError> {
    match copy_file(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map_err(|cause| at(from, cause)),
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a file's content, or a directory's names, durable.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn write_manifest(path: &Path, manifest: &Manifest) -> io::Result<()> {
    let text = serde_json::to_string_pretty(manifest).map_err(io::Error::other)?;
    let mut file = create(path)?;
    file.write_all((text + "\n").as_bytes())?;
    file.sync_all()
}

pub(super) fn at(path: &Path, cause: io::Error) -> BackupError {
    BackupError::File {
        path: path.to_owned(),
        cause,
    }
}
