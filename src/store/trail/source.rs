//! The indexes of the trail: which one gives the candidates of a search, and what is left to be checked
//! on their rows.

use std::cmp::Reverse;

use sqlx::{QueryBuilder, Sqlite};

use crate::message::MessageId;
use crate::message::trail::RecipientEvent;
use crate::message::trail_listing::MessageFilter;
use crate::message::words::{OutcomeKind, Storage};
use crate::store::database::text_match::{forms_of, push_like};

/// The lists of reasons that occur, one seek each: there are few.
const REASONS: &str = "WITH RECURSIVE lists (reasons) AS (
    SELECT min(reasons) FROM messages WHERE reasons <> ''
    UNION ALL
    SELECT (SELECT min(reasons) FROM messages WHERE reasons <> '' AND reasons > lists.reasons)
    FROM lists WHERE lists.reasons IS NOT NULL) ";

/// Ids from `first` on and below `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) first: i64,
    pub(super) end: i64,
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

    /// What of them lies at `first` or behind it.
    pub(super) fn from(self, first: i64) -> Self {
        Self {
            first: first.max(self.first),
            ..self
        }
    }
}

/// Messages that a page looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidates {
    /// The newest first.
    pub(super) ids: Vec<i64>,
    /// All others are below this id; none when there are no others.
    pub(super) next: Option<i64>,
}

/// On which side of a message an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressRole {
    Recipient,
    Sender,
}

/// An address that is looked for, or with `*` at its end the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SearchedAddress {
    pub(super) party: AddressRole,
    pub(super) wanted: String,
}

impl SearchedAddress {
    pub(super) fn is_prefix(&self) -> bool {
        self.wanted.ends_with('*')
    }
}

/// The index that gives the ids that a page looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Address(SearchedAddress),
    /// What seldom happens: a delivery is none of it.
    Event(String),
    /// Messages that touched disk, for a reason if one is named.
    Reason(Option<String>),
}

impl Source {
    /// The indexes that answer some part of `filter`. A message that is named needs none.
    pub(super) fn serving(filter: &MessageFilter) -> Vec<Self> {
        if filter.message_id.is_some() {
            return Vec::new();
        }
        let mut sources = Vec::new();
        let outcome = filter.outcome.as_deref();
        let is_queued = outcome == Some(RecipientEvent::Queued.as_str());
        if let Some(outcome) = outcome
            && outcome != OutcomeKind::Delivered.as_str()
            && !is_queued
        {
            sources.push(Self::Event(outcome.to_owned()));
        }
        for (party, wanted) in [
            (AddressRole::Recipient, &filter.recipient),
            (AddressRole::Sender, &filter.sender),
        ] {
            // A mere `*` is everybody.
            if let Some(wanted) = wanted.clone().filter(|wanted| wanted != "*") {
                sources.push(Self::Address(SearchedAddress { party, wanted }));
            }
        }
        let touched_disk = |storage: &String| {
            Storage::from_word(storage).is_some_and(|storage| storage != Storage::Memory)
        };
        // A message that was queued has a reason.
        if is_queued || filter.reason.is_some() || filter.storage.as_ref().is_some_and(touched_disk)
        {
            sources.push(Self::Reason(filter.reason.clone()));
        }
        sources
    }

    /// The parts of `filter` that neither the ids nor the bounds on them answer.
    pub(super) fn unanswered(&self, filter: &MessageFilter) -> MessageFilter {
        let mut left = beside_bounds(filter);
        match self {
            Self::Address(address) => match address.party {
                // With an outcome: that of this recipient is meant.
                AddressRole::Recipient if left.outcome.is_some() => {}
                AddressRole::Recipient => left.recipient = None,
                AddressRole::Sender => left.sender = None,
            },
            Self::Event(_) if left.recipient.is_none() => left.outcome = None,
            Self::Event(_) => {}
            Self::Reason(_) => left.reason = None,
        }
        left
    }
}

/// The parts of `filter` that [`Bounds`] do not answer.
pub(super) fn beside_bounds(filter: &MessageFilter) -> MessageFilter {
    MessageFilter {
        since: None,
        until: None,
        message_id: None,
        ..filter.clone()
    }
}

/// A query for the newest `most` ids of messages to whose recipients such a thing happened, as JSON: one
/// seek each, however many recipients a message has.
pub(super) fn ids_by_event(what: &str, bounds: Bounds, most: u32) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("WITH RECURSIVE told (id) AS (");
    let push_last = |query: &mut QueryBuilder<Sqlite>| {
        query.push(
            "SELECT max(e.message) FROM events AS e INDEXED BY events_by_what
             WHERE e.what NOT IN ('delivered', 'queued') AND e.what = ",
        );
        query.push_bind(what.to_owned());
        query.push(" AND e.message >= ").push_bind(bounds.first);
        query.push(" AND e.message < ");
    };
    push_last(&mut query);
    query.push_bind(bounds.end);
    query.push(" UNION ALL SELECT (");
    push_last(&mut query);
    query.push("told.id) FROM told WHERE told.id IS NOT NULL LIMIT ");
    query.push_bind(most);
    query.push(") SELECT json_group_array(id) FROM told WHERE id IS NOT NULL");
    query
}

/// A query for the newest `most` ids of messages that touched disk, for `reason` if it is named, as JSON.
pub(super) fn ids_by_reason(
    reason: Option<&str>,
    bounds: Bounds,
    most: u32,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(REASONS);
    query.push(
        "SELECT json_group_array(id) FROM (
         SELECT m.id AS id FROM lists
         CROSS JOIN messages AS m INDEXED BY messages_by_reasons
         ON m.reasons = lists.reasons AND m.reasons <> ''",
    );
    push_reason(&mut query, "lists.reasons", reason);
    push_bounds(&mut query, "m.id", bounds);
    query
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(most)
        .push(")");
    query
}

/// The ids that SQLite gives as JSON in one row: far cheaper than a row for each.
pub(super) fn newest_first(json: &str) -> Result<Vec<i64>, sqlx::Error> {
    let ids: Result<Vec<i64>, serde_json::Error> = serde_json::from_str(json);
    let mut ids = ids.map_err(|error| sqlx::Error::Decode(error.into()))?;
    // SQLite does not promise to keep the order of a subquery.
    ids.sort_unstable_by_key(|&id| Reverse(id));
    Ok(ids)
}

/// Adds the condition that the id in `column` lies within `bounds`.
pub(super) fn push_bounds(query: &mut QueryBuilder<Sqlite>, column: &'static str, bounds: Bounds) {
    query.push(format_args!(" AND {column} >= "));
    query.push_bind(bounds.first);
    query.push(format_args!(" AND {column} < "));
    query.push_bind(bounds.end);
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

/// Such an event happened to such a recipient, told in the message's own row, which is at hand, or in one
/// of `events`.
fn push_happened(query: &mut QueryBuilder<Sqlite>, recipient: Option<&str>, outcome: Option<&str>) {
    query.push(" AND (");
    if outcome.is_none_or(|outcome| outcome == OutcomeKind::Delivered.as_str()) {
        query.push("(m.recipient IS NOT NULL");
        if let Some(recipient) = recipient {
            push_address(query, "m.recipient", recipient);
        }
        query.push(") OR ");
    }
    query.push("EXISTS (SELECT 1 FROM events AS e WHERE e.message = m.id");
    if let Some(recipient) = recipient {
        push_address(query, "e.recipient", recipient);
    }
    if let Some(outcome) = outcome {
        query.push(" AND e.what = ").push_bind(outcome.to_owned());
    }
    query.push("))");
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
pub(super) fn push_address(query: &mut QueryBuilder<Sqlite>, column: &'static str, address: &str) {
    match address.strip_suffix('*') {
        Some(prefix) => {
            query.push(format_args!(" AND {column} >= "));
            query.push_bind(prefix.to_owned());
            query.push(format_args!(" AND {column} < "));
            query.push_bind(format!("{prefix}{}", char::MAX));
        }
        None => {
            let address = if address == "<>" { "" } else { address };
            let forms = forms_of(address);
            let (first, others) = forms.split_first().expect("it has one");
            query.push(format_args!(" AND {column} "));
            if others.is_empty() {
                query.push("= ").push_bind(first.clone());
                return;
            }
            query.push("IN (").push_bind(first.clone());
            for form in others {
                query.push(", ").push_bind(form.clone());
            }
            query.push(")");
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
    fn every_index_serves_that_answers_a_part() {
        for (question, expected) in [
            (json!({}), ""),
            (json!({"path": "fast", "client_address": "192.0.2.1"}), ""),
            (json!({"outcome": "delivered"}), ""),
            (json!({"storage": "memory"}), ""),
            (json!({"message_id": "0000000000011", "sender": "a@b"}), ""),
            (json!({"sender": "a@b"}), "sender!"),
            (json!({"sender": "a*"}), "sender!"),
            (json!({"sender": "*"}), ""),
            (json!({"sender": "*", "recipient": "c*"}), "recipient"),
            (json!({"sender": "a*", "path": "fast"}), "sender"),
            (
                json!({"sender": "a@b", "recipient": "c*", "outcome": "delivered"}),
                "recipient sender",
            ),
            (
                json!({"sender": "a*", "reason": "deferred"}),
                "sender reason",
            ),
            (
                json!({"recipient": "c@d", "outcome": "refused"}),
                "event recipient",
            ),
            (json!({"outcome": "refused"}), "event!"),
            (json!({"outcome": "queued"}), "reason"),
            (json!({"outcome": "queued", "reason": "deferred"}), "reason"),
            (json!({"reason": "deferred"}), "reason!"),
            (json!({"storage": "split"}), "reason"),
        ] {
            let filter = filter(question.clone());
            let sources = Source::serving(&filter).into_iter();
            let sources: Vec<String> = sources
                .map(|source| {
                    let unanswered = source.unanswered(&filter);
                    let name = match source {
                        Source::Address(address) => match address.party {
                            AddressRole::Recipient => "recipient",
                            AddressRole::Sender => "sender",
                        },
                        Source::Event(_) => "event",
                        Source::Reason(_) => "reason",
                    };
                    let is_all = unanswered == MessageFilter::default();
                    format!("{name}{}", if is_all { "!" } else { "" })
                })
                .collect();
            assert_eq!(sources.join(" "), expected, "{question}");
        }
    }
}
