//! The queue in figures: how much waits, where for, since when.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Store;
use super::columns::{count, milliseconds, optional_number, text, timestamp};
use super::error::ReadError;
use super::queue_read::state;
use crate::limits;
use crate::message::RowState;

/// What the live figures show; cheap enough for once a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueSize {
    /// Rows.
    pub recipients: u64,
    /// When the oldest message arrived.
    pub oldest_received_at: Option<Timestamp>,
}

/// What the queue's page shows above the listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFigures {
    /// Rows.
    pub recipients: u64,
    /// When the oldest message arrived.
    pub oldest_received_at: Option<Timestamp>,
    /// Rows in each state, in the order of the design; states without rows are left out.
    pub by_state: Vec<(RowState, u64)>,
    /// The next hops with most rows, at most [`limits::PAGE_ITEMS`].
    pub by_next_hop: Vec<NextHopBacklog>,
}

/// What waits for one next hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextHopBacklog {
    /// The next hop's name.
    pub next_hop: String,
    /// Rows.
    pub recipients: u64,
    /// When its oldest message arrived.
    pub oldest_received_at: Option<Timestamp>,
}

/// One line of the table destination × age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgeRow {
    /// The recipients' domain.
    pub destination: String,
    /// Rows in all.
    pub recipients: u64,
    /// Rows younger than each of [`AgeRow::BOUNDS_SECONDS`] and not younger than the one before; the
    /// last field counts the rest.
    pub by_age: [u64; AgeRow::BOUNDS_SECONDS.len() + 1],
}

impl AgeRow {
    /// 5 and 30 minutes, 2, 8 and 24 hours.
    pub const BOUNDS_SECONDS: [i64; 5] = [300, 1_800, 7_200, 28_800, 86_400];
}

impl Store {
    /// How much waits, and since when.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn queue_size(&self) -> Result<QueueSize, ReadError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM recipients) AS recipients,
                    (SELECT received_at FROM messages WHERE id = (SELECT min(message) FROM recipients))
                        AS oldest",
        )
        .fetch_one(&self.shared.readers)
        .await?;
        Ok(QueueSize {
            recipients: count(&row, "recipients"),
            oldest_received_at: optional_number(&row, "oldest").map(timestamp),
        })
    }

    /// Rows that the queue tries again by itself; those that are held or under way are not among them.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn waiting_recipients(&self) -> Result<u64, ReadError> {
        let row = sqlx::query(
            "SELECT count(*) AS recipients FROM recipients WHERE state IN ('waiting', 'uncertain')",
        )
        .fetch_one(&self.shared.readers)
        .await?;
        Ok(count(&row, "recipients"))
    }

    /// How much waits in which state and for which next hop.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn queue_figures(&self) -> Result<QueueFigures, ReadError> {
        // One walk for both sums: the queue may be long.
        let rows = sqlx::query(
            "SELECT groups.*, m.received_at AS oldest FROM (
                 SELECT next_hop, state, count(*) AS recipients, min(message) AS message
                 FROM recipients GROUP BY next_hop, state) AS groups
             LEFT JOIN messages AS m ON m.id = groups.message",
        )
        .fetch_all(&self.shared.readers)
        .await?;
        let mut by_state: BTreeMap<RowState, u64> = BTreeMap::new();
        let mut by_next_hop: HashMap<String, NextHopBacklog> = HashMap::new();
        for row in &rows {
            let recipients = count(row, "recipients");
            *by_state.entry(state(row)).or_default() += recipients;
            let next_hop = text(row, "next_hop");
            let backlog = by_next_hop
                .entry(next_hop.clone())
                .or_insert_with(|| NextHopBacklog {
                    next_hop,
                    recipients: 0,
                    oldest_received_at: None,
                });
            backlog.recipients += recipients;
            let oldest = optional_number(row, "oldest").map(timestamp);
            backlog.oldest_received_at = earliest(backlog.oldest_received_at, oldest);
        }
        let mut by_next_hop: Vec<NextHopBacklog> = by_next_hop.into_values().collect();
        let oldest = by_next_hop.iter().map(|backlog| backlog.oldest_received_at);
        let oldest_received_at = oldest.fold(None, earliest);
        by_next_hop.sort_by(|one, other| {
            let most_first = other.recipients.cmp(&one.recipients);
            most_first.then_with(|| one.next_hop.cmp(&other.next_hop))
        });
        by_next_hop.truncate(limits::PAGE_ITEMS as usize);
        Ok(QueueFigures {
            recipients: by_state.values().sum(),
            oldest_received_at,
            by_state: by_state.into_iter().collect(),
            by_next_hop,
        })
    }

    /// The table destination × age at `now`: the destinations with most rows, at most
    /// [`limits::PAGE_ITEMS`].
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn queue_ages(&self, now: Timestamp) -> Result<Vec<AgeRow>, ReadError> {
        let mut query = sqlx::query(
            "SELECT r.recipient_domain AS destination, count(*) AS recipients,
                    sum(m.received_at > ?2) AS age0,
                    sum(m.received_at > ?3 AND m.received_at <= ?2) AS age1,
                    sum(m.received_at > ?4 AND m.received_at <= ?3) AS age2,
                    sum(m.received_at > ?5 AND m.received_at <= ?4) AS age3,
                    sum(m.received_at > ?6 AND m.received_at <= ?5) AS age4,
                    sum(m.received_at <= ?6) AS age5
             FROM recipients AS r LEFT JOIN messages AS m ON m.id = r.message
             GROUP BY r.recipient_domain ORDER BY recipients DESC, destination LIMIT ?1",
        )
        .bind(limits::PAGE_ITEMS);
        for seconds in AgeRow::BOUNDS_SECONDS {
            let bound = now.checked_sub(SignedDuration::from_secs(seconds));
            query = query.bind(milliseconds(bound.unwrap_or(Timestamp::MIN)));
        }
        let rows = query.fetch_all(&self.shared.readers).await?;
        let ages = ["age0", "age1", "age2", "age3", "age4", "age5"];
        let line = rows.iter().map(|row| AgeRow {
            destination: text(row, "destination"),
            recipients: count(row, "recipients"),
            by_age: ages.map(|column| count(row, column)),
        });
        Ok(line.collect())
    }
}

/// The earlier one of the times that are known.
fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, queued, time};
    use super::*;

    #[tokio::test]
    async fn an_empty_queue_has_no_age() {
        let scene = Scene::new().await;
        let size = scene.store.queue_size().await.expect("readable");
        assert_eq!(size, QueueSize::default());
        let figures = scene.store.queue_figures().await.expect("readable");
        assert_eq!(figures, QueueFigures::default());
        assert_eq!(scene.store.queue_ages(time(0)).await.expect("readable"), []);
    }

    #[tokio::test]
    async fn figures_count_states_next_hops_and_ages() {
        let scene = Scene::new().await;
        let mut first = queued(1, &[1, 2, 3], b"x");
        first.rows[0].state = RowState::Held;
        first.rows[1].next_hop = "other.example.net".into();
        let stored = scene.store.insert(vec![first, queued(2, &[4], b"y")]).await;
        stored.expect("stored");
        scene
            .meddle("UPDATE recipients SET state = 'asleep' WHERE id = 4")
            .await;
        scene
            .meddle("UPDATE messages SET received_at = received_at - 7200000 WHERE id = 1")
            .await;

        let waiting = scene.store.waiting_recipients().await;
        assert_eq!(waiting.expect("readable"), 2, "not what is held or damaged");
        let figures = scene.store.queue_figures().await.expect("readable");
        assert_eq!(figures.recipients, 4);
        assert_eq!(figures.oldest_received_at, Some(time(-7_200)));
        let states = [
            (RowState::Waiting, 2),
            (RowState::Held, 1),
            (RowState::Damaged, 1),
        ];
        assert_eq!(figures.by_state, states);
        let hops: Vec<_> = figures
            .by_next_hop
            .iter()
            .map(|hop| (hop.next_hop.as_str(), hop.recipients))
            .collect();
        assert_eq!(hops, [("mx.example.net", 3), ("other.example.net", 1)]);

        let ages = scene.store.queue_ages(time(10)).await.expect("readable");
        let expected = AgeRow {
            destination: "example.net".into(),
            recipients: 4,
            by_age: [1, 0, 0, 3, 0, 0],
        };
        assert_eq!(ages, [expected]);
    }
}
