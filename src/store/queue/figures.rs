//! The queue in figures: how much waits, where for, since when.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::QueueView;
use super::listing::state;
use crate::limits;
use crate::message::RowState;
use crate::message::backlog::{Backlog, NextHopBacklog, QueueFigures, QueueOverview};
use crate::store::database::columns::{count, integer, optional_number, text, timestamp};
use crate::store::database::error::ReadError;

impl QueueView {
    /// How much waits, and since when.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn backlog(&self) -> Result<Backlog, ReadError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM recipients) AS recipients,
                    (SELECT received_at FROM messages WHERE id = (SELECT min(message) FROM recipients))
                        AS oldest",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(Backlog {
            recipients: count(&row, "recipients"),
            oldest_received_at: optional_number(&row, "oldest").map(timestamp),
        })
    }

    /// The same in a few parts, with at most `next_hops` of those: from indexes as far as they go, half
    /// as dear as [`Self::figures`] when the queue is long.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn overview(&self, next_hops: usize) -> Result<QueueOverview, ReadError> {
        // One statement, so that all sums are of the same moment. Almost every row waits: the others are
        // counted, and what is left of all rows waits.
        let rows = sqlx::query(
            "SELECT 'all' AS kind, '' AS state, '' AS next_hop, count(*) AS recipients FROM recipients
             UNION ALL
             SELECT 'state', state, '', count(*) FROM recipients WHERE state <> ?1 GROUP BY state
             UNION ALL
             SELECT * FROM (
                 SELECT 'next_hop', '', next_hop, count(*) AS due FROM recipients
                 WHERE state IN ('waiting', 'uncertain')
                 GROUP BY next_hop ORDER BY due DESC, next_hop LIMIT ?2)",
        )
        .bind(RowState::Waiting.as_str())
        .bind(integer(next_hops))
        .fetch_all(&self.readers)
        .await?;
        let mut all = 0;
        let mut by_state: BTreeMap<RowState, u64> = BTreeMap::new();
        let mut due_by_next_hop = Vec::new();
        for row in &rows {
            let recipients = count(row, "recipients");
            match text(row, "kind").as_str() {
                "all" => all = recipients,
                "state" => *by_state.entry(state(row)).or_default() += recipients,
                _ => due_by_next_hop.push((text(row, "next_hop"), recipients)),
            }
        }
        let others: u64 = by_state.values().sum();
        by_state.insert(RowState::Waiting, all.saturating_sub(others));
        by_state.retain(|_, recipients| *recipients > 0);
        Ok(QueueOverview {
            by_state: by_state.into_iter().collect(),
            due_by_next_hop,
        })
    }

    /// Rows that the queue tries again by itself; those that are held or under way are not among them.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn waiting_recipients(&self) -> Result<u64, ReadError> {
        let waiting = sqlx::query_scalar(
            "SELECT count(*) FROM recipients WHERE state IN ('waiting', 'uncertain')",
        );
        Ok(waiting.fetch_one(&self.readers).await?)
    }

    /// Rows that an operator keeps back.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn held_recipients(&self) -> Result<u64, ReadError> {
        // The state is written out: SQLite takes an index of some rows only where it sees that they are
        // the ones that are asked for.
        let held = sqlx::query_scalar(
            "SELECT count(*) FROM recipients INDEXED BY recipients_held WHERE state = 'held'",
        );
        Ok(held.fetch_one(&self.readers).await?)
    }

    /// How much waits in which state and for which next hop.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn figures(&self) -> Result<QueueFigures, ReadError> {
        // One walk for both sums: the queue may be long.
        let rows = sqlx::query(
            "SELECT groups.*, m.received_at AS oldest FROM (
                 SELECT next_hop, state, count(*) AS recipients, min(message) AS message
                 FROM recipients GROUP BY next_hop, state) AS groups
             LEFT JOIN messages AS m ON m.id = groups.message",
        )
        .fetch_all(&self.readers)
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
}

/// The earlier one of the times that are known.
fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Scene, queued, time};

    #[tokio::test]
    async fn an_empty_queue_has_no_age() {
        let scene = Scene::new().await;
        let size = scene.store.queue_view.backlog().await.expect("readable");
        assert_eq!(size, Backlog::default());
        let figures = scene.store.queue_view.figures().await.expect("readable");
        assert_eq!(figures, QueueFigures::default());
        let overview = scene.store.queue_view.overview(5).await.expect("readable");
        assert_eq!(overview, QueueOverview::default());
    }

    #[tokio::test]
    async fn figures_count_states_next_hops_and_ages() {
        let scene = Scene::new().await;
        let mut first = queued(1, &[1, 2, 3], b"x");
        first.rows[0].state = RowState::Held;
        first.rows[1].next_hop = "other.example.net".into();
        let stored = scene
            .store
            .queue
            .insert(vec![first, queued(2, &[4], b"y")])
            .await;
        stored.expect("stored");
        scene
            .meddle("UPDATE recipients SET state = 'asleep' WHERE id = 4")
            .await;
        scene
            .meddle("UPDATE messages SET received_at = received_at - 7200000 WHERE id = 1")
            .await;

        let waiting = scene.store.queue_view.waiting_recipients().await;
        assert_eq!(waiting.expect("readable"), 2, "not what is held or damaged");
        let held = scene.store.queue_view.held_recipients().await;
        assert_eq!(held.expect("readable"), 1);
        let figures = scene.store.queue_view.figures().await.expect("readable");
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

        let overview = scene.store.queue_view.overview(1).await.expect("readable");
        assert_eq!(overview.by_state, states);
        let due = [("mx.example.net".to_owned(), 1)];
        assert_eq!(
            overview.due_by_next_hop, due,
            "neither held nor damaged ones"
        );
    }
}
