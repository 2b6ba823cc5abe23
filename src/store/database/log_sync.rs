//! When a commit is durable.
//!
//! What somebody waits for is synced by its COMMIT. What nobody waits for, such as a delivered row's removal,
//! is only given to the operating system by it: from then on it outlives the process, and one sync a moment
//! later lets it outlive the machine. A sync of the write-ahead log covers every commit before it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::connections::beside;
use super::error::StoreError;
use crate::limits;

/// Whether a COMMIT returns before what it commits is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Synced {
    /// It waits for the disk.
    AtOnce,
    /// It does not: [`LogSync::sync`] follows.
    Soon,
}

/// The write-ahead log of the connection that writes, and what of it is not on the disk yet.
#[derive(Debug)]
pub(super) struct LogSync {
    log: Arc<File>,
    /// How the connection commits now.
    mode: Synced,
    /// When a sync is due; none when nothing waits for one.
    due: Option<Instant>,
    /// Spool files of rows that are removed. Should the machine fail, the rows may be there again, and these
    /// must be there with them.
    files: Vec<String>,
}

impl LogSync {
    /// Of the database in this file, whose connection commits [`Synced::AtOnce`] and is open.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub(super) fn of(database: &Path) -> io::Result<Self> {
        Ok(Self {
            log: Arc::new(File::open(beside(database, "-wal"))?),
            mode: Synced::AtOnce,
            due: None,
            files: Vec::new(),
        })
    }

    /// Has the next transactions commit in this way. Called between transactions.
    ///
    /// # Errors
    /// As the database says; nothing has changed then.
    pub(super) async fn switch(
        &mut self,
        connection: &mut SqliteConnection,
        mode: Synced,
    ) -> Result<(), StoreError> {
        if mode == self.mode {
            return Ok(());
        }
        let pragma = match mode {
            Synced::AtOnce => "PRAGMA synchronous = FULL",
            Synced::Soon => "PRAGMA synchronous = NORMAL",
        };
        sqlx::query(pragma).execute(connection).await?;
        self.mode = mode;
        Ok(())
    }

    /// Something was committed, and these spool files are named by no row any more. Gives those that can be
    /// removed. A COMMIT that wrote nothing has synced nothing.
    #[must_use]
    pub(super) fn committed(&mut self, wrote: bool, files: Vec<String>) -> Vec<String> {
        self.files.extend(files);
        if wrote && self.mode == Synced::AtOnce {
            return self.settled();
        }
        let due = Instant::now() + limits::WRITER_LAZY_WAIT;
        self.due.get_or_insert(due);
        Vec::new()
    }

    /// When [`Self::sync`] has to be called, if it has to.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Syncs the log, and gives the spool files that can be removed.
    ///
    /// # Errors
    /// [`StoreError::Commit`]: nobody knows what is on the disk. A second try would say nothing of that, because
    /// the system tells of an error once; so nothing is due, and the files stay for the next start.
    pub(super) async fn sync(&mut self) -> Result<Vec<String>, StoreError> {
        self.due = None;
        let files = std::mem::take(&mut self.files);
        let log = Arc::clone(&self.log);
        let synced = spawn_blocking(move || log.sync_data()).await;
        let synced = synced.map_err(io::Error::other).flatten();
        synced.map_err(|error| StoreError::Commit(error.to_string()))?;
        Ok(files)
    }

    /// Everything is on the disk.
    fn settled(&mut self) -> Vec<String> {
        self.due = None;
        std::mem::take(&mut self.files)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

    use super::*;

    async fn scene() -> (tempfile::TempDir, SqliteConnection, LogSync) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("test.db");
        let options = SqliteConnectOptions::new().filename(&file);
        let options = options.create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal);
        let options = options.synchronous(SqliteSynchronous::Full);
        let mut connection = options.connect().await.expect("a database");
        let made = sqlx::query("CREATE TABLE t (x)").execute(&mut connection);
        made.await.expect("a table");
        let log = LogSync::of(&file).expect("a log");
        (directory, connection, log)
    }

    async fn synchronous(connection: &mut SqliteConnection) -> i64 {
        let asked = sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection);
        asked.await.expect("an answer")
    }

    fn files(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test]
    async fn files_stay_until_their_rows_cannot_come_back() {
        let (_directory, mut connection, mut log) = scene().await;
        assert_eq!(log.committed(true, files(&["a"])), ["a"]);
        assert!(log.due().is_none());

        let switched = log.switch(&mut connection, Synced::Soon).await;
        switched.expect("switched");
        assert_eq!(synchronous(&mut connection).await, 1);
        assert!(log.committed(true, files(&["b"])).is_empty());
        let due = log.due().expect("a sync is due");
        assert!(log.committed(true, files(&["c"])).is_empty());
        assert_eq!(log.due(), Some(due), "the first one counts");
        assert_eq!(log.sync().await.expect("synced"), ["b", "c"]);
        assert!(log.due().is_none());

        // A commit that is synced takes with it what was committed before.
        assert!(log.committed(true, files(&["d"])).is_empty());
        let switched = log.switch(&mut connection, Synced::AtOnce).await;
        switched.expect("switched");
        assert_eq!(synchronous(&mut connection).await, 2);
        assert!(log.committed(false, Vec::new()).is_empty());
        assert_eq!(log.committed(true, Vec::new()), ["d"]);
        assert!(log.due().is_none());
    }
}
