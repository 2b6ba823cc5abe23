//! What is counted for one next hop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::limits;
use crate::message::Outcome;
use crate::message::words::OutcomeKind;

/// The figures of one next hop, as pages and the API show them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NextHopFigures {
    /// Its name: `host:port` or the domain.
    pub name: Arc<str>,
    /// Connections that are open now, idle ones included.
    pub open_connections: u32,
    /// Recipients it took since start.
    pub delivered: u64,
    /// Recipients it put off, or that could not be tried.
    pub deferred: u64,
    /// Recipients it refused.
    pub refused: u64,
    /// Recipients whose outcome is not known.
    pub uncertain: u64,
    /// Half of the last minutes' attempts took no longer; none without attempts.
    pub latency_p50: Option<Duration>,
    /// All but a hundredth of the last minutes' attempts took no longer.
    pub latency_p99: Option<Duration>,
    /// Whether the breaker is open.
    pub suspension: Suspension,
}

impl NextHopFigures {
    /// Recipients that were tried, or whose turn came.
    #[must_use]
    pub fn attempted(&self) -> u64 {
        self.delivered + self.deferred + self.refused + self.uncertain
    }

    /// The share of them that it took, 0 to 1; none when there were none.
    #[must_use]
    pub fn success_share(&self) -> Option<f64> {
        let attempted = self.attempted();
        (attempted > 0).then(|| self.delivered as f64 / attempted as f64)
    }
}

/// The state of a next hop's breaker, for the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Suspension {
    /// Mail goes there.
    None,
    /// Mail for it waits; the queue tries it again.
    Suspended {
        /// Until the next probe; zero when it is due.
        probe_in: Duration,
    },
}

/// The counters behind the figures.
#[derive(Debug, Default)]
pub(super) struct NextHopCounters {
    delivered: AtomicU64,
    deferred: AtomicU64,
    refused: AtomicU64,
    uncertain: AtomicU64,
    latency: Mutex<Option<Latency>>,
}

impl NextHopCounters {
    /// Counts the outcomes of one attempt.
    pub(super) fn count<'a>(&self, outcomes: impl IntoIterator<Item = &'a Outcome>) {
        for outcome in outcomes {
            let counter = match outcome.kind() {
                OutcomeKind::Delivered => &self.delivered,
                OutcomeKind::Deferred => &self.deferred,
                OutcomeKind::Refused => &self.refused,
                OutcomeKind::Uncertain => &self.uncertain,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records how long a transaction with the next hop took.
    pub(super) fn record(&self, took: Duration, now: Instant) {
        let mut latency = self.latency.lock();
        latency
            .get_or_insert_with(|| Latency::new(now))
            .record(took, now);
    }

    pub(super) fn figures(
        &self,
        name: Arc<str>,
        open_connections: u32,
        suspension: Suspension,
        now: Instant,
    ) -> NextHopFigures {
        let mut latency = self.latency.lock();
        let quantiles = latency
            .as_mut()
            .and_then(|latency| latency.quantiles([0.5, 0.99], now));
        NextHopFigures {
            name,
            open_connections,
            delivered: self.delivered.load(Ordering::Relaxed),
            deferred: self.deferred.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            uncertain: self.uncertain.load(Ordering::Relaxed),
            latency_p50: quantiles.map(|[half, _]| half),
            latency_p99: quantiles.map(|[_, most]| most),
            suspension,
        }
    }
}

/// Latencies of the last minutes: a window that fills and the one before it. One significant digit, or
/// the histograms of ten thousand next hops would take more memory than the messages.
#[derive(Debug)]
struct Latency {
    filling: Histogram<u32>,
    before: Histogram<u32>,
    turned_at: Instant,
}

impl Latency {
    fn new(now: Instant) -> Self {
        let empty = Histogram::new(1).expect("one significant digit is allowed");
        Self {
            filling: empty.clone(),
            before: empty,
            turned_at: now,
        }
    }

    fn turn(&mut self, now: Instant) {
        let windows = now.saturating_duration_since(self.turned_at).as_secs()
            / limits::LATENCY_WINDOW.as_secs();
        if windows == 0 {
            return;
        }
        std::mem::swap(&mut self.filling, &mut self.before);
        self.filling.reset();
        if windows > 1 {
            self.before.reset();
        }
        self.turned_at = now;
    }

    fn record(&mut self, took: Duration, now: Instant) {
        self.turn(now);
        let longest = limits::AFTER_DOT_WAIT * 2;
        let microseconds = took.min(longest).as_micros().max(1);
        self.filling
            .record(microseconds as u64)
            .expect("a histogram that grows takes what is bounded");
    }

    fn quantiles<const N: usize>(
        &mut self,
        wanted: [f64; N],
        now: Instant,
    ) -> Option<[Duration; N]> {
        self.turn(now);
        let mut both = self.before.clone();
        both.add(&self.filling)
            .expect("a histogram that grows takes any other");
        (!both.is_empty())
            .then(|| wanted.map(|quantile| Duration::from_micros(both.value_at_quantile(quantile))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_count_for_one_to_two_windows() {
        let start = Instant::now();
        let mut latency = Latency::new(start);
        for milliseconds in 1..=100 {
            latency.record(Duration::from_millis(milliseconds), start);
        }
        let check = |latency: &mut Latency, now, expected: Option<(u128, u128)>| {
            let quantiles = latency.quantiles([0.5, 0.99], now);
            let near = |found: Duration, expected: u128| {
                found.as_millis().abs_diff(expected) <= expected / 10
            };
            match (quantiles, expected) {
                (None, None) => {}
                (Some([half, most]), Some((wanted_half, wanted_most))) => {
                    assert!(near(half, wanted_half), "{half:?}");
                    assert!(near(most, wanted_most), "{most:?}");
                }
                (found, expected) => panic!("{found:?} is not {expected:?}"),
            }
        };
        let window = limits::LATENCY_WINDOW;
        check(&mut latency, start, Some((50, 99)));
        check(&mut latency, start + window, Some((50, 99)));
        check(&mut latency, start + 2 * window, None);
    }
}
