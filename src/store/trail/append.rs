//! Writing the trail: in large batches, and in the fewest bytes.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::chunks::{ChunkKind, ChunkSpans};
use crate::limits;
use crate::message::MessageId;
use crate::message::trail::{AnsweredMessage, Attempted, TrailEntry};
use crate::smtp::address::Mailbox;
use crate::store::database::columns::{integer, milliseconds};
use crate::store::database::insert::{Insert, InsertQuery, Twice};

/// The part of the indexes that takes what is written now.
#[derive(Clone, Copy, Debug)]
struct OpenChunk {
    number: i64,
    messages: u64,
    events: u64,
}

impl OpenChunk {
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
const MESSAGE_COLUMNS: &str = "\
    id, chunk, received_at, sender, client_address, helo, login, recipients, size_bytes, path, \
    storage, reasons, code, reply, acknowledged_micros, examined, recipient, delivered_at, words, \
    next_hop, peer, tls, took_micros";

/// In the order of [`bind_event`].
const EVENT_COLUMNS: &str = "\
    message, chunk, number, at, recipient, what, words, next_hop, peer, tls, took_micros";

/// What is inserted, and the chunk that takes it.
#[derive(Debug)]
pub(super) struct Appender {
    messages: Insert,
    events: Insert,
    chunk: OpenChunk,
}

impl Appender {
    /// Behind the last chunk that was written.
    pub(super) fn behind(last: i64) -> Self {
        Self {
            // The trail of a message that is told twice keeps its first beginning.
            messages: Insert::new("messages", MESSAGE_COLUMNS, Twice::Stays),
            events: Insert::new("events", EVENT_COLUMNS, Twice::Fails),
            chunk: OpenChunk::begin(last + 1),
        }
    }

    pub(super) async fn append(
        &mut self,
        connection: &mut SqliteConnection,
        entries: &[TrailEntry],
    ) -> Result<(), sqlx::Error> {
        let mut chunk = self.chunk;
        let mut messages = Vec::new();
        let mut events = Vec::new();
        let mut spans = ChunkSpans::default();
        for entry in entries {
            if chunk.is_full() {
                chunk = OpenChunk::begin(chunk.number + 1);
            }
            let event = match entry {
                TrailEntry::Answered(answered) => {
                    messages.push((answered, chunk.number));
                    spans.cover(ChunkKind::Messages, chunk.number, answered.message);
                    chunk.messages += 1;
                    continue;
                }
                TrailEntry::Attempted(a) => EventRow {
                    message: a.message,
                    place: (chunk.number, integer(chunk.events)),
                    at: a.at,
                    recipient: &a.recipient,
                    what: a.outcome.as_str(),
                    words: &a.words,
                    attempted: Some(a),
                },
                TrailEntry::Noted(n) => EventRow {
                    message: n.message,
                    place: (chunk.number, integer(chunk.events)),
                    at: n.at,
                    recipient: &n.recipient,
                    what: n.event.as_str(),
                    words: &n.words,
                    attempted: None,
                },
            };
            spans.cover(ChunkKind::Events, chunk.number, event.message);
            events.push(event);
            chunk.events += 1;
        }
        self.messages
            .run(connection, &messages, bind_answered)
            .await?;
        self.events.run(connection, &events, bind_event).await?;
        spans.record(connection).await?;
        // Only now: a batch that failed has used up no numbers.
        self.chunk = chunk;
        Ok(())
    }
}

/// An event in the shape of its table.
struct EventRow<'a> {
    message: MessageId,
    /// Its chunk, and its number in it.
    place: (i64, i64),
    at: Timestamp,
    recipient: &'a Mailbox,
    what: &'static str,
    words: &'a str,
    attempted: Option<&'a Attempted>,
}

fn bind_answered<'q>(
    query: InsertQuery<'q>,
    (answered, chunk): &(&AnsweredMessage, i64),
) -> InsertQuery<'q> {
    let reasons = answered.reasons.iter().map(|reason| reason.as_word());
    let reasons = reasons.collect::<Vec<_>>().join(",");
    let delivered = answered.delivered.as_ref();
    let query = query
        .bind(answered.message.as_i64())
        .bind(*chunk)
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

fn bind_event<'q>(query: InsertQuery<'q>, row: &EventRow<'_>) -> InsertQuery<'q> {
    let query = query
        .bind(row.message.as_i64())
        .bind(row.place.0)
        .bind(row.place.1)
        .bind(milliseconds(row.at))
        .bind(row.recipient.as_str())
        .bind(row.what)
        .bind(row.words);
    bind_attempt(query, row.attempted)
}

fn bind_attempt<'q>(query: InsertQuery<'q>, attempted: Option<&Attempted>) -> InsertQuery<'q> {
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
#[path = "append_tests.rs"]
mod tests;
