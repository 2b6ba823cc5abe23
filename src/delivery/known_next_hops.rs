//! What is kept of every next hop between attempts: connections, breaker, figures.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::breaker::{Admission, Breaker, BreakerEvent};
use super::figures::{NextHopCounters, NextHopFigures, Suspension};
use super::pool::Pool;
use crate::limits;

/// One next hop, as far as it is known.
#[derive(Debug)]
pub(super) struct KnownNextHop {
    pub(super) name: Arc<str>,
    pub(super) pool: Pool,
    pub(super) counters: NextHopCounters,
    breaker: Mutex<Breaker>,
}

impl KnownNextHop {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            pool: Pool::new(),
            counters: NextHopCounters::default(),
            breaker: Mutex::new(Breaker::new()),
        }
    }

    /// Whether the breaker is open, be a probe due or under way.
    pub(super) fn is_open(&self) -> bool {
        self.breaker().probe_at().is_some()
    }

    /// Tells the breaker what came of it. True: the next hop is no longer suspended.
    pub(super) fn learn(&self, event: BreakerEvent, admission: Admission, now: Instant) -> bool {
        let mut breaker = self.breaker();
        let was_open = breaker.probe_at().is_some();
        breaker.learn(event, admission, now);
        let is_open = breaker.probe_at().is_some();
        drop(breaker);
        match (was_open, is_open) {
            (false, true) => {
                tracing::warn!(next_hop = %self.name, "suspended: its mail waits in the queue")
            }
            (true, false) => tracing::info!(next_hop = %self.name, "no longer suspended"),
            _ => {}
        }
        was_open && !is_open
    }

    fn figures(&self, now: Instant) -> NextHopFigures {
        let suspension = match self.breaker().probe_at() {
            None => Suspension::None,
            Some(probe_at) => Suspension::Suspended {
                probe_in: probe_at.saturating_duration_since(now),
            },
        };
        let (name, open) = (Arc::clone(&self.name), self.pool.open_connections());
        self.counters.figures(name, open, suspension, now)
    }

    /// Its breaker, held for a moment.
    pub(super) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock()
    }
}

/// All of them, at most [`limits::NEXT_HOPS_KEPT`].
#[derive(Debug, Default)]
pub(super) struct KnownNextHops {
    by_name: Mutex<HashMap<Arc<str>, KnownEntry>>,
}

#[derive(Debug)]
struct KnownEntry {
    next_hop: Arc<KnownNextHop>,
    used_at: Instant,
}

impl KnownNextHops {
    /// The next hop of this name, which is used now.
    pub(super) fn using(&self, name: &Arc<str>, now: Instant) -> Arc<KnownNextHop> {
        let mut by_name = self.by_name.lock();
        if let Some(kept) = by_name.get_mut(name) {
            kept.used_at = now;
            return Arc::clone(&kept.next_hop);
        }
        if by_name.len() >= limits::NEXT_HOPS_KEPT {
            forget_least_used(&mut by_name);
        }
        let next_hop = Arc::new(KnownNextHop::new(Arc::clone(name)));
        let kept = KnownEntry {
            next_hop: Arc::clone(&next_hop),
            used_at: now,
        };
        by_name.insert(Arc::clone(name), kept);
        next_hop
    }

    /// The next hop of this name, if it is known.
    pub(super) fn find(&self, name: &str) -> Option<Arc<KnownNextHop>> {
        let by_name = self.by_name.lock();
        by_name.get(name).map(|kept| Arc::clone(&kept.next_hop))
    }

    pub(super) fn all(&self) -> Vec<Arc<KnownNextHop>> {
        let by_name = self.by_name.lock();
        let all = by_name.values();
        all.map(|kept| Arc::clone(&kept.next_hop)).collect()
    }

    pub(super) fn figures(&self, now: Instant) -> Vec<NextHopFigures> {
        let all = self.all();
        let mut figures: Vec<_> = all.iter().map(|next_hop| next_hop.figures(now)).collect();
        figures.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        figures
    }
}

/// Forgets a sixteenth, so that not every new one costs a look at all of them. Who is in use stays: its
/// attempts count on one breaker and one bound.
fn forget_least_used(by_name: &mut HashMap<Arc<str>, KnownEntry>) {
    let mut unused: Vec<(Instant, Arc<str>)> = by_name
        .iter()
        .filter(|(_, kept)| Arc::strong_count(&kept.next_hop) == 1)
        .map(|(name, kept)| (kept.used_at, Arc::clone(name)))
        .collect();
    unused.sort_unstable();
    for (_, name) in unused.iter().take(limits::NEXT_HOPS_KEPT / 16) {
        by_name.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_least_used_is_forgotten() {
        let known = KnownNextHops::default();
        let start = Instant::now();
        let name = |number: usize| -> Arc<str> { format!("{number}.example.net").into() };
        let in_use = known.using(&name(0), start);
        for number in 1..=limits::NEXT_HOPS_KEPT {
            known.using(&name(number), start + Duration::from_millis(number as u64));
        }
        assert!(known.all().len() <= limits::NEXT_HOPS_KEPT);
        assert!(known.find(&name(0)).is_some(), "it is in use");
        assert!(known.find(&name(1)).is_none(), "it was used least");
        assert!(known.find(&name(limits::NEXT_HOPS_KEPT)).is_some());
        drop(in_use);
    }
}
