//! Reading the trail: what happened last to the recipients of messages.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;

use super::TrailStore;
use crate::limits;
use crate::message::MessageId;
use crate::message::trail_listing::{AnsweredRow, LatestEvent, MessageItem};
use crate::store::database::columns::json;
use crate::store::database::columns::{count, integer, number, optional_text, text, time};
use crate::store::database::error::ReadError;

/// The newest events of the first `?2` recipients of the messages whose ids are `?1`, as JSON: a few
/// seeks for each recipient, however many events there are. The last written one counts, since a clock may
/// have been set back. Most messages have no events: their own row tells it.
const LATEST: &str = "
    WITH RECURSIVE told (message, place, recipient) AS (
        SELECT value, 1, (SELECT recipient FROM events WHERE message = value
                          ORDER BY recipient LIMIT 1)
        FROM json_each(?1)
        UNION ALL
        SELECT told.message, place + 1, (SELECT e.recipient FROM events AS e
                                         WHERE e.message = told.message AND e.recipient > told.recipient
                                         ORDER BY e.recipient LIMIT 1)
        FROM told WHERE told.recipient IS NOT NULL AND place < ?2
    )
    SELECT e.message AS message, told.place AS place, e.recipient, e.what, e.at, e.words
    FROM told CROSS JOIN events AS e
    ON e.message = told.message AND e.recipient = told.recipient
    AND (e.chunk, e.number) = (SELECT newest.chunk, newest.number FROM events AS newest
                               WHERE newest.message = told.message
                               AND newest.recipient = told.recipient
                               ORDER BY newest.chunk DESC, newest.number DESC LIMIT 1)
    UNION ALL
    SELECT id, 0, recipient, 'delivered', delivered_at, words FROM messages
    WHERE id IN (SELECT value FROM json_each(?1)) AND recipient IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM events WHERE message = messages.id)
    ORDER BY message, place";

impl TrailStore {
    /// The last event of the first recipients of each message.
    pub(super) async fn with_latest(
        &self,
        answered: Vec<AnsweredRow>,
    ) -> Result<Vec<MessageItem>, ReadError> {
        let ids: Vec<i64> = answered.iter().map(|row| row.message_id.as_i64()).collect();
        let events = self.latest(&ids, limits::TRAIL_RECIPIENTS_SHOWN).await?;
        let mut latest: HashMap<i64, Vec<LatestEvent>> = HashMap::new();
        for (message, event) in events {
            latest.entry(message).or_default().push(event);
        }
        let item = |answered: AnsweredRow| MessageItem {
            latest: latest
                .remove(&answered.message_id.as_i64())
                .unwrap_or_default(),
            answered,
        };
        Ok(answered.into_iter().map(item).collect())
    }

    /// The last event of each of the first `most` recipients of these messages, in the order of their
    /// addresses.
    pub(super) async fn latest(
        &self,
        messages: &[i64],
        most: usize,
    ) -> Result<Vec<(i64, LatestEvent)>, ReadError> {
        let rows = sqlx::query(LATEST)
            .bind(json(messages)?)
            .bind(integer(most))
            .fetch_all(&self.readers)
            .await?;
        let latest = |row: &SqliteRow| LatestEvent {
            recipient: text(row, "recipient"),
            what: text(row, "what"),
            at: time(row, "at"),
            words: text(row, "words"),
        };
        let pair = |row: &SqliteRow| (number(row, "message"), latest(row));
        Ok(rows.iter().map(pair).collect())
    }
}

/// A row of `messages`.
pub(super) fn answered(row: &SqliteRow) -> AnsweredRow {
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
        examined: optional_text(row, "examined").unwrap_or_default(),
    }
}

/// A duration as the API says it.
pub(super) fn seconds(micros: i64) -> f64 {
    // Exact up to 2⁵³ microseconds, which is 285 years.
    micros as f64 / 1_000_000.0
}
