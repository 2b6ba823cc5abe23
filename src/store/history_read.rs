//! Reading the trail: “did it arrive?”

use std::collections::HashMap;
use std::ops::RangeInclusive;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::Store;
use super::columns::{count, integer, number, optional_number, optional_text, text, time};
use super::error::ReadError;
use super::filter::push_like;
use super::history_rows::{
    AnsweredRow, LatestEvent, MessageFilter, MessageItem, MessagesPage, TrailEvent, TrailOfMessage,
};
use super::queue_write::json;
use crate::limits;
use crate::message::MessageId;
use crate::message::words::OutcomeKind;

/// The chunks of an index, with one seek each.
const MESSAGE_CHUNKS: &str = "WITH RECURSIVE chunks (number) AS (
    SELECT min(chunk) FROM messages
    UNION ALL
    SELECT (SELECT min(chunk) FROM messages WHERE chunk > chunks.number)
    FROM chunks WHERE chunks.number IS NOT NULL) ";
const ALL_CHUNKS: &str = "WITH RECURSIVE chunks (number) AS (
    SELECT min(chunk) FROM messages
    UNION ALL
    SELECT (SELECT min(chunk) FROM messages WHERE chunk > chunks.number)
    FROM chunks WHERE chunks.number IS NOT NULL),
event_chunks (number) AS (
    SELECT min(chunk) FROM events
    UNION ALL
    SELECT (SELECT min(chunk) FROM events WHERE chunk > event_chunks.number)
    FROM event_chunks WHERE event_chunks.number IS NOT NULL) ";

/// What happened to the recipients of the messages whose ids are given as JSON, wherever it is told:
/// most messages tell it in their own row. The numbers of `events` begin at 0.
macro_rules! happenings {
    () => {
        "SELECT message, chunk, number, at, recipient, what, words, next_hop, peer, tls, took_micros
         FROM events WHERE message IN (SELECT value FROM json_each(?1))
         UNION ALL
         SELECT id, chunk, -1, delivered_at, recipient, 'delivered', words, next_hop, peer, tls,
                took_micros
         FROM messages WHERE id IN (SELECT value FROM json_each(?1)) AND recipient IS NOT NULL"
    };
}

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
        let readers = &self.shared.history.readers;
        let mut bounds = Bounds::of(filter, cursor);
        let indexed = filter.sender.is_some() || filter.recipient.is_some();
        let mut unseen = None;
        if !indexed && asks_more_than_time(filter) {
            unseen = self.narrow(&mut bounds).await?;
        }
        let mut query = page_query(filter, bounds);
        query.push(" ORDER BY m.id DESC LIMIT ").push_bind(limit);
        let rows = query.build().fetch_all(readers).await?;
        let answered: Vec<AnsweredRow> = rows.iter().map(answered).collect();
        let full = answered.len() == limit as usize;
        let last = answered.last().map(|row| row.message_id);
        let next = if full { last } else { unseen };
        let items = self.with_latest(answered).await?;
        Ok(MessagesPage { items, next })
    }

    /// No index helps: looks at the newest messages only, and gives the id at which to go on.
    async fn narrow(&self, bounds: &mut Bounds) -> Result<Option<MessageId>, ReadError> {
        let beyond: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM messages WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?",
        )
        .bind(bounds.first)
        .bind(bounds.end)
        .bind(limits::TRAIL_SCAN_MESSAGES)
        .fetch_optional(&self.shared.history.readers)
        .await?;
        let Some(beyond) = beyond else {
            return Ok(None);
        };
        bounds.first = beyond + 1;
        Ok(Some(MessageId::from_i64(bounds.first)))
    }

    /// The last event of the first recipients of each message.
    async fn with_latest(&self, answered: Vec<AnsweredRow>) -> Result<Vec<MessageItem>, ReadError> {
        let ids: Vec<i64> = answered.iter().map(|row| row.message_id.as_i64()).collect();
        let rows = sqlx::query(concat!(
            "SELECT message, recipient, what, at, words FROM (
                 SELECT *,
                        row_number() OVER (PARTITION BY message, recipient
                                           ORDER BY at DESC, chunk DESC, number DESC) AS recent,
                        dense_rank() OVER (PARTITION BY message ORDER BY recipient) AS place
                 FROM (",
            happenings!(),
            ")) WHERE recent = 1 AND place <= ?2 ORDER BY message, place",
        ))
        .bind(json(&ids)?)
        .bind(integer(limits::TRAIL_RECIPIENTS_SHOWN as u64))
        .fetch_all(&self.shared.history.readers)
        .await?;
        let mut latest: HashMap<i64, Vec<LatestEvent>> = HashMap::new();
        for row in &rows {
            let event = LatestEvent {
                recipient: text(row, "recipient"),
                what: text(row, "what"),
                at: time(row, "at"),
                words: text(row, "words"),
            };
            latest
                .entry(number(row, "message"))
                .or_default()
                .push(event);
        }
        let item = |answered: AnsweredRow| MessageItem {
            latest: latest
                .remove(&answered.message_id.as_i64())
                .unwrap_or_default(),
            answered,
        };
        Ok(answered.into_iter().map(item).collect())
    }

    /// Everything that is known of one message, its first [`limits::TRAIL_EVENTS_SHOWN`] events.
    ///
    /// # Errors
    /// When the trail cannot be read.
    pub async fn trail_of(&self, message: MessageId) -> Result<TrailOfMessage, ReadError> {
        let readers = &self.shared.history.readers;
        let row = sqlx::query("SELECT * FROM messages WHERE id = ?")
            .bind(message.as_i64())
            .fetch_optional(readers)
            .await?;
        let events = sqlx::query(concat!(
            happenings!(),
            " ORDER BY at, chunk, number LIMIT ?2",
        ))
        .bind(json(&[message.as_i64()])?)
        .bind(limits::TRAIL_EVENTS_SHOWN)
        .fetch_all(readers)
        .await?;
        Ok(TrailOfMessage {
            answered: row.as_ref().map(answered),
            events: events.iter().map(event).collect(),
        })
    }

    /// The figures of these minutes, counted since 1970, in order; a minute without figures is left out.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn load_minutes(
        &self,
        minutes: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, String)>, ReadError> {
        let rows = sqlx::query(
            "SELECT minute, figures FROM minutes WHERE minute BETWEEN ? AND ? ORDER BY minute",
        )
        .bind(integer(*minutes.start()))
        .bind(integer(*minutes.end()))
        .fetch_all(&self.shared.history.readers)
        .await?;
        let pair = |row: &SqliteRow| (count(row, "minute"), text(row, "figures"));
        Ok(rows.iter().map(pair).collect())
    }

    /// The figures of these hours, counted since 1970, in order; an hour without figures is left out.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn load_hours(
        &self,
        hours: RangeInclusive<u64>,
    ) -> Result<Vec<(u64, String)>, ReadError> {
        let rows =
            sqlx::query("SELECT hour, figures FROM hours WHERE hour BETWEEN ? AND ? ORDER BY hour")
                .bind(integer(*hours.start()))
                .bind(integer(*hours.end()))
                .fetch_all(&self.shared.history.readers)
                .await?;
        let pair = |row: &SqliteRow| (count(row, "hour"), text(row, "figures"));
        Ok(rows.iter().map(pair).collect())
    }
}

/// Ids from `first` on and below `end`.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    first: i64,
    end: i64,
}

impl Bounds {
    fn of(filter: &MessageFilter, cursor: Option<MessageId>) -> Self {
        let earliest = |time| MessageId::earliest_at(time).as_i64();
        let cursor = cursor.map_or(i64::MAX, MessageId::as_i64);
        match filter.message_id {
            Some(id) => Self {
                first: id.as_i64(),
                end: cursor.min(id.as_i64().saturating_add(1)),
            },
            None => Self {
                first: filter.since.map_or(0, earliest),
                end: cursor.min(filter.until.map_or(i64::MAX, earliest)),
            },
        }
    }
}

fn asks_more_than_time(filter: &MessageFilter) -> bool {
    let only_time = MessageFilter {
        since: filter.since,
        until: filter.until,
        ..MessageFilter::default()
    };
    filter.message_id.is_none() && *filter != only_time
}

fn page_query(filter: &MessageFilter, bounds: Bounds) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("");
    if let Some(recipient) = &filter.recipient {
        // The ids of the messages first, from the index of the recipients.
        query.push(ALL_CHUNKS);
        query.push(
            "SELECT m.* FROM (SELECT e.message AS id
             FROM event_chunks CROSS JOIN events AS e ON e.chunk = event_chunks.number",
        );
        push_address(&mut query, "e.recipient", recipient);
        if let Some(outcome) = &filter.outcome {
            query.push(" AND e.what = ").push_bind(outcome.clone());
        }
        let delivered = OutcomeKind::Delivered.as_str();
        if filter
            .outcome
            .as_ref()
            .is_none_or(|outcome| outcome == delivered)
        {
            query.push(
                " UNION SELECT d.id FROM chunks CROSS JOIN messages AS d
                 INDEXED BY messages_by_recipient
                 ON d.chunk = chunks.number AND d.recipient IS NOT NULL",
            );
            push_address(&mut query, "d.recipient", recipient);
        }
        query.push(") AS found CROSS JOIN messages AS m ON m.id = found.id WHERE TRUE");
        if let Some(sender) = &filter.sender {
            push_address(&mut query, "m.sender", sender);
        }
    } else if let Some(sender) = &filter.sender {
        query.push(MESSAGE_CHUNKS);
        query.push(
            "SELECT m.* FROM chunks
             CROSS JOIN messages AS m INDEXED BY messages_by_sender ON m.chunk = chunks.number",
        );
        push_address(&mut query, "m.sender", sender);
        query.push(" WHERE TRUE");
    } else {
        query.push("SELECT m.* FROM messages AS m WHERE TRUE");
    }
    query.push(" AND m.id >= ").push_bind(bounds.first);
    query.push(" AND m.id < ").push_bind(bounds.end);
    push_rest(&mut query, filter);
    query
}

fn push_rest(query: &mut QueryBuilder<Sqlite>, filter: &MessageFilter) {
    for (column, wanted) in [
        ("m.client_address", &filter.client_address),
        ("m.path", &filter.path),
        ("m.storage", &filter.storage),
    ] {
        if let Some(wanted) = wanted {
            query.push(format_args!(" AND {column} = "));
            query.push_bind(wanted.clone());
        }
    }
    if let Some(reason) = &filter.reason {
        // Whole words between commas: `deferred` is not `destination_deferred`.
        let pattern = format!(",{}", reason.strip_suffix('*').unwrap_or(reason));
        let end = if reason.ends_with('*') { "" } else { "," };
        push_like(query, "',' || m.reasons || ','", Some(&(pattern + end)));
    }
    if let (Some(outcome), None) = (&filter.outcome, &filter.recipient) {
        if outcome == OutcomeKind::Delivered.as_str() {
            query.push(" AND (m.recipient IS NOT NULL OR ");
        } else {
            query.push(" AND (");
        }
        query.push("EXISTS (SELECT 1 FROM events AS e WHERE e.message = m.id AND e.what = ");
        query.push_bind(outcome.clone()).push("))");
    }
}

/// `column` is `address`, or begins with it when it ends in `*`: in a form that an index serves.
fn push_address(query: &mut QueryBuilder<Sqlite>, column: &'static str, address: &str) {
    match address.strip_suffix('*') {
        Some(prefix) => {
            query.push(format_args!(" AND {column} >= "));
            query.push_bind(prefix.to_owned());
            query.push(format_args!(" AND {column} < "));
            query.push_bind(format!("{prefix}{}", char::MAX));
        }
        None => {
            let address = if address == "<>" { "" } else { address };
            query.push(format_args!(" AND {column} = "));
            query.push_bind(address.to_owned());
        }
    }
}

fn answered(row: &SqliteRow) -> AnsweredRow {
    let reasons = text(row, "reasons");
    let reasons = reasons.split(',').filter(|reason| !reason.is_empty());
    AnsweredRow {
        message_id: MessageId::from_i64(number(row, "id")),
        received_at: time(row, "received_at"),
        sender: text(row, "sender"),
        client_address: optional_text(row, "client_address"),
        helo: text(row, "helo"),
        login: optional_text(row, "login"),
        recipients: count(row, "recipients"),
        size_bytes: count(row, "size_bytes"),
        path: text(row, "path"),
        storage: text(row, "storage"),
        reasons: reasons.map(str::to_owned).collect(),
        code: u16::try_from(number(row, "code")).unwrap_or_default(),
        reply: text(row, "reply"),
        acknowledged_seconds: seconds(number(row, "acknowledged_micros")),
    }
}

fn event(row: &SqliteRow) -> TrailEvent {
    TrailEvent {
        at: time(row, "at"),
        recipient: text(row, "recipient"),
        what: text(row, "what"),
        words: text(row, "words"),
        next_hop: optional_text(row, "next_hop"),
        peer: optional_text(row, "peer"),
        tls: row.try_get("tls").ok().flatten(),
        took_seconds: optional_number(row, "took_micros").map(seconds),
    }
}

fn seconds(micros: i64) -> f64 {
    // Exact up to 2⁵³ microseconds, which is 285 years.
    micros as f64 / 1_000_000.0
}
