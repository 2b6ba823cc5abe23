//! Windows of time: the last minute by seconds, the last hour and day by minutes, the last month by
//! hours, and all since start.
//!
//! No clock is read here: the caller says which second it is.

use std::collections::VecDeque;

use super::AnsweredFigures;
use super::figures::Figures;
use super::latency::Latencies;
use super::sizes::Sizes;
use super::tally::AnsweredTally;
use crate::store::Period;

const SECONDS_OF_A_MINUTE: u64 = 60;
const MINUTES_OF_AN_HOUR: u64 = 60;
const MINUTES_OF_A_DAY: u64 = 1_440;
/// A day more than the 30 that are shown, because what is shown begins and ends with whole points.
const HOURS_OF_A_MONTH: u64 = 31 * 24;

/// How many spans survive a restart.
#[must_use]
pub const fn kept(span: Period) -> u64 {
    match span {
        Period::Minute => MINUTES_OF_A_DAY,
        Period::Hour => HOURS_OF_A_MONTH,
    }
}

/// A span that ends now, the present second or minute included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 1,440 minutes.
    Day,
}

/// What was counted, by windows. Seconds are counted from 1970, and so are minutes.
#[derive(Debug)]
pub struct Windows {
    /// The last second that was counted in.
    now: u64,
    since_start: Figures,
    seconds: Track,
    minutes: Track,
    hours: Track,
}

impl Windows {
    /// Begins in the second `now`.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self {
            now,
            since_start: Figures::default(),
            seconds: Track::new(SECONDS_OF_A_MINUTE),
            minutes: Track::new(MINUTES_OF_A_DAY),
            hours: Track::new(HOURS_OF_A_MONTH),
        }
    }

    /// Counts one message in the second `now`. A second earlier than the last one counts as the last.
    pub fn record(&mut self, now: u64, figures: &AnsweredFigures<'_>) {
        self.pass(now);
        self.since_start.record(figures);
        self.seconds.at(self.now).record(figures);
        let minute = self.now / SECONDS_OF_A_MINUTE;
        self.minutes.at(minute).record(figures);
        self.hours.at(minute / MINUTES_OF_AN_HOUR).record(figures);
    }

    /// The time until the second `now` has passed, whether anything was counted in it or not.
    pub fn pass(&mut self, now: u64) {
        while self.now < now {
            let minute = self.now / SECONDS_OF_A_MINUTE;
            let until = now.min((minute + 1) * SECONDS_OF_A_MINUTE);
            let seconds = until - self.now;
            self.since_start.seconds += seconds;
            self.minutes.at(minute).seconds += seconds;
            self.hours.at(minute / MINUTES_OF_AN_HOUR).seconds += seconds;
            self.now = until;
        }
    }

    /// Puts a span of an earlier run back. They come in the order of time, before anything is recorded; one that lies
    /// ahead of the clock is left out.
    pub fn restore(&mut self, span: Period, number: u64, figures: &Figures) {
        if number <= self.now / span.seconds() {
            let track = match span {
                Period::Minute => &mut self.minutes,
                Period::Hour => &mut self.hours,
            };
            track.at(number).add(figures);
        }
    }

    /// Everything since start.
    #[must_use]
    pub fn since_start(&self) -> &Figures {
        &self.since_start
    }

    /// The tally of the window that ends with the second `now`.
    #[must_use]
    pub fn tally(&self, now: u64, window: Window) -> AnsweredTally {
        self.sum(now, window, |sum: &mut AnsweredTally, part| {
            sum.add(&part.tally);
        })
    }

    /// The latencies of the window that ends with the second `now`.
    #[must_use]
    pub fn latencies(&self, now: u64, window: Window) -> Latencies {
        self.sum(now, window, |sum: &mut Latencies, part| {
            sum.add(&part.latencies);
        })
    }

    /// Messages by size of the window that ends with the second `now`.
    #[must_use]
    pub fn sizes(&self, now: u64, window: Window) -> Sizes {
        self.sum(now, window, |sum: &mut Sizes, part| sum.add(&part.sizes))
    }

    /// The spans from `first` on in which the appliance ran, the present one included.
    pub fn spans_from(
        &self,
        span: Period,
        first: u64,
    ) -> impl DoubleEndedIterator<Item = (u64, &Figures)> {
        match span {
            Period::Minute => self.minutes.from(first),
            Period::Hour => self.hours.from(first),
        }
    }

    fn sum<T: Default>(&self, now: u64, window: Window, add: impl Fn(&mut T, &Figures)) -> T {
        let minute = now / SECONDS_OF_A_MINUTE;
        let (track, last, length) = match window {
            Window::Minute => (&self.seconds, now, SECONDS_OF_A_MINUTE),
            Window::Hour => (&self.minutes, minute, MINUTES_OF_AN_HOUR),
            Window::Day => (&self.minutes, minute, MINUTES_OF_A_DAY),
        };
        let first = (last + 1).saturating_sub(length);
        let mut sum = T::default();
        for (_, part) in track.from(first) {
            add(&mut sum, part);
        }
        sum
    }
}

/// Spans of equal length in the order of time, without those in which the appliance did not run.
#[derive(Debug)]
struct Track {
    /// Spans, counted back from the last one, that are kept.
    length: u64,
    spans: VecDeque<(u64, Figures)>,
}

impl Track {
    fn new(length: u64) -> Self {
        Self {
            length,
            spans: VecDeque::new(),
        }
    }

    /// The figures of a span that is not earlier than the last one.
    fn at(&mut self, number: u64) -> &mut Figures {
        if self.spans.back().is_none_or(|(last, _)| *last < number) {
            let oldest = (number + 1).saturating_sub(self.length);
            while self.spans.front().is_some_and(|(first, _)| *first < oldest) {
                self.spans.pop_front();
            }
            self.spans.push_back((number, Figures::default()));
        }
        let (_, figures) = self.spans.back_mut().expect("one was just pushed");
        figures
    }

    fn from(&self, first: u64) -> impl DoubleEndedIterator<Item = (u64, &Figures)> {
        let start = self.spans.partition_point(|(number, _)| *number < first);
        self.spans
            .range(start..)
            .map(|(number, figures)| (*number, figures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Path, Storage};
    use std::time::Duration;

    const START: u64 = 1_000_000 * 60;

    fn message(bytes: u64) -> AnsweredFigures<'static> {
        AnsweredFigures {
            path: Path::Fast,
            storage: Storage::Memory,
            reasons: &[],
            size_bytes: bytes,
            acknowledged_after: Duration::from_millis(1),
        }
    }

    fn check(windows: &Windows, now: u64, expected: [u64; 3]) {
        let counted = [Window::Minute, Window::Hour, Window::Day]
            .map(|window| windows.tally(now, window).messages.total());
        assert_eq!(counted, expected, "at {now}");
    }

    #[test]
    fn a_message_leaves_one_window_after_the_other() {
        let mut windows = Windows::new(START);
        windows.record(START, &message(10));
        check(&windows, START, [1, 1, 1]);
        check(&windows, START + 59, [1, 1, 1]);
        check(&windows, START + 60, [0, 1, 1]);
        check(&windows, START + 3_599, [0, 1, 1]);
        check(&windows, START + 3_600, [0, 0, 1]);
        check(&windows, START + 86_399, [0, 0, 1]);
        check(&windows, START + 86_400, [0, 0, 0]);
        assert_eq!(windows.since_start().tally.bytes.memory, 10);
    }

    #[test]
    fn old_spans_are_let_go() {
        let mut windows = Windows::new(START);
        for minute in 0..3_000 {
            windows.record(START + minute * 60, &message(1));
        }
        assert_eq!(windows.seconds.spans.len(), 1);
        assert_eq!(windows.minutes.spans.len(), 1_440);
        check(&windows, START + 2_999 * 60, [1, 60, 1_440]);
    }

    #[test]
    fn a_clock_that_steps_back_loses_nothing() {
        let mut windows = Windows::new(START);
        windows.record(START + 100, &message(1));
        windows.record(START + 40, &message(1));
        check(&windows, START + 100, [2, 2, 2]);
    }

    #[test]
    fn time_passes_without_messages_too() {
        let mut windows = Windows::new(START + 50);
        windows.pass(START + 50);
        assert_eq!(
            windows.spans_from(Period::Minute, 0).count(),
            0,
            "nothing was watched yet"
        );
        windows.record(START + 3_610, &message(1));
        windows.pass(START + 3_600);
        let minutes: Vec<u64> = windows
            .spans_from(Period::Minute, 0)
            .map(|(_, it)| it.seconds)
            .collect();
        assert_eq!(minutes.len(), 61);
        assert_eq!((minutes[0], minutes[1], minutes[60]), (10, 60, 10));
        assert_eq!(windows.since_start().seconds, 3_560);
        let hour = START / 3_600;
        let hours: Vec<(u64, u64)> = windows
            .spans_from(Period::Hour, 0)
            .map(|(at, it)| (at, it.seconds))
            .collect();
        let in_the_first = (hour + 1) * 3_600 - (START + 50);
        assert_eq!(
            hours,
            [(hour, in_the_first), (hour + 1, 3_560 - in_the_first)]
        );
    }

    #[test]
    fn earlier_hours_are_put_back_before_the_present_one() {
        let mut windows = Windows::new(START);
        let mut earlier = Figures {
            seconds: 3_600,
            ..Figures::default()
        };
        earlier.record(&message(5));
        let hour = START / 3_600;
        for number in [hour - HOURS_OF_A_MONTH, hour - 1, hour, hour + 1] {
            windows.restore(Period::Hour, number, &earlier);
        }
        windows.record(START, &message(5));
        let counted: Vec<(u64, u64)> = windows
            .spans_from(Period::Hour, 0)
            .map(|(hour, figures)| (hour, figures.tally.messages.total()))
            .collect();
        assert_eq!(counted, [(hour - 1, 1), (hour, 2)]);
    }

    #[test]
    fn earlier_minutes_fill_the_hour_and_the_day() {
        let mut windows = Windows::new(START);
        let mut earlier = Figures::default();
        earlier.record(&message(5));
        let minute = START / 60;
        for number in [minute - 1_439, minute - 59, minute, minute + 1] {
            windows.restore(Period::Minute, number, &earlier);
        }
        windows.record(START, &message(5));
        check(&windows, START, [1, 3, 4]);
        assert_eq!(windows.since_start().tally.messages.total(), 1);
        let present: Vec<u64> = windows
            .spans_from(Period::Minute, minute)
            .map(|(_, figures)| figures.tally.messages.total())
            .collect();
        assert_eq!(present, [2]);
    }
}
