//! Taking due rows: the one function that hands the queue's rows out. Figure 3B, steps 318 and 319.

use std::collections::HashSet;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::Store;
use super::columns::{milliseconds, notify_from};
use super::error::{ReadError, StoreError};
use super::queue_write::json;
use super::rows::{RowChange, TakeDue, TakenRow};
use super::writer::Job;
use crate::message::{DiskReason, MessageId, Recipient, RowId, RowState};
use crate::smtp::address::Mailbox;

/// Walks from next hop to next hop with one seek each, takes the oldest due rows of each, and lets the
/// next hops take turns: a destination with a hundred thousand rows does not stand before one with two.
const DUE: &str = "
    WITH RECURSIVE hops (name) AS (
        SELECT min(next_hop) FROM recipients WHERE state IN ('waiting', 'uncertain')
        UNION ALL
        SELECT (SELECT min(next_hop) FROM recipients
                WHERE state IN ('waiting', 'uncertain') AND next_hop > hops.name)
        FROM hops WHERE hops.name IS NOT NULL
    ),
    candidates (id, next_attempt_at, turn) AS (
        SELECT due.id, due.next_attempt_at,
               row_number() OVER (PARTITION BY due.next_hop ORDER BY due.next_attempt_at, due.id)
        FROM hops CROSS JOIN recipients AS due ON due.id IN (
            SELECT id FROM recipients
            WHERE state IN ('waiting', 'uncertain')
              AND next_hop = hops.name AND next_attempt_at <= ?1
            ORDER BY next_attempt_at LIMIT ?2)
        WHERE hops.name NOT IN (SELECT value FROM json_each(?4))
    ),
    chosen AS (SELECT * FROM candidates ORDER BY turn, next_attempt_at, id LIMIT ?3)
    SELECT r.id, r.message, r.recipient, r.notify, r.original_recipient, r.next_hop, r.state, r.reason,
           r.attempts, r.last_reply, r.delay_reported, m.received_at, m.expires_at
    FROM chosen CROSS JOIN recipients AS r ON r.id = chosen.id
    LEFT JOIN messages AS m ON m.id = r.message
    ORDER BY chosen.turn, chosen.next_attempt_at, chosen.id";

/// The first row of each next hop, with one seek each.
const NEXT_DUE: &str = "
    WITH RECURSIVE hops (name) AS (
        SELECT min(next_hop) FROM recipients WHERE state IN ('waiting', 'uncertain')
        UNION ALL
        SELECT (SELECT min(next_hop) FROM recipients
                WHERE state IN ('waiting', 'uncertain') AND next_hop > hops.name)
        FROM hops WHERE hops.name IS NOT NULL
    )
    SELECT min((SELECT min(next_attempt_at) FROM recipients
                WHERE state IN ('waiting', 'uncertain') AND next_hop = hops.name))
    FROM hops WHERE hops.name NOT IN (SELECT value FROM json_each(?1))";

impl Store {
    /// Takes the rows that are due at `now`: they stand as `delivering` when this returns, the oldest
    /// due of each next hop first, next hops in turns. A row that cannot be decoded is marked damaged
    /// and left out. A row marked uncertain whose attempt still goes on may come due here: whoever
    /// holds its lease skips it.
    ///
    /// # Errors
    /// When the queue cannot be read or the rows not be marked; then none were taken.
    pub async fn take_due(
        &self,
        now: Timestamp,
        wanted: TakeDue<'_>,
    ) -> Result<Vec<TakenRow>, StoreError> {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let read = |error: sqlx::Error| StoreError::of(&error, false);
        let found = sqlx::query(DUE)
            .bind(milliseconds(now))
            .bind(number(wanted.per_next_hop.min(wanted.total)))
            .bind(number(wanted.total))
            .bind(json(wanted.except).map_err(read)?)
            .fetch_all(&self.shared.readers)
            .await
            .map_err(read)?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut sound = Vec::with_capacity(found.len());
        let mut damaged = Vec::new();
        for row in &found {
            match decode(row) {
                Ok(taken) => sound.push(taken),
                Err(error) => damaged.extend(damage(row, &error)),
            }
        }
        if !damaged.is_empty() {
            self.change(damaged).await;
        }
        let rows = sound.iter().map(|taken| taken.id).collect();
        let marked = self.ask(|answer| Job::Take { rows, now, answer }).await?;
        sound.retain(|taken| marked.contains(&taken.id));
        Ok(sound)
    }

    /// When the next row comes due, next hops in `except` left out; none when no row waits.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn next_due(&self, except: &[String]) -> Result<Option<Timestamp>, ReadError> {
        let next: Option<i64> = sqlx::query_scalar(NEXT_DUE)
            .bind(json(except)?)
            .fetch_one(&self.shared.readers)
            .await?;
        Ok(next.map(super::columns::timestamp))
    }
}

/// Marks those of `rows` that are still due: since they were read, an operator may have held or
/// purged some.
pub(super) async fn mark_taken(
    connection: &mut SqliteConnection,
    rows: &[RowId],
    now: Timestamp,
) -> Result<HashSet<RowId>, sqlx::Error> {
    let marked: Vec<i64> = sqlx::query_scalar(
        "UPDATE recipients SET state = 'delivering'
         WHERE id IN (SELECT value FROM json_each(?1))
           AND state IN ('waiting', 'uncertain') AND next_attempt_at <= ?2
         RETURNING id",
    )
    .bind(json(rows)?)
    .bind(milliseconds(now))
    .fetch_all(connection)
    .await?;
    Ok(marked.into_iter().map(RowId).collect())
}

/// Why a row cannot be delivered.
type Damage = Box<dyn std::error::Error + Send + Sync>;

fn decode(row: &SqliteRow) -> Result<TakenRow, Damage> {
    let notify: Option<String> = row.try_get("notify")?;
    let notify = notify
        .map(|text| notify_from(&text).ok_or("NOTIFY is unknown"))
        .transpose()?;
    let reason: String = row.try_get("reason")?;
    let state: String = row.try_get("state")?;
    let time = |column| -> Result<Timestamp, Damage> {
        Ok(Timestamp::from_millisecond(row.try_get(column)?)?)
    };
    Ok(TakenRow {
        id: RowId(row.try_get("id")?),
        message: MessageId::from_i64(row.try_get("message")?),
        recipient: Recipient {
            address: Mailbox::parse(&row.try_get::<String, _>("recipient")?)?,
            notify,
            original_recipient: row.try_get("original_recipient")?,
        },
        next_hop: row.try_get("next_hop")?,
        reason: DiskReason::from_word(&reason).ok_or("the reason is unknown")?,
        attempts: row.try_get("attempts")?,
        last_reply: row.try_get("last_reply")?,
        received_at: time("received_at")?,
        expires_at: time("expires_at")?,
        delay_reported: row.try_get("delay_reported")?,
        before: RowState::from_word(&state).ok_or("the state is unknown")?,
    })
}

fn damage(row: &SqliteRow, error: &Damage) -> Option<RowChange> {
    let row = RowId(row.try_get("id").ok()?);
    tracing::error!(%row, %error, "a row of the queue is damaged and will not be delivered");
    Some(RowChange::SetState {
        row,
        state: RowState::Damaged,
        next_attempt_at: None,
    })
}
