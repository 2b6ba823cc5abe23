//! Consistent copies of the databases: taken beside a running appliance, checked before a restore.

use std::path::{Component, Path, PathBuf};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::message::MessageId;
use crate::store::database::connections::Database;

/// Why a copy could not be taken, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The database could not be read or written.
    #[error("{}: {cause}", file.display())]
    Database {
        /// Which file.
        file: PathBuf,
        /// SQLite's words.
        cause: String,
    },
    /// It can be read, but it is not what was written.
    #[error("{} is damaged: {problem}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// SQLite's words, or ours.
        problem: String,
    },
}

/// Both databases in a directory where no appliance runs.
#[derive(Debug)]
pub struct DatabaseCopy {
    directory: PathBuf,
}

/// A message whose content stands in a spool file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpooledContent {
    /// Whose it is.
    pub message: MessageId,
    /// The file's name in the spool.
    pub file: String,
    /// How long it is at least.
    pub bytes: u64,
}

impl DatabaseCopy {
    /// The copy in `directory`, or the place for one.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        let directory = directory.to_owned();
        Self { directory }
    }

    /// Whether `data_directory` has the databases of an appliance.
    #[must_use]
    pub fn is_possible(data_directory: &Path) -> bool {
        let databases = [Database::Appliance, Database::History];
        databases
            .iter()
            .all(|database| database.file(data_directory).is_file())
    }

    /// Copies the trail and the figures, as they are at one moment.
    ///
    /// # Errors
    /// When they cannot be read, or the copy cannot be written.
    pub async fn take_history(&self, data_directory: &Path) -> Result<(), CopyError> {
        self.take(Database::History, data_directory).await
    }

    /// Copies settings, accounts, audit and queue, as they are at one moment, over what was copied
    /// before. Sessions stay behind: those that end after this moment must not begin again when the
    /// copy is used.
    ///
    /// # Errors
    /// When they cannot be read, or the copy cannot be written.
    pub async fn take_appliance(&self, data_directory: &Path) -> Result<(), CopyError> {
        self.take(Database::Appliance, data_directory).await?;
        let file = Database::Appliance.file(&self.directory);
        let failed = |error: sqlx::Error| failed(&file, error);
        let mut connection = self.writer().await?;
        sqlx::query("DELETE FROM sessions")
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        connection.close().await.map_err(failed)
    }

    async fn take(&self, database: Database, data_directory: &Path) -> Result<(), CopyError> {
        let copy = database.file(&self.directory);
        if copy.exists() {
            std::fs::remove_file(&copy).map_err(|error| failed(&copy, error))?;
        }
        let source = database.file(data_directory);
        let name = copy
            .to_str()
            .ok_or_else(|| failed(&copy, "the name is not UTF-8"))?;
        let mut connection = database
            .beside(data_directory)
            .await
            .map_err(|error| failed(&source, error))?;
        // A read transaction from the first page to the last: the appliance writes on meanwhile.
        let taken = sqlx::query("VACUUM INTO ?")
            .bind(name)
            .execute(&mut connection)
            .await;
        // It has only read: nothing hangs on how this connection ends.
        let _ = connection.close().await;
        taken.map(|_| ()).map_err(|error| failed(&source, error))
    }

    /// What stands in spool files.
    ///
    /// # Errors
    /// When the copy cannot be read, or a row names a file beyond the spool.
    pub async fn spooled(&self) -> Result<Vec<SpooledContent>, CopyError> {
        let rows: Vec<(i64, String, i64)> = self
            .read("SELECT id, spool_file, content_bytes FROM messages WHERE spool_file IS NOT NULL")
            .await?;
        rows.into_iter()
            .map(|(id, file, bytes)| {
                if !is_plain_name(&file) {
                    return Err(self.damaged(format!("“{file}” is no name of a spool file")));
                }
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                let message = MessageId::from_i64(id);
                Ok(SpooledContent {
                    message,
                    file,
                    bytes,
                })
            })
            .collect()
    }

    /// Messages whose content should stand in the database and does not.
    ///
    /// # Errors
    /// When the copy cannot be read.
    pub async fn without_content(&self) -> Result<Vec<MessageId>, CopyError> {
        let rows: Vec<(i64,)> = self
            .read(
                "SELECT m.id FROM messages AS m LEFT JOIN bodies AS b ON b.message = m.id
                 WHERE m.spool_file IS NULL
                   AND (b.message IS NULL OR length(b.content) <> m.content_bytes)",
            )
            .await?;
        Ok(rows
            .into_iter()
            .map(|(id,)| MessageId::from_i64(id))
            .collect())
    }

    /// How many messages wait, and how many recipients of theirs.
    ///
    /// # Errors
    /// When the copy cannot be read.
    pub async fn queue(&self) -> Result<(u64, u64), CopyError> {
        let rows: Vec<(i64, i64)> = self
            .read("SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM recipients)")
            .await?;
        let (messages, recipients) = rows.first().copied().unwrap_or_default();
        Ok((messages.unsigned_abs(), recipients.unsigned_abs()))
    }

    /// Removes messages with their recipients from the copy.
    ///
    /// # Errors
    /// When the copy cannot be written; nothing is removed then.
    pub async fn forget(
        &self,
        messages: impl IntoIterator<Item = MessageId>,
    ) -> Result<(), CopyError> {
        let file = Database::Appliance.file(&self.directory);
        let failed = |error: sqlx::Error| failed(&file, error);
        let mut connection = self.writer().await?;
        let mut transaction = connection.begin().await.map_err(failed)?;
        for message in messages {
            for statement in [
                "DELETE FROM recipients WHERE message = ?",
                "DELETE FROM messages WHERE id = ?",
            ] {
                sqlx::query(statement)
                    .bind(message.as_i64())
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed)?;
            }
        }
        transaction.commit().await.map_err(failed)?;
        connection.close().await.map_err(failed)
    }

    /// Reads every page of both databases.
    ///
    /// # Errors
    /// [`CopyError::Damaged`] with SQLite's first complaint.
    pub async fn check(&self) -> Result<(), CopyError> {
        for database in [Database::Appliance, Database::History] {
            let file = database.file(&self.directory);
            let mut connection = self.reader(database).await?;
            let problem: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
                .fetch_one(&mut connection)
                .await
                .map_err(|error| failed(&file, error))?;
            if problem != "ok" {
                return Err(CopyError::Damaged { file, problem });
            }
        }
        Ok(())
    }

    async fn read<T>(&self, query: &'static str) -> Result<Vec<T>, CopyError>
    where
        T: Send + Unpin + for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
    {
        let mut connection = self.reader(Database::Appliance).await?;
        sqlx::query_as(query)
            .fetch_all(&mut connection)
            .await
            .map_err(|error| failed(&Database::Appliance.file(&self.directory), error))
    }

    /// For the copy of what is no history.
    async fn writer(&self) -> Result<SqliteConnection, CopyError> {
        let connection = Database::Appliance.beside(&self.directory).await;
        connection.map_err(|error| failed(&Database::Appliance.file(&self.directory), error))
    }

    async fn reader(&self, database: Database) -> Result<SqliteConnection, CopyError> {
        database
            .options(&self.directory)
            .read_only(true)
            .connect()
            .await
            .map_err(|error| failed(&database.file(&self.directory), error))
    }

    fn damaged(&self, problem: String) -> CopyError {
        let file = Database::Appliance.file(&self.directory);
        CopyError::Damaged { file, problem }
    }
}

fn failed(file: &Path, cause: impl ToString) -> CopyError {
    CopyError::Database {
        file: file.to_owned(),
        cause: cause.to_string(),
    }
}

/// A backup is read back with the rights of whoever restores it: its rows must not lead anywhere else.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, queued};
    use super::*;

    async fn copied(scene: &Scene) -> (tempfile::TempDir, DatabaseCopy) {
        let place = tempfile::tempdir().expect("a directory");
        let copy = DatabaseCopy::at(place.path());
        copy.take_history(scene.path()).await.expect("copied");
        copy.take_appliance(scene.path()).await.expect("copied");
        (place, copy)
    }

    #[tokio::test]
    async fn a_copy_is_the_moment_it_was_taken() {
        let scene = Scene::new().await;
        let large = vec![b'x'; 200_000];
        for (id, content) in [(1, b"small".as_slice()), (2, &large)] {
            let stored = scene
                .store
                .queue
                .insert(vec![queued(id, &[id], content)])
                .await;
            stored.expect("stored");
        }
        let (_place, copy) = copied(&scene).await;
        let stored = scene
            .store
            .queue
            .insert(vec![queued(3, &[3], b"later")])
            .await;
        stored.expect("stored");
        copy.check().await.expect("it is whole");
        let count = copy.queue().await.expect("readable");
        assert_eq!(count, (2, 2));
        let spooled = copy.spooled().await.expect("readable");
        assert_eq!(spooled.len(), 1);
        assert_eq!(
            (spooled[0].message.as_i64(), spooled[0].bytes),
            (2, 200_000)
        );

        copy.take_appliance(scene.path())
            .await
            .expect("taken again");
        assert_eq!(copy.queue().await.expect("readable").0, 3);
        copy.forget([MessageId::from_i64(2)])
            .await
            .expect("forgotten");
        let count = copy.queue().await.expect("readable");
        assert_eq!(count, (2, 2));
        assert_eq!(copy.spooled().await.expect("readable"), []);
    }

    #[tokio::test]
    async fn nobody_is_logged_in_to_a_copy() {
        let scene = Scene::new().await;
        for row in [
            "INSERT INTO accounts (name, role, password_hash, created_at)
             VALUES ('anna', 'viewer', 'hash', 0)",
            "INSERT INTO sessions (token_hash, account, created_at, seen_at, address)
             SELECT x'00', id, 0, 0, '192.0.2.9' FROM accounts",
        ] {
            scene.meddle(row).await;
        }
        let (_place, copy) = copied(&scene).await;
        let count = "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM sessions)";
        let found: Vec<(i64, i64)> = copy.read(count).await.expect("readable");
        assert_eq!(found, [(1, 0)]);
        let stay = scene.number("SELECT count(*) FROM sessions").await;
        assert_eq!(stay, 1, "the appliance goes on");
    }

    #[tokio::test]
    async fn what_has_no_content_is_found() {
        for damage in [
            "DELETE FROM bodies WHERE message = 2",
            "UPDATE bodies SET content = x'00' WHERE message = 2",
        ] {
            let scene = Scene::new().await;
            for id in [1, 2] {
                let stored = scene
                    .store
                    .queue
                    .insert(vec![queued(id, &[id], b"content")])
                    .await;
                stored.expect("stored");
            }
            scene.meddle(damage).await;
            let (_place, copy) = copied(&scene).await;
            let found = copy.without_content().await.expect("readable");
            assert_eq!(found, [MessageId::from_i64(2)], "{damage}");
        }
    }

    #[tokio::test]
    async fn a_row_that_leads_out_of_the_spool_is_damage() {
        let scene = Scene::new().await;
        let stored = scene
            .store
            .queue
            .insert(vec![queued(1, &[1], b"content")])
            .await;
        stored.expect("stored");
        scene
            .meddle("UPDATE messages SET spool_file = '../lock'")
            .await;
        let (_place, copy) = copied(&scene).await;
        let spooled = copy.spooled().await;
        assert!(
            matches!(spooled, Err(CopyError::Damaged { .. })),
            "{spooled:?}"
        );
    }

    #[tokio::test]
    async fn a_broken_page_is_noticed() {
        use std::os::unix::fs::FileExt as _;
        let scene = Scene::new().await;
        let content = vec![b'x'; 20_000];
        let stored = scene
            .store
            .queue
            .insert(vec![queued(1, &[1], &content)])
            .await;
        stored.expect("stored");
        let (place, copy) = copied(&scene).await;
        let file = std::fs::File::options()
            .write(true)
            .open(place.path().join("appliance.db"))
            .expect("it is there");
        let pages = file.metadata().expect("it has a length").len() / 4_096;
        for page in 1..pages {
            file.write_all_at(&[0xa5; 64], page * 4_096)
                .expect("written");
        }
        copy.check().await.expect_err("it is not whole");
    }

    #[test]
    fn names() {
        for (name, expected) in [
            ("5f3a-1m81", true),
            ("", false),
            ("..", false),
            ("a/b", false),
            ("/etc/passwd", false),
            ("a/", false),
        ] {
            assert_eq!(is_plain_name(name), expected, "{name}");
        }
    }
}
