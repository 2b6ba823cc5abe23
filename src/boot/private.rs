//! The data directory is for its owner only: mail of others is in it, keys, and hashes of passwords.
//!
//! What is made new is so by the umask. What was made before, or by another program, is tightened at the
//! start. Only what is ours is touched: the chosen directory may hold other things, too.

use std::fs::{self, DirEntry, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Files of ours begin with these; SQLite and atomic writes add endings to them.
const FILES: [&str; 5] = [
    "lock",
    "addresses.",
    "appliance.db",
    "history.db",
    "ballast",
];
/// Directories of ours, all of whose files are.
const DIRECTORIES: [&str; 2] = ["spool", "tls"];
/// What a file system has of its own.
const OF_THE_SYSTEM: &str = "lost+found";
/// What group and others may.
const OTHERS: u32 = 0o077;

/// From here on only the owner of this process may read what it makes. SQLite makes files as the
/// process may.
pub fn make_for_the_owner_only() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// What of a data directory was open to others.
#[derive(Debug, Default)]
pub struct Tightened {
    /// Directories that are no more.
    pub directories: u64,
    /// Files that are no more.
    pub files: u64,
    /// The first that still is, and why.
    pub left: Option<(PathBuf, io::Error)>,
}

impl Tightened {
    /// Makes what is ours in a data directory, and the directory itself, for its owner only. What belongs
    /// to another user stays as it is.
    pub(super) fn of(directory: &Path) -> Self {
        let mut tightened = Self::default();
        // Top down, so that no other user can replace what is looked at next.
        match is_ours_alone(directory) {
            Ok(true) => tightened.tighten(directory, fs::symlink_metadata(directory)),
            Ok(false) => tightened.leave_shared(directory),
            Err(error) => tightened.leave(directory, error),
        }
        tightened.tighten_files(directory, is_file_of_ours);
        for below in DIRECTORIES {
            let below = directory.join(below);
            match fs::symlink_metadata(&below) {
                Ok(metadata) if metadata.is_dir() => {
                    tightened.tighten(&below, Ok(metadata));
                    tightened.tighten_files(&below, |_| true);
                }
                // It is not there yet, or leads to where an administrator has put it.
                Ok(_) | Err(_) => {}
            }
        }
        tightened
    }

    fn tighten_files(&mut self, directory: &Path, is_ours: impl Fn(&DirEntry) -> bool) {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.leave(directory, error),
        };
        for entry in entries {
            match entry {
                Ok(entry) if is_ours(&entry) => self.tighten(&entry.path(), entry.metadata()),
                Ok(_) => {}
                Err(error) => self.leave(directory, error),
            }
        }
    }

    fn tighten(&mut self, path: &Path, metadata: io::Result<Metadata>) {
        let done = metadata.and_then(|metadata| {
            let is_concerned = metadata.is_dir() || metadata.is_file();
            let is_open = metadata.permissions().mode() & OTHERS != 0;
            if is_concerned && is_open {
                tighten(path, metadata.is_dir())?;
                return Ok(Some(metadata.is_dir()));
            }
            Ok(None)
        });
        match done {
            Ok(Some(true)) => self.directories += 1,
            Ok(Some(false)) => self.files += 1,
            Ok(None) => {}
            // It went meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.leave(path, error),
        }
    }

    /// A directory with other things in it may be meant to be open.
    fn leave_shared(&mut self, directory: &Path) {
        let is_open = |metadata: Metadata| metadata.permissions().mode() & OTHERS != 0;
        if fs::symlink_metadata(directory).is_ok_and(is_open) {
            let problem = "there are directories in it that are not ours";
            self.leave(directory, io::Error::other(problem));
        }
    }

    fn leave(&mut self, path: &Path, error: io::Error) {
        self.left.get_or_insert_with(|| (path.to_owned(), error));
    }
}

fn tighten(path: &Path, is_directory: bool) -> io::Result<()> {
    // Of what was looked at, not of what a link in its place leads to.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let mode = if is_directory { 0o700 } else { 0o600 };
    file.set_permissions(Permissions::from_mode(mode))
}

fn is_file_of_ours(entry: &DirEntry) -> bool {
    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
    let name = entry.file_name();
    let name = name.to_string_lossy();
    is_file && FILES.iter().any(|beginning| name.starts_with(beginning))
}

/// Whether it holds no directories but ours.
fn is_ours_alone(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_known = DIRECTORIES.iter().any(|known| *known == name) || name == OF_THE_SYSTEM;
        if !is_known && entry.file_type()?.is_dir() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        let metadata = fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }

    /// A data directory as one was with the umask of a login.
    fn open_to_others(place: &Path) -> PathBuf {
        let data = place.join("data");
        for directory in ["spool", "tls"] {
            fs::create_dir_all(data.join(directory)).expect("made");
            set(&data.join(directory), 0o755);
        }
        for file in [
            "appliance.db",
            "appliance.db-wal",
            "history.db-shm",
            "addresses.json",
            "spool/1-a",
            "tls/key.pem",
        ] {
            fs::write(data.join(file), "x").expect("written");
            set(&data.join(file), 0o644);
        }
        set(&data, 0o755);
        data
    }

    #[test]
    fn what_is_ours_is_for_its_owner_only() {
        let place = tempfile::tempdir().expect("a directory");
        let data = open_to_others(place.path());
        let tightened = Tightened::of(&data);
        assert_eq!((tightened.directories, tightened.files), (3, 6));
        assert!(tightened.left.is_none(), "{tightened:?}");
        for directory in ["", "spool", "tls"] {
            assert_eq!(mode(&data.join(directory)), 0o700, "{directory}");
        }
        for file in ["appliance.db", "history.db-shm", "spool/1-a", "tls/key.pem"] {
            assert_eq!(mode(&data.join(file)), 0o600, "{file}");
        }
        let again = Tightened::of(&data);
        assert_eq!((again.directories, again.files), (0, 0));
    }

    #[test]
    fn what_is_not_ours_stays_as_it_is() {
        let place = tempfile::tempdir().expect("a directory");
        let data = open_to_others(place.path());
        let theirs = place.path().join("theirs");
        fs::write(&theirs, "x").expect("written");
        set(&theirs, 0o644);
        // A link to somebody's file in the place of one of ours, and a file of nobody's name.
        std::os::unix::fs::symlink(&theirs, data.join("spool/1-b")).expect("linked");
        std::os::unix::fs::symlink(&theirs, data.join("history.db")).expect("linked");
        fs::write(data.join("notes.txt"), "x").expect("written");
        set(&data.join("notes.txt"), 0o644);
        Tightened::of(&data);
        assert_eq!(mode(&theirs), 0o644);
        assert_eq!(mode(&data.join("notes.txt")), 0o644);
        assert_eq!(mode(&data), 0o700);
    }

    #[test]
    fn a_directory_with_others_in_it_is_not_closed_to_them() {
        let place = tempfile::tempdir().expect("a directory");
        let data = open_to_others(place.path());
        fs::create_dir(data.join("somebody")).expect("made");
        fs::create_dir(data.join("lost+found")).expect("made");
        let tightened = Tightened::of(&data);
        assert_eq!(mode(&data), 0o755);
        assert_eq!(mode(&data.join("appliance.db")), 0o600);
        let (left, why) = tightened.left.expect("it is said");
        assert_eq!(left, data);
        assert!(why.to_string().contains("not ours"), "{why}");
    }
}
