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
use parking_lot::{Mutex, MutexGuard};

use crate::message::{DiskReason, Path, Storage};

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
        self.windows().record(second, figures);
    }

    /// The figures that the API and the page show.
    #[must_use]
    pub fn live(&self, resident: Resident, queue: LiveQueue) -> Live {
        let second = self.clock.second();
        Live::new(&self.windows(), second, resident, queue)
    }

    /// Acknowledgement latency of a window.
    #[must_use]
    pub fn latency(&self, window: Window) -> latency::Latencies {
        let second = self.clock.second();
        self.windows().latencies(second, window)
    }

    /// Messages by size of a window.
    #[must_use]
    pub fn sizes(&self, window: Window) -> Sizes {
        let second = self.clock.second();
        self.windows().sizes(second, window)
    }

    /// Why messages of a window touched disk.
    #[must_use]
    pub fn disk_reasons(&self, window: Window) -> ByReason {
        let second = self.clock.second();
        self.windows().tally(second, window).disk_reasons
    }

    /// What was counted over a range of time, point by point.
    #[must_use]
    pub fn series(&self, range: Range, grain: Grain) -> Series {
        let second = self.clock.second();
        let mut windows = self.windows();
        windows.pass(second);
        Series::new(&windows, second, range, grain)
    }

    /// All figures since start.
    #[must_use]
    pub fn since_start(&self) -> Figures {
        self.windows().since_start().clone()
    }

    /// Time since start.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.clock.begun.elapsed()
    }

    /// Minutes since 1970.
    #[must_use]
    pub fn minute(&self) -> u64 {
        self.clock.second() / 60
    }

    /// Puts a minute of an earlier run back, numbered from 1970.
    pub fn restore(&self, minute: u64, figures: &Figures) {
        self.windows().restore(minute, figures);
    }

    /// Puts an hour of an earlier run back, numbered from 1970.
    pub fn restore_hour(&self, hour: u64, figures: &Figures) {
        self.windows().restore_hour(hour, figures);
    }

    /// Copies of the minutes from `first` on, numbered from 1970.
    #[must_use]
    pub fn minutes_from(&self, first: u64) -> Vec<(u64, Figures)> {
        let second = self.clock.second();
        let mut windows = self.windows();
        windows.pass(second);
        windows
            .minutes_from(first)
            .map(|(minute, figures)| (minute, figures.clone()))
            .collect()
    }

    /// Copies of the hours from `first` on, numbered from 1970.
    #[must_use]
    pub fn hours_from(&self, first: u64) -> Vec<(u64, Figures)> {
        let windows = self.windows();
        windows
            .hours_from(first)
            .map(|(hour, figures)| (hour, figures.clone()))
            .collect()
    }

    /// A panic while counting leaves a number wrong at worst, so a poisoned lock is taken all the same.
    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock()
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
