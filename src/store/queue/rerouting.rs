//! Where what waits goes when the settings have changed.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::QueueStore;
use crate::limits;
use crate::store::database::columns::{integer, json, milliseconds, text};
use crate::store::database::error::StoreError;
use crate::store::database::writer::SingleChange;
use crate::store::rows::QueuedRoute;

impl QueueStore {
    /// Routes in their order, at most [`limits::ROUTES_READ`], behind `after`.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn routes(
        &self,
        after: Option<&QueuedRoute>,
    ) -> Result<Vec<QueuedRoute>, StoreError> {
        let (next_hop, domain) = after.map_or(("", ""), |after| (&*after.next_hop, &*after.domain));
        let found = sqlx::query(
            "SELECT next_hop, recipient_domain FROM recipients INDEXED BY recipients_by_destination
             WHERE state <> 'delivering' AND (next_hop, recipient_domain) > (?1, ?2)
             GROUP BY next_hop, recipient_domain ORDER BY next_hop, recipient_domain LIMIT ?3",
        )
        .bind(next_hop)
        .bind(domain)
        .bind(integer(limits::ROUTES_READ))
        .fetch_all(&self.readers)
        .await?;
        let route = |row: &_| QueuedRoute {
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
        self.in_pieces(Redirection {
            from: from.to_owned(),
            domains: domains.to_vec(),
            to: to.to_owned(),
            now,
        })
        .await
    }
}

/// One piece of [`QueueStore::redirect`].
#[derive(Clone, Debug)]
struct Redirection {
    from: String,
    domains: Vec<String>,
    to: String,
    now: Timestamp,
}

impl SingleChange for Redirection {
    type Outcome = u64;

    fn rows(&self) -> usize {
        limits::BULK_CHUNK
    }

    async fn write(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
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
        .bind(integer(limits::BULK_CHUNK))
        .execute(connection)
        .await?;
        Ok(changed.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use crate::message::{RowId, RowState};
    use crate::store::testing::{Scene, queued, time};

    async fn rows(scene: &Scene) -> Vec<(i64, String, i64)> {
        let mut found = Vec::new();
        for id in 1..=6 {
            let row = scene
                .store
                .queue_view
                .item(RowId(id))
                .await
                .expect("readable");
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
        scene
            .store
            .queue
            .insert(vec![message])
            .await
            .expect("stored");
        let routes = scene.store.queue.routes(None).await.expect("readable");
        let [route] = &routes[..] else {
            panic!("there is one: {routes:?}");
        };
        assert_eq!((&*route.next_hop, &*route.domain), ("old", "example.net"));
        assert_eq!(scene.store.queue.routes(Some(route)).await, Ok(Vec::new()));
        let domains = [route.domain.clone()];
        let moved = scene
            .store
            .queue
            .redirect("old", &domains, "new", time(50))
            .await;
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
}
