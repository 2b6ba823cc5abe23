use super::*;
use crate::message::{Path, Storage};
use crate::statistics::{AnsweredFigures, Windows};
use std::time::Duration;

const NOON: u64 = 20_000 * 86_400 + 43_200;

fn series(range: Range) -> Series {
    let mut windows = Windows::new(NOON - 300);
    for (second, path) in [(0, Path::Fast), (60, Path::Fast), (61, Path::Standard)] {
        windows.record(
            NOON - 300 + second,
            &AnsweredFigures {
                path,
                storage: Storage::Memory,
                reasons: &[],
                size_bytes: 1,
                acknowledged_after: Duration::from_millis(20),
            },
        );
    }
    windows.pass(NOON);
    Series::new(&windows, NOON, range, Grain::Chart)
}

#[test]
fn quiet_relays_count_by_the_minute_or_hour() {
    for (most, unit) in [
        (0.0, RateUnit::Second),
        (12.0, RateUnit::Second),
        (0.4, RateUnit::Minute),
        (0.001, RateUnit::Hour),
    ] {
        assert_eq!(RateUnit::of(most), unit, "{most}");
    }
    assert_eq!(RateUnit::Minute.rate(0.1), 6.0);
}

#[test]
fn the_charts_say_what_they_show() {
    let series = series(Range::Hour);
    let rate = rate_chart(&series, &timeline(&series), RateUnit::Minute);
    assert_eq!(rate.title, "Messages a minute, by path");
    assert_eq!(
        rate.description,
        "In the last hour: 0.60 on average, 2.0 at most."
    );
    assert_eq!(
        rate.shapes.len(),
        3,
        "a gap and two paths: nothing was cut through"
    );
    assert_eq!(rate.touches.len(), 5, "only while it ran");
    assert_eq!(
        rate.touches[1].words,
        "11:56: 2.0 a minute; 1 fast, 0 cut-through, 1 standard"
    );
    let latency = latency_chart(&series, &timeline(&series));
    assert_eq!(
        latency.touches.len(),
        2,
        "only where something was answered"
    );
    assert_eq!(latency.touches[0].words, "11:55: p50 19 ms, p99 19 ms");
    let labels: Vec<&str> = latency.levels.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(labels, ["10 ms", "100 ms"]);
}

#[test]
fn every_range_has_ticks_that_a_person_can_place() {
    for (range, label) in [
        (Range::Hour, "11:20"),
        (Range::Day, "18:00"),
        (Range::Month, "24 Sep"),
    ] {
        let series = series(range);
        let chart = rate_chart(&series, &timeline(&series), RateUnit::Second);
        let labels: Vec<&str> = chart.moments.iter().map(|it| it.label.as_str()).collect();
        assert!(labels.contains(&label), "{range:?}: {labels:?}");
        assert!((5..=9).contains(&labels.len()), "{range:?}: {labels:?}");
    }
}

#[test]
fn decades_are_written_in_whole_units() {
    for (seconds, words) in [
        (1e-6, "1 µs"),
        (1e-4, "100 µs"),
        (1e-3, "1 ms"),
        (0.1, "100 ms"),
        (1.0, "1 s"),
        (100.0, "100 s"),
    ] {
        assert_eq!(decade(seconds), words);
    }
}

#[test]
fn ranges_are_links() {
    let links = range_links(Range::Day, true);
    let urls: Vec<(&str, bool)> = links
        .iter()
        .map(|link| (link.url.as_str(), link.is_shown))
        .collect();
    let expected = [
        ("/?range=hour&refresh=off", false),
        ("/?range=day&refresh=off", true),
        ("/?range=month&refresh=off", false),
    ];
    assert_eq!(urls, expected);
}
