//! The start: where things are, the lock on the data directory, and what the machine offers.

pub mod container;
mod disk_room;
mod memory;
mod private;

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FlockOperation;
use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize, Serializer};

pub use disk_room::{Ballast, DiskRoom, DiskShares};
pub use memory::memory_bytes;
pub use private::{Tightened, make_for_the_owner_only};

/// Where things are, checked. Everything else is a setting in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootOptions {
    /// Databases, spool, certificate.
    pub data_directory: PathBuf,
    /// Where mail is taken; at least one.
    pub smtp_listen: Vec<SocketAddr>,
    /// Where the pages and the API are.
    pub web_listen: SocketAddr,
    /// Our name in the greeting, in EHLO and in Received fields.
    pub hostname: Arc<str>,
}

/// What is shown instead of a secret among the settings. Given back in a change, it means the secret that is there.
pub const SHOWN: &str = "(set)";

/// A text that no log and no page may show. Serialised it says only that it is set; the store asks for the text
/// itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SHOWN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Why the data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another appliance runs on it.
    #[error("the data directory {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// It cannot be made, or nothing can be written there.
    #[error("the data directory {} cannot be used: {cause}", path.display())]
    Unusable {
        /// Which directory.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
}

/// The data directory under our exclusive lock, which ends with the value or with the process.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    tightened: Tightened,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory when it is missing, locks it, and sees to it that it is for its owner only.
    ///
    /// # Errors
    /// When another process has it, or when it cannot be used.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let unusable = |cause| DirectoryError::Unusable {
            path: path.to_owned(),
            cause,
        };
        // It holds mail: only its owner may read it.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                tightened: Tightened::of(path),
                _lock: lock,
            }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DirectoryError::Locked(path.to_owned())),
            Err(error) => Err(unusable(error.into())),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What of it was open to others when it was opened.
    #[must_use]
    pub fn tightened(&self) -> &Tightened {
        &self.tightened
    }

    /// Says where the appliance listens, for the health check, and for those who chose port 0.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_addresses(&self, addresses: &Addresses) -> io::Result<()> {
        let text = serde_json::to_string(addresses).map_err(io::Error::other)?;
        write_private(&self.path.join(ADDRESSES_FILE), &(text + "\n"))
    }

    /// Removes the addresses at the end.
    pub fn remove_addresses(&self) {
        // A file that stays is harmless: the health check finds no server there.
        let _ = std::fs::remove_file(self.path.join(ADDRESSES_FILE));
    }
}

const ADDRESSES_FILE: &str = "addresses.json";

/// Where a running appliance listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Where mail is taken.
    pub smtp: Vec<SocketAddr>,
    /// Where the pages and the API are.
    pub web: SocketAddr,
}

impl Addresses {
    /// What the appliance on this data directory wrote; none when there is no such file, or no such
    /// text in it.
    #[must_use]
    pub fn read(data_directory: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(data_directory.join(ADDRESSES_FILE)).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// Writes a file that only its owner may read, so that a reader finds the old text or the new one, never half of
/// it.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    const MODE: u32 = 0o600;
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(MODE)
        .open(&fresh)?;
    // The mode above counts only for a file that did not exist.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

/// Raises the limit on open files as far as the system lets us: each session is one.
pub fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // Without success the old limit holds, and the listener copes with it.
    let _ = rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

/// Files that this process may have open at one time.
#[must_use]
pub fn descriptor_limit() -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current.unwrap_or(u64::MAX)
}

/// The machine's name.
#[must_use]
pub fn machine_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// A file system, as far as an ordinary user may fill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Bytes that are written and those that may be; what is kept for root is in neither.
    pub total_bytes: u64,
}

/// The room on the file system of `directory`; none when it cannot be asked. May block for as long as
/// the file system does not answer.
#[must_use]
pub fn disk_space(directory: &Path) -> Option<DiskSpace> {
    let figures = rustix::fs::statvfs(directory).ok()?;
    let reserved = figures.f_bfree.saturating_sub(figures.f_bavail);
    let usable = figures.f_blocks.saturating_sub(reserved);
    Some(DiskSpace {
        free_bytes: figures.f_bavail.saturating_mul(figures.f_frsize),
        total_bytes: usable.saturating_mul(figures.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("data");
        let first = DataDirectory::open(&path).expect("it is free");
        assert!(matches!(
            DataDirectory::open(&path),
            Err(DirectoryError::Locked(_))
        ));
        drop(first);
        DataDirectory::open(&path).expect("it is free again");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = DataDirectory::open(&file.path().join("below")).expect_err("it is a file");
        assert!(
            error.to_string().contains("below cannot be used"),
            "{error}"
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = Secret::new("open sesame".to_owned());
        assert_eq!(format!("{secret:?}"), "(secret)");
    }

    #[test]
    fn addresses_are_written_and_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = DataDirectory::open(directory.path()).expect("it is free");
        assert_eq!(Addresses::read(directory.path()), None);
        let addresses = Addresses {
            smtp: vec!["127.0.0.1:2525".parse().expect("an address")],
            web: "127.0.0.1:8025".parse().expect("an address"),
        };
        directory.write_addresses(&addresses).expect("written");
        let text = std::fs::read_to_string(directory.path().join(ADDRESSES_FILE)).expect("text");
        assert_eq!(
            text,
            "{\"smtp\":[\"127.0.0.1:2525\"],\"web\":\"127.0.0.1:8025\"}\n"
        );
        assert_eq!(Addresses::read(directory.path()), Some(addresses));
        directory.remove_addresses();
        assert_eq!(Addresses::read(directory.path()), None);
    }

    #[test]
    fn the_machine_has_a_name() {
        assert!(!machine_name().is_empty());
    }

    #[test]
    fn a_file_system_has_room_of_some_size() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = disk_space(directory.path()).expect("a file system");
        assert!(disk.total_bytes >= disk.free_bytes, "{disk:?}");
        assert_eq!(disk_space(&directory.path().join("none")), None);
    }
}
