//! The process: threads, log, clock, certificate, disk and shutdown.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Threads for what blocks, like files and passwords: each takes memory, and a disk is not faster for more.
pub const BLOCKING_THREADS: usize = 64;
/// Certificate files are read again this often, because renewal replaces them under the same name.
pub const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(3_600);
/// Certificate files are read within this when an administrator names them.
pub const CERTIFICATE_WAIT: Duration = Duration::from_secs(5);
/// New mail leaves at least so much of the disk free, or twice the largest message: what is owed may need it.
pub const DISK_RESERVE_BYTES: u64 = 64 * 1_048_576;
/// But never more than this part of the disk: a small one would be of no use otherwise.
pub const DISK_RESERVE_PART: u64 = 8;
/// The ballast, which is given up when the disk is full: room for the databases' logs to begin with.
pub const BALLAST_BYTES: u64 = 16 * 1_048_576;
/// But never more than this part of the disk.
pub const BALLAST_PART: u64 = 16;
/// The disk is looked at this often.
pub const DISK_INTERVAL: Duration = Duration::from_secs(1);
/// Mail that found no room on the disk is an alert for so long: the next look may find room for smaller mail.
pub const DISK_ALERT_HOLD: Duration = Duration::from_secs(60);
/// After SIGTERM: what is under way is finished or stored within this.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);
/// How often the stored settings are looked at: an administrator's next step comes about so long after a command.
pub const STORED_SETTINGS_INTERVAL: Duration = Duration::from_secs(1);
/// A clock that is earlier was not set: this program is not that old.
pub const CLOCK_IS_WRONG_BEFORE: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// Clocks are corrected by less all the time: more is a step.
pub const CLOCK_CORRECTION: Duration = Duration::from_secs(10);
/// A clock that is set right steps by less; what a moment is later than that was never so.
pub const CLOCK_STEP: SignedDuration = SignedDuration::from_secs(3_600);
/// Bytes of log lines that wait for the output; beyond it lines are dropped and counted.
pub const LOG_BUFFER_BYTES: usize = 4 << 20;
/// Attempts of the queue get this long at shutdown: cut off, they lose nothing.
pub const ATTEMPTS_GRACE: Duration = Duration::from_secs(3);
/// Tasks that only have to say good-bye get this long at shutdown.
pub const COURTESY_WAIT: Duration = Duration::from_secs(1);
/// Threads that still read or write a file at the end get this long.
pub const THREADS_WAIT: Duration = Duration::from_secs(1);
/// Lines of the log gather this long. A crash of the process loses at most these.
pub const LOG_GATHER: Duration = Duration::from_millis(50);
/// A file that holds a secret; a longer one is the wrong file.
pub const SECRET_FILE_BYTES: u64 = 4_096;
/// The health check: a container's must answer before its own time-out, which is seldom less.
pub const HEALTHCHECK_WAIT: Duration = Duration::from_secs(3);
/// The answer to a health check, which has a few hundred bytes.
pub const HEALTHCHECK_ANSWER_BYTES: u64 = 16_384;
