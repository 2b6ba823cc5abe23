//! What waits is looked at anew: where it goes when the settings have changed, and its moments when the clock
//! has.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::write::json;
use crate::limits;
use crate::message::MessageId;
use crate::store::Store;
use crate::store::database::columns::{integer, milliseconds, text};
use crate::store::database::error::StoreError;
use crate::store::writer::Job;

/// A next hop for which recipients of a domain wait, whom no directory has given a server of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The next hop's name, as it was when they were stored or tried last.
    pub next_hop: String,
    /// The domain as the DNS has it.
    pub domain: String,
}

/// Moments that cannot be, by a clock that is right now.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Impossible {
    now: Timestamp,
    /// No row waits longer than until then.
    due_by: Timestamp,
    /// But one that is uncertain.
    uncertain_due_by: Timestamp,
}

impl Store {
    /// Routes in their order, at most [`limits::ROUTES_READ`], behind `after`.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn routes(&self, after: Option<&Route>) -> Result<Vec<Route>, StoreError> {
        let (next_hop, domain) = after.map_or(("", ""), |after| (&*after.next_hop, &*after.domain));
        let found = sqlx::query(
            "SELECT next_hop, recipient_domain FROM recipients INDEXED BY recipients_by_destination
             WHERE state <> 'delivering' AND (next_hop, recipient_domain) > (?1, ?2)
             GROUP BY next_hop, recipient_domain ORDER BY next_hop, recipient_domain LIMIT ?3",
        )
        .bind(next_hop)
        .bind(domain)
        .bind(integer(limits::ROUTES_READ as u64))
        .fetch_all(&self.shared.readers)
        .await
        .map_err(|error| StoreError::of(&error, false))?;
        let route = |row: &_| Route {
            next_hop: text(row, "next_hop"),
            domain: text(row, "recipient_domain"),
        };
        Ok(found.iter().map(route).collect())
    }

    /// What waits for `from` in these domains waits for `to` from now on; what waited for its time is due.
    /// Says how many those were.
    ///
    /// # Errors
    /// When a piece was not stored; the pieces before it are.
    pub async fn redirect(
        &self,
        from: &str,
        domains: &[String],
        to: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.in_pieces(|answer| Job::Redirect {
            redirection: Redirection {
                from: from.to_owned(),
                domains: domains.to_vec(),
                to: to.to_owned(),
                now,
            },
            answer,
        })
        .await
    }

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
        let after = |wait: Duration| {
            let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
            now.checked_add(wait).unwrap_or(Timestamp::MAX)
        };
        let impossible = Impossible {
            now,
            due_by: after(longest_wait),
            uncertain_due_by: after(longest_wait.max(limits::UNCERTAIN_WAIT)),
        };
        if !self.is_any(impossible).await? {
            return Ok(0);
        }
        self.in_pieces(|answer| Job::SetTimesRight { impossible, answer })
            .await
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
            let piece = self.ask(|answer| Job::ShiftTimes { shift, answer }).await?;
            let Some((last, shifted)) = piece else {
                return Ok(messages);
            };
            behind = last;
            messages += shifted;
        }
    }

    async fn is_any(&self, impossible: Impossible) -> Result<bool, StoreError> {
        let (earliest, latest) = impossible.arrivals();
        sqlx::query_scalar(
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
        .fetch_one(&self.shared.readers)
        .await
        .map_err(|error| StoreError::of(&error, false))
    }
}

/// See [`Store::shift_times`]: one piece of it, the messages behind the id `behind`.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Shift {
    step: SignedDuration,
    now: Timestamp,
    behind: i64,
}

impl Shift {
    /// Gives the last message of the piece, and how many it has; none when nothing is left.
    pub(in crate::store) async fn write(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<(i64, u64)>, sqlx::Error> {
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT max(id) FROM (SELECT id FROM messages WHERE id > ?1 ORDER BY id LIMIT ?2)",
        )
        .bind(self.behind)
        .bind(integer(limits::BULK_CHUNK as u64))
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

/// See [`Store::redirect`].
#[derive(Debug)]
pub(in crate::store) struct Redirection {
    from: String,
    domains: Vec<String>,
    to: String,
    now: Timestamp,
}

impl Redirection {
    /// One piece of it.
    pub(in crate::store) async fn write(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<u64, sqlx::Error> {
        let changed = sqlx::query(
            "UPDATE recipients SET next_hop = ?3, next_attempt_at =
                 CASE state WHEN 'waiting' THEN min(next_attempt_at, ?4) ELSE next_attempt_at END
             WHERE id IN (
                 SELECT id FROM recipients INDEXED BY recipients_by_destination
                 WHERE state <> 'delivering' AND next_hop = ?1
                   AND recipient_domain IN (SELECT value FROM json_each(?2))
                   AND mail_host IS NULL LIMIT ?5)",
        )
        .bind(&self.from)
        .bind(json(&self.domains)?)
        .bind(&self.to)
        .bind(milliseconds(self.now))
        .bind(integer(limits::BULK_CHUNK as u64))
        .execute(connection)
        .await?;
        Ok(changed.rows_affected())
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

    /// Sets one piece right.
    pub(in crate::store) async fn set_right(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<u64, sqlx::Error> {
        let (earliest, latest) = self.arrivals();
        let most = integer(limits::BULK_CHUNK as u64);
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
    use crate::message::{RowId, RowState};
    use crate::store::TakenRow;
    use crate::store::testing::{Scene, queued, time};

    async fn rows(scene: &Scene) -> Vec<(i64, String, i64)> {
        let mut found = Vec::new();
        for id in 1..=6 {
            let row = scene.store.queue_item(RowId(id)).await.expect("readable");
            let row = row.expect("it is there");
            let due = row.next_attempt_at.as_second() - time(0).as_second();
            found.push((id, row.next_hop, due));
        }
        found
    }

    #[tokio::test]
    async fn what_waits_goes_where_the_settings_say() {
        let scene = Scene::new().await;
        let mut message = queued(1, &[1, 2, 3, 4, 5, 6], b"x");
        for (row, state) in message.rows.iter_mut().zip(RowState::ALL) {
            row.state = *state;
            row.next_hop = "old".into();
            row.next_attempt_at = time(100);
        }
        message.rows[5].recipient.mail_host = Some("smtp://own.example:25".parse().expect("one"));
        scene.store.insert(vec![message]).await.expect("stored");
        let routes = scene.store.routes(None).await.expect("readable");
        let [route] = &routes[..] else {
            panic!("there is one: {routes:?}");
        };
        assert_eq!((&*route.next_hop, &*route.domain), ("old", "example.net"));
        assert_eq!(scene.store.routes(Some(route)).await, Ok(Vec::new()));
        let domains = [route.domain.clone()];
        let moved = scene.store.redirect("old", &domains, "new", time(50)).await;
        assert_eq!(moved, Ok(4));
        let old = |id, due| (id, "old".to_owned(), due);
        let new = |id, due| (id, "new".to_owned(), due);
        // 1 waiting, 2 under an attempt, 3 held, 4 uncertain, 5 quarantined, 6 has a server of its own
        assert_eq!(
            rows(&scene).await,
            [
                new(1, 50),
                old(2, 100),
                new(3, 100),
                new(4, 100),
                new(5, 100),
                old(6, 100)
            ]
        );
    }

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
        scene.store.insert(all).await.expect("stored");
        let (step, now) = (SignedDuration::from_secs(seconds), time(1_000 + seconds));
        assert_eq!(scene.store.shift_times(step, now).await, Ok(2));
        let mut found = Vec::new();
        for id in [RowId(1), RowId(2)] {
            let row = scene.store.rows(&[id]).await.expect("readable");
            let item = scene.store.queue_item(id).await.expect("readable");
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
        scene.store.insert(all).await.expect("stored");
        let minute = Duration::from_secs(100);
        let set_right = scene.store.set_times_right(now, minute).await;
        assert_eq!(set_right, Ok(2));
        let ids: Vec<RowId> = (1..=4).map(RowId).collect();
        let rows = scene.store.rows(&ids).await.expect("readable");
        let has_come_now = |row: &&TakenRow| row.received_at == now;
        assert_eq!(rows.iter().filter(has_come_now).count(), 2);
        let mut kept: Vec<_> = rows.iter().map(|row| (row.id.0, row.kept_from)).collect();
        kept.sort_unstable();
        assert_eq!(kept, [(1, time(900)), (2, time(900)), (3, now), (4, now)]);
        let due = scene.store.queue_item(RowId(2)).await.expect("readable");
        assert_eq!(due.expect("it is there").next_attempt_at, now);
        assert_eq!(scene.store.set_times_right(now, minute).await, Ok(0));
        // While the clock is at the beginning nothing is too early.
        let early = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(5);
        let long = Duration::from_secs(1 << 40);
        assert_eq!(scene.store.set_times_right(early, long).await, Ok(3));
    }
}
