//! Series: what was counted over a range of time, point by point, for charts and their tables.
//!
//! Everything comes from the windows in memory: 1,440 minutes or 744 hours are added up at most.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Figures;
use super::live::Percentiles;
use super::tally::{ByPath, ByStorage};
use super::windows::Windows;
use crate::message::words::words;
use crate::store::Period;

words! {
    /// A range of time that ends now.
    #[derive(Default)]
    Range as SeriesRange {
        /// The last 60 minutes.
        #[default]
        Hour => "hour",
        /// The last 24 hours.
        Day => "day",
        /// The last 30 days.
        Month => "month",
    }
}

/// How finely a range is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// For a chart: 60 to 144 points.
    Chart,
    /// For a table: 12 to 30 points.
    Table,
}

impl Range {
    /// Seconds of one point, and how many points there are. Points begin at multiples of their length,
    /// in UTC, so that a point is the same at each look.
    #[must_use]
    pub const fn steps(self, grain: Grain) -> (u64, u64) {
        match (self, grain) {
            (Self::Hour, Grain::Chart) => (60, 60),
            (Self::Hour, Grain::Table) => (300, 12),
            (Self::Day, Grain::Chart) => (600, 144),
            (Self::Day, Grain::Table) => (3_600, 24),
            (Self::Month, Grain::Chart) => (21_600, 120),
            (Self::Month, Grain::Table) => (86_400, 30),
        }
    }
}

/// The points of a range, the oldest first; the last one holds the present moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Series {
    /// The range.
    pub range: Range,
    /// Length of each point.
    pub step_seconds: u64,
    /// Without gaps in time: each begins where the one before ends.
    pub points: Vec<Point>,
}

/// What was counted in one step.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = SeriesPoint)]
pub struct Point {
    /// When it begins.
    pub at: Timestamp,
    /// Seconds of it in which the appliance ran. 0 is a gap: nothing is known, and nothing was counted.
    pub covered_seconds: u64,
    /// Messages answered 250 by where they were then.
    pub messages: ByStorage,
    /// The same messages by the way they took.
    pub paths: ByPath,
    /// From the end of data to the reply.
    pub acknowledgement_seconds: Percentiles,
}

impl Point {
    fn new(second: u64, figures: &Figures) -> Self {
        let at = i64::try_from(second).map(Timestamp::from_second);
        Self {
            at: at.ok().and_then(Result::ok).unwrap_or(Timestamp::MAX),
            covered_seconds: figures.seconds,
            messages: figures.tally.messages,
            paths: figures.tally.paths,
            acknowledgement_seconds: Percentiles::of(&figures.latencies),
        }
    }

    /// `count` for each second; none in a gap.
    #[must_use]
    pub fn per_second(&self, count: u64) -> Option<f64> {
        (self.covered_seconds > 0).then(|| count as f64 / self.covered_seconds as f64)
    }
}

impl Series {
    /// The series that ends with the second `now`, to which the windows were advanced.
    #[must_use]
    pub fn new(windows: &Windows, now: u64, range: Range, grain: Grain) -> Self {
        let (step_seconds, count) = range.steps(grain);
        let first = (now / step_seconds + 1).saturating_sub(count);
        let mut sums = vec![Figures::default(); count as usize];
        let span = match range {
            Range::Hour | Range::Day => Period::Minute,
            Range::Month => Period::Hour,
        };
        let from = first * step_seconds / span.seconds();
        for (number, figures) in windows.spans_from(span, from) {
            let place = number * span.seconds() / step_seconds - first;
            if let Some(sum) = sums.get_mut(place as usize) {
                add_shown(sum, figures);
            }
        }
        let points = (first..).zip(sums);
        Self {
            range,
            step_seconds,
            points: points
                .map(|(number, sum)| Point::new(number * step_seconds, &sum))
                .collect(),
        }
    }
}

/// Adds what a [`Point`] shows. The figures of answered messages are locked meanwhile.
fn add_shown(sum: &mut Figures, figures: &Figures) {
    sum.seconds += figures.seconds;
    sum.tally.messages.add(&figures.tally.messages);
    sum.tally.paths.add(&figures.tally.paths);
    sum.latencies.add(&figures.latencies);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Path, Storage};
    use crate::statistics::AnsweredFigures;
    use std::time::Duration;

    /// A midnight.
    const START: u64 = 20_000 * 86_400;

    fn message(milliseconds: u64) -> AnsweredFigures<'static> {
        AnsweredFigures {
            path: Path::Fast,
            storage: Storage::Memory,
            reasons: &[],
            size_bytes: 1,
            acknowledged_after: Duration::from_millis(milliseconds),
        }
    }

    fn totals(series: &Series) -> Vec<(usize, u64, u64)> {
        let points = series.points.iter().enumerate();
        points
            .filter(|(_, point)| point.covered_seconds > 0)
            .map(|(place, point)| (place, point.covered_seconds, point.messages.total()))
            .collect()
    }

    #[test]
    fn points_stand_side_by_side_up_to_now() {
        let windows = Windows::new(START);
        for &range in Range::ALL {
            for grain in [Grain::Chart, Grain::Table] {
                let (step, count) = range.steps(grain);
                for now in [START, START + 1, START + step - 1, START + 12_345] {
                    let series = Series::new(&windows, now, range, grain);
                    assert_eq!(series.points.len() as u64, count);
                    let seconds: Vec<i64> =
                        series.points.iter().map(|p| p.at.as_second()).collect();
                    assert!(seconds.is_sorted_by(|one, next| next - one == step as i64));
                    let last = seconds[seconds.len() - 1] as u64;
                    assert!(last.is_multiple_of(step) && last <= now && now < last + step);
                }
            }
        }
    }

    #[test]
    fn a_quiet_point_is_not_a_gap() {
        let mut windows = Windows::new(START + 30);
        windows.record(START + 61, &message(5));
        windows.record(START + 62, &message(7));
        let now = START + 4 * 60 + 10;
        windows.pass(now);
        let series = Series::new(&windows, now, Range::Hour, Grain::Chart);
        let expected = [
            (55, 30, 0),
            (56, 60, 2),
            (57, 60, 0),
            (58, 60, 0),
            (59, 10, 0),
        ];
        assert_eq!(totals(&series), expected);
        assert_eq!(series.points[56].per_second(2), Some(2.0 / 60.0));
        assert_eq!(series.points[57].per_second(0), Some(0.0));
        assert_eq!(series.points[54].per_second(0), None);
        assert_eq!(series.points[57].acknowledgement_seconds.p50, None);
        let p99 = series.points[56].acknowledgement_seconds.p99;
        assert!(p99.is_some_and(|p99| (p99 - 0.007).abs() < 0.000_5));
    }

    #[test]
    fn points_take_what_lies_between_their_edges() {
        let mut windows = Windows::new(START);
        for second in [START, START + 599, START + 600, START + 1_199] {
            windows.record(second, &message(1));
        }
        let now = START + 1_200;
        windows.pass(now);
        let day = Series::new(&windows, now, Range::Day, Grain::Chart);
        assert_eq!(totals(&day), [(141, 600, 2), (142, 600, 2)]);
        let table = Series::new(&windows, now, Range::Day, Grain::Table);
        assert_eq!(totals(&table), [(23, 1_200, 4)]);
        let month = Series::new(&windows, now, Range::Month, Grain::Chart);
        assert_eq!(totals(&month), [(119, 1_200, 4)]);
    }

    #[test]
    fn what_is_older_than_the_range_is_left_out() {
        let mut windows = Windows::new(START);
        windows.record(START, &message(1));
        let now = START + 40 * 86_400;
        windows.record(now, &message(1));
        for &range in Range::ALL {
            let series = Series::new(&windows, now, range, Grain::Chart);
            let counted: u64 = series
                .points
                .iter()
                .map(|point| point.messages.total())
                .sum();
            assert_eq!(counted, 1, "{range:?}");
            let (step, count) = range.steps(Grain::Chart);
            let covered: u64 = series
                .points
                .iter()
                .map(|point| point.covered_seconds)
                .sum();
            assert_eq!(
                covered,
                (count - 1) * step,
                "{range:?}: the last point has just begun"
            );
        }
    }

    #[test]
    fn the_shape_is_what_others_script_against() {
        let mut windows = Windows::new(START);
        windows.record(START + 9, &message(1));
        windows.pass(START + 10);
        let series = Series::new(&windows, START + 10, Range::Hour, Grain::Chart);
        let json = serde_json::to_value(&series).expect("JSON");
        assert_eq!(json["range"], "hour");
        assert_eq!(json["step_seconds"], 60);
        assert_eq!(
            json["points"][59],
            serde_json::json!({
                "at": "2024-10-04T00:00:00Z",
                "covered_seconds": 10,
                "messages": {"memory": 1, "split": 0, "disk": 0},
                "paths": {"fast": 1, "standard": 0, "cut_through": 0},
                "acknowledgement_seconds": {"p50": 0.000_991_5, "p99": 0.000_991_5},
            })
        );
    }
}
