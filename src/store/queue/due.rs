//! Taking due rows: the one function that hands the queue's rows out. Figure 3B, steps 318 and 319.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::QueueStore;
use crate::limits;
use crate::message::{DiskReason, MessageId, Recipient, RowId, RowState};
use crate::smtp::address::Mailbox;
use crate::store::database::columns::{integer, json, milliseconds, notify_from, timestamp};
use crate::store::database::error::StoreError;
use crate::store::database::writer::SingleChange;
use crate::store::rows::{NextHopShare, RowChange, RowUpdate, TakenRow};

/// The next hops with rows that can come due, and when each one's first does: one seek each.
const NEXT_HOPS: &str = "
    WITH RECURSIVE hops (name) AS (
        SELECT min(next_hop) FROM recipients WHERE state IN ('waiting', 'uncertain')
        UNION ALL
        SELECT (SELECT min(next_hop) FROM recipients
                WHERE state IN ('waiting', 'uncertain') AND next_hop > hops.name)
        FROM hops WHERE hops.name IS NOT NULL
    ),
    firsts (name, due_at) AS (
        SELECT name, (SELECT min(next_attempt_at) FROM recipients
                      WHERE state IN ('waiting', 'uncertain') AND next_hop = hops.name)
        FROM hops WHERE name IS NOT NULL
    )";

/// The oldest due rows of each next hop in `?1`, at most `?3` of each; the next hops take turns.
const DUE: &str = "
    WITH candidates (id, due_at, turn) AS (
        SELECT due.id, due.next_attempt_at,
               row_number() OVER (PARTITION BY due.next_hop ORDER BY due.next_attempt_at, due.id)
        FROM json_each(?1) AS hops CROSS JOIN recipients AS due ON due.id IN (
            SELECT id FROM recipients
            WHERE state IN ('waiting', 'uncertain')
              AND next_hop = hops.value AND next_attempt_at <= ?2
            ORDER BY next_attempt_at, id LIMIT ?3)
    ),
    chosen AS (SELECT * FROM candidates ORDER BY turn, due_at, id LIMIT ?4)
    SELECT r.id, r.message, r.recipient, r.notify, r.original_recipient, r.mail_host, r.next_hop,
           r.state, r.reason, r.attempts, r.last_reply, r.delay_reported, m.received_at, m.kept_from,
           m.for_clause_at IS NOT NULL AS is_named
    FROM chosen CROSS JOIN recipients AS r ON r.id = chosen.id
    LEFT JOIN messages AS m ON m.id = r.message
    ORDER BY chosen.turn, chosen.due_at, chosen.id";

/// Given rows, in the columns of [`DUE`].
const ROWS: &str = "
    SELECT r.id, r.message, r.recipient, r.notify, r.original_recipient, r.mail_host, r.next_hop,
           r.state, r.reason, r.attempts, r.last_reply, r.delay_reported, m.received_at, m.kept_from,
           m.for_clause_at IS NOT NULL AS is_named
    FROM recipients AS r JOIN messages AS m ON m.id = r.message
    WHERE r.id IN (SELECT value FROM json_each(?1))";

impl QueueStore {
    /// The next hops with rows that are due at `now`, the one that has waited longest first, those in
    /// `except` left out.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn due_next_hops(
        &self,
        now: Timestamp,
        except: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let oldest_first = format!(
            "{NEXT_HOPS} SELECT name FROM firsts
             WHERE due_at <= ?1 AND name NOT IN (SELECT value FROM json_each(?2))
             ORDER BY due_at, name LIMIT ?3"
        );
        let names = sqlx::query_scalar(AssertSqlSafe(oldest_first))
            .bind(milliseconds(now))
            .bind(json(except)?)
            .bind(integer(limits::QUEUE_NEXT_HOPS_PER_LOOK))
            .fetch_all(&self.readers)
            .await?;
        Ok(names)
    }

    /// Takes rows that are due at `now`, as many as their next hops have a share for: they stand as
    /// `delivering` when this returns, the oldest due of each next hop first, next hops in turns. A row
    /// that cannot be decoded is marked damaged and left out. A row marked uncertain whose attempt still
    /// goes on may come due here: whoever holds its lease skips it.
    ///
    /// # Errors
    /// When the queue cannot be read or the rows not be marked; then none were taken.
    pub async fn take_due(
        &self,
        now: Timestamp,
        shares: &[NextHopShare],
    ) -> Result<Vec<TakenRow>, StoreError> {
        let found = self.due(now, shares).await?;
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
            // Others stand behind them: whoever takes rows looks again.
            self.settle(damaged, Vec::new()).await?;
            self.rescheduled.notify_one();
        }
        within_shares(&mut sound, shares);
        let rows = sound.iter().map(|taken| taken.id).collect();
        let marked = self.changes.make(Take { rows, now }).await?;
        sound.retain(|taken| marked.contains(&taken.id));
        Ok(sound)
    }

    /// Those of `rows` that are there and can be decoded, whatever their state.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn rows(&self, rows: &[RowId]) -> Result<Vec<TakenRow>, StoreError> {
        let found = sqlx::query(ROWS)
            .bind(json(rows)?)
            .fetch_all(&self.readers)
            .await?;
        Ok(found.iter().filter_map(|row| decode(row).ok()).collect())
    }

    /// When the first row of some next hop comes due that has none due at `now`; none when there is none.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let first = format!("{NEXT_HOPS} SELECT min(due_at) FROM firsts WHERE due_at > ?1");
        let next: Option<i64> = sqlx::query_scalar(AssertSqlSafe(first))
            .bind(milliseconds(now))
            .fetch_one(&self.readers)
            .await?;
        Ok(next.map(timestamp))
    }

    /// The rows that [`Self::take_due`] chooses from. A destination with a hundred thousand rows does not
    /// stand before one with two, and is not read beyond the rows that can be chosen.
    async fn due(
        &self,
        now: Timestamp,
        shares: &[NextHopShare],
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let hops: Vec<&str> = shares.iter().map(|share| share.next_hop.as_str()).collect();
        if hops.is_empty() {
            return Ok(Vec::new());
        }
        let (total, most) = (limits::QUEUE_ROWS_PER_LOOK, limits::QUEUE_ROWS_PER_NEXT_HOP);
        let mut each = total.div_ceil(hops.len()).min(most);
        let hops = json(&hops)?;
        loop {
            let rows = sqlx::query(DUE)
                .bind(hops.as_str())
                .bind(milliseconds(now))
                .bind(integer(each))
                .bind(integer(total))
                .fetch_all(&self.readers)
                .await?;
            if rows.len() >= total || each >= most {
                return Ok(rows);
            }
            // Some next hops have few rows: the others may have more.
            each = each.saturating_mul(2).min(most);
        }
    }
}

/// Leaves out rows whose next hop has no attempt left for them: rows of one message share one.
fn within_shares(rows: &mut Vec<TakenRow>, shares: &[NextHopShare]) {
    let shares: HashMap<&str, usize> = shares
        .iter()
        .map(|share| (share.next_hop.as_str(), share.attempts))
        .collect();
    let mut begun: HashMap<String, usize> = HashMap::new();
    let mut messages = HashSet::new();
    rows.retain(|row| {
        let key = (row.next_hop.clone(), row.message);
        if !row.is_named && messages.contains(&key) {
            return true;
        }
        let attempts = begun.entry(row.next_hop.clone()).or_default();
        if *attempts >= shares.get(row.next_hop.as_str()).copied().unwrap_or(0) {
            return false;
        }
        *attempts += 1;
        messages.insert(key);
        true
    });
}

/// Marks those of `rows` that are still due: since they were read, an operator may have held or
/// purged some.
#[derive(Debug)]
struct Take {
    rows: Vec<RowId>,
    now: Timestamp,
}

impl SingleChange for Take {
    /// Those that were marked.
    type Outcome = HashSet<RowId>;

    fn rows(&self) -> usize {
        self.rows.len()
    }

    async fn write(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<HashSet<RowId>, sqlx::Error> {
        let marked: Vec<i64> = sqlx::query_scalar(
            "UPDATE recipients SET state = 'delivering'
             WHERE id IN (SELECT value FROM json_each(?1))
               AND state IN ('waiting', 'uncertain') AND next_attempt_at <= ?2
             RETURNING id",
        )
        .bind(json(&self.rows)?)
        .bind(milliseconds(self.now))
        .fetch_all(connection)
        .await?;
        Ok(marked.into_iter().map(RowId).collect())
    }
}

/// Why a row cannot be delivered.
type Damage = Box<dyn std::error::Error + Send + Sync>;

fn decode(row: &SqliteRow) -> Result<TakenRow, Damage> {
    let notify: Option<String> = row.try_get("notify")?;
    let notify = notify
        .map(|text| notify_from(&text).ok_or("NOTIFY is unknown"))
        .transpose()?;
    let mail_host: Option<String> = row.try_get("mail_host")?;
    let reason: String = row.try_get("reason")?;
    let state: String = row.try_get("state")?;
    let time = |column| -> Result<Timestamp, Damage> {
        let stored = row.try_get::<Option<i64>, _>(column)?;
        let milliseconds = stored.ok_or("its message is missing")?;
        Ok(Timestamp::from_millisecond(milliseconds)?)
    };
    Ok(TakenRow {
        id: RowId(row.try_get("id")?),
        message: MessageId::from_i64(row.try_get("message")?),
        recipient: Recipient {
            address: Mailbox::parse(&row.try_get::<String, _>("recipient")?)?,
            notify,
            original_recipient: row.try_get("original_recipient")?,
            mail_host: mail_host.map(|text| text.parse()).transpose()?,
        },
        next_hop: row.try_get("next_hop")?,
        reason: DiskReason::from_word(&reason).ok_or("the reason is unknown")?,
        attempts: row.try_get("attempts")?,
        last_reply: row.try_get("last_reply")?,
        received_at: time("received_at")?,
        kept_from: time("kept_from")?,
        delay_reported: row.try_get("delay_reported")?,
        is_named: row.try_get("is_named")?,
        before: RowState::from_word(&state).ok_or("the state is unknown")?,
    })
}

fn damage(row: &SqliteRow, error: &Damage) -> Option<RowChange> {
    let row = RowId(row.try_get("id").ok()?);
    tracing::error!(%row, %error, "a row of the queue is damaged and will not be delivered");
    let update = RowUpdate {
        state: Some(RowState::Damaged),
        last_reply: Some(format!("the row cannot be read: {error}")),
        ..RowUpdate::default()
    };
    Some(RowChange::Update(row, update))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Scene, queued, time};

    /// Rows 1–6 wait for a large next hop, 7 and 8 for another, 9 for a third.
    async fn three_next_hops() -> Scene {
        let scene = Scene::new().await;
        let mut queued = queued(1, &[1, 2, 3, 4, 5, 6, 7, 8, 9], b"x");
        for (position, row) in queued.rows.iter_mut().enumerate() {
            row.next_hop = match position {
                0..6 => "a".into(),
                6..8 => "b".into(),
                _ => "c".into(),
            };
            // The later rows are due earlier.
            row.next_attempt_at = time(100 - i64::try_from(position).expect("small"));
        }
        scene
            .store
            .queue
            .insert(vec![queued])
            .await
            .expect("stored");
        scene
    }

    fn share(next_hop: &str, attempts: usize) -> NextHopShare {
        NextHopShare {
            next_hop: next_hop.to_owned(),
            attempts,
        }
    }

    async fn take(scene: &Scene, at: i64, shares: &[(&str, usize)]) -> Vec<i64> {
        let shares: Vec<NextHopShare> = shares
            .iter()
            .map(|&(name, most)| share(name, most))
            .collect();
        let taken = scene.store.queue.take_due(time(at), &shares).await;
        taken.expect("taken").iter().map(|row| row.id.0).collect()
    }

    #[tokio::test]
    async fn next_hops_take_turns_and_the_oldest_due_goes_first() {
        let scene = three_next_hops().await;
        let all = [("a", 9), ("b", 9), ("c", 9)];
        assert_eq!(take(&scene, 91, &all).await, Vec::<i64>::new());
        assert_eq!(take(&scene, 200, &[]).await, Vec::<i64>::new());
        assert_eq!(take(&scene, 94, &all).await, [9, 8, 7]);
        assert_eq!(take(&scene, 200, &all).await, [6, 5, 4, 3, 2, 1]);
        assert_eq!(take(&scene, 200, &all).await, Vec::<i64>::new());
        let leased = "SELECT count(*) FROM recipients WHERE state = 'delivering'";
        assert_eq!(scene.number(leased).await, 9);
    }

    #[tokio::test]
    async fn next_hops_have_as_many_attempts_as_their_share() {
        let scene = three_next_hops().await;
        let mut other = queued(2, &[10, 11], b"y");
        let mut named = queued(3, &[12, 13], b"z");
        for row in other.rows.iter_mut().chain(&mut named.rows) {
            row.next_hop = "a".into();
            row.next_attempt_at = time(150);
        }
        let mut message = (*named.message).clone();
        message.for_clause_at = Some(2);
        named.message = message.into();
        let stored = scene.store.queue.insert(vec![other, named]).await;
        stored.expect("stored");
        // The rows of one message are one attempt, unless each is named in it.
        assert_eq!(take(&scene, 200, &[("a", 1)]).await, [6, 5, 4, 3, 2, 1]);
        assert_eq!(
            take(&scene, 200, &[("a", 2), ("b", 1)]).await,
            [8, 10, 7, 11, 12]
        );
        assert_eq!(take(&scene, 200, &[("a", 9)]).await, [13]);
    }

    #[tokio::test]
    async fn next_hops_with_due_rows_are_named_the_oldest_first() {
        let scene = three_next_hops().await;
        let due = async |at, except: &[&str]| {
            let except: Vec<String> = except.iter().map(ToString::to_string).collect();
            let due = scene.store.queue.due_next_hops(time(at), &except).await;
            due.expect("readable")
        };
        assert_eq!(due(91, &[]).await, Vec::<String>::new());
        assert_eq!(due(93, &[]).await, ["c", "b"]);
        assert_eq!(due(200, &[]).await, ["c", "b", "a"]);
        assert_eq!(due(200, &["c", "a"]).await, ["b"]);
        let next = async |at| {
            scene
                .store
                .queue
                .next_due(time(at))
                .await
                .expect("readable")
        };
        for (at, expected) in [(0, Some(92)), (92, Some(93)), (94, Some(95)), (95, None)] {
            assert_eq!(next(at).await, expected.map(time), "{at}");
        }
    }

    #[tokio::test]
    async fn only_waiting_and_uncertain_rows_are_taken() {
        let scene = Scene::new().await;
        let mut queued = queued(1, &[1, 2, 3, 4, 5, 6], b"x");
        for (row, state) in queued.rows.iter_mut().zip(RowState::ALL) {
            row.state = *state;
        }
        scene
            .store
            .queue
            .insert(vec![queued])
            .await
            .expect("stored");
        let shares = [share("mx.example.net", 9)];
        let taken = scene
            .store
            .queue
            .take_due(time(0), &shares)
            .await
            .expect("taken");
        let before: Vec<_> = taken.iter().map(|row| (row.id.0, row.before)).collect();
        assert_eq!(before, [(1, RowState::Waiting), (4, RowState::Uncertain)]);
        assert_eq!(taken[0].recipient.address.as_str(), "user1@Example.NET");
        assert_eq!(taken[0].kept_from, time(0));
    }

    #[tokio::test]
    async fn damaged_rows_are_left_out_and_marked() {
        for damage in [
            "UPDATE recipients SET recipient = 'nobody' WHERE id = 1",
            "UPDATE recipients SET recipient = CAST(x'ff' AS TEXT) WHERE id = 1",
            "UPDATE recipients SET notify = 'SOMETIMES' WHERE id = 1",
            "UPDATE recipients SET reason = 'rain' WHERE id = 1",
            "UPDATE recipients SET attempts = -1 WHERE id = 1",
            "DELETE FROM messages WHERE id = 1",
        ] {
            let scene = Scene::new().await;
            let stored = vec![queued(1, &[1], b"x"), queued(2, &[2], b"y")];
            scene.store.queue.insert(stored).await.expect("stored");
            scene.meddle(damage).await;
            assert_eq!(
                take(&scene, 0, &[("mx.example.net", 9)]).await,
                [2],
                "{damage}"
            );
            scene.settled().await;
            let item = scene
                .store
                .queue_view
                .item(RowId(1))
                .await
                .expect("readable");
            let item = item.expect("it is there still");
            assert_eq!(item.state, RowState::Damaged, "{damage}");
            assert!(
                item.last_reply.starts_with("the row cannot be read: "),
                "{damage}"
            );
            assert_eq!(
                take(&scene, 0, &[("mx.example.net", 9)]).await,
                Vec::<i64>::new(),
                "{damage}"
            );
        }
    }

    #[tokio::test]
    async fn a_row_that_was_held_meanwhile_is_not_taken() {
        let scene = Scene::new().await;
        scene
            .store
            .queue
            .insert(vec![queued(1, &[1, 2], b"x")])
            .await
            .expect("stored");
        let held = RowChange::Update(
            RowId(1),
            RowUpdate {
                state: Some(RowState::Held),
                ..RowUpdate::default()
            },
        );
        // Given before the taking, perhaps stored only after the rows were read.
        scene.store.queue.change(vec![held]).await;
        assert_eq!(take(&scene, 0, &[("mx.example.net", 9)]).await, [2]);
    }
}
