//! Writing the trail and the figures of each minute: in large batches, without a sync, and in the
//! fewest bytes. What is written here nobody waits for.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;
use tokio::sync::Mutex;

use super::chunks::{ChunkKind, Spans};
use crate::limits;
use crate::message::MessageId;
use crate::message::trail::{Answered, Attempted, Noted, TrailEntry};
use crate::store::Store;
use crate::store::database::columns::{integer, milliseconds};
use crate::store::database::connections::{self, Database};
use crate::store::database::error::{HistoryError, OpenError, is_corruption, is_other_schema};
use crate::store::database::insert::{Insert, Query, Twice};

/// In the place of `db` in the name of a database that was found damaged.
const FOUND_DAMAGED: &str = "found-damaged";

/// `history.db`.
#[derive(Debug)]
pub(in crate::store) struct History {
    /// None once it is closed.
    writer: Mutex<Option<HistoryWriter>>,
    pub(in crate::store) readers: SqlitePool,
    /// Why an empty one in memory stands in for the database, where one does.
    pub(in crate::store) problem: Option<String>,
    /// Where the one of before is, when it was found damaged and set aside at this start.
    pub(in crate::store) set_aside: Option<PathBuf>,
    /// Its presence says that the database was found damaged: it is set aside at the next start.
    found_damaged: PathBuf,
}

#[derive(Debug)]
pub(in crate::store) struct HistoryWriter {
    pub(in crate::store) connection: SqliteConnection,
    messages: Insert,
    events: Insert,
    chunk: Chunk,
    /// A transaction was begun and not ended.
    begun: bool,
}

/// The part of the indexes that takes what is written now.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    number: i64,
    messages: u64,
    events: u64,
}

impl Chunk {
    fn begin(number: i64) -> Self {
        Self {
            number,
            messages: 0,
            events: 0,
        }
    }

    fn is_full(self) -> bool {
        self.messages >= limits::TRAIL_CHUNK_MESSAGES || self.events >= limits::TRAIL_CHUNK_EVENTS
    }
}

/// In the order of [`bind_answered`].
const MESSAGE_COLUMNS: &[&str] = &[
    "id",
    "chunk",
    "received_at",
    "sender",
    "client_address",
    "helo",
    "login",
    "recipients",
    "size_bytes",
    "path",
    "storage",
    "reasons",
    "code",
    "reply",
    "acknowledged_micros",
    "examined",
    "recipient",
    "delivered_at",
    "words",
    "next_hop",
    "peer",
    "tls",
    "took_micros",
];

/// In the order of [`bind_event`].
const EVENT_COLUMNS: &[&str] = &[
    "message",
    "chunk",
    "number",
    "at",
    "recipient",
    "what",
    "words",
    "next_hop",
    "peer",
    "tls",
    "took_micros",
];

impl History {
    /// Opens the database. Whatever is the matter with it keeps no mail from going out: one that is damaged is set
    /// aside and a new one begun, and for one that cannot be opened, on a full disk say, an empty one in memory
    /// stands in until the next start.
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
        match fs::remove_file(file.with_extension(FOUND_DAMAGED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
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

    pub(in crate::store) async fn greatest_message(&self) -> Result<Option<i64>, sqlx::Error> {
        // Events are asked too: a report of our own has no row of its own.
        sqlx::query_scalar(
            "SELECT max(id) FROM (SELECT max(id) AS id FROM messages
                                  UNION ALL SELECT max(message) FROM events)",
        )
        .fetch_one(&self.readers)
        .await
    }

    /// What is written from now on begins new chunks, as after a restart.
    #[cfg(test)]
    pub(in crate::store) async fn begin_chunk(&self) {
        let mut guard = self.writer.lock().await;
        let writer = guard.as_mut().expect("it is open");
        writer.chunk = Chunk::begin(writer.chunk.number + 1);
    }

    /// Runs `work` as one transaction of the writer. A caller may stop waiting at any point: what it
    /// has begun is then rolled back by the next one.
    pub(in crate::store) async fn transaction<T>(
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

impl Store {
    /// Writes a batch of the trail: all or nothing.
    ///
    /// # Errors
    /// When it was not written; the caller drops and counts it.
    pub async fn append_trail(&self, entries: Vec<TrailEntry>) -> Result<(), HistoryError> {
        let history = &self.shared.history;
        let appended = history.transaction(async |writer| writer.append(&entries).await);
        Ok(appended.await?)
    }

    /// Writes the figures of one minute, counted since 1970, over what was written for it before.
    ///
    /// # Errors
    /// When they were not written.
    pub async fn save_minute(&self, minute: u64, figures: String) -> Result<(), HistoryError> {
        let saved = self.shared.history.transaction(async |writer| {
            sqlx::query(
                "INSERT INTO minutes (minute, figures) VALUES (?, ?)
                 ON CONFLICT (minute) DO UPDATE SET figures = excluded.figures",
            )
            .bind(integer(minute))
            .bind(figures)
            .execute(&mut writer.connection)
            .await
        });
        saved.await?;
        Ok(())
    }

    /// Writes the figures of one hour, counted since 1970, over what was written for it before.
    ///
    /// # Errors
    /// When they were not written.
    pub async fn save_hour(&self, hour: u64, figures: String) -> Result<(), HistoryError> {
        let saved = self.shared.history.transaction(async |writer| {
            sqlx::query(
                "INSERT INTO hours (hour, figures) VALUES (?, ?)
                 ON CONFLICT (hour) DO UPDATE SET figures = excluded.figures",
            )
            .bind(integer(hour))
            .bind(figures)
            .execute(&mut writer.connection)
            .await
        });
        saved.await?;
        Ok(())
    }
}

/// Events in the shape of their table.
struct EventRow<'a> {
    entry: Event<'a>,
    chunk: i64,
    number: i64,
}

#[derive(Clone, Copy)]
enum Event<'a> {
    Attempted(&'a Attempted),
    Noted(&'a Noted),
}

impl Event<'_> {
    fn message(self) -> MessageId {
        match self {
            Self::Attempted(attempted) => attempted.message,
            Self::Noted(noted) => noted.message,
        }
    }
}

impl HistoryWriter {
    /// `last` is the last chunk that was written.
    fn new(connection: SqliteConnection, last: i64) -> Self {
        Self {
            connection,
            // The trail of a message that is told twice keeps its first beginning.
            messages: Insert::new("messages", MESSAGE_COLUMNS, Twice::Stays),
            events: Insert::new("events", EVENT_COLUMNS, Twice::Fails),
            chunk: Chunk::begin(last + 1),
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

    async fn append(&mut self, entries: &[TrailEntry]) -> Result<(), sqlx::Error> {
        let mut chunk = self.chunk;
        let mut messages = Vec::new();
        let mut events = Vec::new();
        let mut spans = Spans::default();
        for entry in entries {
            if chunk.is_full() {
                chunk = Chunk::begin(chunk.number + 1);
            }
            let event = match entry {
                TrailEntry::Answered(answered) => {
                    messages.push((answered, chunk.number));
                    spans.cover(ChunkKind::Messages, chunk.number, answered.message);
                    chunk.messages += 1;
                    continue;
                }
                TrailEntry::Attempted(attempted) => Event::Attempted(attempted),
                TrailEntry::Noted(noted) => Event::Noted(noted),
            };
            spans.cover(ChunkKind::Events, chunk.number, event.message());
            events.push(EventRow {
                entry: event,
                chunk: chunk.number,
                number: integer(chunk.events),
            });
            chunk.events += 1;
        }
        let connection = &mut self.connection;
        self.messages
            .run(connection, &messages, |query, (answered, chunk)| {
                bind_answered(query, answered, *chunk)
            })
            .await?;
        self.events.run(connection, &events, bind_event).await?;
        spans.record(connection).await?;
        // Only now: a batch that failed has used up no numbers.
        self.chunk = chunk;
        Ok(())
    }
}

fn bind_answered<'q>(query: Query<'q>, answered: &AnsweredMessage, chunk: i64) -> Query<'q> {
    let reasons = answered.reasons.iter().map(|reason| reason.as_word());
    let reasons = reasons.collect::<Vec<_>>().join(",");
    let delivered = answered.delivered.as_ref();
    let query = query
        .bind(answered.message.as_i64())
        .bind(chunk)
        .bind(milliseconds(answered.received_at))
        .bind(answered.sender.as_str())
        .bind(answered.client.address.map(|address| address.to_string()))
        .bind(answered.client.helo.clone())
        .bind(answered.client.login.clone())
        .bind(answered.recipients)
        .bind(integer(answered.size_bytes))
        .bind(answered.path.as_str())
        .bind(answered.storage.as_str())
        .bind(reasons)
        .bind(answered.code)
        .bind(answered.reply.as_str())
        .bind(micros(answered.acknowledged_after))
        .bind((!answered.examined.is_empty()).then_some(answered.examined.as_str()))
        .bind(delivered.map(|attempted| attempted.recipient.as_str()))
        .bind(delivered.map(|attempted| milliseconds(attempted.at)))
        .bind(delivered.map(|attempted| attempted.words.as_str()));
    bind_attempt(query, delivered)
}

fn bind_event<'q>(query: Query<'q>, row: &EventRow<'_>) -> Query<'q> {
    let (at, recipient, what, words) = match row.entry {
        Event::Attempted(a) => (a.at, &a.recipient, a.outcome.as_str(), &a.words),
        Event::Noted(n) => (n.at, &n.recipient, n.event.as_str(), &n.words),
    };
    let query = query
        .bind(row.entry.message().as_i64())
        .bind(row.chunk)
        .bind(row.number)
        .bind(milliseconds(at))
        .bind(recipient.as_str())
        .bind(what)
        .bind(words.as_str());
    let attempted = match row.entry {
        Event::Attempted(attempted) => Some(attempted),
        Event::Noted(_) => None,
    };
    bind_attempt(query, attempted)
}

fn bind_attempt<'q>(query: Query<'q>, attempted: Option<&Attempted>) -> Query<'q> {
    query
        .bind(attempted.map(|a| a.next_hop.clone()))
        .bind(attempted.and_then(|a| a.peer).map(|peer| peer.to_string()))
        .bind(attempted.map(|a| a.tls))
        .bind(attempted.map(|a| micros(a.took)))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
