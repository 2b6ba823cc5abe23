//! A filter of the queue as conditions of a query.

use jiff::{SignedDuration, Timestamp};
use sqlx::{QueryBuilder, Sqlite};

use crate::message::queue_filter::QueueFilter;
use crate::message::{MessageId, RowState};
use crate::settings::names::compared;
use crate::store::database::text_match::{forms_of, pattern_of, push_like};

/// Whether the question needs the messages' columns beside the recipients'.
pub(super) fn asks_messages(filter: &QueueFilter) -> bool {
    filter.sender.is_some()
}

/// Adds the WHERE clause over `recipients AS r` and `messages AS m`.
pub(super) fn push_where(filter: &QueueFilter, query: &mut QueryBuilder<Sqlite>, now: Timestamp) {
    query.push(" WHERE TRUE");
    if let Some(state) = filter.state {
        push_state(query, state);
    }
    if let Some(next_hop) = &filter.next_hop {
        query.push(" AND r.next_hop = ").push_bind(next_hop.clone());
    }
    if let Some(destination) = &filter.destination {
        // Rows of before are under what was written.
        let written = destination.to_ascii_lowercase();
        let domain = compared(destination).to_ascii_lowercase();
        query.push(" AND r.recipient_domain IN (").push_bind(domain);
        query.push(", ").push_bind(written).push(")");
    }
    push_like_address(query, "m.sender", filter.sender.as_deref());
    push_like_address(query, "r.recipient", filter.recipient.as_deref());
    push_like(query, "r.last_reply", filter.last_reply.as_deref());
    match filter.reason.as_deref() {
        Some(reason) if reason.ends_with('*') => push_like(query, "r.reason", Some(reason)),
        Some(reason) => {
            query.push(" AND r.reason = ").push_bind(reason.to_owned());
        }
        None => {}
    }
    if let Some(seconds) = filter.older_than_seconds {
        // Ids begin with the time of arrival: no message needs to be read for its age.
        let after = earlier(now, seconds).saturating_add(MILLISECOND);
        query.push(" AND r.message < ");
        query.push_bind(MessageId::earliest_at(after.unwrap_or(now)).as_i64());
    }
    if let Some(seconds) = filter.younger_than_seconds {
        query.push(" AND r.message >= ");
        query.push_bind(MessageId::earliest_at(earlier(now, seconds)).as_i64());
    }
    if let Some(id) = filter.message_id {
        query.push(" AND r.message = ").push_bind(id.as_i64());
    }
}

/// A state that this version does not know is shown as damaged, so asking for damaged rows finds it.
fn push_state(query: &mut QueryBuilder<Sqlite>, state: RowState) {
    if state != RowState::Damaged {
        query.push(" AND r.state = ").push_bind(state.as_str());
        return;
    }
    query.push(" AND r.state NOT IN (");
    let mut words = query.separated(", ");
    for known in RowState::ALL {
        if *known != RowState::Damaged {
            words.push_bind(known.as_str());
        }
    }
    query.push(")");
}

/// The same for an address or a part of one, whose domain may be in either form.
fn push_like_address(query: &mut QueryBuilder<Sqlite>, column: &str, text: Option<&str>) {
    let forms = text.map(forms_of).unwrap_or_default();
    if forms.len() < 2 || forms.iter().any(|form| form.contains('\0')) {
        return push_like(query, column, text);
    }
    query.push(" AND (FALSE");
    for form in forms {
        query.push(" OR ").push(column).push(" LIKE ");
        query.push_bind(pattern_of(&form)).push(" ESCAPE '\\'");
    }
    query.push(")");
}

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

/// `seconds` before `now`; the beginning of time when that lies before it.
fn earlier(now: Timestamp, seconds: u64) -> Timestamp {
    let ago = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH)
}
