//! The moments of what waits, when the machine's clock was wrong or has made a step.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::QueueStore;
use crate::limits;
use crate::message::MessageId;
use crate::store::database::columns::{integer, milliseconds};
use crate::store::database::error::StoreError;
use crate::store::database::writer::SingleChange;

/// Moments that cannot be, by a clock that is right now.
#[derive(Clone, Copy, Debug)]
struct Impossible {
    now: Timestamp,
    /// No row waits longer than until then.
    due_by: Timestamp,
    /// But one that is uncertain.
    uncertain_due_by: Timestamp,
}

impl QueueStore {
    /// Sets right what a clock that was wrong has stored: nothing waits for longer than `longest_wait`, and a
    /// message that came before this program was made, or will come yet, has come now. Says how many
    /// rows and messages those were.
    ///
    /// # Errors
    /// When the queue cannot be read, or a piece was not stored; the pieces before it are.
    pub async fn set_times_right(
        &self,
        now: Timestamp,
        longest_wait: Duration,
    ) -> Result<u64, StoreError> {
        let after = |wait: Duration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let impossible = Impossible {
            now,
            due_by: after(longest_wait),
            uncertain_due_by: after(longest_wait.max(limits::UNCERTAIN_WAIT)),
        };
        if !self.is_any(impossible).await? {
            return Ok(0);
        }
        self.in_pieces(impossible).await
    }

    /// The machine's clock has made a step, and says `now`: what was stored before is as old as it was. After a step
    /// back no message came after now. Says how many messages those were.
    ///
    /// # Errors
    /// When a piece was not stored; the pieces before it are.
    pub async fn shift_times(
        &self,
        step: SignedDuration,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (mut behind, mut messages) = (0, 0);
        loop {
            let shift = Shift { step, now, behind };
            let Some((last, shifted)) = self.changes.make(shift).await? else {
                return Ok(messages);
            };
            behind = last;
            messages += shifted;
        }
    }

    async fn is_any(&self, impossible: Impossible) -> Result<bool, StoreError> {
        let (earliest, latest) = impossible.arrivals();
        let is_any = sqlx::query_scalar(
            "WITH RECURSIVE hops (name) AS (
                 SELECT min(next_hop) FROM recipients WHERE state IN ('waiting', 'uncertain')
                 UNION ALL
                 SELECT (SELECT min(next_hop) FROM recipients
                         WHERE state IN ('waiting', 'uncertain') AND next_hop > hops.name)
                 FROM hops WHERE hops.name IS NOT NULL
             )
             SELECT EXISTS (SELECT 1 FROM hops CROSS JOIN recipients AS r
                            ON r.next_hop = hops.name AND r.state IN ('waiting', 'uncertain')
                            AND r.next_attempt_at > CASE r.state WHEN 'waiting' THEN ?1 ELSE ?6 END
                            AND r.next_attempt_at > ?1)
                 OR EXISTS (SELECT 1 FROM messages WHERE id < ?2 AND kept_from < ?3)
                 OR EXISTS (SELECT 1 FROM messages WHERE id > ?4 AND kept_from > ?5)",
        )
        .bind(milliseconds(impossible.due_by))
        .bind(MessageId::earliest_at(earliest).as_i64())
        .bind(milliseconds(earliest))
        .bind(MessageId::earliest_at(latest).as_i64())
        .bind(milliseconds(latest))
        .bind(milliseconds(impossible.uncertain_due_by))
        .fetch_one(&self.readers)
        .await?;
        Ok(is_any)
    }
}

/// One piece of [`QueueStore::shift_times`]: the messages behind the id `behind`.
#[derive(Clone, Copy, Debug)]
struct Shift {
    step: SignedDuration,
    now: Timestamp,
    behind: i64,
}

impl SingleChange for Shift {
    /// The last message of the piece, and how many it has; none when nothing is left.
    type Outcome = Option<(i64, u64)>;

    fn rows(&self) -> usize {
        limits::BULK_CHUNK
    }

    async fn write(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<(i64, u64)>, sqlx::Error> {
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT max(id) FROM (SELECT id FROM messages WHERE id > ?1 ORDER BY id LIMIT ?2)",
        )
        .bind(self.behind)
        .bind(integer(limits::BULK_CHUNK))
        .fetch_one(&mut *connection)
        .await?;
        let Some(last) = last else {
            return Ok(None);
        };
        let milliseconds_of =
            |step: SignedDuration| i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let forward = milliseconds_of(self.step.max(SignedDuration::ZERO));
        let shifted = sqlx::query(
            "UPDATE messages SET kept_from = min(kept_from + ?3, ?4), received_at = min(received_at, ?4)
             WHERE id > ?1 AND id <= ?2",
        )
        .bind(self.behind)
        .bind(last)
        .bind(forward)
        .bind(milliseconds(self.now))
        .execute(&mut *connection)
        .await?;
        if self.step.is_negative() {
            sqlx::query(
                "UPDATE recipients SET next_attempt_at = max(next_attempt_at + ?3, 0)
                 WHERE message > ?1 AND message <= ?2",
            )
            .bind(self.behind)
            .bind(last)
            .bind(milliseconds_of(self.step))
            .execute(connection)
            .await?;
        }
        Ok(Some((last, shifted.rows_affected())))
    }
}

impl Impossible {
    /// No message arrived before the first, or after the second. While the clock itself says that it is earlier
    /// than this program is, nothing is too early.
    fn arrivals(self) -> (Timestamp, Timestamp) {
        let made = limits::CLOCK_IS_WRONG_BEFORE;
        let earliest = match self.now < made {
            true => Timestamp::MIN,
            false => made,
        };
        let latest = self.now.checked_add(limits::CLOCK_STEP);
        (earliest, latest.unwrap_or(Timestamp::MAX))
    }
}

impl SingleChange for Impossible {
    type Outcome = u64;

    fn rows(&self) -> usize {
        limits::BULK_CHUNK
    }

    /// Sets one piece right.
    async fn write(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let (earliest, latest) = self.arrivals();
        let most = integer(limits::BULK_CHUNK);
        let rows = sqlx::query(
            "UPDATE recipients SET next_attempt_at = ?1 WHERE id IN (
                 SELECT id FROM recipients
                 WHERE state IN ('waiting', 'uncertain')
                   AND next_attempt_at > CASE state WHEN 'waiting' THEN ?2 ELSE ?4 END LIMIT ?3)",
        )
        .bind(milliseconds(self.now))
        .bind(milliseconds(self.due_by))
        .bind(most)
        .bind(milliseconds(self.uncertain_due_by))
        .execute(&mut *connection)
        .await?;
        let messages = sqlx::query(
            "UPDATE messages SET received_at = ?1, kept_from = ?1 WHERE id IN (
                 SELECT id FROM messages WHERE id < ?2 AND kept_from < ?3
                 UNION ALL SELECT id FROM messages WHERE id > ?4 AND kept_from > ?5
                 LIMIT ?6)",
        )
        .bind(milliseconds(self.now))
        .bind(MessageId::earliest_at(earliest).as_i64())
        .bind(milliseconds(earliest))
        .bind(MessageId::earliest_at(latest).as_i64())
        .bind(milliseconds(latest))
        .bind(most)
        .execute(connection)
        .await?;
        // Either may have been cut.
        Ok(rows.rows_affected().max(messages.rows_affected()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::RowId;
    use crate::store::TakenRow;
    use crate::store::testing::{Scene, queued, time};

    /// Messages that arrived at 100 and at 900, due at 950, when the clock, which said 1,000, makes this step: from
    /// when their time counts, and when they are due.
    async fn after_a_step(seconds: i64) -> Vec<(i64, i64)> {
        let scene = Scene::new().await;
        let mut all = Vec::new();
        for (row, arrived) in [(1, 100), (2, 900)] {
            let mut message = queued(row, &[row], b"x");
            message.kept_from = time(arrived);
            message.rows[0].next_attempt_at = time(950);
            all.push(message);
        }
        scene.store.queue.insert(all).await.expect("stored");
        let (step, now) = (SignedDuration::from_secs(seconds), time(1_000 + seconds));
        assert_eq!(scene.store.queue.shift_times(step, now).await, Ok(2));
        let mut found = Vec::new();
        for id in [RowId(1), RowId(2)] {
            let row = scene.store.queue.rows(&[id]).await.expect("readable");
            let item = scene.store.queue_view.item(id).await.expect("readable");
            let due = item.expect("it is there").next_attempt_at;
            let seconds = |at: Timestamp| at.as_second() - time(0).as_second();
            found.push((seconds(row[0].kept_from), seconds(due)));
        }
        found
    }

    #[tokio::test]
    async fn a_step_of_the_clock_makes_nothing_older_and_nothing_wait() {
        // As old as before, and due.
        assert_eq!(after_a_step(5_000).await, [(5_100, 950), (5_900, 950)]);
        // Nothing comes yet, and nothing waits for longer than it did.
        assert_eq!(after_a_step(-500).await, [(100, 450), (500, 450)]);
    }

    #[tokio::test]
    async fn no_moment_is_believed_that_cannot_be() {
        let scene = Scene::new().await;
        let now = time(1_000);
        let mut all = Vec::new();
        for (row, arrived, due) in [
            (1, time(900), time(1_060)),
            // A clock that was ahead has stored these.
            (2, time(900), time(1_000_000)),
            (3, time(1_000_000), time(1_010)),
            // And one that stood at the beginning this.
            (4, Timestamp::UNIX_EPOCH, time(1_010)),
        ] {
            let id = MessageId::earliest_at(arrived).as_i64() + row;
            let mut message = queued(id, &[row], b"x");
            message.kept_from = arrived;
            message.rows[0].next_attempt_at = due;
            all.push(message);
        }
        scene.store.queue.insert(all).await.expect("stored");
        let minute = Duration::from_secs(100);
        let set_right = scene.store.queue.set_times_right(now, minute).await;
        assert_eq!(set_right, Ok(2));
        let ids: Vec<RowId> = (1..=4).map(RowId).collect();
        let rows = scene.store.queue.rows(&ids).await.expect("readable");
        let has_come_now = |row: &&TakenRow| row.received_at == now;
        assert_eq!(rows.iter().filter(has_come_now).count(), 2);
        let mut kept: Vec<_> = rows.iter().map(|row| (row.id.0, row.kept_from)).collect();
        kept.sort_unstable();
        assert_eq!(kept, [(1, time(900)), (2, time(900)), (3, now), (4, now)]);
        let due = scene
            .store
            .queue_view
            .item(RowId(2))
            .await
            .expect("readable");
        assert_eq!(due.expect("it is there").next_attempt_at, now);
        assert_eq!(scene.store.queue.set_times_right(now, minute).await, Ok(0));
        // While the clock is at the beginning nothing is too early.
        let early = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(5);
        let long = Duration::from_secs(1 << 40);
        assert_eq!(scene.store.queue.set_times_right(early, long).await, Ok(3));
    }
}
