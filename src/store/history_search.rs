//! Looking for messages in the trail: which index finds the candidates, and how far one page looks.
//!
//! A page looks at a bounded number of messages, however long the trail is. One index gives candidates,
//! the newest first; everything else that was asked for is checked on their rows. When the bound is
//! reached before the page is full, the page says where to go on.

use sqlx::QueryBuilder;

use super::Store;
use super::error::ReadError;
use super::history_read::answered;
use super::history_rows::{AnsweredRow, MessageFilter, MessagesPage};
use super::history_source::{Bounds, Only, Source, push_unanswered};
use crate::limits;
use crate::message::MessageId;

impl Store {
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
        let limit = limit.clamp(1, limits::PAGE_ITEMS_MAX);
        let bounds = Bounds::of(filter, cursor);
        let source = self.source_for(filter, bounds).await?;
        let unanswered = source.unanswered(filter);
        let mut found = Found::default();
        for look_at in source.looks(limit, &unanswered) {
            found = self
                .look(&source, &unanswered, bounds, look_at, limit)
                .await?;
            if found.is_full || found.next.is_none() {
                break;
            }
        }
        let items = self.with_latest(found.rows).await?;
        Ok(MessagesPage {
            items,
            next: found.next,
        })
    }

    /// Looks at the newest `look_at` messages that `source` gives, and says where to go on.
    async fn look(
        &self,
        source: &Source,
        unanswered: &MessageFilter,
        bounds: Bounds,
        look_at: u32,
        limit: u32,
    ) -> Result<Found, ReadError> {
        let mut query = QueryBuilder::new(source.with_clause());
        query.push("SELECT m.* FROM (SELECT id FROM (");
        source.push_ids(&mut query, bounds, Some(look_at));
        query
            .push(") ORDER BY id DESC LIMIT ")
            .push_bind(look_at)
            .push(") AS chosen CROSS JOIN messages AS m ON m.id = chosen.id WHERE TRUE");
        push_unanswered(&mut query, unanswered);
        query.push(" ORDER BY m.id DESC LIMIT ").push_bind(limit);
        let rows = query
            .build()
            .fetch_all(&self.shared.history.readers)
            .await?;
        let rows: Vec<AnsweredRow> = rows.iter().map(answered).collect();
        let is_full = rows.len() == limit as usize;
        let next = match rows.last() {
            Some(last) if is_full => Some(last.message_id),
            _ => self.unseen(source, bounds, look_at).await?,
        };
        Ok(Found {
            rows,
            is_full,
            next,
        })
    }

    /// The best index for `filter`.
    async fn source_for(
        &self,
        filter: &MessageFilter,
        bounds: Bounds,
    ) -> Result<Source, ReadError> {
        for (source, only) in Source::candidates(filter) {
            if only == Only::Always || self.is_sparse(&source, bounds).await? {
                return Ok(source);
            }
        }
        Ok(Source::Everything)
    }

    /// The source gives no more than one page looks at.
    async fn is_sparse(&self, source: &Source, bounds: Bounds) -> Result<bool, ReadError> {
        let mut query = QueryBuilder::new(source.with_clause());
        query.push("SELECT id FROM (");
        source.push_ids(&mut query, bounds, None);
        query
            .push(") LIMIT 1 OFFSET ")
            .push_bind(limits::TRAIL_CANDIDATES);
        let readers = &self.shared.history.readers;
        Ok(query.build().fetch_optional(readers).await?.is_none())
    }

    /// The id at which to go on behind the newest `looked_at` messages of `source`, if there are more.
    async fn unseen(
        &self,
        source: &Source,
        bounds: Bounds,
        looked_at: u32,
    ) -> Result<Option<MessageId>, ReadError> {
        let mut query = QueryBuilder::new(source.with_clause());
        query.push("SELECT id FROM (");
        source.push_ids(&mut query, bounds, Some(looked_at + 1));
        query
            .push(") ORDER BY id DESC LIMIT 1 OFFSET ")
            .push_bind(looked_at);
        let beyond: Option<i64> = query
            .build_query_scalar()
            .fetch_optional(&self.shared.history.readers)
            .await?;
        Ok(beyond.map(|beyond| MessageId::from_i64(beyond + 1)))
    }
}

/// What one look found.
#[derive(Debug, Default)]
struct Found {
    rows: Vec<AnsweredRow>,
    is_full: bool,
    next: Option<MessageId>,
}

#[cfg(test)]
#[path = "history_search_tests.rs"]
mod tests;
