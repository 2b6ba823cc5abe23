//! Saving what can be saved of a damaged `appliance.db`: every row that SQLite can still read goes into a new
//! one of the same version, which takes its place.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::store::database::connections::{self, Database, beside};
use crate::store::database::error::OpenError;

/// Rows that are read at once while nothing is wrong.
const BATCH: i64 = 1_000;
/// A database that says it has more is not believed.
const PADDED_BYTES: u64 = 1 << 40;
/// The directory in which the new database is made.
const WORKSHOP: &str = "repair";

/// What was saved.
#[derive(Debug)]
pub struct Repaired {
    /// Where the damaged database is.
    pub kept_as: PathBuf,
    /// Table by table.
    pub tables: Vec<Saved>,
}

/// What was saved of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The table.
    pub table: String,
    /// Rows that are in the new database.
    pub rows: u64,
    /// Everything in it could be read. Otherwise rows may be lost.
    pub is_whole: bool,
}

/// Why nothing was repaired. The damaged database is as it was then.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// There is none.
    #[error("{}: there is no database to repair", .0.display())]
    Missing(PathBuf),
    /// SQLite cannot even tell which tables are in it.
    #[error("{}: nothing of it can be read ({cause}): restore a backup", file.display())]
    Hopeless {
        /// Which file.
        file: PathBuf,
        /// SQLite's words.
        cause: String,
    },
    /// The new database cannot be made.
    #[error("the new database cannot be made: {0}")]
    Database(#[from] sqlx::Error),
    /// Or not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be written or renamed.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Repairs the database in this directory, which nobody uses. None: nothing is wrong with it.
///
/// # Errors
/// When nothing was repaired.
pub async fn repair(data_directory: &Path) -> Result<Option<Repaired>, RepairError> {
    let file = Database::Appliance.file(data_directory);
    if !file.is_file() {
        return Err(RepairError::Missing(file));
    }
    let workshop = data_directory.join(WORKSHOP);
    // What is there is left of a repair that was broken off.
    connections::if_there(fs::remove_dir_all(&workshop)).map_err(at(&workshop))?;
    fs::create_dir(&workshop).map_err(at(&workshop))?;
    let repaired = match work(&file, &workshop).await {
        Ok(Some((made, tables))) => {
            let kept_as = put_in_place(&made, &file, data_directory).map_err(at(&file))?;
            Ok(Some(Repaired { kept_as, tables }))
        }
        worked => worked.map(|_| None),
    };
    // Should that fail, the next repair does it.
    let _ = fs::remove_dir_all(&workshop);
    repaired
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RepairError {
    let path = path.to_owned();
    move |cause| RepairError::File { path, cause }
}

/// Puts the new database in the place of the damaged one, which is kept with its log under another name. At every
/// moment there is a database; none that was kept before is written over. The log goes first: it must never be
/// read with the new one.
fn put_in_place(made: &Path, file: &Path, data_directory: &Path) -> io::Result<PathBuf> {
    File::open(made)?.sync_all()?;
    let mut numbers = 1..;
    let aside = loop {
        let number: u32 = numbers.next().unwrap_or(u32::MAX);
        let aside = file.with_extension(format!("db.damaged-{number}"));
        match fs::hard_link(file, &aside) {
            Ok(()) => break aside,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    };
    for suffix in connections::LOGS {
        let (from, to) = (beside(file, suffix), beside(&aside, suffix));
        connections::if_there(fs::rename(from, to))?;
    }
    fs::rename(made, file)?;
    File::open(data_directory)?.sync_all()?;
    Ok(aside)
}

/// Makes the new database in `workshop`, from a copy of the damaged one; none: that is whole.
async fn work(file: &Path, workshop: &Path) -> Result<Option<(PathBuf, Vec<Saved>)>, RepairError> {
    let copy = workshop.join("damaged.db");
    copy_whole(file, &copy).map_err(at(&copy))?;
    let version = match look(&copy).await {
        Ok(None) => return Ok(None),
        Ok(Some(version)) => version,
        Err(error) => {
            let (file, cause) = (file.to_owned(), error.to_string());
            return Err(RepairError::Hopeless { file, cause });
        }
    };
    let newest = Database::Appliance
        .migrations()
        .iter()
        .map(|known| known.version);
    if version > newest.max() {
        return Err(OpenError::Newer(file.to_owned()).into());
    }
    let tables = save(&copy, workshop, version).await?;
    Ok(Some((Database::Appliance.file(workshop), tables)))
}

/// Copies a database with its log. One that was cut off gets zeros for what is missing: SQLite reads none that is
/// shorter than its first page says.
fn copy_whole(file: &Path, copy: &Path) -> io::Result<()> {
    fs::copy(file, copy)?;
    let log = beside(file, "-wal");
    if log.exists() {
        fs::copy(log, beside(copy, "-wal"))?;
    }
    let copied = File::options().read(true).write(true).open(copy)?;
    let mut head = [0; 32];
    if copied.read_exact_at(&mut head, 0).is_ok() {
        let page_bytes = u64::from(u16::from_be_bytes([head[16], head[17]]));
        let pages = u64::from(u32::from_be_bytes([head[28], head[29], head[30], head[31]]));
        let bytes = page_bytes.saturating_mul(pages).min(PADDED_BYTES);
        if bytes > copied.metadata()?.len() {
            copied.set_len(bytes)?;
        }
    }
    Ok(())
}

/// The version of a damaged database, as far as it tells; none when it is whole.
async fn look(file: &Path) -> Result<Option<Option<i64>>, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await?;
    let check = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(1)");
    let is_whole = matches!(check.fetch_one(&mut connection).await.as_deref(), Ok("ok"));
    // Which tables there are must be known in any case.
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut connection)
        .await?;
    let version = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut connection)
        .await;
    let _ = connection.close().await;
    match is_whole && tables > 0 {
        true => Ok(None),
        false => Ok(Some(version.unwrap_or(None))),
    }
}

/// Copies what can be read of `damaged` into a new database in `workshop`, of its version (none: of ours), and
/// brings that up to date.
async fn save(
    damaged: &Path,
    workshop: &Path,
    version: Option<i64>,
) -> Result<Vec<Saved>, RepairError> {
    let mut connection = Database::Appliance.make(workshop).await?;
    let migrations = Database::Appliance.migrations();
    let known = migrations.iter().cloned();
    let up_to =
        known.filter(|migration| version.is_none_or(|version| migration.version <= version));
    let failed = |error: sqlx::migrate::MigrateError| sqlx::Error::Migrate(Box::new(error));
    let old = Migrator::with_migrations(up_to.collect());
    old.run(&mut connection).await.map_err(failed)?;
    // Nothing of it counts before it is whole.
    for setting in ["foreign_keys = OFF", "synchronous = OFF"] {
        let setting = AssertSqlSafe(format!("PRAGMA {setting}"));
        sqlx::query(setting).execute(&mut connection).await?;
    }
    sqlx::query("ATTACH ? AS damaged")
        .bind(damaged.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await?;
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table'
           AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations'
           AND name <> 'sessions' ORDER BY name",
    )
    .fetch_all(&mut connection)
    .await?;
    let mut tables = Vec::with_capacity(names.len());
    for table in names {
        let mut copying = Copying::of(&mut connection, &table).await?;
        let is_whole = copying.run().await;
        let count = format!("SELECT count(*) FROM main.{table}");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count))
            .fetch_one(&mut connection)
            .await?;
        tables.push(Saved {
            table,
            rows: rows.cast_unsigned(),
            is_whole,
        });
    }
    // No id is given twice, not even one whose row is lost.
    let _ = sqlx::query(
        "UPDATE main.sqlite_sequence SET seq = max(seq, coalesce(
             (SELECT seq FROM damaged.sqlite_sequence AS old WHERE old.name = sqlite_sequence.name), 0))",
    )
    .execute(&mut connection)
    .await;
    sqlx::query("DETACH damaged")
        .execute(&mut connection)
        .await?;
    migrations.run(&mut connection).await.map_err(failed)?;
    connections::close(connection).await?;
    Ok(tables)
}

/// One table on its way.
struct Copying<'a> {
    connection: &'a mut SqliteConnection,
    table: &'a str,
    /// With commas.
    columns: String,
    has_row_ids: bool,
}

impl<'a> Copying<'a> {
    async fn of(connection: &'a mut SqliteConnection, table: &'a str) -> Result<Self, sqlx::Error> {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)")
            .bind(table)
            .fetch_all(&mut *connection)
            .await?;
        let listed = sqlx::query("SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'");
        let listed = listed.bind(table).fetch_one(&mut *connection).await?;
        Ok(Self {
            connection,
            table,
            columns: columns.join(", "),
            has_row_ids: listed.get::<i64, _>("wr") == 0,
        })
    }

    /// Copies all rows that can be read. False: some of the table cannot.
    async fn run(&mut self) -> bool {
        if !self.has_row_ids {
            return self.insert("TRUE").await.is_ok();
        }
        let is_whole = self.upwards().await;
        if !is_whole {
            self.downwards(i64::MIN, i64::MAX).await;
        }
        is_whole
    }

    async fn upwards(&mut self) -> bool {
        let (mut behind, mut batch, mut step, mut is_whole) = (i64::MIN, BATCH, 1_i64, true);
        loop {
            let next = format!(
                "SELECT max(rowid) FROM (SELECT rowid FROM damaged.{} WHERE rowid > {behind}
                                         ORDER BY rowid LIMIT {batch})",
                self.table
            );
            let last = sqlx::query_scalar::<_, Option<i64>>(AssertSqlSafe(next));
            let copied = match last.fetch_one(&mut *self.connection).await {
                Ok(None) => return is_whole,
                Ok(Some(last)) => {
                    let rows = format!("rowid > {behind} AND rowid <= {last}");
                    self.insert(&rows).await.map(|()| last)
                }
                Err(error) => Err(error),
            };
            match copied {
                Ok(last) => {
                    if step > 1 {
                        // On this side of the damage there may be some that were stepped over.
                        self.downwards(behind.saturating_sub(step), behind.saturating_add(1))
                            .await;
                    }
                    (behind, batch, step) = (last, BATCH, 1);
                }
                // One of these rows, or a page of them.
                Err(_) if batch > 1 => batch = 1,
                Err(_) => {
                    is_whole = false;
                    let Some(beyond) = behind.checked_add(step) else {
                        return false;
                    };
                    (behind, step) = (beyond, step.saturating_mul(2));
                }
            }
        }
    }

    /// Those between the two, from above down to what cannot be read.
    async fn downwards(&mut self, behind: i64, mut before: i64) {
        loop {
            let next = format!(
                "SELECT min(rowid) FROM (SELECT rowid FROM damaged.{}
                                         WHERE rowid < {before} AND rowid > {behind}
                                         ORDER BY rowid DESC LIMIT 1)",
                self.table
            );
            let first = sqlx::query_scalar::<_, Option<i64>>(AssertSqlSafe(next));
            let Ok(Some(first)) = first.fetch_one(&mut *self.connection).await else {
                return;
            };
            if self.insert(&format!("rowid = {first}")).await.is_err() {
                return;
            }
            before = first;
        }
    }

    async fn insert(&mut self, rows: &str) -> Result<(), sqlx::Error> {
        let (table, columns) = (self.table, &self.columns);
        let copy = format!(
            "INSERT OR IGNORE INTO main.{table} ({columns})
             SELECT {columns} FROM damaged.{table} WHERE {rows}"
        );
        let copied = sqlx::query(AssertSqlSafe(copy));
        copied.execute(&mut *self.connection).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::super::testing::{Scene, queued, time};
    use super::*;
    use crate::message::RowId;

    fn rows_of(repaired: &Repaired, table: &str) -> (u64, bool) {
        let saved = repaired.tables.iter().find(|saved| saved.table == table);
        let saved = saved.expect("it is a table");
        (saved.rows, saved.is_whole)
    }

    /// A directory with a queue of so many messages, closed.
    async fn closed(messages: i64) -> tempfile::TempDir {
        let scene = Scene::new().await;
        for first in (1..=messages).step_by(100) {
            let ids = first..(first + 100).min(messages + 1);
            let all = ids.map(|id| queued(id, &[id], &[b'x'; 400])).collect();
            scene.store.queue.insert(all).await.expect("stored");
        }
        scene.close().await
    }

    #[tokio::test]
    async fn what_is_whole_stays_as_it_is() {
        let directory = closed(3).await;
        assert!(matches!(repair(directory.path()).await, Ok(None)));
        let nowhere = directory.path().join("nowhere");
        let missing = repair(&nowhere).await;
        assert!(
            matches!(missing, Err(RepairError::Missing(_))),
            "{missing:?}"
        );
        let file = directory.path().join("appliance.db");
        fs::write(&file, b"garbage".repeat(1_000)).unwrap();
        let hopeless = repair(directory.path()).await;
        assert!(
            matches!(hopeless, Err(RepairError::Hopeless { .. })),
            "{hopeless:?}"
        );
    }

    /// Pages in the middle are noise, one after the other: whatever it hits, the rest is there and can be opened.
    #[tokio::test]
    async fn rows_around_the_damage_are_saved() {
        let directory = closed(500).await;
        let file = directory.path().join("appliance.db");
        let whole = fs::read(&file).unwrap();
        let pages = whole.len() / 4_096;
        let mut saved = Vec::new();
        for page in (1..pages).step_by(7) {
            let mut damaged = whole.clone();
            damaged[page * 4_096..(page + 1) * 4_096].fill(0x5a);
            fs::write(&file, &damaged).unwrap();
            for log in ["appliance.db-wal", "appliance.db-shm"] {
                let _ = fs::remove_file(directory.path().join(log));
            }
            // A page that is free, or an index, costs nothing.
            let Ok(Some(repaired)) = repair(directory.path()).await else {
                continue;
            };
            assert_eq!(fs::read(&repaired.kept_as).unwrap(), damaged, "page {page}");
            let _ = fs::remove_file(&repaired.kept_as);
            let (recipients, _) = rows_of(&repaired, "recipients");
            saved.push(recipients);
            let spool = crate::message::Spool::open(directory.path().join("spool"), "test");
            let opened = Store::open(directory.path(), &spool.unwrap(), Some(time(0))).await;
            let (store, writers) = opened.expect("it can be opened");
            let rows: Vec<RowId> = (1..=500).map(RowId).collect();
            let there = store.queue.rows(&rows).await.expect("readable");
            assert!(there.len() as u64 <= recipients);
            assert!(store.close(writers).await);
        }
        assert!(saved.len() > 5, "{saved:?}");
        // Only the root of the table itself takes all of it along.
        let most = saved.iter().filter(|rows| **rows >= 400).count();
        assert!(most * 10 >= saved.len() * 8, "{saved:?}");
    }
}
