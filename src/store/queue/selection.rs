//! What a bulk action would be done to: how many rows, in which states, and the first of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite};

use super::QueueView;
use super::filter::{asks_messages, push_where};
use super::listing::{ITEM_COLUMNS, item, push_from, state};
use crate::message::queue_filter::QueueFilter;
use crate::message::queue_listing::QueueItem;
use crate::message::{RowId, RowState};
use crate::store::database::columns::{count, json};
use crate::store::database::error::ReadError;

/// Rows that were chosen, before something is done to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectedRows {
    /// How many there are in each state, in the order of the design; states without rows are left out.
    pub by_state: Vec<(RowState, u64)>,
    /// The first of them, in the order of arrival.
    pub first: Vec<QueueItem>,
}

impl SelectedRows {
    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_state.iter().map(|(_, rows)| rows).sum()
    }
}

/// Adds the WHERE clause.
type PushWhere<'a> = &'a (dyn Fn(&mut QueryBuilder<Sqlite>) + Sync);

impl QueueView {
    /// The rows that `filter` means at `now`, the first `shown` of them as a whole.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn selection_by_filter(
        &self,
        filter: &QueueFilter,
        shown: u32,
        now: Timestamp,
    ) -> Result<SelectedRows, ReadError> {
        let condition = |query: &mut QueryBuilder<Sqlite>| push_where(filter, query, now);
        self.select(&condition, asks_messages(filter), shown).await
    }

    /// Those of `rows` that are there, the first `shown` of them as a whole.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn selection_of_rows(
        &self,
        rows: &[RowId],
        shown: u32,
    ) -> Result<SelectedRows, ReadError> {
        let rows = json(rows)?;
        let condition = |query: &mut QueryBuilder<Sqlite>| {
            query.push(" WHERE r.id IN (SELECT value FROM json_each(");
            query.push_bind(rows.clone()).push("))");
        };
        self.select(&condition, false, shown).await
    }

    async fn select(
        &self,
        condition: PushWhere<'_>,
        asks_messages: bool,
        shown: u32,
    ) -> Result<SelectedRows, ReadError> {
        let mut states = QueryBuilder::new("SELECT r.state, count(*) AS recipients");
        push_from(&mut states, asks_messages);
        condition(&mut states);
        states.push(" GROUP BY r.state");
        let mut first = QueryBuilder::new("SELECT ");
        first.push(ITEM_COLUMNS);
        push_from(&mut first, true);
        condition(&mut first);
        first
            .push(" ORDER BY r.message, r.id LIMIT ")
            .push_bind(shown);

        let counted = states.build().fetch_all(&self.readers).await?;
        let first = first.build().fetch_all(&self.readers).await?;
        let mut by_state: BTreeMap<RowState, u64> = BTreeMap::new();
        for row in &counted {
            // Several unknown words are all damage.
            *by_state.entry(state(row)).or_default() += count(row, "recipients");
        }
        Ok(SelectedRows {
            by_state: by_state.into_iter().collect(),
            first: first.iter().map(item).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Scene, queued, time};

    #[tokio::test]
    async fn a_selection_counts_states_and_shows_the_first() {
        let scene = Scene::new().await;
        let mut message = queued(1, &[1, 2, 3, 4, 5, 6], b"x");
        for (row, state) in message.rows.iter_mut().zip(RowState::ALL) {
            row.state = *state;
        }
        scene
            .store
            .queue
            .insert(vec![message])
            .await
            .expect("stored");
        scene
            .meddle("UPDATE recipients SET state = 'asleep' WHERE id = 1")
            .await;
        let check = |selection: SelectedRows, states: &[(RowState, u64)], shown: &[i64]| {
            assert_eq!(selection.by_state, states);
            let first: Vec<i64> = selection.first.iter().map(|item| item.id.0).collect();
            assert_eq!(first, shown);
        };
        let rows = [RowId(6), RowId(1), RowId(3), RowId(99)];
        let selection = scene.store.queue_view.selection_of_rows(&rows, 2).await;
        check(
            selection.expect("readable"),
            &[(RowState::Held, 1), (RowState::Damaged, 2)],
            &[1, 3],
        );
        let filter = QueueFilter {
            sender: Some("sender".into()),
            state: Some(RowState::Held),
            ..QueueFilter::default()
        };
        let selection = scene
            .store
            .queue_view
            .selection_by_filter(&filter, 9, time(0))
            .await;
        let selection = selection.expect("readable");
        assert_eq!(selection.total(), 1);
        check(selection, &[(RowState::Held, 1)], &[3]);
    }
}
