//! The queue as pages and the API show it: a row that cannot be decoded is shown as damaged, and
//! blanks nothing else.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

use super::QueueView;
use super::filter::{asks_messages, push_where};
use crate::limits;
use crate::message::queue_filter::QueueFilter;
use crate::message::queue_listing::{QueueItem, QueueOrder, QueuePage, QueuePageRequest};
use crate::message::{MessageId, RowId, RowState};
use crate::store::database::columns::{count, integer, number, text, time};
use crate::store::database::error::ReadError;

impl QueueOrder {
    /// Message ids rise in the order of arrival, and an index holds them in it.
    const fn column(self) -> &'static str {
        match self {
            Self::ReceivedAt => "r.message",
            Self::NextAttemptAt => "r.next_attempt_at",
            Self::Recipient => "r.recipient",
            Self::Sender => "m.sender",
            Self::NextHop => "r.next_hop",
            Self::State => "r.state",
            Self::Reason => "r.reason",
            Self::Attempts => "r.attempts",
        }
    }

    fn clause(self, descending: bool) -> String {
        let direction = if descending { " DESC" } else { "" };
        let column = self.column();
        format!(" ORDER BY {column}{direction}, r.id{direction}")
    }
}

/// Behind so many rows a page is looked for from the end that is nearer: what is sorted to find a page
/// is everything before it.
const DEEP_ROWS: u64 = 1_000;

impl QueuePageRequest {
    /// The same rows of `total`, and whether they come from the other end, last row first; none when
    /// there are none.
    fn nearer_end(self, total: u64) -> Option<(Self, bool)> {
        let rest = total.checked_sub(self.offset).filter(|rest| *rest > 0)?;
        if self.offset < total / 2 {
            return Some((self, false));
        }
        let wanted = rest.min(self.limit.min(limits::PAGE_ITEMS_MAX).into());
        let turned = Self {
            descending: !self.descending,
            offset: rest - wanted,
            limit: u32::try_from(wanted).unwrap_or(self.limit),
            ..self
        };
        Some((turned, true))
    }
}

pub(super) const ITEM_COLUMNS: &str = "
    r.id, r.message, r.recipient, r.next_hop, r.state, r.reason, r.attempts, r.last_reply,
    r.next_attempt_at, m.sender, m.received_at,
    m.content_bytes AS size_bytes";

impl QueueView {
    /// One page of the rows that `filter` means, ages counted at `now`, and how many rows it means.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn page(
        &self,
        filter: &QueueFilter,
        page: QueuePageRequest,
        now: Timestamp,
    ) -> Result<QueuePage, ReadError> {
        if page.offset < DEEP_ROWS {
            let (total, items) = tokio::try_join!(
                self.count_matching(filter, now),
                self.page_items(filter, page, now),
            )?;
            return Ok(QueuePage { total, items });
        }
        let total = self.count_matching(filter, now).await?;
        let items = match page.nearer_end(total) {
            None => Vec::new(),
            Some((page, false)) => self.page_items(filter, page, now).await?,
            Some((page, true)) => {
                let mut items = self.page_items(filter, page, now).await?;
                items.reverse();
                items
            }
        };
        Ok(QueuePage { total, items })
    }

    async fn page_items(
        &self,
        filter: &QueueFilter,
        page: QueuePageRequest,
        now: Timestamp,
    ) -> Result<Vec<QueueItem>, ReadError> {
        let asks_messages = asks_messages(filter) || page.order == QueueOrder::Sender;
        // The rows of the page are chosen by their ids first: only they are read as a whole.
        let mut query = QueryBuilder::new("SELECT ");
        query.push(ITEM_COLUMNS);
        query.push(" FROM (SELECT r.id AS id");
        push_from(&mut query, asks_messages);
        push_where(filter, &mut query, now);
        let order = page.order.clause(page.descending);
        query.push(&order);
        let limit = page.limit.min(limits::PAGE_ITEMS_MAX);
        query.push(" LIMIT ").push_bind(limit);
        let offset = integer(page.offset);
        query.push(" OFFSET ").push_bind(offset);
        query.push(
            ") AS chosen CROSS JOIN recipients AS r ON r.id = chosen.id
             LEFT JOIN messages AS m ON m.id = r.message",
        );
        query.push(&order);
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(rows.iter().map(item).collect())
    }

    /// The rows that `filter` means with their states, as they stand at one instant: what a bulk
    /// action is applied to.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn matching(
        &self,
        filter: &QueueFilter,
        now: Timestamp,
    ) -> Result<Vec<(RowId, RowState)>, ReadError> {
        let mut query = QueryBuilder::new("SELECT r.id, r.state");
        push_from(&mut query, asks_messages(filter));
        push_where(filter, &mut query, now);
        query.push(" ORDER BY r.id");
        let rows = query.build().fetch_all(&self.readers).await?;
        let pair = |row: &SqliteRow| (RowId(number(row, "id")), state(row));
        Ok(rows.iter().map(pair).collect())
    }

    /// How many rows `filter` means.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn count_matching(
        &self,
        filter: &QueueFilter,
        now: Timestamp,
    ) -> Result<u64, ReadError> {
        let mut query = QueryBuilder::new("SELECT count(*)");
        push_from(&mut query, asks_messages(filter));
        push_where(filter, &mut query, now);
        let total = query.build_query_scalar();
        Ok(total.fetch_one(&self.readers).await?)
    }
}

pub(super) fn push_from(query: &mut QueryBuilder<Sqlite>, asks_messages: bool) {
    query.push(" FROM recipients AS r");
    if asks_messages {
        query.push(" LEFT JOIN messages AS m ON m.id = r.message");
    }
}

pub(super) fn item(row: &SqliteRow) -> QueueItem {
    QueueItem {
        id: RowId(number(row, "id")),
        message_id: MessageId::from_i64(number(row, "message")),
        sender: text(row, "sender"),
        recipient: text(row, "recipient"),
        next_hop: text(row, "next_hop"),
        state: state(row),
        reason: text(row, "reason"),
        attempts: count(row, "attempts"),
        last_reply: text(row, "last_reply"),
        size_bytes: count(row, "size_bytes"),
        received_at: time(row, "received_at"),
        next_attempt_at: time(row, "next_attempt_at"),
    }
}

/// A word that this version does not know is damage.
pub(super) fn state(row: &SqliteRow) -> RowState {
    RowState::from_word(&text(row, "state")).unwrap_or(RowState::Damaged)
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
