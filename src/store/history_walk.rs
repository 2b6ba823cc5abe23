//! Looking for an address in the trail: chunk by chunk of its index, those with the latest messages first.
//!
//! Within a chunk the index is in the order of the addresses, so all that a beginning like `p*` matches
//! there has to be sorted; but only there. Behind each chunk it is known that nothing later than the
//! last message of the next one is missing. A common address fills a page from a chunk or two, and a
//! rare one costs a seek in every chunk.

use std::collections::BTreeSet;

use sqlx::QueryBuilder;
use sqlx::sqlite::SqlitePool;

use super::columns::{number, text};
use super::error::ReadError;
use super::history_chunks::{Chunk, ChunkKind, chunks_within};
use super::history_source::{
    Address, Bounds, Candidates, Party, newest_first, push_address, push_bounds,
};
use super::queue_write::json;
use crate::limits;

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

/// The index that tells of an address, in one kind of chunks.
struct Index {
    kind: ChunkKind,
    id: &'static str,
    column: &'static str,
    /// What gives its entries of `chunk.value`.
    entries: &'static str,
}

const DELIVERED_AT_ONCE: Index = Index {
    kind: ChunkKind::Messages,
    id: "m.id",
    column: "m.recipient",
    entries: "messages AS m INDEXED BY messages_by_recipient
              ON m.chunk = chunk.value AND m.recipient IS NOT NULL",
};

const HAPPENED: Index = Index {
    kind: ChunkKind::Events,
    id: "e.message",
    column: "e.recipient",
    entries: "events AS e INDEXED BY events_by_recipient ON e.chunk = chunk.value",
};

const SENT: Index = Index {
    kind: ChunkKind::Messages,
    id: "m.id",
    column: "m.sender",
    entries: "messages AS m INDEXED BY messages_by_sender ON m.chunk = chunk.value",
};

impl Address {
    fn indexes(&self) -> &'static [Index] {
        match self.party {
            Party::Recipient => &[DELIVERED_AT_ONCE, HAPPENED],
            Party::Sender => &[SENT],
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
        let mut walk = Walk::new(chunks, reach);
        while walk.settled().count() < most as usize
            && let Some(round) = walk.round()
        {
            let most_entries = walk.round_entries(most);
            let entries = self
                .entries(readers, round, bounds, most, most_entries)
                .await?;
            walk.take(entries, most);
        }
        Ok(walk.candidates(bounds, most))
    }

    /// What the index says of these chunks, `most_entries` entries of it.
    async fn entries(
        &self,
        readers: &SqlitePool,
        chunks: &[Chunk],
        bounds: Bounds,
        most: u32,
        most_entries: u32,
    ) -> Result<Entries, ReadError> {
        let mut query = QueryBuilder::new("WITH entries (id) AS MATERIALIZED (SELECT * FROM (");
        for (place, index) in self.indexes().iter().enumerate() {
            let numbers = chunks.iter().filter(|chunk| chunk.kind == index.kind);
            let numbers: Vec<i64> = numbers.map(|chunk| chunk.number).collect();
            let union = if place == 0 { "" } else { " UNION ALL " };
            query.push(format_args!("{union}SELECT {} FROM json_each(", index.id));
            query
                .push_bind(json(&numbers)?)
                .push(") AS chunk CROSS JOIN ");
            query.push(index.entries);
            push_address(&mut query, index.column, &self.wanted);
            if !self.is_prefix() {
                // The entries of one address are in the order of their messages: a seek passes over
                // the others.
                push_bounds(&mut query, index.id, bounds);
            }
        }
        query.push(") LIMIT ").push_bind(most_entries);
        query.push(
            ") SELECT (SELECT count(*) FROM entries) AS count, json_group_array(id) AS ids
             FROM (SELECT DISTINCT id FROM entries WHERE TRUE",
        );
        push_bounds(&mut query, "id", bounds);
        // One more than is wanted, to know whether there are more.
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(most + 1)
            .push(")");
        let row = query.build().fetch_one(readers).await?;
        Ok(Entries {
            count: u32::try_from(number(&row, "count")).unwrap_or(u32::MAX),
            ids: newest_first(&text(&row, "ids"))?,
        })
    }
}

/// Entries of an index.
struct Entries {
    /// How many were read.
    count: u32,
    /// The newest messages of them.
    ids: Vec<i64>,
}

/// How far the walk has come.
struct Walk {
    chunks: Vec<Chunk>,
    /// How many of `chunks` may be visited: behind them may be one more that is not.
    visitable: usize,
    visited: usize,
    /// How many are visited in one round.
    stride: usize,
    entries_left: u32,
    found: BTreeSet<i64>,
}

impl Walk {
    fn new(chunks: Vec<Chunk>, reach: Reach) -> Self {
        Self {
            visitable: chunks.len().min(reach.chunks),
            chunks,
            visited: 0,
            stride: 1,
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

    /// How many entries of several chunks are read in one round for `most` messages.
    fn several(most: u32) -> u32 {
        2 * most + limits::TRAIL_ROUND_ENTRIES
    }

    /// How many entries are read in the next round. A single chunk is read whole, for there is no less
    /// that is of use.
    fn round_entries(&self, most: u32) -> u32 {
        match self.stride {
            1 => self.entries_left,
            _ => self.entries_left.min(Self::several(most)),
        }
    }

    /// Takes what the last round gave. While little is found, each round is twice as long as the one
    /// before: what is rare is found in few queries, and what is common in few chunks.
    fn take(&mut self, entries: Entries, most: u32) {
        let is_cut = entries.count >= self.round_entries(most);
        self.entries_left = self.entries_left.saturating_sub(entries.count);
        if is_cut {
            // There may be more in these chunks: what was read of them is of no use.
            if self.stride == 1 {
                self.entries_left = 0;
            }
            self.stride = 1;
            return;
        }
        self.found.extend(entries.ids);
        self.visited = self.visitable.min(self.visited + self.stride);
        if entries.count < Self::several(most) / 4 {
            self.stride *= 2;
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
#[path = "history_walk_tests.rs"]
mod tests;
