//! Looking for an address in the trail: chunk by chunk of its index, those with the latest messages first.
//!
//! Within a chunk the index is in the order of the addresses, so all that a beginning like `p*` matches
//! there has to be sorted; but only there. Behind each chunk it is known that nothing later than the
//! last message of the next one is missing. A common address fills a page from a chunk or two, and a
//! rare one costs a seek in every chunk.

use std::collections::BTreeSet;

use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Sqlite};

use super::chunks::{Chunk, ChunkKind, chunks_within};
use super::source::{
    AddressRole, Bounds, Candidates, SearchedAddress, newest_first, push_address, push_bounds,
};
use crate::limits;
use crate::store::database::columns::json;
use crate::store::database::columns::{number, optional_number, text};
use crate::store::database::error::ReadError;

/// How far one walk goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Chunks that are visited.
    pub(super) chunks: usize,
    /// Entries of the index that are read.
    pub(super) entries: u32,
}

/// The reach of a page.
pub(super) const PAGE_REACH: Reach = Reach {
    chunks: limits::TRAIL_CHUNKS_VISITED,
    entries: limits::TRAIL_ENTRIES_READ,
};

/// Chunks of the first round of a walk.
const FIRST_STRIDE: usize = 2;
/// How many times as many the next round has.
const STRIDE_GROWTH: usize = 8;

/// The index that tells of an address, in one kind of chunks.
struct Index {
    name: &'static str,
    kind: ChunkKind,
    id: &'static str,
    column: &'static str,
    /// What gives its entries of a chunk, whose place and number stand in `chunk.value`.
    entries: &'static str,
}

const DELIVERED_AT_ONCE: Index = Index {
    name: "delivered_at_once",
    kind: ChunkKind::Messages,
    id: "m.id",
    column: "m.recipient",
    entries: "messages AS m INDEXED BY messages_by_recipient
              ON m.chunk = chunk.value ->> 1 AND m.recipient IS NOT NULL",
};

const HAPPENED: Index = Index {
    name: "happened",
    kind: ChunkKind::Events,
    id: "e.message",
    column: "e.recipient",
    entries: "events AS e INDEXED BY events_by_recipient ON e.chunk = chunk.value ->> 1",
};

const SENT: Index = Index {
    name: "sent",
    kind: ChunkKind::Messages,
    id: "m.id",
    column: "m.sender",
    entries: "messages AS m INDEXED BY messages_by_sender ON m.chunk = chunk.value ->> 1",
};

impl SearchedAddress {
    fn indexes(&self) -> &'static [Index] {
        match self.party {
            AddressRole::Recipient => &[DELIVERED_AT_ONCE, HAPPENED],
            AddressRole::Sender => &[SENT],
        }
    }

    /// The newest `most` messages within `bounds` that have this address: fewer when there are no more
    /// within `reach`. None when the walk did not even come to the end of `bounds`: newer chunks have too
    /// many entries of older messages.
    pub(super) async fn newest(
        &self,
        readers: &SqlitePool,
        bounds: Bounds,
        most: u32,
        reach: Reach,
    ) -> Result<Option<Candidates>, ReadError> {
        let kinds: Vec<ChunkKind> = self.indexes().iter().map(|index| index.kind).collect();
        let chunks = chunks_within(readers, &kinds, bounds, reach.chunks + 1).await?;
        let mut walk = ChunkWalk::new(chunks, reach);
        if !self.is_prefix() {
            walk.stride = walk.visitable;
        }
        while walk.settled().count() < most as usize
            && let Some(round) = walk.round()
        {
            let most_entries = walk.round_entries(most);
            let entries = self
                .entries(readers, round, bounds, most, most_entries)
                .await?;
            walk.take(entries);
        }
        Ok(walk.candidates(bounds, most))
    }

    /// What the indexes say of these chunks, of each at most `most_entries` entries.
    async fn entries(
        &self,
        readers: &SqlitePool,
        chunks: &[Chunk],
        bounds: Bounds,
        most: u32,
        most_entries: u32,
    ) -> Result<Entries, ReadError> {
        let mut query = QueryBuilder::new("WITH ");
        for index in self.indexes() {
            self.push_entries(&mut query, index, chunks, bounds, most, most_entries)?;
            query.push(", ");
        }
        query.push("entries (place, id) AS (SELECT * FROM ");
        let names: Vec<&str> = self.indexes().iter().map(|index| index.name).collect();
        query.push(names.join(" UNION ALL SELECT * FROM "));
        query.push(") SELECT (SELECT count(*) FROM entries) AS count, ");
        for name in names {
            query
                .push("(SELECT iif(count(*) < ")
                .push_bind(most_entries);
            query.push(format_args!(
                ", NULL, max(place)) FROM {name}) AS cut_{name}, "
            ));
        }
        query.push("json_group_array(id) AS ids FROM (SELECT DISTINCT id FROM entries WHERE TRUE");
        push_bounds(&mut query, "id", bounds);
        // One more than is wanted, to know whether there are more.
        query.push(" ORDER BY id DESC LIMIT ").push_bind(most + 1);
        query.push(")");
        let row = query.build().fetch_one(readers).await?;
        let cut = self.indexes().iter().filter_map(|index| {
            let place = optional_number(&row, &format!("cut_{}", index.name))?;
            usize::try_from(place).ok()
        });
        Ok(Entries {
            count: u32::try_from(number(&row, "count")).unwrap_or(u32::MAX),
            whole_chunks: cut.min().unwrap_or(chunks.len()),
            ids: newest_first(&text(&row, "ids"))?,
        })
    }

    /// Adds a table of what `index` says of these chunks, chunk by chunk in their order.
    fn push_entries(
        &self,
        query: &mut QueryBuilder<Sqlite>,
        index: &Index,
        chunks: &[Chunk],
        bounds: Bounds,
        most: u32,
        most_entries: u32,
    ) -> Result<(), ReadError> {
        let places = chunks.iter().enumerate();
        let places = places.filter(|(_, chunk)| chunk.kind == index.kind);
        let places: Vec<(usize, i64)> =
            places.map(|(place, chunk)| (place, chunk.number)).collect();
        let place = match self.is_prefix() {
            true => "chunk.value ->> 0",
            false => "DISTINCT 0",
        };
        query.push(format_args!(
            "{} (place, id) AS MATERIALIZED (SELECT {place}, {} AS id FROM json_each(",
            index.name, index.id
        ));
        // CROSS JOIN: the chunks in the order in which they stand there.
        query.push_bind(json(&places)?);
        query.push(") AS chunk CROSS JOIN ").push(index.entries);
        push_address(query, index.column, &self.wanted);
        if self.is_prefix() {
            query.push(" LIMIT ").push_bind(most_entries);
        } else {
            // The entries of one address are in the order of their messages: a seek passes over those
            // beyond the bounds, and once there are enough SQLite passes over the rest of each chunk.
            push_bounds(query, index.id, bounds);
            query.push(" ORDER BY id DESC LIMIT ").push_bind(most + 1);
        }
        query.push(")");
        Ok(())
    }
}

/// Entries of the indexes.
struct Entries {
    /// How many were read.
    count: u32,
    /// How many chunks of the round were read to their end, one after the other.
    whole_chunks: usize,
    /// The newest messages of them.
    ids: Vec<i64>,
}

/// How far the walk has come.
struct ChunkWalk {
    chunks: Vec<Chunk>,
    /// How many of `chunks` may be visited: behind them may be one more that is not.
    visitable: usize,
    visited: usize,
    /// How many are visited in one round.
    stride: usize,
    entries_left: u32,
    found: BTreeSet<i64>,
}

impl ChunkWalk {
    fn new(chunks: Vec<Chunk>, reach: Reach) -> Self {
        Self {
            visitable: chunks.len().min(reach.chunks),
            chunks,
            visited: 0,
            stride: FIRST_STRIDE,
            entries_left: reach.entries,
            found: BTreeSet::new(),
        }
    }

    /// The chunks to visit next; none at the end.
    fn round(&self) -> Option<&[Chunk]> {
        let round = &self.chunks[self.visited..self.visitable];
        let is_over = round.is_empty() || self.entries_left == 0;
        (!is_over).then(|| &round[..self.stride.min(round.len())])
    }

    /// How many entries of each index are read in the next round. A single chunk is read whole, for there
    /// is no less that is of use.
    fn round_entries(&self, most: u32) -> u32 {
        match self.stride {
            1 => self.entries_left,
            _ => self
                .entries_left
                .min(2 * most + limits::TRAIL_ROUND_ENTRIES),
        }
    }

    /// Takes what the last round gave. The next one is longer when this one was read to its end: what is
    /// rare is found in few queries. When not even its first chunk was, that chunk is read by itself.
    fn take(&mut self, entries: Entries) {
        let round = self.stride.min(self.visitable - self.visited);
        self.entries_left = self.entries_left.saturating_sub(entries.count);
        self.found.extend(entries.ids);
        self.visited += entries.whole_chunks;
        if entries.whole_chunks == round {
            self.stride = self.stride.saturating_mul(STRIDE_GROWTH);
        } else if entries.whole_chunks > 0 {
            self.stride = FIRST_STRIDE;
        } else if self.stride > 1 {
            self.stride = 1;
        } else {
            self.entries_left = 0;
        }
    }

    /// No message from here on is missing; none when the walk is over and no message is missing at all.
    fn boundary(&self) -> Option<i64> {
        self.chunks
            .get(self.visited)
            .map(|chunk| chunk.last.saturating_add(1))
    }

    /// The messages that stay the newest ones, whatever is found later; the newest first.
    fn settled(&self) -> impl Iterator<Item = i64> {
        let boundary = self.boundary().unwrap_or(i64::MIN);
        self.found.range(boundary..).rev().copied()
    }

    fn candidates(&self, bounds: Bounds, most: u32) -> Option<Candidates> {
        let mut settled = self.settled();
        let ids: Vec<i64> = settled.by_ref().take(most as usize).collect();
        let next = match (settled.next(), ids.last()) {
            (Some(_), Some(&last)) => Some(last),
            _ => self.boundary(),
        };
        let is_stuck = next.is_some_and(|next| next >= bounds.end);
        (!is_stuck).then_some(Candidates { ids, next })
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
