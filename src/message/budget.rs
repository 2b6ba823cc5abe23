//! The global memory budget: what keeps a thousand messages from killing the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::limits;

/// Bytes that all bodies together, and what grows with them, may hold in memory.
#[derive(Debug)]
pub struct MemoryBudget {
    limit_bytes: AtomicU64,
    used_bytes: AtomicU64,
}

/// The kind of client that memory is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustLevel {
    /// An unknown client: a part of the budget is kept from them, see [`limits::BUDGET_STRANGERS_PERCENT`].
    Stranger,
    /// A client of a trusted network or with a login, or ourselves.
    Trusted,
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

    /// Bytes that may be held when a client of this trust level asks for more.
    pub fn limit_bytes_for(&self, standing: TrustLevel) -> u64 {
        let limit = self.limit_bytes();
        match standing {
            TrustLevel::Stranger => limit / 100 * limits::BUDGET_STRANGERS_PERCENT,
            TrustLevel::Trusted => limit,
        }
    }

    /// Bytes held now.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Whether more than `percent` of what clients of this trust level may hold is held.
    pub fn is_above(&self, percent: u64, standing: TrustLevel) -> bool {
        let limit = self.limit_bytes_for(standing);
        self.used_bytes().saturating_mul(100) >= limit.saturating_mul(percent)
    }

    fn try_take(&self, bytes: u64, standing: TrustLevel) -> bool {
        let limit = self.limit_bytes_for(standing);
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let after = used.checked_add(bytes)?;
                (after <= limit).then_some(after)
            })
            .is_ok()
    }
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<MemoryBudget>,
    standing: TrustLevel,
    bytes: u64,
}

impl Reservation {
    /// An empty share of `budget` for ourselves, or for a trusted client.
    #[must_use]
    pub fn empty(budget: Arc<MemoryBudget>) -> Self {
        Self::of(budget, TrustLevel::Trusted)
    }

    /// An empty share of `budget`.
    #[must_use]
    pub fn of(budget: Arc<MemoryBudget>, standing: TrustLevel) -> Self {
        Self {
            budget,
            standing,
            bytes: 0,
        }
    }

    /// Another empty share for the same.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::of(Arc::clone(&self.budget), self.standing)
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The trust level with which it grows from here on.
    pub fn set_standing(&mut self, standing: TrustLevel) {
        self.standing = standing;
    }

    /// Adds `bytes` to the share; false when the budget does not hold them.
    #[must_use]
    pub fn grow(&mut self, bytes: u64) -> bool {
        let taken = self.budget.try_take(bytes, self.standing);
        if taken {
            self.bytes += bytes;
        }
        taken
    }

    /// Adds `bytes`, waiting until `deadline` for others to give theirs back; false when they do not.
    pub async fn grow_until(&mut self, bytes: u64, deadline: Instant) -> bool {
        loop {
            if self.grow(bytes) {
                return true;
            }
            // What is given back wakes no waiter: that would cost every message something.
            let next = Instant::now() + limits::BUDGET_RETRY_WAIT;
            if next >= deadline || bytes > self.budget.limit_bytes_for(self.standing) {
                return false;
            }
            sleep(limits::BUDGET_RETRY_WAIT).await;
        }
    }

    /// Takes `bytes` even beyond the limit: for content that is read back from the store to be
    /// delivered, which the queue's own bound on attempts limits.
    pub fn grow_regardless(&mut self, bytes: u64) {
        self.budget.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// Gives back what it has beyond `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let beyond = self.bytes.saturating_sub(bytes);
        if beyond > 0 {
            self.budget.used_bytes.fetch_sub(beyond, Ordering::Relaxed);
            self.bytes -= beyond;
        }
    }

    /// Gives everything back at once.
    pub fn clear(&mut self) {
        self.shrink_to(0);
    }

    /// Takes in another share of the same budget.
    pub fn absorb(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.budget, &other.budget), "there is one");
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// `block`, which holds this share until it is dropped, wherever that happens.
    #[must_use]
    pub fn held_by(self, block: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(ReservedBlock {
            block,
            _share: self,
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A block together with its share.
struct ReservedBlock<B> {
    block: B,
    _share: Reservation,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for ReservedBlock<B> {
    fn as_ref(&self) -> &[u8] {
        self.block.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_share_is_bounded_and_given_back() {
        let budget = MemoryBudget::new(100);
        let mut first = Reservation::empty(Arc::clone(&budget));
        assert!(first.grow(60));
        let mut second = first.another();
        assert!(!second.grow(41));
        assert!(second.grow(40));
        assert!(budget.is_above(95, TrustLevel::Trusted));
        first.shrink_to(70);
        assert_eq!(budget.used_bytes(), 100);
        first.shrink_to(10);
        assert_eq!((first.bytes(), budget.used_bytes()), (10, 50));
        first.absorb(second);
        assert_eq!((first.bytes(), budget.used_bytes()), (50, 50));
        let block = first.held_by(vec![1; 50]);
        let slice = block.slice(10..20);
        drop(block);
        assert_eq!((&slice[..], budget.used_bytes()), (&[1; 10][..], 50));
        drop(slice);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn strangers_leave_a_part_to_those_we_trust() {
        let budget = MemoryBudget::new(1_000);
        let part = 10 * limits::BUDGET_STRANGERS_PERCENT;
        let mut stranger = Reservation::of(Arc::clone(&budget), TrustLevel::Stranger);
        assert!(!stranger.grow(part + 1));
        assert!(stranger.grow(part));
        assert!(budget.is_above(95, TrustLevel::Stranger));
        assert!(!budget.is_above(95, TrustLevel::Trusted));
        let mut trusted = Reservation::empty(Arc::clone(&budget));
        assert!(trusted.grow(1_000 - part));
        assert!(budget.is_above(95, TrustLevel::Trusted));
        stranger.clear();
        stranger.set_standing(TrustLevel::Trusted);
        assert!(stranger.grow(part));
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_may_wait_for_others() {
        let budget = MemoryBudget::new(100);
        let mut first = Reservation::empty(Arc::clone(&budget));
        assert!(first.grow(60));
        let mut second = first.another();
        let began = Instant::now();
        let deadline = began + Duration::from_secs(5);
        assert!(!second.grow_until(101, deadline).await);
        assert_eq!(Instant::now(), began, "it can never have so much");
        assert!(!second.grow_until(41, deadline).await);
        assert!(Instant::now() <= deadline);
        let deadline = Instant::now() + Duration::from_secs(5);
        let freed = async {
            sleep(Duration::from_secs(1)).await;
            first.clear();
        };
        let (grown, ()) = tokio::join!(second.grow_until(41, deadline), freed);
        assert!(grown);
        assert_eq!(budget.used_bytes(), 41);
    }
}
