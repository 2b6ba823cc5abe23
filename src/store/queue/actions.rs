//! What an operator does to many rows at once, in pieces between the batches of mail.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::QueueStore;
use super::write::remove_messages;
use crate::limits;
use crate::message::RowId;
use crate::store::database::columns::{integer, json, milliseconds};
use crate::store::database::error::StoreError;
use crate::store::database::transactions::Removed;
use crate::store::database::writer::SingleChange;
use crate::store::rows::RowAction;

impl QueueStore {
    /// Does `action` to those of `rows` that it applies to, and says which those were: a row that is
    /// gone, or under an attempt, or in another state is left alone. A `Retry` or `Release` makes the
    /// row due at `now`. The caller gives at most [`limits::BULK_CHUNK`] rows at once.
    ///
    /// # Errors
    /// When it was not stored.
    pub async fn act(
        &self,
        action: RowAction,
        rows: Vec<RowId>,
        now: Timestamp,
    ) -> Result<Vec<RowId>, StoreError> {
        let (acted, _) = self.changes.make(Act { action, rows, now }).await?;
        Ok(acted)
    }

    /// Makes every waiting row for `next_hop` due at `now` that is due later; uncertain ones keep their
    /// wait. Says how many those were.
    ///
    /// # Errors
    /// When a piece was not stored; the pieces before it are.
    pub async fn make_due(&self, next_hop: &str, now: Timestamp) -> Result<u64, StoreError> {
        let next_hop = next_hop.to_owned();
        self.in_pieces(MakeDue { next_hop, now }).await
    }

    /// Has one piece done after the other, until one is not full; gives how many rows they had.
    pub(super) async fn in_pieces<C>(&self, change: C) -> Result<u64, StoreError>
    where
        C: SingleChange<Outcome = u64> + Clone,
    {
        let mut rows = 0;
        loop {
            let piece = self.changes.make(change.clone()).await?;
            rows += piece;
            if piece < limits::BULK_CHUNK as u64 {
                return Ok(rows);
            }
        }
    }
}

/// One piece of [`QueueStore::make_due`].
#[derive(Clone, Debug)]
struct MakeDue {
    next_hop: String,
    now: Timestamp,
}

impl SingleChange for MakeDue {
    type Outcome = u64;

    fn rows(&self) -> usize {
        limits::BULK_CHUNK
    }

    async fn write(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let changed = sqlx::query(
            "UPDATE recipients SET next_attempt_at = ?2 WHERE id IN (
                 SELECT id FROM recipients
                 WHERE state IN ('waiting', 'uncertain') AND state = 'waiting'
                   AND next_hop = ?1 AND next_attempt_at > ?2 LIMIT ?3)",
        )
        .bind(&self.next_hop)
        .bind(milliseconds(self.now))
        .bind(integer(limits::BULK_CHUNK))
        .execute(connection)
        .await?;
        Ok(changed.rows_affected())
    }
}

/// See [`QueueStore::act`].
#[derive(Debug)]
struct Act {
    action: RowAction,
    rows: Vec<RowId>,
    now: Timestamp,
}

impl SingleChange for Act {
    /// The rows that it applied to, and what went with them.
    type Outcome = (Vec<RowId>, Removed);

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn removed((_, removed): &mut Self::Outcome) -> Option<Removed> {
        let is_any = !removed.files.is_empty() || removed.inline_bytes > 0;
        is_any.then(|| std::mem::take(removed))
    }

    async fn write(&self, connection: &mut SqliteConnection) -> Result<Self::Outcome, sqlx::Error> {
        let change = match self.action {
            RowAction::Retry => {
                "UPDATE recipients SET next_attempt_at = ?2,
                     state = CASE state WHEN 'uncertain' THEN 'uncertain' ELSE 'waiting' END
                 WHERE state NOT IN ('delivering', 'held', 'quarantined')"
            }
            RowAction::Hold => {
                "UPDATE recipients SET state = 'held' WHERE state IN ('waiting', 'uncertain')"
            }
            RowAction::Release => {
                "UPDATE recipients SET state = 'waiting', next_attempt_at = ?2
                 WHERE state IN ('held', 'quarantined')"
            }
            RowAction::Purge => "DELETE FROM recipients WHERE state <> 'delivering'",
        };
        let these = "AND id IN (SELECT value FROM json_each(?1)) RETURNING id, message";
        let changed = sqlx::query(AssertSqlSafe(format!("{change} {these}")))
            .bind(json(&self.rows)?)
            .bind(milliseconds(self.now))
            .fetch_all(&mut *connection)
            .await?;
        let affected = changed.iter().map(|row| RowId(row.get("id"))).collect();
        let messages: Vec<i64> = changed.iter().map(|row| row.get("message")).collect();
        if self.action == RowAction::Release {
            prolong(connection, &messages, self.now).await?;
        }
        if self.action != RowAction::Purge {
            return Ok((affected, Removed::default()));
        }
        let removed = remove_messages(connection, messages).await?;
        Ok((affected, removed))
    }
}

/// What was kept back gets its whole time from now on: it would expire before its first attempt.
async fn prolong(
    connection: &mut SqliteConnection,
    messages: &[i64],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let messages = json(messages)?;
    sqlx::query(
        "UPDATE messages SET kept_from = max(kept_from, ?2)
         WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(messages)
    .bind(milliseconds(now))
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::RowState;
    use crate::store::testing::{Scene, queued, time};

    /// Rows 1–6 in the states of the design; which of them does `action` touch, and what are they then?
    async fn check(action: RowAction, expected: &[(i64, RowState, i64)]) {
        let scene = Scene::new().await;
        let mut queued = queued(1, &[1, 2, 3, 4, 5, 6], b"x");
        for (row, state) in queued.rows.iter_mut().zip(RowState::ALL) {
            row.state = *state;
            row.next_attempt_at = time(100);
        }
        scene
            .store
            .queue
            .insert(vec![queued])
            .await
            .expect("stored");
        let all: Vec<RowId> = (0..9).map(RowId).collect();
        let acted = scene.store.queue.act(action, all.to_vec(), time(50)).await;
        let mut touched = Vec::new();
        for row in acted.expect("stored") {
            let item = scene.store.queue_view.item(row).await.expect("readable");
            let item = item.expect("it is there");
            let due = item.next_attempt_at.as_second() - time(0).as_second();
            touched.push((item.id.0, item.state, due));
        }
        assert_eq!(touched, expected, "{action:?}");
    }

    #[tokio::test]
    async fn actions_touch_the_rows_they_are_meant_for() {
        use RowState::{Held, Uncertain, Waiting};
        // 1 waiting, 2 delivering, 3 held, 4 uncertain, 5 quarantined, 6 damaged
        check(
            RowAction::Retry,
            &[(1, Waiting, 50), (4, Uncertain, 50), (6, Waiting, 50)],
        )
        .await;
        check(RowAction::Hold, &[(1, Held, 100), (4, Held, 100)]).await;
        check(RowAction::Release, &[(3, Waiting, 50), (5, Waiting, 50)]).await;
    }

    #[tokio::test]
    async fn what_is_released_has_its_whole_time_again() {
        let scene = Scene::new().await;
        let mut message = queued(1, &[1], b"x");
        message.rows[0].state = RowState::Quarantined;
        let late = message.kept_from + jiff::SignedDuration::from_secs(432_000);
        scene
            .store
            .queue
            .insert(vec![message])
            .await
            .expect("stored");
        let acted = scene
            .store
            .queue
            .act(RowAction::Release, vec![RowId(1)], late)
            .await;
        assert_eq!(acted.expect("stored"), [RowId(1)]);
        let rows = scene.store.queue.rows(&[RowId(1)]).await.expect("readable");
        assert_eq!(rows[0].kept_from, late);
    }

    #[tokio::test]
    async fn what_waits_for_one_next_hop_is_made_due() {
        let scene = Scene::new().await;
        let rows: Vec<i64> = (1..=1_203).collect();
        let mut message = queued(1, &rows, b"x");
        for row in &mut message.rows {
            row.next_attempt_at = time(100);
        }
        message.rows[0].state = RowState::Uncertain;
        message.rows[1].next_hop = "other.example.net".into();
        message.rows[2].next_attempt_at = time(40);
        scene
            .store
            .queue
            .insert(vec![message])
            .await
            .expect("stored");
        let made_due = scene.store.queue.make_due("mx.example.net", time(50)).await;
        assert_eq!(made_due, Ok(1_200));
        for (row, due) in [(1, 100), (2, 100), (3, 40), (4, 50), (1_203, 50)] {
            let item = scene
                .store
                .queue_view
                .item(RowId(row))
                .await
                .expect("readable");
            let item = item.expect("it is there");
            assert_eq!(item.next_attempt_at, time(due), "{row}");
        }
    }

    #[tokio::test]
    async fn a_purge_spares_what_is_under_way_and_takes_the_message_with_its_last_row() {
        let scene = Scene::new().await;
        let mut message = queued(1, &[1, 2], b"x");
        message.rows[1].state = RowState::Delivering;
        scene
            .store
            .queue
            .insert(vec![message, queued(2, &[3], b"y")])
            .await
            .expect("stored");
        let all: Vec<RowId> = (0..1_200).map(RowId).collect();
        let purged = scene.store.queue.act(RowAction::Purge, all, time(0)).await;
        assert_eq!(purged, Ok(vec![RowId(1), RowId(3)]));
        assert_eq!(
            scene
                .number("SELECT group_concat(id) = '1' FROM messages")
                .await,
            1
        );
        assert_eq!(scene.number("SELECT count(*) FROM bodies").await, 1);
    }
}
