//! The global memory budget: what keeps a thousand messages from killing the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that all bodies together may hold in memory.
#[derive(Debug)]
pub struct MemoryBudget {
    limit_bytes: AtomicU64,
    used_bytes: AtomicU64,
}

impl MemoryBudget {
    /// A budget of `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            limit_bytes: AtomicU64::new(limit_bytes),
            used_bytes: AtomicU64::new(0),
        })
    }

    /// Changes the limit; what is held already stays held.
    pub fn set_limit(&self, limit_bytes: u64) {
        self.limit_bytes.store(limit_bytes, Ordering::Relaxed);
    }

    /// The limit in bytes.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes.load(Ordering::Relaxed)
    }

    /// Bytes held now.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Whether more than `percent` of the budget is held.
    pub fn is_above(&self, percent: u64) -> bool {
        self.used_bytes().saturating_mul(100) >= self.limit_bytes().saturating_mul(percent)
    }

    fn try_take(&self, bytes: u64) -> bool {
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let after = used.checked_add(bytes)?;
                (after <= self.limit_bytes()).then_some(after)
            })
            .is_ok()
    }
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

impl Reservation {
    /// An empty share of `budget`.
    #[must_use]
    pub fn empty(budget: Arc<MemoryBudget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Adds `bytes` to the share; false when the budget does not hold them.
    #[must_use]
    pub fn grow(&mut self, bytes: u64) -> bool {
        let taken = self.budget.try_take(bytes);
        if taken {
            self.bytes += bytes;
        }
        taken
    }

    /// Takes `bytes` even beyond the limit: for content that is read back from the store to be
    /// delivered, which the queue's own bound on attempts limits.
    pub fn grow_regardless(&mut self, bytes: u64) {
        self.budget.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// Gives everything back at once.
    pub fn clear(&mut self) {
        self.budget
            .used_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_bounded_and_given_back() {
        let budget = MemoryBudget::new(100);
        let mut first = Reservation::empty(Arc::clone(&budget));
        assert!(first.grow(60));
        let mut second = Reservation::empty(Arc::clone(&budget));
        assert!(!second.grow(41));
        assert!(second.grow(40));
        assert!(budget.is_above(95));
        drop(first);
        assert_eq!(budget.used_bytes(), 40);
        second.clear();
        assert_eq!(budget.used_bytes(), 0);
    }
}
