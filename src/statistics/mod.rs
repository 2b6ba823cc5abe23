//! Statistics watch: what was answered, where it was then, why it touched disk, and how fast it was.
//!
//! Everything is counted in memory, in windows that the pages and the API read; whole minutes and hours
//! are also written to the history, so that hour, day and month survive a restart. [`trail`] hands the
//! history of single messages to the store.

pub mod counters;
pub mod figures;
pub mod latency;
pub mod live;
pub mod rollup;
pub mod series;
pub mod sizes;
pub mod tally;
pub mod trail;
pub mod windows;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::message::{DiskReason, Path, Storage};
use crate::store::Period;

pub use counters::Counters;
pub use figures::Figures;
pub use live::{Live, LiveQueue, Resident};
pub use series::{Grain, Range, Series};
pub use sizes::{HeldRange, Sizes};
pub use tally::ByReason;
pub use trail::Trail;
pub use windows::{Window, Windows};

/// One message that was answered 250.
#[derive(Clone, Copy, Debug)]
pub struct AnsweredFigures<'a> {
    /// The way it took.
    pub path: Path,
    /// Where it was when it was answered.
    pub storage: Storage,
    /// Why it touched disk; empty when it did not.
    pub reasons: &'a [DiskReason],
    /// Bytes of content.
    pub size_bytes: u64,
    /// From the end of data to the reply.
    pub acknowledged_after: Duration,
}

/// The statistics of one appliance.
#[derive(Debug)]
pub struct Statistics {
    clock: StatisticsClock,
    windows: Mutex<Windows>,
    /// What only ever grows.
    pub counters: Counters,
}

impl Statistics {
    /// Begins at `now`, the wall clock's time at start.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let clock = StatisticsClock::start(now);
        Self {
            windows: Mutex::new(Windows::new(clock.second())),
            clock,
            counters: Counters::default(),
        }
    }

    /// Counts a message that was answered 250. One short lock, nothing else.
    pub fn answered(&self, figures: &AnsweredFigures<'_>) {
        let second = self.clock.second();
        self.windows.lock().record(second, figures);
    }

    /// The figures that the API and the page show.
    #[must_use]
    pub fn live(&self, resident: Resident, queue: LiveQueue) -> Live {
        let second = self.clock.second();
        Live::new(&self.windows.lock(), second, resident, queue)
    }

    /// Acknowledgement latency of a window.
    #[must_use]
    pub fn latency(&self, window: Window) -> latency::Latencies {
        let second = self.clock.second();
        self.windows.lock().latencies(second, window)
    }

    /// Messages by size of a window.
    #[must_use]
    pub fn sizes(&self, window: Window) -> Sizes {
        let second = self.clock.second();
        self.windows.lock().sizes(second, window)
    }

    /// Why messages of a window touched disk.
    #[must_use]
    pub fn disk_reasons(&self, window: Window) -> ByReason {
        let second = self.clock.second();
        self.windows.lock().tally(second, window).disk_reasons
    }

    /// What was counted over a range of time, point by point.
    #[must_use]
    pub fn series(&self, range: Range, grain: Grain) -> Series {
        let second = self.clock.second();
        let mut windows = self.windows.lock();
        windows.pass(second);
        Series::new(&windows, second, range, grain)
    }

    /// All figures since start.
    #[must_use]
    pub fn since_start(&self) -> Figures {
        self.windows.lock().since_start().clone()
    }

    /// Time since start.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.clock.begun.elapsed()
    }

    /// The number of the present minute or hour.
    #[must_use]
    pub fn present(&self, span: Period) -> u64 {
        self.clock.second() / span.seconds()
    }

    /// Puts a span of an earlier run back.
    pub fn restore(&self, span: Period, number: u64, figures: &Figures) {
        self.windows.lock().restore(span, number, figures);
    }

    /// Copies of the spans from `first` on.
    #[must_use]
    pub fn spans_from(&self, span: Period, first: u64) -> Vec<(u64, Figures)> {
        let second = self.clock.second();
        let mut windows = self.windows.lock();
        windows.pass(second);
        windows
            .spans_from(span, first)
            .map(|(number, figures)| (number, figures.clone()))
            .collect()
    }
}

/// Seconds since 1970 that never step back: the wall clock's time at start, and the monotonic clock
/// from there on.
#[derive(Debug)]
struct StatisticsClock {
    begun: Instant,
    begun_at: Timestamp,
}

impl StatisticsClock {
    fn start(now: Timestamp) -> Self {
        Self {
            begun: Instant::now(),
            begun_at: now,
        }
    }

    fn second(&self) -> u64 {
        let begun_at = u64::try_from(self.begun_at.as_second()).unwrap_or(0);
        begun_at + self.begun.elapsed().as_secs()
    }
}
