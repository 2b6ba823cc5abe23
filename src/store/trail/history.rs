//! `history.db`: its file, its readers, and the one connection that writes. Nobody waits for what is written
//! here: no transaction waits for a sync.

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;
use tokio::sync::Mutex;

use super::append::Appender;
use crate::store::database::connections::{self, Database};
use crate::store::database::error::{OpenError, ReadError, is_corruption, is_other_schema};

/// In the place of `db` in the name of a database that was found damaged.
const FOUND_DAMAGED: &str = "found-damaged";

/// The trail and the figures.
#[derive(Debug)]
pub struct TrailStore {
    /// None once it is closed.
    pub(super) writer: Mutex<Option<HistoryWriter>>,
    pub(super) readers: SqlitePool,
    /// Why an empty one in memory stands in for the database, where one does.
    problem: Option<String>,
    /// Where the one of before is, when it was found damaged and set aside at this start.
    set_aside: Option<PathBuf>,
    /// Its presence says that the database was found damaged: it is set aside at the next start.
    found_damaged: PathBuf,
}

#[derive(Debug)]
pub(super) struct HistoryWriter {
    pub(super) connection: SqliteConnection,
    pub(super) appender: Appender,
    /// A transaction was begun and not ended.
    begun: bool,
}

impl TrailStore {
    /// Opens the database. Whatever is the matter with it keeps no mail from going out: one that is damaged is set
    /// aside and a new one begun, and for one that cannot be opened, on a full disk say, an empty one in memory
    /// stands in until the next start.
    /// What a newer version wrote is an error.
    pub(in crate::store) async fn open(data_directory: &Path) -> Result<Self, OpenError> {
        let file = Database::History.file(data_directory);
        let opened = match file.with_extension(FOUND_DAMAGED).exists() {
            true => Err(OpenError::Damaged {
                file: file.clone(),
                cause: "it was found damaged when it was in use".to_owned(),
            }),
            false => Self::open_file(data_directory).await,
        };
        let problem = match opened {
            Ok(history) => return Ok(history),
            // A schema that is not ours is damage, too: nothing that somebody can mend by waiting.
            Err(OpenError::Damaged { cause, .. } | OpenError::Migration { cause, .. }) => {
                match Self::begin_anew(data_directory, &cause).await {
                    Ok(history) => return Ok(history),
                    Err(problem) => format!("{cause}; and it cannot be set aside: {problem}"),
                }
            }
            Err(OpenError::Database { cause, .. }) => cause,
            // What a newer version wrote is not to be lost sight of.
            Err(other) => return Err(other),
        };
        tracing::error!(
            file = %file.display(), %problem,
            "the trail and the figures of earlier days cannot be opened: nothing is added to them until \
             that is mended and the appliance started again"
        );
        let failed = |error: sqlx::Error| connections::unusable(&file, &error);
        let (connection, readers) = Database::History.stand_in().await.map_err(failed)?;
        Ok(Self {
            writer: Mutex::new(Some(HistoryWriter::new(connection, 0))),
            readers,
            problem: Some(problem),
            set_aside: None,
            found_damaged: file.with_extension(FOUND_DAMAGED),
        })
    }

    /// Renames a damaged database, over one that was set aside before, and begins a new one.
    async fn begin_anew(data_directory: &Path, cause: &str) -> anyhow::Result<Self> {
        let file = Database::History.file(data_directory);
        let aside = file.with_extension("db.damaged");
        connections::rename_database(&file, &aside)?;
        connections::if_there(fs::remove_file(file.with_extension(FOUND_DAMAGED)))?;
        tracing::error!(
            file = %file.display(), kept_as = %aside.display(), %cause,
            "the trail and the figures of earlier days are damaged: they are set aside and begun anew"
        );
        let mut history = Self::open_file(data_directory).await?;
        history.set_aside = Some(aside);
        Ok(history)
    }

    async fn open_file(data_directory: &Path) -> Result<Self, OpenError> {
        let file = Database::History.file(data_directory);
        let mut connection = Database::History.open(data_directory).await?;
        let last: i64 = sqlx::query_scalar(
            "SELECT max(coalesce((SELECT max(chunk) FROM messages), 0),
                        coalesce((SELECT max(chunk) FROM events), 0))",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(|error| connections::unusable(&file, &error))?;
        Ok(Self {
            writer: Mutex::new(Some(HistoryWriter::new(connection, last))),
            readers: Database::History.readers(data_directory).await?,
            problem: None,
            set_aside: None,
            found_damaged: file.with_extension(FOUND_DAMAGED),
        })
    }

    /// Closes the database; later writes fail.
    pub(in crate::store) async fn close(&self) {
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take()
            && let Err(error) = connections::close(writer.connection).await
        {
            tracing::warn!(%error, "the trail was not closed cleanly; the next start repairs that");
        }
    }

    /// Why there is no trail in the data directory, and no figures of earlier days, where that is so.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Where the trail and the figures of before are, when they were found damaged at the start and begun anew.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// The greatest message id that it tells of.
    pub(in crate::store) async fn greatest_message(&self) -> Result<Option<i64>, ReadError> {
        // Events are asked too: a report of our own has no row of its own.
        let greatest = sqlx::query_scalar(
            "SELECT max(id) FROM (SELECT max(id) AS id FROM messages
                                  UNION ALL SELECT max(message) FROM events)",
        );
        Ok(greatest.fetch_one(&self.readers).await?)
    }

    /// Runs `work` as one transaction of the writer. A caller may stop waiting at any point: what it
    /// has begun is then rolled back by the next one.
    pub(super) async fn transaction<T>(
        &self,
        work: impl AsyncFnOnce(&mut HistoryWriter) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut guard = self.writer.lock().await;
        let writer = guard.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        if writer.begun {
            writer.roll_back().await;
        }
        writer.begun = true;
        writer.say("BEGIN IMMEDIATE").await?;
        let end = match work(writer).await {
            Ok(value) => writer.say("COMMIT").await.map(|()| value),
            Err(error) => Err(error),
        };
        match end {
            Ok(_) => writer.begun = false,
            Err(_) => writer.roll_back().await,
        }
        if end
            .as_ref()
            .is_err_and(|error| is_corruption(error) || is_other_schema(error))
        {
            // Should that fail, it is found out again.
            let _ = fs::write(&self.found_damaged, "");
        }
        end
    }
}

impl HistoryWriter {
    /// `last` is the last chunk that was written.
    fn new(connection: SqliteConnection, last: i64) -> Self {
        Self {
            connection,
            appender: Appender::behind(last),
            begun: false,
        }
    }

    async fn say(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(sql).execute(&mut self.connection).await?;
        Ok(())
    }

    async fn roll_back(&mut self) {
        // Fails when nothing is begun, or SQLite has rolled back by itself; either is well.
        let _ = self.say("ROLLBACK").await;
        self.begun = false;
    }
}
