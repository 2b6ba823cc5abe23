//! What can go wrong in the store, sorted by what a caller does about it.

use std::io;
use std::path::PathBuf;

use crate::message::spool::is_full;
use crate::settings::FieldErrors;

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Versions before 3.51.3 can corrupt a database in WAL mode.
    #[error("SQLite {0} is too old: 3.51.3 is the first version whose write-ahead log is safe")]
    OldSqlite(String),
    /// The file cannot be opened, read or written.
    #[error("{}: {cause}", file.display())]
    Database {
        /// Which file.
        file: PathBuf,
        /// SQLite's words.
        cause: String,
    },
    /// What is in the file is not what SQLite wrote there.
    #[error(
        "{}: {cause}; `fastpath admin repair` saves what can be read of it",
        file.display()
    )]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// SQLite's words.
        cause: String,
    },
    /// The file was written by a newer version.
    #[error(
        "{}: a newer version of Fastpath has written it, and this one, {}, cannot use it: run the newer one, \
         or restore a backup that this one has made",
        .0.display(), env!("CARGO_PKG_VERSION")
    )]
    Newer(PathBuf),
    /// A migration failed.
    #[error("{}: {cause}", file.display())]
    Migration {
        /// Which file.
        file: PathBuf,
        /// What did not fit.
        cause: String,
    },
    /// The settings that stand in the database do not hold.
    #[error("the stored settings do not hold: {0}")]
    Settings(FieldErrors),
}

/// Something could not be stored. Never a reason for a 5xx: it is our fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. The next try may work.
    #[error("the disk is full")]
    Full,
    /// Another process holds the database. The next try may work.
    #[error("the database is locked by another process")]
    Busy,
    /// COMMIT failed: what the disk holds is unknown, and nothing is stored until a restart.
    #[error("the database cannot be trusted until a restart: {0}")]
    Commit(String),
    /// An earlier COMMIT failed: this was not stored, and nothing is until a restart.
    #[error("nothing is stored until a restart, because a COMMIT failed")]
    Distrusted,
    /// It had not begun when whoever asked for it no longer waited, and was not stored.
    #[error("the store was busy for too long; nothing was changed")]
    Overdue,
    /// The spool file could not be made durable.
    #[error("the spool file was not stored: {0}")]
    Spool(String),
    /// This change does not fit; others do.
    #[error("not stored: {0}")]
    Rejected(String),
    /// No answer came in time: it may be stored, or not.
    #[error("the disk did not answer in time")]
    Late,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The next try may work without anybody's help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Full | Self::Busy)
    }

    /// Nothing was stored, and nothing will be. Otherwise nobody can tell before a restart, or before the
    /// disk answers.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::Commit(_) | Self::Late)
    }

    /// What an error of a statement, or of COMMIT, means. That of a statement is converted by `?` as well.
    pub(in crate::store) fn of(error: &sqlx::Error, at_commit: bool) -> Self {
        /// Primary result codes of SQLite.
        const BUSY: i32 = 5;
        const LOCKED: i32 = 6;
        const FULL: i32 = 13;
        /// The index of the write-ahead log found no room on the disk (an extended code).
        const NO_ROOM_FOR_INDEX: i32 = 10 | 19 << 8;
        match primary_code(error) {
            // At COMMIT the log itself may be written.
            _ if extended_code(error) == Some(NO_ROOM_FOR_INDEX) && !at_commit => Self::Full,
            Some(FULL) => Self::Full,
            Some(BUSY | LOCKED) => Self::Busy,
            _ if at_commit => Self::Commit(error.to_string()),
            _ => match error {
                sqlx::Error::WorkerCrashed => Self::Commit(error.to_string()),
                _ => Self::Rejected(error.to_string()),
            },
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::of(&error, false)
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match is_full(&error) {
            true => Self::Full,
            false => Self::Spool(error.to_string()),
        }
    }
}

fn extended_code(error: &sqlx::Error) -> Option<i32> {
    let error = error.as_database_error()?;
    error.code()?.parse().ok()
}

/// Which stands in the low byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    extended_code(error).map(|code| code & 0xff)
}

/// What is read of a page shows that it is not what SQLite wrote there.
pub(in crate::store) fn is_corruption(error: &sqlx::Error) -> bool {
    const CORRUPT: i32 = 11;
    const NOT_A_DATABASE: i32 = 26;
    let code = primary_code(error);
    matches!(code, Some(CORRUPT | NOT_A_DATABASE))
}

/// A statement of ours makes no sense to SQLite: a table or a column is missing.
pub(in crate::store) fn is_other_schema(error: &sqlx::Error) -> bool {
    const ERROR: i32 = 1;
    primary_code(error) == Some(ERROR)
}

/// Something could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the database could not be read: {0}")]
pub struct ReadError(#[from] sqlx::Error);

/// A stored message could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No message of this id is stored.
    #[error("the message is not stored")]
    Gone,
    /// What is stored is not a message: its rows are to be marked `damaged`.
    #[error("the stored message is damaged: {0}")]
    Damaged(String),
    /// It could not be read just now.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<sqlx::Error> for LoadError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Damaged(error.to_string())
            }
            error if is_corruption(&error) => Self::Damaged(error.to_string()),
            error => Self::Read(ReadError(error)),
        }
    }
}

/// The trail or the figures could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the history was not written: {0}")]
pub struct HistoryError(#[from] sqlx::Error);
