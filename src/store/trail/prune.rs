//! Pruning the trail: by age and by size, piece by piece, so that its writer is never held for long.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::figures::Period;
use super::{TrailStore, chunks};
use crate::limits;
use crate::message::MessageId;
use crate::store::database::error::HistoryError;

/// What a round of pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Messages that were removed, with their events.
    pub messages: u64,
    /// More is to be pruned: the round was long enough.
    pub more: bool,
}

impl TrailStore {
    /// Removes the trail of messages that are older than `max_age` and the figures of such minutes,
    /// and then the oldest messages until the trail has at most `max_bytes`. The figures of hours are
    /// few, and stay for [`limits::HOURS_KEPT`] whatever becomes of the trail. May be dropped at any
    /// point: the next round goes on.
    ///
    /// # Errors
    /// When a piece was not removed; the pieces before it are.
    pub async fn prune(&self, max_age: Duration, max_bytes: u64) -> Result<Pruned, HistoryError> {
        let now = Timestamp::now();
        let before = |age| now.checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH);
        self.prune_figures(Period::Hour, before(limits::HOURS_KEPT))
            .await?;
        self.prune_before(before(max_age), max_bytes).await
    }

    async fn prune_before(
        &self,
        before: Timestamp,
        max_bytes: u64,
    ) -> Result<Pruned, HistoryError> {
        let first_kept = MessageId::earliest_at(before).as_i64();
        let mut pruned = Pruned::default();
        for _ in 0..limits::PRUNE_ROUNDS {
            let oldest = self.transaction(async |writer| {
                let connection = &mut writer.connection;
                let beyond = used_bytes(connection).await? > max_bytes;
                let bound = if beyond { i64::MAX } else { first_kept };
                prune_piece(connection, bound).await
            });
            match oldest.await? {
                Some(messages) => pruned.messages += messages,
                None => {
                    self.prune_figures(Period::Minute, before).await?;
                    self.give_back().await?;
                    return Ok(pruned);
                }
            }
        }
        self.give_back().await?;
        pruned.more = true;
        Ok(pruned)
    }

    /// Gives free pages back to the file system, but not so many that the writer waits for long.
    async fn give_back(&self) -> Result<(), sqlx::Error> {
        self.transaction(async |writer| {
            sqlx::query("PRAGMA incremental_vacuum(4096)")
                .fetch_all(&mut writer.connection)
                .await
        })
        .await?;
        Ok(())
    }
}

/// Bytes of the pages that hold something.
async fn used_bytes(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let bytes: i64 = sqlx::query_scalar(
        "SELECT (pages.page_count - free.freelist_count) * size.page_size
         FROM pragma_page_count AS pages, pragma_freelist_count AS free, pragma_page_size AS size",
    )
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Removes the oldest messages below `bound`, one piece of them, and every event that is as old. Says
/// how many messages that were; none when nothing was left to remove.
async fn prune_piece(
    connection: &mut SqliteConnection,
    bound: i64,
) -> Result<Option<u64>, sqlx::Error> {
    // Events without a message (of reports, or of what was pruned) count by themselves.
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT max(id) FROM (
             SELECT id FROM (SELECT id FROM messages WHERE id < ?1 ORDER BY id LIMIT ?2)
             UNION ALL
             SELECT message FROM (SELECT message FROM events WHERE message < ?1
                                  AND message < coalesce((SELECT min(id) FROM messages), ?1)
                                  ORDER BY message LIMIT ?2))",
    )
    .bind(bound)
    .bind(limits::PRUNE_CHUNK)
    .fetch_one(&mut *connection)
    .await?;
    let Some(last) = last else {
        return Ok(None);
    };
    sqlx::query("DELETE FROM events WHERE message <= ?")
        .bind(last)
        .execute(&mut *connection)
        .await?;
    let messages = sqlx::query("DELETE FROM messages WHERE id <= ?")
        .bind(last)
        .execute(&mut *connection)
        .await?;
    chunks::forget(connection, last).await?;
    Ok(Some(messages.rows_affected()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Scene, answered, attempted, time};

    const HOUR_SECONDS: i64 = 3_600;

    /// One message an hour, with one attempt each, and one attempt for a message nobody answered.
    async fn a_day() -> Scene {
        let scene = Scene::new().await;
        let mut entries = vec![attempted(time(-HOUR_SECONDS), "orphan@example.net")];
        for hour in 0..24 {
            let at = time(hour * HOUR_SECONDS);
            entries.extend([answered(at), attempted(at, "user@example.net")]);
            scene
                .store
                .trail
                .save_figures(Period::Minute, minute(at), "{}".to_owned())
                .await
                .expect("saved");
        }
        scene.store.trail.append(entries).await.expect("appended");
        scene
    }

    fn minute(at: Timestamp) -> u64 {
        at.as_second().cast_unsigned() / 60
    }

    async fn left(scene: &Scene) -> (i64, i64) {
        let messages = scene.history_number("SELECT count(*) FROM messages").await;
        let events = scene.history_number("SELECT count(*) FROM events").await;
        (messages, events)
    }

    #[tokio::test]
    async fn age_prunes_messages_events_and_minutes() {
        let scene = a_day().await;
        let before = time(20 * HOUR_SECONDS);
        let pruned = scene.store.trail.prune_before(before, 1 << 40).await;
        let expected = Pruned {
            messages: 20,
            more: false,
        };
        assert_eq!(pruned.expect("pruned"), expected);
        assert_eq!(left(&scene).await, (4, 4));
        let minutes = scene
            .store
            .trail
            .load_figures(Period::Minute, 0..=minute(time(100 * HOUR_SECONDS)));
        assert_eq!(minutes.await.expect("readable").len(), 4);
    }

    #[tokio::test]
    async fn hours_outlive_the_trail_but_not_for_ever() {
        let scene = a_day().await;
        let hour = Timestamp::now().as_second().cast_unsigned() / 3_600;
        let oldest_kept = hour - limits::HOURS_KEPT.as_secs() / 3_600;
        for hour in [oldest_kept - 1, oldest_kept + 1, hour] {
            let saved = scene
                .store
                .trail
                .save_figures(Period::Hour, hour, "{}".to_owned())
                .await;
            saved.expect("saved");
        }
        let pruned = scene.store.trail.prune(Duration::ZERO, 0).await;
        assert_eq!(pruned.expect("pruned").messages, 24);
        let hours = scene
            .store
            .trail
            .load_figures(Period::Hour, 0..=hour)
            .await
            .expect("readable");
        let hours: Vec<u64> = hours.into_iter().map(|(hour, _)| hour).collect();
        assert_eq!(hours, [oldest_kept + 1, hour]);
    }

    #[tokio::test]
    async fn chunks_go_with_their_last_message() {
        let scene = a_day().await;
        scene.store.trail.begin_chunk().await;
        let after = time(30 * HOUR_SECONDS);
        let entries = vec![answered(after), attempted(time(0), "user@example.net")];
        scene.store.trail.append(entries).await.expect("appended");
        for (hour, chunks) in [(20, 3), (24, 1), (31, 0)] {
            let before = time(hour * HOUR_SECONDS);
            let pruned = scene.store.trail.prune_before(before, 1 << 40).await;
            pruned.expect("pruned");
            let left = scene.history_number("SELECT count(*) FROM chunks").await;
            assert_eq!(left, chunks, "before hour {hour}");
        }
    }

    #[tokio::test]
    async fn size_prunes_the_oldest() {
        let scene = a_day().await;
        let kept = scene
            .store
            .trail
            .prune_before(time(-2 * HOUR_SECONDS), 1 << 40)
            .await;
        assert_eq!(kept.expect("pruned"), Pruned::default());
        assert_eq!(left(&scene).await, (24, 25));
        let pruned = scene
            .store
            .trail
            .prune_before(time(-2 * HOUR_SECONDS), 0)
            .await;
        assert_eq!(pruned.expect("pruned").messages, 24);
        assert_eq!(left(&scene).await, (0, 0));
    }
}
