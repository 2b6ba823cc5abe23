//! The table destination × age: where the queue waits for, and since when.

use jiff::{SignedDuration, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteRow;

use super::QueueView;
use crate::limits;
use crate::message::MessageId;
use crate::message::backlog::{
    AGE_BOUNDS_SECONDS, AgeRow, AgeTable, ByAge, Destinations, OtherDestinations,
};
use crate::store::database::columns::{count, optional_text};
use crate::store::database::error::ReadError;

impl Destinations {
    const fn column(self) -> &'static str {
        match self {
            Self::NextHop => "next_hop",
            Self::Domain => "recipient_domain",
        }
    }
}

/// Ages are read off the message ids, which begin with the time of arrival: then an index answers
/// alone. The few rows under an attempt are not in it.
fn table(column: &str) -> String {
    format!(
        "WITH pieces AS (
             SELECT next_hop, recipient_domain, count(*) AS recipients,
                    sum(message >= ?2) AS y0, sum(message >= ?3) AS y1, sum(message >= ?4) AS y2,
                    sum(message >= ?5) AS y3, sum(message >= ?6) AS y4
             FROM recipients INDEXED BY recipients_by_destination
             WHERE state <> 'delivering' GROUP BY next_hop, recipient_domain
             UNION ALL
             SELECT next_hop, recipient_domain, 1, message >= ?2, message >= ?3, message >= ?4,
                    message >= ?5, message >= ?6
             FROM recipients WHERE state = 'delivering'),
         sums AS MATERIALIZED (
             SELECT {column} AS destination, 1 AS destinations, sum(recipients) AS recipients,
                    sum(y0) AS y0, sum(y1) AS y1, sum(y2) AS y2, sum(y3) AS y3, sum(y4) AS y4
             FROM pieces GROUP BY {column})
         SELECT * FROM (SELECT * FROM sums ORDER BY recipients DESC, destination LIMIT ?1)
         UNION ALL
         SELECT NULL, count(*), sum(recipients), sum(y0), sum(y1), sum(y2), sum(y3), sum(y4) FROM sums"
    )
}

impl QueueView {
    /// The table at `now`, with `most` lines.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn age_table(
        &self,
        by: Destinations,
        most: u32,
        now: Timestamp,
    ) -> Result<AgeTable, ReadError> {
        let mut query = sqlx::query(AssertSqlSafe(table(by.column())));
        query = query.bind(most.min(limits::PAGE_ITEMS_MAX));
        for seconds in AGE_BOUNDS_SECONDS {
            let ago = SignedDuration::from_secs(seconds.cast_signed());
            let bound = now.checked_sub(ago).unwrap_or(Timestamp::MIN);
            query = query.bind(MessageId::earliest_at(bound).as_i64());
        }
        let rows = query.fetch_all(&self.readers).await?;
        let mut table = AgeTable::default();
        let mut others = OtherDestinations {
            destinations: 0,
            recipients: 0,
            by_age: ByAge::default(),
        };
        for row in &rows {
            let (recipients, by_age) = (count(row, "recipients"), by_age(row));
            let Some(destination) = optional_text(row, "destination") else {
                others.destinations += count(row, "destinations");
                others.recipients += recipients;
                table.recipients += recipients;
                add(&mut others.by_age, by_age, u64::saturating_add);
                continue;
            };
            table.destinations.push(AgeRow {
                destination,
                recipients,
                by_age,
            });
        }
        // What has a line of its own is taken off the total.
        for row in &table.destinations {
            others.destinations = others.destinations.saturating_sub(1);
            others.recipients = others.recipients.saturating_sub(row.recipients);
            add(&mut others.by_age, row.by_age, u64::saturating_sub);
        }
        table.others = (others.destinations > 0).then_some(others);
        Ok(table)
    }
}

fn add(sum: &mut ByAge, other: ByAge, how: fn(u64, u64) -> u64) {
    for (mine, other) in sum.iter_mut().zip(other) {
        *mine = how(*mine, other);
    }
}

/// From “not older than” to “not older than, and older than the one before”.
fn by_age(row: &SqliteRow) -> ByAge {
    let mut by_age = ByAge::default();
    let mut younger = 0;
    for (place, column) in ["y0", "y1", "y2", "y3", "y4", "recipients"]
        .into_iter()
        .enumerate()
    {
        let up_to = count(row, column);
        by_age[place] = up_to.saturating_sub(younger);
        younger = up_to;
    }
    by_age
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::RowState;
    use crate::store::testing::{Scene, queued, row, time};
    use crate::store::{NewQueued, NewRow};

    /// A message of that age with rows for these next hops; row ids go on from `first`.
    fn aged(age_seconds: i64, first: i64, next_hops: &[&str]) -> NewQueued {
        let id = MessageId::earliest_at(time(-age_seconds)).as_i64();
        let mut message = queued(id, &[], b"x");
        message.rows = (first..)
            .zip(next_hops)
            .map(|(id, &next_hop)| NewRow {
                next_hop: next_hop.into(),
                ..row(id)
            })
            .collect();
        message
    }

    #[tokio::test]
    async fn rows_are_counted_by_destination_and_age() {
        let scene = Scene::new().await;
        let mut under_way = aged(20_000, 20, &["a", "c"]);
        under_way.rows[0].state = RowState::Delivering;
        let messages = vec![
            aged(0, 1, &["a", "b"]),
            aged(299, 3, &["a"]),
            aged(301, 4, &["a"]),
            aged(90_000, 5, &["a", "d"]),
            under_way,
        ];
        scene.store.queue.insert(messages).await.expect("stored");
        let table = async |by, most| {
            let table = scene.store.queue_view.age_table(by, most, time(0)).await;
            table.expect("readable")
        };
        let found = table(Destinations::NextHop, 2).await;
        let a = AgeRow {
            destination: "a".into(),
            recipients: 5,
            by_age: [2, 1, 0, 1, 0, 1],
        };
        let b = AgeRow {
            destination: "b".into(),
            recipients: 1,
            by_age: [1, 0, 0, 0, 0, 0],
        };
        assert_eq!(found.destinations, [a, b]);
        let others = OtherDestinations {
            destinations: 2,
            recipients: 2,
            by_age: [0, 0, 0, 1, 0, 1],
        };
        assert_eq!(found.others, Some(others));
        assert_eq!(found.recipients, 8);

        let by_domain = table(Destinations::Domain, 9).await;
        assert_eq!(by_domain.others, None);
        let lines: Vec<_> = by_domain
            .destinations
            .iter()
            .map(|row| (row.destination.as_str(), row.recipients, row.by_age))
            .collect();
        assert_eq!(lines, [("example.net", 8, [3, 1, 0, 2, 0, 2])]);
    }

    #[tokio::test]
    async fn an_empty_queue_has_an_empty_table() {
        let scene = Scene::new().await;
        let table = scene
            .store
            .queue_view
            .age_table(Destinations::NextHop, 9, time(0));
        assert_eq!(table.await.expect("readable"), AgeTable::default());
    }
}
