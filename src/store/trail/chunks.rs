//! The record of the trail's chunks: which messages each of them tells of.
//!
//! It is written in the transaction of the rows themselves, so a chunk never tells of a message outside
//! its span.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use super::source::Bounds;
use crate::message::MessageId;
use crate::store::database::columns::{number, text};

/// The tables whose indexes begin with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChunkKind {
    Messages,
    Events,
}

impl ChunkKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Events => "events",
        }
    }
}

/// The first and the last message of each chunk that one batch writes to.
#[derive(Debug, Default)]
pub(super) struct ChunkSpans(BTreeMap<(ChunkKind, i64), (i64, i64)>);

impl ChunkSpans {
    /// `message` is told in this chunk.
    pub(super) fn cover(&mut self, kind: ChunkKind, chunk: i64, message: MessageId) {
        let id = message.as_i64();
        let (first, last) = self.0.entry((kind, chunk)).or_insert((id, id));
        *first = id.min(*first);
        *last = id.max(*last);
    }

    /// Widens what is recorded of these chunks.
    pub(super) async fn record(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        for ((kind, chunk), (first, last)) in &self.0 {
            sqlx::query(
                "INSERT INTO chunks (kind, number, first_message, last_message) VALUES (?, ?, ?, ?)
                 ON CONFLICT (kind, number) DO UPDATE SET
                     first_message = min(first_message, excluded.first_message),
                     last_message = max(last_message, excluded.last_message)",
            )
            .bind(kind.as_str())
            .bind(chunk)
            .bind(first)
            .bind(last)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}

/// Forgets the chunks of which no message behind `last` is told: they are pruned as a whole.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    last: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM chunks WHERE last_message <= ?")
        .bind(last)
        .execute(connection)
        .await?;
    Ok(())
}

/// A chunk as a search sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) kind: ChunkKind,
    pub(super) number: i64,
    /// It tells of no later message.
    pub(super) last: i64,
}

/// The chunks of these kinds that may tell of messages within `bounds`, those with the latest messages
/// first, `most` of them.
pub(super) async fn chunks_within(
    readers: &SqlitePool,
    kinds: &[ChunkKind],
    bounds: Bounds,
    most: usize,
) -> Result<Vec<Chunk>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT kind, number, last_message FROM chunks
         WHERE first_message < ? AND last_message >= ? ORDER BY last_message DESC",
    )
    .bind(bounds.end)
    .bind(bounds.first)
    .fetch_all(readers)
    .await?;
    let chunks = rows.iter().filter_map(|row| {
        let kind = text(row, "kind");
        let mut kinds = kinds.iter().copied();
        Some(Chunk {
            kind: kinds.find(|wanted| wanted.as_str() == kind)?,
            number: number(row, "number"),
            last: number(row, "last_message"),
        })
    });
    Ok(chunks.take(most).collect())
}
