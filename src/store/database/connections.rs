//! The two databases' files: how they are opened, brought up to date, and read beside the writer.

use std::path::{Path, PathBuf};
use std::{fs, io};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::error::{OpenError, is_corruption, is_other_schema};
use crate::{boot, limits};

/// The first version without the WAL-reset bug.
const SAFE_SQLITE: (u32, u32, u32) = (3, 51, 3);

static APPLIANCE: Migrator = sqlx::migrate!("migrations/appliance");
static HISTORY: Migrator = sqlx::migrate!("migrations/history");

/// One of our two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Database {
    /// Settings, audit, retry queue: nothing that was committed may be lost.
    Appliance,
    /// Trail and statistics: may lose its last second in a power cut.
    History,
}

impl Database {
    pub(in crate::store) fn migrations(self) -> &'static Migrator {
        match self {
            Self::Appliance => &APPLIANCE,
            Self::History => &HISTORY,
        }
    }

    /// Its file in the data directory.
    pub(in crate::store) fn file(self, data_directory: &Path) -> PathBuf {
        data_directory.join(match self {
            Self::Appliance => "appliance.db",
            Self::History => "history.db",
        })
    }

    pub(in crate::store) fn options(self, data_directory: &Path) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(self.file(data_directory))
            .busy_timeout(limits::STORE_BUSY_WAIT)
            .foreign_keys(true)
            .row_buffer_size(512)
            .pragma("temp_store", "memory")
            .disable_statement_logging()
    }

    /// The one connection that writes. The file is made when it is missing, and brought up to date.
    pub(in crate::store) async fn open(
        self,
        data_directory: &Path,
    ) -> Result<SqliteConnection, OpenError> {
        let file = self.file(data_directory);
        let mut connection = self.make(data_directory).await?;
        let version: String = sqlx::query_scalar("SELECT sqlite_version()")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| unusable(&file, &error))?;
        if !is_safe(&version) {
            return Err(OpenError::OldSqlite(version));
        }
        let migrated = self.migrations().run(&mut connection).await;
        migrated.map_err(|error| match error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
                unusable(&file, &cause)
            }
            MigrateError::VersionMissing(_) => OpenError::Newer(file),
            error => OpenError::Migration {
                file,
                cause: error.to_string(),
            },
        })?;
        Ok(connection)
    }

    /// A database of the same tables in memory, and its readers: for as long as the connection lives.
    pub(in crate::store) async fn stand_in(
        self,
    ) -> Result<(SqliteConnection, SqlitePool), sqlx::Error> {
        let options = "sqlite::memory:".parse::<SqliteConnectOptions>()?;
        let options = options.busy_timeout(limits::STORE_BUSY_WAIT);
        let mut connection = options.connect().await?;
        self.migrations().run(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(limits::STORE_READERS)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        Ok((connection, readers))
    }

    /// A connection that writes, to a database that may be new.
    pub(in crate::store) async fn make(
        self,
        data_directory: &Path,
    ) -> Result<SqliteConnection, OpenError> {
        let kept = part_of_disk(data_directory, limits::WAL_KEPT_PART);
        let kept = kept.min(limits::WAL_KEPT_BYTES);
        let options = self
            .options(data_directory)
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("journal_size_limit", kept.to_string())
            .pragma("cache_size", "-16384");
        let options = match self {
            // Checkpoints are made beside the writer: see `checkpoint.rs`.
            Self::Appliance => options
                .synchronous(SqliteSynchronous::Full)
                .pragma("wal_autocheckpoint", "0"),
            // Nobody waits for the trail's writer.
            Self::History => options
                .synchronous(SqliteSynchronous::Normal)
                .pragma("wal_autocheckpoint", "8192"),
        };
        options
            .connect()
            .await
            .map_err(|error| unusable(&self.file(data_directory), &error))
    }

    /// A connection beside the one that writes, to a database that is there: nothing is made or migrated.
    pub(in crate::store) async fn beside(
        self,
        data_directory: &Path,
    ) -> Result<SqliteConnection, sqlx::Error> {
        self.options(data_directory)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", "0")
            .connect()
            .await
    }

    /// Connections that only read, to a database that was opened.
    pub(in crate::store) async fn readers(
        self,
        data_directory: &Path,
    ) -> Result<SqlitePool, OpenError> {
        SqlitePoolOptions::new()
            .max_connections(limits::STORE_READERS)
            .acquire_timeout(limits::STORE_BUSY_WAIT)
            .max_lifetime(None)
            .connect_with(self.options(data_directory).read_only(true))
            .await
            .map_err(|error| unusable(&self.file(data_directory), &error))
    }
}

/// Carries over what the log holds now, as far as no reader needs it there.
pub(in crate::store) async fn checkpoint(
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// A part of the file system of this directory; without end when it cannot be asked.
pub(super) fn part_of_disk(directory: &Path, part: u64) -> u64 {
    boot::disk_space(directory).map_or(u64::MAX, |space| space.total_bytes / part)
}

/// Closes a connection that writes, with nothing left in its log.
pub(in crate::store) async fn close(mut connection: SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut connection)
        .await?;
    connection.close().await
}

/// Renames a database that nobody uses, with its log, which belongs to it; over one of that name. The log goes
/// last: without a database SQLite throws one away.
pub(in crate::store) fn rename_database(from: &Path, to: &Path) -> io::Result<()> {
    for suffix in LOGS {
        if_there(fs::remove_file(beside(to, suffix)))?;
    }
    if_there(fs::rename(from, to))?;
    for suffix in LOGS {
        if_there(fs::rename(beside(from, suffix), beside(to, suffix)))?;
    }
    Ok(())
}

/// What was to be renamed or removed may be missing.
pub(in crate::store) fn if_there(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What SQLite keeps beside a database.
pub(in crate::store) const LOGS: [&str; 2] = ["-wal", "-shm"];

/// A file of that name with this behind it.
pub(in crate::store) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(in crate::store) fn unusable(file: &Path, error: &sqlx::Error) -> OpenError {
    let (file, cause) = (file.to_owned(), error.to_string());
    match is_corruption(error) || is_other_schema(error) {
        true => OpenError::Damaged { file, cause },
        false => OpenError::Database { file, cause },
    }
}

fn is_safe(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) >= SAFE_SQLITE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_the_reset_bug_are_refused() {
        for (version, expected) in [
            ("3.51.2", false),
            ("3.46.0", false),
            ("3.51.3", true),
            ("3.52.0", true),
            ("4.0.0", true),
            ("nonsense", false),
        ] {
            assert_eq!(is_safe(version), expected, "{version}");
        }
    }

    #[tokio::test]
    async fn the_files_are_set_up_as_designed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (database, synchronous) in [(Database::Appliance, 2), (Database::History, 1)] {
            let mut connection = database.open(directory.path()).await.expect("it opens");
            let version: String = sqlx::query_scalar("SELECT sqlite_version()")
                .fetch_one(&mut connection)
                .await
                .expect("an answer");
            assert!(is_safe(&version), "{version}");
            for (pragma, expected) in [
                ("PRAGMA auto_vacuum", 2),
                ("PRAGMA foreign_keys", 1),
                ("PRAGMA synchronous", synchronous),
            ] {
                let value: i64 = sqlx::query_scalar(pragma)
                    .fetch_one(&mut connection)
                    .await
                    .expect("an answer");
                assert_eq!(value, expected, "{database:?} {pragma}");
            }
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
                .fetch_one(&mut connection)
                .await
                .expect("an answer");
            assert_eq!(mode, "wal");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = Database::Appliance.file(directory.path());
        fs::write(
            &file,
            "this is no database, whatever its name says".repeat(200),
        )
        .expect("written");
        let error = Database::Appliance.open(directory.path()).await.err();
        let error = error.expect("it is refused").to_string();
        assert!(error.contains("appliance.db"), "{error}");
    }
}
