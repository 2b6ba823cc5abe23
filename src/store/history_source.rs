//! The indexes of the trail: which one gives the candidates of a search, and what is left to be checked
//! on their rows.

use sqlx::{QueryBuilder, Sqlite};

use super::filter::push_like;
use super::history_rows::MessageFilter;
use crate::limits;
use crate::message::MessageId;
use crate::message::trail::Event;
use crate::message::words::{OutcomeKind, Storage};

/// The chunks of the indexes, one seek each, the newest first: once a page is full, SQLite passes over
/// the rest of the older chunks.
const CHUNKS: &str = "WITH RECURSIVE chunks (number) AS (
    SELECT max(chunk) FROM messages
    UNION ALL
    SELECT (SELECT max(chunk) FROM messages WHERE chunk < chunks.number)
    FROM chunks WHERE chunks.number IS NOT NULL),
event_chunks (number) AS (
    SELECT max(chunk) FROM events
    UNION ALL
    SELECT (SELECT max(chunk) FROM events WHERE chunk < event_chunks.number)
    FROM event_chunks WHERE event_chunks.number IS NOT NULL) ";

/// The lists of reasons that occur, one seek each: there are few.
const REASONS: &str = "WITH RECURSIVE lists (reasons) AS (
    SELECT min(reasons) FROM messages WHERE reasons <> ''
    UNION ALL
    SELECT (SELECT min(reasons) FROM messages WHERE reasons <> '' AND reasons > lists.reasons)
    FROM lists WHERE lists.reasons IS NOT NULL) ";

/// Ids from `first` on and below `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    first: i64,
    end: i64,
}

impl Bounds {
    pub(super) fn of(filter: &MessageFilter, cursor: Option<MessageId>) -> Self {
        let earliest = |time| MessageId::earliest_at(time).as_i64();
        let cursor = cursor.map_or(i64::MAX, MessageId::as_i64);
        let since = filter.since.map_or(0, earliest);
        let until = filter.until.map_or(i64::MAX, earliest);
        match filter.message_id.map(MessageId::as_i64) {
            Some(id) => Self {
                first: id.max(since),
                end: cursor.min(until).min(id.saturating_add(1)),
            },
            None => Self {
                first: since,
                end: cursor.min(until),
            },
        }
    }
}

/// Where the ids come from that a page looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Recipient(String),
    Sender(String),
    Event(String),
    /// Messages that touched disk, for a reason if one is named.
    Reason(Option<String>),
    Everything,
}

/// When a source serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    Always,
    /// When it gives few messages.
    Sparse,
}

impl Source {
    /// The indexes that serve `filter`, the best first.
    pub(super) fn candidates(filter: &MessageFilter) -> Vec<(Self, Only)> {
        if filter.message_id.is_some() {
            return Vec::new();
        }
        let mut sources = Vec::new();
        let rare = Self::of_outcome(filter);
        if let Some(event @ Self::Event(_)) = &rare {
            sources.push((event.clone(), Only::Sparse));
        }
        let recipient = filter.recipient.clone().map(Self::Recipient);
        let sender = filter.sender.clone().map(Self::Sender);
        let (prefixes, addresses): (Vec<Self>, Vec<Self>) = recipient
            .into_iter()
            .chain(sender)
            .partition(Self::is_prefix);
        sources.extend(addresses.into_iter().map(|source| (source, Only::Always)));
        // An index gives the matches of a prefix in the order of the addresses: all have to be sorted.
        sources.extend(prefixes.into_iter().map(|source| (source, Only::Sparse)));
        sources.extend(rare.map(|source| (source, Only::Always)));
        let touched_disk = |storage: &String| {
            Storage::from_word(storage).is_some_and(|storage| storage != Storage::Memory)
        };
        if filter.reason.is_some() || filter.storage.as_ref().is_some_and(touched_disk) {
            sources.push((Self::Reason(filter.reason.clone()), Only::Always));
        }
        sources
    }

    /// The index of what seldom happens: a delivery is none of it, and a message that was queued has a
    /// reason.
    fn of_outcome(filter: &MessageFilter) -> Option<Self> {
        let outcome = filter.outcome.as_ref()?;
        if outcome == OutcomeKind::Delivered.as_str() {
            return None;
        }
        if outcome == Event::Queued.as_str() {
            return Some(Self::Reason(filter.reason.clone()));
        }
        Some(Self::Event(outcome.clone()))
    }

    fn is_prefix(&self) -> bool {
        match self {
            Self::Recipient(address) | Self::Sender(address) => address.ends_with('*'),
            _ => false,
        }
    }

    /// How many messages a page of `limit` looks at: no more than it shows when nothing is left to be
    /// checked on the rows; else a tenth of what it may look at first, which often fills it. A row that
    /// an index points to lies anywhere, rows in the order of their ids lie beside each other.
    pub(super) fn looks(&self, limit: u32, unanswered: &MessageFilter) -> Vec<u32> {
        if *unanswered == MessageFilter::default() {
            return vec![limit];
        }
        let most = match self {
            Self::Everything => limits::TRAIL_SCAN_MESSAGES,
            _ => limits::TRAIL_CANDIDATES,
        };
        vec![most / 10, most]
    }

    /// The parts of `filter` that neither the ids nor the bounds on them answer.
    pub(super) fn unanswered(&self, filter: &MessageFilter) -> MessageFilter {
        let mut left = MessageFilter {
            since: None,
            until: None,
            message_id: None,
            ..filter.clone()
        };
        match self {
            // With an outcome: that of this recipient is meant.
            Self::Recipient(_) if left.outcome.is_none() => left.recipient = None,
            Self::Sender(_) => left.sender = None,
            Self::Event(_) if left.recipient.is_none() => left.outcome = None,
            Self::Reason(_) => left.reason = None,
            Self::Recipient(_) | Self::Event(_) | Self::Everything => {}
        }
        left
    }

    pub(super) const fn with_clause(&self) -> &'static str {
        match self {
            Self::Recipient(_) | Self::Sender(_) => CHUNKS,
            Self::Reason(_) => REASONS,
            Self::Event(_) | Self::Everything => "",
        }
    }

    /// Adds a SELECT of the ids within `bounds`: the newest `most`, or all in no order.
    pub(super) fn push_ids(
        &self,
        query: &mut QueryBuilder<Sqlite>,
        bounds: Bounds,
        most: Option<u32>,
    ) {
        match self {
            Self::Recipient(address) => {
                // All in no order are only counted: they come as they are found.
                let (distinct, union) = match most {
                    Some(_) => ("DISTINCT", "UNION"),
                    None => ("", "UNION ALL"),
                };
                query.push(format_args!(
                    "SELECT * FROM (SELECT {distinct} e.message AS id"
                ));
                query.push(
                    " FROM event_chunks CROSS JOIN events AS e INDEXED BY events_by_recipient
                     ON e.chunk = event_chunks.number AND TRUE",
                );
                push_address(query, "e.recipient", address);
                push_bounds(query, "e.message", bounds, most);
                query.push(format_args!(") {union} SELECT * FROM (SELECT d.id AS id"));
                query.push(
                    " FROM chunks CROSS JOIN messages AS d INDEXED BY messages_by_recipient
                     ON d.chunk = chunks.number AND d.recipient IS NOT NULL",
                );
                push_address(query, "d.recipient", address);
                push_bounds(query, "d.id", bounds, most);
                query.push(")");
            }
            Self::Sender(address) => {
                query.push(
                    "SELECT s.id AS id FROM chunks
                     CROSS JOIN messages AS s INDEXED BY messages_by_sender
                     ON s.chunk = chunks.number",
                );
                push_address(query, "s.sender", address);
                push_bounds(query, "s.id", bounds, most);
            }
            Self::Event(what) => {
                query.push(
                    "SELECT DISTINCT w.message AS id FROM events AS w INDEXED BY events_by_what
                     WHERE w.what NOT IN ('delivered', 'queued') AND w.what = ",
                );
                query.push_bind(what.clone());
                push_bounds(query, "w.message", bounds, most);
            }
            Self::Reason(reason) => {
                query.push(
                    "SELECT r.id AS id FROM lists
                     CROSS JOIN messages AS r INDEXED BY messages_by_reasons
                     ON r.reasons = lists.reasons AND r.reasons <> ''",
                );
                push_reason(query, "lists.reasons", reason.as_deref());
                push_bounds(query, "r.id", bounds, most);
            }
            Self::Everything => {
                query.push("SELECT a.id AS id FROM messages AS a WHERE TRUE");
                push_bounds(query, "a.id", bounds, most);
            }
        }
    }
}

fn push_bounds(
    query: &mut QueryBuilder<Sqlite>,
    column: &'static str,
    bounds: Bounds,
    most: Option<u32>,
) {
    query.push(format_args!(" AND {column} >= "));
    query.push_bind(bounds.first);
    query.push(format_args!(" AND {column} < "));
    query.push_bind(bounds.end);
    if let Some(most) = most {
        query.push(" ORDER BY id DESC LIMIT ").push_bind(most);
    }
}

/// Adds what is left of a filter as conditions on the rows of `messages AS m`.
pub(super) fn push_unanswered(query: &mut QueryBuilder<Sqlite>, filter: &MessageFilter) {
    if let Some(sender) = &filter.sender {
        push_address(query, "m.sender", sender);
    }
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
    push_reason(query, "m.reasons", filter.reason.as_deref());
    if filter.recipient.is_some() || filter.outcome.is_some() {
        push_happened(
            query,
            filter.recipient.as_deref(),
            filter.outcome.as_deref(),
        );
    }
}

/// Such an event happened to such a recipient, told in the message's own row or in one of `events`.
fn push_happened(query: &mut QueryBuilder<Sqlite>, recipient: Option<&str>, outcome: Option<&str>) {
    query.push(" AND (EXISTS (SELECT 1 FROM events AS e WHERE e.message = m.id");
    if let Some(recipient) = recipient {
        push_address(query, "e.recipient", recipient);
    }
    if let Some(outcome) = outcome {
        query.push(" AND e.what = ").push_bind(outcome.to_owned());
    }
    query.push(")");
    if outcome.is_none_or(|outcome| outcome == OutcomeKind::Delivered.as_str()) {
        query.push(" OR (m.recipient IS NOT NULL");
        if let Some(recipient) = recipient {
            push_address(query, "m.recipient", recipient);
        }
        query.push(")");
    }
    query.push(")");
}

/// The list in `column` has the reason: whole words between commas, so that `deferred` is not
/// `destination_deferred`.
fn push_reason(query: &mut QueryBuilder<Sqlite>, column: &str, reason: Option<&str>) {
    let Some(reason) = reason else { return };
    let begin = reason.strip_suffix('*');
    let end = if begin.is_some() { "" } else { "," };
    let pattern = format!(",{}{end}", begin.unwrap_or(reason));
    push_like(query, &format!("',' || {column} || ','"), Some(&pattern));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filter(value: serde_json::Value) -> MessageFilter {
        serde_json::from_value(value).expect("a filter")
    }

    #[test]
    fn the_best_index_stands_first() {
        for (question, expected) in [
            (json!({}), ""),
            (json!({"path": "fast", "client_address": "192.0.2.1"}), ""),
            (json!({"outcome": "delivered"}), ""),
            (json!({"storage": "memory"}), ""),
            (json!({"message_id": "0000000000011", "sender": "a@b"}), ""),
            (json!({"sender": "a@b"}), "sender"),
            (
                json!({"sender": "a@b", "recipient": "c@d"}),
                "recipient sender",
            ),
            (
                json!({"sender": "a@b", "recipient": "c*"}),
                "sender recipient?",
            ),
            (
                json!({"sender": "a*", "reason": "deferred"}),
                "sender? reason",
            ),
            (
                json!({"recipient": "c@d", "outcome": "refused"}),
                "event? recipient event",
            ),
            (json!({"outcome": "queued"}), "reason"),
            (json!({"storage": "split"}), "reason"),
        ] {
            let sources = Source::candidates(&filter(question.clone())).into_iter();
            let sources: Vec<String> = sources
                .map(|(source, only)| {
                    let name = match source {
                        Source::Recipient(_) => "recipient",
                        Source::Sender(_) => "sender",
                        Source::Event(_) => "event",
                        Source::Reason(_) => "reason",
                        Source::Everything => "everything",
                    };
                    let doubt = if only == Only::Sparse { "?" } else { "" };
                    format!("{name}{doubt}")
                })
                .collect();
            assert_eq!(sources.join(" "), expected, "{question}");
        }
    }
}
