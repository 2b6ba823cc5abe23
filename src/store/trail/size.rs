//! How much trail there is: messages, counted or estimated, and how far it reaches back.

use jiff::Timestamp;

use super::TrailStore;
use crate::limits;
use crate::message::MessageId;
use crate::store::database::columns::json;
use crate::store::database::columns::{integer, optional_number};
use crate::store::database::error::ReadError;

/// The trail in figures; what it takes on disk says [`DiskFigures`](crate::store::DiskFigures).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailSize {
    /// Messages that it tells of.
    pub messages: u64,
    /// They were not counted one by one.
    pub is_estimate: bool,
    /// When the oldest of them was received; none when there is none.
    pub oldest: Option<Timestamp>,
}

impl TrailStore {
    /// The size of the trail. A large one is estimated from a few chunks of its index: counting
    /// millions would keep whoever asks waiting, and the disk busy.
    ///
    /// # Errors
    /// When the trail cannot be read.
    pub async fn trail_size(&self) -> Result<TrailSize, ReadError> {
        let row = sqlx::query(
            "SELECT (SELECT min(chunk) FROM messages) AS first,
                    (SELECT max(chunk) FROM messages) AS last,
                    (SELECT min(id) FROM messages) AS oldest",
        )
        .fetch_one(&self.readers)
        .await?;
        let number = |name| optional_number(&row, name);
        let (Some(first), Some(last)) = (number("first"), number("last")) else {
            return Ok(TrailSize {
                messages: 0,
                is_estimate: false,
                oldest: None,
            });
        };
        let oldest = number("oldest").map(|id| MessageId::from_i64(id).time());
        let counted = limits::TRAIL_CHUNKS_COUNTED;
        let all = last.abs_diff(first) + 1;
        let messages = if all <= counted {
            self.messages_in(&(first..=last).collect::<Vec<i64>>())
                .await?
        } else {
            // The oldest chunk is pruned in part and the newest is not full: neither speaks for others.
            let between = all - 2;
            let picked = (0..counted).map(|place| first + 1 + integer(place * between / counted));
            let in_picked = self.messages_in(&picked.collect::<Vec<i64>>()).await?;
            self.messages_in(&[first, last]).await? + in_picked * between / counted
        };
        Ok(TrailSize {
            messages,
            is_estimate: all > counted,
            oldest,
        })
    }

    async fn messages_in(&self, chunks: &[i64]) -> Result<u64, ReadError> {
        let messages = sqlx::query_scalar(
            "SELECT count(*) FROM json_each(?) AS picked
             CROSS JOIN messages INDEXED BY messages_by_sender ON messages.chunk = picked.value",
        );
        Ok(messages
            .bind(json(chunks)?)
            .fetch_one(&self.readers)
            .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Scene, answered, time};

    /// 1,000 messages, so many in a chunk.
    async fn scene(in_a_chunk: u32) -> Scene {
        let scene = Scene::new().await;
        let entries = (0..1_000).map(|second| answered(time(second)));
        let appended = scene.store.trail.append(entries.collect()).await;
        appended.expect("appended");
        let mut connection = scene.stranger("history.db").await;
        let spread = sqlx::query(
            "WITH placed AS (SELECT id, row_number() OVER (ORDER BY id) AS place FROM messages)
             UPDATE messages SET chunk = 7 + placed.place / ? FROM placed WHERE placed.id = messages.id",
        );
        let spread = spread.bind(in_a_chunk).execute(&mut connection).await;
        spread.expect("the statement runs");
        scene
    }

    #[tokio::test]
    async fn a_small_trail_is_counted_and_a_large_one_estimated() {
        let empty = Scene::new().await;
        let nothing = TrailSize {
            messages: 0,
            is_estimate: false,
            oldest: None,
        };
        assert_eq!(
            empty.store.trail.trail_size().await.expect("readable"),
            nothing
        );
        for (in_a_chunk, is_estimate) in [(5_000, false), (100, false), (30, true), (1, true)] {
            let scene = scene(in_a_chunk).await;
            let size = scene.store.trail.trail_size().await.expect("readable");
            let expected = TrailSize {
                messages: 1_000,
                is_estimate,
                oldest: Some(time(0)),
            };
            assert_eq!(size, expected, "{in_a_chunk}");
        }
    }
}
