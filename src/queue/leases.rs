//! Leases: which rows of the queue have an attempt under way, in the queue or left over from the
//! fast path.
//!
//! They are in memory only. What an operator orders for a leased row is noted here and carried out
//! when its attempt ends.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;

use super::QueueAction;
use crate::message::RowId;

/// All leases.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases(Arc<Mutex<HashMap<RowId, LeaseState>>>);

/// A row under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeaseState {
    /// Its attempt goes on, and this is what an operator has ordered meanwhile.
    UnderWay(Option<QueueAction>),
    /// Its attempt has ended and its change is on its way to the store. Later orders follow it there.
    Concluded,
}

impl Leases {
    /// Leases those of `rows` that are free; the lease ends when the value is dropped.
    #[must_use]
    pub(super) fn take(&self, rows: impl IntoIterator<Item = RowId>) -> Lease {
        let mut rows: Vec<RowId> = rows.into_iter().collect();
        self.with(|leased| {
            rows.retain(|&row| match leased.entry(row) {
                Entry::Occupied(_) => false,
                Entry::Vacant(free) => {
                    free.insert(LeaseState::UnderWay(None));
                    true
                }
            });
        });
        Lease {
            leases: self.clone(),
            rows,
        }
    }

    /// Notes an order for a row; false when the row is not leased.
    #[must_use]
    pub(super) fn order(&self, row: RowId, order: QueueAction) -> bool {
        self.with(|leased| match leased.get_mut(&row) {
            Some(held @ LeaseState::UnderWay(_)) => {
                *held = LeaseState::UnderWay(Some(order));
                true
            }
            Some(LeaseState::Concluded) | None => false,
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<RowId, LeaseState>) -> T) -> T {
        // A panic while the map was held leaves it whole: every change is a single call.
        work(&mut self.0.lock())
    }
}

/// The lease of some rows.
#[derive(Debug)]
pub struct Lease {
    leases: Leases,
    rows: Vec<RowId>,
}

impl Lease {
    /// Whether it is over this row.
    #[must_use]
    pub fn holds(&self, row: RowId) -> bool {
        self.rows.contains(&row)
    }

    /// The attempt of a row has ended: gives what was ordered meanwhile. The row stays leased until
    /// its change was given to the store and the lease is dropped.
    #[must_use]
    pub fn conclude(&self, row: RowId) -> Option<QueueAction> {
        let held = self
            .leases
            .with(|leased| leased.insert(row, LeaseState::Concluded));
        match held {
            Some(LeaseState::UnderWay(order)) => order,
            Some(LeaseState::Concluded) | None => None,
        }
    }

    /// Takes some rows out into a lease of their own.
    #[must_use]
    pub fn part(&mut self, rows: impl IntoIterator<Item = RowId>) -> Self {
        let mut rows: Vec<RowId> = rows.into_iter().collect();
        rows.retain(|row| self.rows.contains(row));
        self.rows.retain(|row| !rows.contains(row));
        Self {
            leases: self.leases.clone(),
            rows,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.with(|leased| {
            for row in &self.rows {
                leased.remove(row);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_waits_for_the_end_of_the_lease() {
        let leases = Leases::default();
        let lease = leases.take([RowId(1), RowId(2)]);
        assert!(leases.order(RowId(1), QueueAction::Hold));
        assert!(
            leases.order(RowId(1), QueueAction::Purge),
            "the last one counts"
        );
        assert!(!leases.order(RowId(3), QueueAction::Purge));
        assert_eq!(lease.conclude(RowId(1)), Some(QueueAction::Purge));
        assert_eq!(lease.conclude(RowId(2)), None);
        assert!(
            !leases.order(RowId(1), QueueAction::Hold),
            "it goes to the store"
        );
        assert!(!is_free(&leases, 1), "its change is on its way");
        drop(lease);
        assert!(is_free(&leases, 1));
    }

    fn is_free(leases: &Leases, row: i64) -> bool {
        leases.take([RowId(row)]).holds(RowId(row))
    }

    #[test]
    fn a_leased_row_is_not_leased_twice() {
        let leases = Leases::default();
        let first = leases.take([RowId(1)]);
        let second = leases.take([RowId(1), RowId(2)]);
        assert!(first.holds(RowId(1)));
        assert!(!second.holds(RowId(1)) && second.holds(RowId(2)));
        drop(second);
        assert!(!is_free(&leases, 1), "the first still holds it");
    }

    #[test]
    fn a_part_outlives_the_whole() {
        let leases = Leases::default();
        let mut lease = leases.take([RowId(1), RowId(2)]);
        let part = lease.part([RowId(2)]);
        drop(lease);
        assert!(is_free(&leases, 1));
        assert!(!is_free(&leases, 2));
        drop(part);
        assert!(is_free(&leases, 2));
    }

    #[test]
    fn a_dropped_lease_frees_its_rows() {
        let leases = Leases::default();
        drop(leases.take([RowId(1)]));
        assert!(is_free(&leases, 1));
    }
}
