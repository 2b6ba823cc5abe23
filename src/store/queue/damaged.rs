//! What is damaged in the queue, and what is left of it: rows that cannot be decoded, and messages that are
//! not what was stored. Here everything is read as far as it goes.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::load::prefix;
use super::{QueueStore, QueueView};
use crate::limits;
use crate::message::legible::legible_header;
use crate::message::{
    Body, Client, Envelope, MemoryBudget, Message, MessageId, Recipient, Reservation, RowId,
};
use crate::smtp::address::{Mailbox, ReversePath};
use crate::smtp::command::{BodyType, Return};
use crate::smtp::xtext;
use crate::store::database::columns::{
    body_type_from, bytes, count, json, milliseconds, notify_from, number, optional_number,
    optional_text, text, timestamp,
};
use crate::store::database::error::{LoadError, ReadError, is_corruption};
use crate::store::rows::{DamagedRow, Remains};

/// The states of rows that are sound, as the index of the others has them.
const DAMAGED: &str =
    "r.state NOT IN ('waiting', 'delivering', 'held', 'uncertain', 'quarantined')";

impl QueueView {
    /// Rows that are damaged.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn damaged_recipients(&self) -> Result<u64, ReadError> {
        let sql = format!(
            "SELECT count(*) FROM recipients AS r INDEXED BY recipients_damaged WHERE {DAMAGED}"
        );
        let damaged = sqlx::query_scalar(AssertSqlSafe(sql));
        Ok(damaged.fetch_one(&self.readers).await?)
    }
}

impl QueueStore {
    /// Damaged rows whose time is over at `now`: `expire_after` from when it began, which for a message that is
    /// gone is the time that its id tells. They come message by message, with the time of the next one that is
    /// not over.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn damaged_rows_over(
        &self,
        now: Timestamp,
        expire_after: SignedDuration,
    ) -> Result<(Vec<DamagedRow>, Option<Timestamp>), ReadError> {
        let received_before = now.checked_sub(expire_after).unwrap_or(Timestamp::MIN);
        let unknown_before = MessageId::earliest_at(received_before).as_i64();
        let kept_before = milliseconds(received_before);
        // Some hundreds at most in all ordinary trouble; when a whole spool is gone, one look has a piece
        // of them and the next one the next.
        let sql = format!(
            "SELECT r.id, r.message, r.recipient, r.notify, r.original_recipient, r.last_reply
             FROM recipients AS r INDEXED BY recipients_damaged
             LEFT JOIN messages AS m ON m.id = r.message
             WHERE {DAMAGED}
               AND CASE WHEN m.id IS NULL THEN r.message < ?1 ELSE m.kept_from <= ?2 END
             ORDER BY r.message, r.id LIMIT ?3"
        );
        let over = sqlx::query(AssertSqlSafe(sql))
            .bind(unknown_before)
            .bind(kept_before)
            .bind(limits::BULK_CHUNK as i64)
            .fetch_all(&self.readers)
            .await?;
        let sql = format!(
            "SELECT min(m.kept_from) FROM recipients AS r INDEXED BY recipients_damaged
             JOIN messages AS m ON m.id = r.message
             WHERE {DAMAGED} AND m.kept_from > ?"
        );
        let next: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(kept_before)
            .fetch_one(&self.readers)
            .await?;
        let next = next.and_then(|from| timestamp(from).checked_add(expire_after).ok());
        Ok((over.iter().map(damaged_row).collect(), next))
    }

    /// Those of `rows` that are there, read as damaged ones whatever they are.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn read_as_damaged(&self, rows: &[RowId]) -> Result<Vec<DamagedRow>, ReadError> {
        let found = sqlx::query(
            "SELECT id, message, recipient, notify, original_recipient, last_reply FROM recipients
             WHERE id IN (SELECT value FROM json_each(?)) ORDER BY message, id",
        )
        .bind(json(rows)?)
        .fetch_all(&self.readers)
        .await?;
        Ok(found.iter().map(damaged_row).collect())
    }

    /// What is left of the message `id`, be it damaged or not. What is read of it counts in `budget`.
    ///
    /// # Errors
    /// When the database, or a file, cannot be read just now.
    pub async fn remains(
        &self,
        id: MessageId,
        budget: &Arc<MemoryBudget>,
    ) -> Result<Remains, ReadError> {
        let problem = match self.load(id, budget).await {
            Ok(_) => None,
            Err(LoadError::Gone) => Some("nothing is stored of it".to_owned()),
            Err(LoadError::Damaged(problem)) => Some(problem),
            Err(LoadError::Read(error)) => return Err(error),
        };
        const WITH_CONTENT: &str =
            "SELECT m.*, substr(b.content, 1, ?2) AS content, length(b.content) AS inline_bytes
             FROM messages AS m LEFT JOIN bodies AS b ON b.message = m.id WHERE m.id = ?1";
        const WITHOUT: &str =
            "SELECT m.*, NULL AS content, NULL AS inline_bytes FROM messages AS m WHERE m.id = ?1";
        let mut row = Ok(None);
        // Pages of the one may be damaged and those of the other not.
        for sql in [WITH_CONTENT, WITHOUT] {
            let query = sqlx::query(sql).bind(id.as_i64());
            let query = query.bind(limits::HEADER_BYTES as i64);
            row = query.fetch_optional(&self.readers).await;
            if !row.as_ref().is_err_and(is_corruption) {
                break;
            }
        }
        let row = match row {
            Err(error) if is_corruption(&error) => None,
            row => row?,
        };
        let Some(row) = row else {
            return Ok(Remains {
                message: envelope_of(id, None, budget),
                problem,
                content_bytes: 0,
                bytes_there: 0,
            });
        };
        let (start, bytes_there) = self.start_of_content(&row).await;
        let mut message = envelope_of(id, Some(&row), budget);
        // A prefix that is damaged stood for the header that is still in the content.
        let travels_from = match prefix(&row) {
            Ok(whole) => {
                message.prefix = whole;
                usize::try_from(number(&row, "content_from")).unwrap_or(0)
            }
            Err(_) => 0,
        };
        let header = legible_header(start.get(travels_from..).unwrap_or_default());
        let header = Bytes::copy_from_slice(header);
        let mut reservation = Reservation::empty(Arc::clone(budget));
        reservation.grow_regardless(header.len() as u64);
        message.body = Arc::new(Body::in_memory(vec![header], reservation));
        Ok(Remains {
            message,
            problem,
            content_bytes: count(&row, "content_bytes"),
            bytes_there,
        })
    }

    /// The beginning of a content, as much of it as there is, and how long it is.
    async fn start_of_content(&self, row: &SqliteRow) -> (Vec<u8>, u64) {
        let Some(name) = optional_text(row, "spool_file") else {
            let start = bytes(row, "content").unwrap_or_default();
            return (start, count(row, "inline_bytes"));
        };
        self.spool
            .start_of_stored(name, limits::HEADER_BYTES)
            .await
            .unwrap_or_default()
    }
}

fn damaged_row(row: &SqliteRow) -> DamagedRow {
    let address = text(row, "recipient");
    let recipient = match Mailbox::parse(&address) {
        Ok(address) => Ok(Recipient {
            notify: optional_text(row, "notify").and_then(|text| notify_from(&text)),
            original_recipient: row.try_get("original_recipient").ok().flatten(),
            ..Recipient::plain(address)
        }),
        Err(_) => Err(address),
    };
    DamagedRow {
        id: RowId(number(row, "id")),
        message: MessageId::from_i64(number(row, "message")),
        recipient,
        last_reply: text(row, "last_reply"),
    }
}

/// A message without content: what its row says, where it says it.
fn envelope_of(id: MessageId, row: Option<&SqliteRow>, budget: &Arc<MemoryBudget>) -> Message {
    let said = |column| row.and_then(|row| row.try_get::<Option<String>, _>(column).ok().flatten());
    let at = row.and_then(|row| optional_number(row, "received_at"));
    let sender = said("sender").and_then(|sender| ReversePath::parse(&sender).ok());
    Message {
        id,
        received_at: at
            .and_then(|at| Timestamp::from_millisecond(at).ok())
            .unwrap_or_else(|| id.time()),
        client: Client {
            address: said("client_address").and_then(|address| address.parse().ok()),
            helo: said("helo").unwrap_or_default().into(),
            login: said("login").map(Into::into),
        },
        envelope: Envelope {
            sender: sender.unwrap_or(ReversePath::Null),
            recipients: Vec::new(),
            body_type: said("body_type")
                .and_then(|text| body_type_from(&text))
                .unwrap_or(BodyType::EightBitMime),
            smtputf8: row.is_some_and(|row| number(row, "smtputf8") != 0),
            // There is no more of it.
            ret: Some(Return::Headers),
            envelope_id: said("envelope_id").filter(|text| xtext::is_valid(text)),
        },
        prefix: Bytes::new(),
        body: Arc::new(Body::in_memory(
            Vec::new(),
            Reservation::empty(Arc::clone(budget)),
        )),
        content_from: 0,
        for_clause_at: None,
        eight_bit: true,
        needs_smtputf8: false,
    }
}
