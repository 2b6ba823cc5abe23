//! Traffic over time: the two charts, the links between their ranges, and the values as a table.

use crate::statistics::series::Point;
use crate::statistics::{Grain, Range, Series, Statistics};
use crate::web::chart::{Caption, Chart, Layer, Timeline};
use crate::web::wording;

/// The part of the page below the figures of this moment.
pub(super) struct Traffic {
    pub(super) ranges: Vec<RangeLink>,
    /// The unit of the rates: second, minute or hour.
    pub(super) unit: &'static str,
    pub(super) rate: Chart,
    pub(super) latency: Chart,
    pub(super) rows: Vec<PointRow>,
    /// Nothing was watched: there is nothing to draw.
    pub(super) is_empty: bool,
}

/// A link to a range.
pub(super) struct RangeLink {
    pub(super) url: String,
    pub(super) words: &'static str,
    pub(super) is_shown: bool,
}

/// One line of the table of values.
pub(super) struct PointRow {
    pub(super) at: String,
    /// None when the appliance did not run.
    pub(super) values: Option<PointValues>,
}

pub(super) struct PointValues {
    pub(super) messages: String,
    pub(super) rate: String,
    pub(super) fast: String,
    pub(super) cut_through: String,
    pub(super) standard: String,
    pub(super) ratio: String,
    pub(super) p50: String,
    pub(super) p99: String,
}

/// The unit of rates, so that a quiet relay's are not all zeros behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RateUnit {
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

    fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }

    fn rate(self, per_second: f64) -> f64 {
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
        let rows = statistics.series(range, Grain::Table);
        let rates = series.points.iter().filter_map(total_rate);
        let unit = RateUnit::of(rates.fold(0.0, f64::max));
        let timeline = timeline(&series);
        let format = row_format(range);
        let mut rows: Vec<PointRow> = rows
            .points
            .iter()
            .map(|point| PointRow {
                at: point.at.strftime(format).to_string(),
                values: (point.covered_seconds > 0).then(|| point_values(point, unit)),
            })
            .collect();
        rows.reverse();
        Self {
            ranges: range_links(range, keeps_still),
            unit: unit.as_str(),
            is_empty: series.points.iter().all(|point| point.covered_seconds == 0),
            rate: rate_chart(&series, &timeline, unit),
            latency: latency_chart(&series, &timeline),
            rows,
        }
    }
}

fn range_links(shown: Range, keeps_still: bool) -> Vec<RangeLink> {
    let still = if keeps_still { "&refresh=off" } else { "" };
    Range::ALL
        .iter()
        .map(|&range| RangeLink {
            url: format!("/?range={}{still}", range.as_str()),
            words: match range {
                Range::Hour => "hour",
                Range::Day => "day",
                Range::Month => "30 days",
            },
            is_shown: range == shown,
        })
        .collect()
}

fn timeline(series: &Series) -> Timeline {
    const HOUR: i64 = 3_600;
    let (ticks, format) = match series.range {
        Range::Hour => ((600, 1_200), "%H:%M"),
        Range::Day => ((3 * HOUR, 6 * HOUR), "%H:%M"),
        Range::Month => ((5 * 24 * HOUR, 10 * 24 * HOUR), "%-d %b"),
    };
    Timeline {
        first: series
            .points
            .first()
            .map_or(0, |point| point.at.as_second()),
        step: series.step_seconds.cast_signed(),
        count: series.points.len(),
        ticks,
        format,
    }
}

/// How the beginning of a row of the table is written.
fn row_format(range: Range) -> &'static str {
    match range {
        Range::Hour | Range::Day => "%H:%M",
        Range::Month => "%a %-d %b",
    }
}

/// How a point is named to the pointer.
fn point_format(range: Range) -> &'static str {
    match range {
        Range::Hour | Range::Day => "%H:%M",
        Range::Month => "%-d %b %H:%M",
    }
}

/// The appliance ran then.
fn was_watched(series: &Series, place: usize) -> bool {
    let point = series.points.get(place);
    point.is_some_and(|point| point.covered_seconds > 0)
}

fn total_rate(point: &Point) -> Option<f64> {
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
            point.at.strftime(point_format(series.range)),
            wording::rate(rate),
            unit.as_str(),
            wording::count(paths.fast),
            wording::count(paths.cut_through),
            wording::count(paths.standard),
        ))
    };
    let rates = || series.points.iter().filter_map(total_rate);
    let seconds: u64 = series
        .points
        .iter()
        .map(|point| point.covered_seconds)
        .sum();
    let messages: u64 = series
        .points
        .iter()
        .map(|point| point.messages.total())
        .sum();
    let caption = Caption {
        name: "rate",
        title: format!("Messages a {}, by path", unit.as_str()),
        description: format!(
            "{}: {} on average, {} at most.",
            range_words(series.range),
            wording::rate(unit.rate(messages as f64 / seconds.max(1) as f64)),
            wording::rate(unit.rate(rates().fold(0.0, f64::max))),
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
            point.at.strftime(point_format(series.range)),
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
            range_words(series.range),
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

fn range_words(range: Range) -> &'static str {
    match range {
        Range::Hour => "In the last hour",
        Range::Day => "In the last day",
        Range::Month => "In the last 30 days",
    }
}

fn point_values(point: &Point, unit: RateUnit) -> PointValues {
    let latency = point.acknowledgement_seconds;
    PointValues {
        messages: wording::count(point.messages.total()),
        rate: total_rate(point)
            .map_or_else(|| "—".to_owned(), |rate| wording::rate(unit.rate(rate))),
        fast: wording::count(point.paths.fast),
        cut_through: wording::count(point.paths.cut_through),
        standard: wording::count(point.paths.standard),
        ratio: wording::percent(point.messages.ratio()),
        p50: wording::latency(latency.p50),
        p99: wording::latency(latency.p99),
    }
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
