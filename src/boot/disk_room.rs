//! How much of the disk may still be used: a reserve for what is owed, and a ballast that is given up so that
//! a full disk can be emptied.
//!
//! New mail leaves the reserve alone. What is half done may use it, down to a floor: a message of which some
//! recipients have their copy. Below that there is room only for what empties the queue: the end of an attempt, a
//! report of failure. The ballast is a file that takes
//! room for nothing: without it, the databases of a disk that others have filled could not even be opened,
//! and what waits in the queue could not leave.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use rustix::fs::FallocateFlags;

use super::{DiskSpace, disk_space};
use crate::limits;

/// What is kept of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskShares {
    /// Bytes that new mail leaves free.
    pub reserve_bytes: u64,
    /// Bytes of the ballast.
    pub ballast_bytes: u64,
}

impl DiskShares {
    /// Of a file system of this size, for messages up to that size.
    #[must_use]
    pub fn of(total_bytes: u64, message_bytes_max: u64) -> Self {
        let wanted = message_bytes_max
            .saturating_mul(2)
            .max(limits::DISK_RESERVE_BYTES);
        Self {
            reserve_bytes: wanted.min(total_bytes / limits::DISK_RESERVE_PART),
            ballast_bytes: limits::BALLAST_BYTES.min(total_bytes / limits::BALLAST_PART),
        }
    }
}

/// The room on the disk, as it was at the last look, less what was used since. Until then there is
/// all the room in the world.
#[derive(Debug)]
pub struct DiskRoom {
    free_bytes: AtomicU64,
    reserve_bytes: AtomicU64,
    floor_bytes: AtomicU64,
    turned_away: Mutex<Option<Instant>>,
}

impl Default for DiskRoom {
    fn default() -> Self {
        Self {
            free_bytes: AtomicU64::new(u64::MAX),
            reserve_bytes: AtomicU64::new(0),
            floor_bytes: AtomicU64::new(0),
            turned_away: Mutex::default(),
        }
    }
}

impl DiskRoom {
    /// Whether new mail may use the disk.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.free_bytes() > self.reserve_bytes()
    }

    /// Counts bytes that new mail is going to use; false when that would touch the reserve.
    #[must_use]
    pub fn take(&self, bytes: u64) -> bool {
        self.take_above(self.reserve_bytes(), bytes)
    }

    /// The same for mail that was delivered in part, or may have been: it may use the reserve, but not what the databases
    /// need to note deliveries, and to be opened again.
    #[must_use]
    pub fn take_owed(&self, bytes: u64) -> bool {
        self.take_above(self.floor_bytes.load(Ordering::Relaxed), bytes)
    }

    fn take_above(&self, least: u64, bytes: u64) -> bool {
        let free = self.free_bytes();
        if free.saturating_sub(bytes) < least {
            *self.turned_away.lock() = Some(Instant::now());
            return false;
        }
        let less = |free: u64| Some(free.saturating_sub(bytes));
        // It always gives a value.
        let _ = self
            .free_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        true
    }

    /// A write found no room, whatever was counted: there is none until the next look.
    pub fn found_full(&self) {
        self.free_bytes.store(0, Ordering::Relaxed);
        *self.turned_away.lock() = Some(Instant::now());
    }

    /// Whether something new found no room within the last [`limits::DISK_ALERT_HOLD`]. There may be room for
    /// something smaller.
    #[must_use]
    pub fn turned_away_lately(&self) -> bool {
        self.turned_away
            .lock()
            .is_some_and(|at| at.elapsed() < limits::DISK_ALERT_HOLD)
    }

    /// Bytes that are free.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that new mail leaves free.
    #[must_use]
    pub fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes.load(Ordering::Relaxed)
    }

    fn set(&self, free_bytes: u64, reserve_bytes: u64, floor_bytes: u64) {
        self.reserve_bytes.store(reserve_bytes, Ordering::Relaxed);
        self.floor_bytes.store(floor_bytes, Ordering::Relaxed);
        self.free_bytes.store(free_bytes, Ordering::Relaxed);
    }
}

/// The ballast in a data directory.
#[derive(Debug)]
pub struct Ballast {
    directory: PathBuf,
    path: PathBuf,
}

/// What to do with the ballast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Leave,
    GiveUp,
    Make,
}

impl Ballast {
    /// The one of this directory, whether it is there or not.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            path: directory.join("ballast"),
        }
    }

    /// Looks at the disk, gives the ballast up when little is left, makes it again when there is much, and
    /// tells `room`. May block for as long as the file system does not answer.
    pub fn look(&self, room: &DiskRoom, message_bytes_max: u64) {
        let Some(space) = disk_space(&self.directory) else {
            return;
        };
        let shares = DiskShares::of(space.total_bytes, message_bytes_max);
        let is_there = self.path.exists();
        let done = match deed(space, shares, is_there) {
            Deed::Leave => Ok(is_there),
            Deed::GiveUp => self.give_up(space),
            Deed::Make => self.make(shares.ballast_bytes),
        };
        let is_there = done.unwrap_or_else(|error| {
            tracing::warn!(%error, file = %self.path.display(), "the ballast is not as it should be");
            is_there
        });
        let free = disk_space(&self.directory).map_or(space.free_bytes, |space| space.free_bytes);
        // Where the ballast was is no room for new mail.
        let in_place_of_ballast = if is_there { 0 } else { shares.ballast_bytes };
        let reserve_bytes = shares.reserve_bytes + in_place_of_ballast;
        room.set(free, reserve_bytes, shares.ballast_bytes);
    }

    fn give_up(&self, space: DiskSpace) -> io::Result<bool> {
        fs::remove_file(&self.path)?;
        tracing::warn!(
            free_bytes = space.free_bytes,
            "the disk is full: the ballast is given up, so that what waits can leave"
        );
        Ok(false)
    }

    fn make(&self, bytes: u64) -> io::Result<bool> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&self.path)?;
        let made = match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => Ok(()),
            // Not every file system can promise room; bytes that cannot be compressed take it.
            Err(rustix::io::Errno::OPNOTSUPP) => write_noise(&file, bytes),
            Err(error) => Err(error.into()),
        };
        if made.is_err() {
            // A part of it would take room and promise nothing.
            let _ = fs::remove_file(&self.path);
        }
        made.map(|()| true)
    }
}

fn deed(space: DiskSpace, shares: DiskShares, is_there: bool) -> Deed {
    let DiskShares {
        reserve_bytes,
        ballast_bytes,
    } = shares;
    // What is owed leaves as much as the ballast takes; below that others have filled the disk.
    if is_there && space.free_bytes < ballast_bytes / 8 {
        Deed::GiveUp
    } else if !is_there && space.free_bytes > reserve_bytes + 2 * ballast_bytes {
        Deed::Make
    } else {
        Deed::Leave
    }
}

fn write_noise(mut file: &fs::File, bytes: u64) -> io::Result<()> {
    let mut block = vec![0; limits::SPOOL_BLOCK_BYTES];
    let mut rest = bytes;
    while rest > 0 {
        rand::fill(&mut block[..]);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(block.len());
        file.write_all(&block[..length])?;
        rest -= length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_reserve_never_takes_a_small_disk() {
        for (total, message, reserve, ballast) in [
            (100 << 30, 25 * MIB, 64 * MIB, 16 * MIB),
            (100 << 30, 100 * MIB, 200 * MIB, 16 * MIB),
            (256 * MIB, 25 * MIB, 32 * MIB, 16 * MIB),
            (6 * MIB, 25 * MIB, 6 * MIB / 8, 6 * MIB / 16),
            (0, 25 * MIB, 0, 0),
        ] {
            let shares = DiskShares::of(total, message);
            assert_eq!(
                (shares.reserve_bytes, shares.ballast_bytes),
                (reserve, ballast),
                "{total} {message}"
            );
        }
    }

    #[test]
    fn new_mail_leaves_the_reserve_alone() {
        let room = DiskRoom::default();
        assert!(room.is_there() && room.take(1 << 40) && !room.turned_away_lately());
        room.set(1_000, 300, 100);
        assert!(room.is_there());
        assert!(room.take(600) && !room.take(101) && room.take(100));
        assert!(!room.is_there() && !room.take(1));
        assert!(room.turned_away_lately());
        assert!(room.take_owed(200) && !room.take_owed(1));
        assert_eq!(room.free_bytes(), 100);
        room.set(1_000, 300, 100);
        assert!(room.is_there());
        room.found_full();
        assert!(!room.is_there() && room.turned_away_lately());
        room.set(1_000, 300, 100);
        assert!(room.is_there() && room.turned_away_lately());
    }

    #[test]
    fn the_ballast_goes_late_and_comes_back_late() {
        let shares = DiskShares {
            reserve_bytes: 100,
            ballast_bytes: 20,
        };
        for (free, is_there, expected) in [
            (1_000, true, Deed::Leave),
            (99, true, Deed::Leave),
            (2, true, Deed::Leave),
            (1, true, Deed::GiveUp),
            (0, true, Deed::GiveUp),
            (0, false, Deed::Leave),
            (140, false, Deed::Leave),
            (141, false, Deed::Make),
        ] {
            let space = DiskSpace {
                free_bytes: free,
                total_bytes: 10_000,
            };
            assert_eq!(deed(space, shares, is_there), expected, "{free} {is_there}");
        }
    }

    #[test]
    fn a_ballast_takes_its_room() {
        let directory = tempfile::tempdir().expect("a directory");
        let ballast = Ballast::in_directory(directory.path());
        let room = DiskRoom::default();
        ballast.look(&room, 25 * MIB);
        let made = fs::metadata(&ballast.path).expect("the machine has room");
        assert!(made.len() > 0 && made.len() <= limits::BALLAST_BYTES);
        use std::os::unix::fs::MetadataExt as _;
        assert!(made.blocks() * 512 >= made.len(), "it takes no room");
        assert!(room.is_there() && room.reserve_bytes() > 0);
        let file = fs::File::create(directory.path().join("noise")).expect("a file");
        write_noise(&file, 100_001).expect("written");
        assert_eq!(file.metadata().expect("a file").len(), 100_001);
    }
}
