//! What the writer says to the queue's tables, one transaction at a time.

use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};

use super::plan::{DurableMessage, WritePlan};
use crate::limits;
use crate::message::body::Durable;
use crate::message::{Checksum, RowId};
use crate::store::database::columns::{
    body_type_text, count, integer, json, milliseconds, notify_text, return_text,
};
use crate::store::database::insert::{Insert, InsertQuery, Twice};
use crate::store::database::transactions::Removed;
use crate::store::rows::{NewRow, RowUpdate};

/// The INSERTs of the queue.
#[derive(Debug)]
pub(super) struct Inserts {
    messages: Insert,
    bodies: Insert,
    recipients: Insert,
}

impl Inserts {
    pub(super) fn new() -> Self {
        Self {
            // A message that is stored already gains recipients.
            messages: Insert::new("messages", MESSAGE_COLUMNS, Twice::Stays),
            bodies: Insert::new("bodies", "message, content", Twice::Stays),
            recipients: Insert::new("recipients", RECIPIENT_COLUMNS, Twice::Fails),
        }
    }
}

/// In the order of [`bind_message`].
const MESSAGE_COLUMNS: &str = "\
    id, received_at, sender, client_address, helo, login, prefix, content_bytes, eight_bit, \
    needs_smtputf8, body_type, smtputf8, ret, envelope_id, spool_file, kept_from, content_from, \
    for_clause_at, prefix_checksum, content_checksum";

/// In the order of [`bind_recipient`].
const RECIPIENT_COLUMNS: &str = "\
    id, message, recipient, recipient_domain, notify, original_recipient, next_hop, state, reason, \
    attempts, last_reply, next_attempt_at, delay_reported, mail_host";

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    inserts: &Inserts,
    plan: &WritePlan<'_>,
) -> Result<Removed, sqlx::Error> {
    let messages = &plan.messages;
    let is_inline = |prepared: &&DurableMessage| matches!(prepared.durable, Durable::Inline(..));
    let inline: Vec<_> = messages.iter().copied().filter(is_inline).collect();
    let recipients = &plan.inserts;
    inserts
        .messages
        .run(connection, messages, bind_message)
        .await?;
    inserts.bodies.run(connection, &inline, bind_body).await?;
    inserts
        .recipients
        .run(connection, recipients, bind_recipient)
        .await?;
    update(connection, &plan.updates).await?;
    remove(connection, &plan.removals).await
}

fn bind_message<'q>(query: InsertQuery<'q>, prepared: &&DurableMessage) -> InsertQuery<'q> {
    let message = &prepared.queued.message;
    let envelope = &message.envelope;
    let spool_file = match &prepared.durable {
        Durable::Inline(..) => None,
        Durable::File(name, _) => Some(name.clone()),
    };
    query
        .bind(message.id.as_i64())
        .bind(milliseconds(message.received_at))
        .bind(envelope.sender.as_str())
        .bind(message.client.address.map(|address| address.to_string()))
        .bind(message.client.helo.clone())
        .bind(message.client.login.clone())
        .bind(message.prefix.to_vec())
        .bind(integer(message.body.len()))
        .bind(message.eight_bit)
        .bind(message.needs_smtputf8)
        .bind(body_type_text(envelope.body_type))
        .bind(envelope.smtputf8)
        .bind(envelope.ret.map(return_text))
        .bind(envelope.envelope_id.clone())
        .bind(spool_file)
        .bind(milliseconds(prepared.queued.kept_from))
        .bind(integer(message.content_from))
        .bind(message.for_clause_at.map(integer))
        .bind(Checksum::of([&message.prefix]).to_i64())
        .bind(prepared.durable.checksum().map(Checksum::to_i64))
}

fn bind_body<'q>(query: InsertQuery<'q>, prepared: &&DurableMessage) -> InsertQuery<'q> {
    let content = match &prepared.durable {
        Durable::Inline(chunks, _) => chunks.concat(),
        Durable::File(..) => Vec::new(),
    };
    query
        .bind(prepared.queued.message.id.as_i64())
        .bind(content)
}

fn bind_recipient<'q>(
    query: InsertQuery<'q>,
    (prepared, row, update): &(&DurableMessage, &NewRow, RowUpdate),
) -> InsertQuery<'q> {
    let recipient = &row.recipient;
    let reason = update.reason.as_ref().unwrap_or(&row.reason);
    query
        .bind(row.id.0)
        .bind(prepared.queued.message.id.as_i64())
        .bind(recipient.address.as_str())
        .bind(recipient.address.lookup_domain())
        .bind(recipient.notify.map(notify_text))
        .bind(recipient.original_recipient.clone())
        .bind(
            update
                .next_hop
                .as_ref()
                .unwrap_or(&row.next_hop)
                .to_string(),
        )
        .bind(update.state.unwrap_or(row.state).as_str())
        .bind(reason.as_word().into_owned())
        .bind(update.attempts.unwrap_or(row.attempts))
        .bind(update.last_reply.as_deref().unwrap_or(&row.last_reply))
        .bind(milliseconds(
            update.next_attempt_at.unwrap_or(row.next_attempt_at),
        ))
        .bind(update.delay_reported)
        .bind(recipient.mail_host.as_ref().map(ToString::to_string))
}

/// Any number of rows are changed by one statement.
async fn update(
    connection: &mut SqliteConnection,
    updates: &[(RowId, RowUpdate)],
) -> Result<(), sqlx::Error> {
    if updates.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE recipients SET
             state           = coalesce(changed.value ->> '$[1].state', state),
             reason          = coalesce(changed.value ->> '$[1].reason', reason),
             attempts        = coalesce(changed.value ->> '$[1].attempts', attempts),
             last_reply      = coalesce(changed.value ->> '$[1].last_reply', last_reply),
             next_attempt_at = coalesce(changed.value ->> '$[1].next_attempt_at', next_attempt_at),
             next_hop        = coalesce(changed.value ->> '$[1].next_hop', next_hop),
             delay_reported  = coalesce(changed.value ->> '$[1].delay_reported', delay_reported)
         FROM json_each(?) AS changed
         WHERE recipients.id = changed.value ->> 0",
    )
    .bind(json(updates)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes rows, and the messages that lose their last one. Figure 2B, step 214, and Figure 3B,
/// step 313.
async fn remove(connection: &mut SqliteConnection, rows: &[RowId]) -> Result<Removed, sqlx::Error> {
    if rows.is_empty() {
        return Ok(Removed::default());
    }
    let removed = sqlx::query(
        "DELETE FROM recipients WHERE id IN (SELECT value FROM json_each(?)) RETURNING message",
    )
    .bind(json(rows)?)
    .fetch_all(&mut *connection)
    .await?;
    let messages = removed.iter().map(|row| row.get("message")).collect();
    remove_messages(connection, messages).await
}

/// Removes those of `messages` that have no row left; their bodies go with them.
pub(super) async fn remove_messages(
    connection: &mut SqliteConnection,
    mut messages: Vec<i64>,
) -> Result<Removed, sqlx::Error> {
    messages.sort_unstable();
    messages.dedup();
    if messages.is_empty() {
        return Ok(Removed::default());
    }
    let rows = sqlx::query(
        "DELETE FROM messages
         WHERE id IN (SELECT value FROM json_each(?))
           AND NOT EXISTS (SELECT 1 FROM recipients WHERE recipients.message = messages.id)
         RETURNING spool_file, content_bytes",
    )
    .bind(json(&messages)?)
    .fetch_all(connection)
    .await?;
    let mut removed = Removed::default();
    for row in rows {
        match row.try_get("spool_file") {
            Ok(Some(file)) => removed.files.push(file),
            Ok(None) => removed.inline_bytes += count(&row, "content_bytes"),
            // A name that cannot be read: its file stays until a start finds no such row.
            Err(_) => {}
        }
    }
    Ok(removed)
}

/// Leases end with the process: rows under one are due at `now`, uncertain ones in
/// [`limits::UNCERTAIN_WAIT`]. Says how many rows that were.
pub(super) async fn recover(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let leased = sqlx::query(
        "UPDATE recipients SET state = 'waiting', next_attempt_at = ? WHERE state = 'delivering'",
    )
    .bind(milliseconds(now))
    .execute(&mut *connection)
    .await?;
    let due = now.checked_add(limits::UNCERTAIN_WAIT);
    let uncertain = sqlx::query(
        "UPDATE recipients SET next_attempt_at = ?1 WHERE state = 'uncertain' AND next_attempt_at < ?1",
    )
    .bind(milliseconds(due.unwrap_or(Timestamp::MAX)))
    .execute(connection)
    .await?;
    Ok(leased.rows_affected() + uncertain.rows_affected())
}
