//! Looking for messages in the trail: which index finds the candidates, and how far one page looks.
//!
//! A page looks at a bounded number of messages, however long the trail is. One index gives candidates,
//! the newest first, or all messages are read in turn; everything else that was asked for is checked on
//! their rows. When the bound is reached before the page is full, the page says where to go on.

use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Sqlite};

use super::TrailStore;
use super::read::answered;
use super::source::{
    Bounds, Candidates, Source, beside_bounds, ids_by_event, ids_by_reason, newest_first,
    push_bounds, push_unanswered,
};
use super::walk::PAGE_REACH;
use crate::limits;
use crate::message::MessageId;
use crate::message::trail_listing::{AnsweredRow, MessageFilter, MessagesPage};
use crate::store::database::columns::json;
use crate::store::database::error::ReadError;

impl TrailStore {
    /// The newest messages below `cursor` (of all, when it is none) that `filter` means.
    ///
    /// # Errors
    /// When the trail cannot be read.
    pub async fn messages_page(
        &self,
        filter: &MessageFilter,
        cursor: Option<MessageId>,
        limit: u32,
    ) -> Result<MessagesPage, ReadError> {
        let search = TrailSearch {
            readers: &self.readers,
            filter,
            bounds: Bounds::of(filter, cursor),
            limit: limit.clamp(1, limits::PAGE_ITEMS_MAX),
            looks: PAGE_LOOKS,
        };
        let found = search.run().await?;
        let items = self.with_latest(found.rows).await?;
        Ok(MessagesPage {
            items,
            next: found.next,
        })
    }
}

/// How many messages a search looks at before it gives up filling the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looks {
    /// When an index gives them: a row that it points to lies anywhere.
    pub(super) candidates: u32,
    /// When they are read in turn: they lie beside each other.
    pub(super) in_turn: u32,
    /// Recipients of messages that have many, when it matters what happened to them.
    pub(super) recipients: u32,
}

const PAGE_LOOKS: Looks = Looks {
    candidates: limits::TRAIL_CANDIDATES,
    in_turn: limits::TRAIL_SCAN_MESSAGES,
    recipients: limits::TRAIL_RECIPIENTS_CHECKED,
};

/// One page that is looked for.
pub(super) struct TrailSearch<'a> {
    pub(super) readers: &'a SqlitePool,
    pub(super) filter: &'a MessageFilter,
    pub(super) bounds: Bounds,
    pub(super) limit: u32,
    pub(super) looks: Looks,
}

/// What one look found.
pub(super) struct FoundMessages {
    pub(super) rows: Vec<AnsweredRow>,
    /// Where to go on; none when there are no more messages.
    pub(super) next: Option<MessageId>,
    /// The page is full, there are no more messages, or more of them are not to be looked at.
    is_done: bool,
}

/// Rows of `messages AS m` that are looked at.
enum Rows {
    /// Those whose ids stand here as JSON.
    Listed(String),
    Within(Bounds),
}

impl Rows {
    /// Adds a SELECT of these columns; further conditions may follow.
    fn push_query(&self, query: &mut QueryBuilder<Sqlite>, columns: &'static str) {
        query.push("SELECT ").push(columns);
        match self {
            Self::Listed(ids) => {
                query.push(" FROM json_each(").push_bind(ids.clone());
                query
                    .push(") AS listed CROSS JOIN messages AS m ON m.id = listed.value WHERE TRUE");
            }
            Self::Within(bounds) => {
                query.push(" FROM messages AS m WHERE TRUE");
                push_bounds(query, "m.id", *bounds);
            }
        }
    }
}

/// The index that leads to the page with the least work, and what it gives first.
struct Lead {
    source: Source,
    unanswered: MessageFilter,
    newest: Candidates,
}

impl TrailSearch<'_> {
    pub(super) async fn run(&self) -> Result<FoundMessages, ReadError> {
        match self.lead().await? {
            Some(lead) => self.by_index(lead).await,
            None => self.by_reading().await,
        }
    }

    /// The index that answers all that was asked for, or the one whose first candidates reach furthest
    /// back; none when reading the messages in turn reaches further. What was rare in the newest part of
    /// the trail may be common in the rest: then a page ends early, but costs no more.
    async fn lead(&self) -> Result<Option<Lead>, ReadError> {
        let mut furthest = None;
        let mut best = None;
        for source in Source::serving(self.filter) {
            let unanswered = source.unanswered(self.filter);
            let is_all = unanswered == MessageFilter::default();
            let look_at = self.first_look(self.looks.candidates, &unanswered);
            let newest = self.candidates(&source, self.bounds, look_at).await?;
            let Some(newest) = newest else { continue };
            let next = newest.next;
            let lead = Lead {
                source,
                unanswered,
                newest,
            };
            let Some(next) = next.filter(|_| !is_all) else {
                return Ok(Some(lead));
            };
            if furthest.is_none_or(|furthest| next < furthest) {
                furthest = Some(next);
                best = Some(lead);
            }
        }
        let Some(furthest) = furthest else {
            return Ok(None);
        };
        let in_turn = self.unread(self.looks.in_turn / 10).await?;
        Ok(best.filter(|_| in_turn.is_some_and(|in_turn| furthest <= in_turn)))
    }

    /// Looks for a page of messages in what an index gives.
    async fn by_index(&self, lead: Lead) -> Result<FoundMessages, ReadError> {
        let found = self.look_up(lead.newest, &lead.unanswered).await?;
        if found.is_done {
            return Ok(found);
        }
        let most = self.looks.candidates;
        match self.candidates(&lead.source, self.bounds, most).await? {
            Some(newest) => self.look_up(newest, &lead.unanswered).await,
            None => Ok(found),
        }
    }

    /// Looks for a page of messages in all there are, the newest first.
    async fn by_reading(&self) -> Result<FoundMessages, ReadError> {
        let unanswered = beside_bounds(self.filter);
        let most = self.looks.in_turn;
        let look_at = self.first_look(most, &unanswered);
        let found = self.read(&unanswered, look_at).await?;
        if found.is_done {
            return Ok(found);
        }
        self.read(&unanswered, most).await
    }

    /// How many messages are looked at first: no more than a page shows when nothing is left to be checked
    /// on the rows; else a tenth of what may be looked at, which often fills it.
    fn first_look(&self, most: u32, unanswered: &MessageFilter) -> u32 {
        if *unanswered == MessageFilter::default() {
            self.limit
        } else {
            most / 10
        }
    }

    /// Looks at messages that an index gave.
    async fn look_up(
        &self,
        candidates: Candidates,
        unanswered: &MessageFilter,
    ) -> Result<FoundMessages, ReadError> {
        let rows = Rows::Listed(json(&candidates.ids)?);
        self.look(&rows, unanswered, candidates.next).await
    }

    /// Looks at the newest `look_at` of all messages.
    async fn read(
        &self,
        unanswered: &MessageFilter,
        look_at: u32,
    ) -> Result<FoundMessages, ReadError> {
        let next = self.unread(look_at).await?;
        let window = next.map_or(self.bounds, |next| self.bounds.from(next));
        self.look(&Rows::Within(window), unanswered, next).await
    }

    /// Checks `rows`, and stops when the page is full. Behind them the search goes on below `next`.
    async fn look(
        &self,
        rows: &Rows,
        unanswered: &MessageFilter,
        next: Option<i64>,
    ) -> Result<FoundMessages, ReadError> {
        let unchecked = self.unchecked(rows, unanswered).await?;
        let next = unchecked.map(|unchecked| unchecked + 1).or(next);
        let mut query = QueryBuilder::new("");
        rows.push_query(&mut query, "m.*");
        if let Some(unchecked) = unchecked {
            query.push(" AND m.id > ").push_bind(unchecked);
        }
        push_unanswered(&mut query, unanswered);
        query.push(" ORDER BY m.id DESC LIMIT ");
        query.push_bind(self.limit);
        let rows = query.build().fetch_all(self.readers).await?;
        let rows: Vec<AnsweredRow> = rows.iter().map(answered).collect();
        let last = rows.last().map(|last| last.message_id);
        let is_full = rows.len() == self.limit as usize;
        Ok(FoundMessages {
            rows,
            next: last.filter(|_| is_full).or(next.map(MessageId::from_i64)),
            is_done: is_full || next.is_none() || unchecked.is_some(),
        })
    }

    /// The first of `rows` that is not looked at, because those before it have so many recipients.
    async fn unchecked(
        &self,
        rows: &Rows,
        unanswered: &MessageFilter,
    ) -> Result<Option<i64>, ReadError> {
        if unanswered.recipient.is_none() && unanswered.outcome.is_none() {
            return Ok(None);
        }
        let mut query = QueryBuilder::new("SELECT max(id) FROM (");
        rows.push_query(
            &mut query,
            "m.id, sum(m.recipients) OVER (ORDER BY m.id DESC ROWS UNBOUNDED PRECEDING)
                   - m.recipients AS checked",
        );
        query.push(" AND m.recipients > ");
        query.push_bind(limits::TRAIL_RECIPIENTS_FEW);
        query.push(") WHERE checked >= ");
        query.push_bind(self.looks.recipients);
        let unchecked = query.build_query_scalar().fetch_one(self.readers).await?;
        Ok(unchecked)
    }

    /// The newest `most` messages within `bounds` that an index gives; none when it leads nowhere.
    async fn candidates(
        &self,
        source: &Source,
        bounds: Bounds,
        most: u32,
    ) -> Result<Option<Candidates>, ReadError> {
        let mut query = match source {
            Source::Address(address) => {
                return address.newest(self.readers, bounds, most, PAGE_REACH).await;
            }
            // One more than is wanted, to know whether there are more.
            Source::Event(what) => ids_by_event(what, bounds, most + 1),
            Source::Reason(reason) => ids_by_reason(reason.as_deref(), bounds, most + 1),
        };
        let json: String = query.build_query_scalar().fetch_one(self.readers).await?;
        let mut ids = newest_first(&json)?;
        let next = ids.get(most as usize).map(|beyond| beyond + 1);
        ids.truncate(most as usize);
        Ok(Some(Candidates { ids, next }))
    }

    /// The id below which the search goes on behind the newest `look_at` messages, if there are more.
    async fn unread(&self, look_at: u32) -> Result<Option<i64>, ReadError> {
        let mut query = QueryBuilder::new("SELECT m.id FROM messages AS m WHERE TRUE");
        push_bounds(&mut query, "m.id", self.bounds);
        query.push(" ORDER BY m.id DESC LIMIT 1 OFFSET ");
        query.push_bind(look_at);
        let beyond: Option<i64> = query
            .build_query_scalar()
            .fetch_optional(self.readers)
            .await?;
        Ok(beyond.map(|beyond| beyond + 1))
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
