//! Traffic over time: the two charts, the links between their ranges, and the values as a table.

use crate::statistics::series::Point;
use crate::statistics::{Grain, Range, Series, Statistics};
use crate::web::chart::{Caption, Chart, Layer, Timeline};
use crate::web::wording;

/// The part of the page below the figures of this moment.
pub(super) struct Traffic {
    pub(super) ranges: Vec<RangeLink>,
    /// The unit of the rates.
    pub(super) unit: RateUnit,
    pub(super) rate: Chart,
    pub(super) latency: Chart,
    /// The lines of the table of values, the newest first, and how their beginning is written.
    pub(super) rows: Vec<Point>,
    pub(super) row_format: &'static str,
    /// Nothing was watched: there is nothing to draw.
    pub(super) is_empty: bool,
}

/// A link to a range.
pub(super) struct RangeLink {
    pub(super) url: String,
    pub(super) words: &'static str,
    pub(super) is_shown: bool,
}

/// The unit of rates, so that a quiet relay's are not all zeros behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RateUnit {
    Second,
    Minute,
    Hour,
}

impl RateUnit {
    /// The one in which the highest rate is a number that people say.
    fn of(most_per_second: f64) -> Self {
        match most_per_second {
            rate if rate >= 0.5 || rate <= 0.0 => Self::Second,
            rate if rate * 60.0 >= 0.5 => Self::Minute,
            _ => Self::Hour,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }

    pub(super) fn rate(self, per_second: f64) -> f64 {
        match self {
            Self::Second => per_second,
            Self::Minute => per_second * 60.0,
            Self::Hour => per_second * 3_600.0,
        }
    }
}

impl Traffic {
    /// The charts of a range; its links keep the page still when it is.
    pub(super) fn new(statistics: &Statistics, range: Range, keeps_still: bool) -> Self {
        let series = statistics.series(range, Grain::Chart);
        let mut rows = statistics.series(range, Grain::Table).points;
        rows.reverse();
        let rates = series.points.iter().filter_map(total_rate);
        let unit = RateUnit::of(rates.fold(0.0, f64::max));
        let timeline = timeline(&series);
        Self {
            ranges: range_links(range, keeps_still),
            unit,
            is_empty: series.points.iter().all(|point| point.covered_seconds == 0),
            rate: rate_chart(&series, &timeline, unit),
            latency: latency_chart(&series, &timeline),
            rows,
            row_format: words(range).row_format,
        }
    }
}

fn range_links(shown: Range, keeps_still: bool) -> Vec<RangeLink> {
    let still = if keeps_still { "&refresh=off" } else { "" };
    Range::ALL
        .iter()
        .map(|&range| RangeLink {
            url: format!("/?range={}{still}", range.as_str()),
            words: words(range).link,
            is_shown: range == shown,
        })
        .collect()
}

fn timeline(series: &Series) -> Timeline {
    let words = words(series.range);
    let first = series.points.first();
    Timeline {
        first: first.map_or(0, |point| point.at.as_second()),
        step: series.step_seconds.cast_signed(),
        count: series.points.len(),
        ticks: words.ticks,
        format: words.tick_format,
    }
}

/// How a range is spoken of.
struct RangeWords {
    /// In the links.
    link: &'static str,
    /// At the beginning of a description.
    sentence: &'static str,
    /// How the beginning of a row of the table is written.
    row_format: &'static str,
    /// How a point is named to the pointer.
    point_format: &'static str,
    /// How a tick is written.
    tick_format: &'static str,
    /// Seconds between ticks, and between those that stay on a narrow page.
    ticks: (i64, i64),
}

const fn words(range: Range) -> RangeWords {
    const HOUR: i64 = 3_600;
    match range {
        Range::Hour => RangeWords {
            link: "hour",
            sentence: "In the last hour",
            row_format: "%H:%M",
            point_format: "%H:%M",
            tick_format: "%H:%M",
            ticks: (600, 1_200),
        },
        Range::Day => RangeWords {
            link: "day",
            sentence: "In the last day",
            ticks: (3 * HOUR, 6 * HOUR),
            ..words(Range::Hour)
        },
        Range::Month => RangeWords {
            link: "30 days",
            sentence: "In the last 30 days",
            row_format: "%a %-d %b",
            point_format: "%-d %b %H:%M",
            tick_format: "%-d %b",
            ticks: (5 * 24 * HOUR, 10 * 24 * HOUR),
        },
    }
}

/// The appliance ran then.
fn was_watched(series: &Series, place: usize) -> bool {
    let point = series.points.get(place);
    point.is_some_and(|point| point.covered_seconds > 0)
}

pub(super) fn total_rate(point: &Point) -> Option<f64> {
    point.per_second(point.messages.total())
}

fn rate_chart(series: &Series, timeline: &Timeline, unit: RateUnit) -> Chart {
    let layer = |class, words, count: fn(&Point) -> u64| Layer {
        class,
        words,
        values: series
            .points
            .iter()
            .map(|point| Some(unit.rate(point.per_second(count(point))?)))
            .collect(),
    };
    let layers = [
        layer("fast", "fast path", |point| point.paths.fast),
        layer("cut-through", "cut-through", |point| {
            point.paths.cut_through
        }),
        layer("standard", "standard path", |point| point.paths.standard),
    ];
    let is_known = |place: usize| was_watched(series, place);
    let tell = |place: usize| {
        let point = series.points.get(place)?;
        let rate = unit.rate(total_rate(point)?);
        let paths = point.paths;
        Some(format!(
            "{}: {} a {}; {} fast, {} cut-through, {} standard",
            point.at.strftime(words(series.range).point_format),
            wording::rate(rate),
            unit.as_str(),
            wording::count(paths.fast),
            wording::count(paths.cut_through),
            wording::count(paths.standard),
        ))
    };
    let points = series.points.iter();
    let rates = points.clone().filter_map(total_rate);
    let seconds: u64 = points.clone().map(|point| point.covered_seconds).sum();
    let messages: u64 = points.map(|point| point.messages.total()).sum();
    let caption = Caption {
        name: "rate",
        title: format!("Messages a {}, by path", unit.as_str()),
        description: format!(
            "{}: {} on average, {} at most.",
            words(series.range).sentence,
            wording::rate(unit.rate(messages as f64 / seconds.max(1) as f64)),
            wording::rate(unit.rate(rates.fold(0.0, f64::max))),
        ),
        is_known: &is_known,
        tell: &tell,
    };
    Chart::stacked(caption, timeline, &layers)
}

fn latency_chart(series: &Series, timeline: &Timeline) -> Chart {
    let line = |class, words, value: fn(&Point) -> Option<f64>| Layer {
        class,
        words,
        values: series.points.iter().map(value).collect(),
    };
    let lines = [
        line("p50", "p50: half were faster", |point| {
            point.acknowledgement_seconds.p50
        }),
        line("p99", "p99: 99 of 100 were faster", |point| {
            point.acknowledgement_seconds.p99
        }),
    ];
    let is_known = |place: usize| was_watched(series, place);
    let tell = |place: usize| {
        let point = series.points.get(place)?;
        let latency = point.acknowledgement_seconds;
        latency.p50?;
        Some(format!(
            "{}: p50 {}, p99 {}",
            point.at.strftime(words(series.range).point_format),
            wording::latency(latency.p50),
            wording::latency(latency.p99),
        ))
    };
    let longest = |line: &Layer| line.values.iter().flatten().copied().reduce(f64::max);
    let caption = Caption {
        name: "latency",
        title: "Time to the 250, from the end of data".to_owned(),
        description: format!(
            "{}: p50 at most {}, p99 at most {}.",
            words(series.range).sentence,
            wording::latency(longest(&lines[0])),
            wording::latency(longest(&lines[1])),
        ),
        is_known: &is_known,
        tell: &tell,
    };
    Chart::band(caption, timeline, &lines, decade)
}

/// A power of ten of seconds.
fn decade(seconds: f64) -> String {
    let microseconds = (seconds * 1e6).round() as u64;
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..1_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{} s", microseconds / 1_000_000),
    }
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
