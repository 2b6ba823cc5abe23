use super::*;

fn timeline(count: usize) -> Timeline {
    Timeline {
        first: 0,
        step: 60,
        count,
        ticks: (60, 120),
        format: "%H:%M",
    }
}

fn caption(tell: &dyn Fn(usize) -> Option<String>) -> Caption<'_> {
    Caption {
        name: "test",
        title: String::new(),
        description: String::new(),
        is_known: &|_| true,
        tell,
    }
}

fn paths(chart: &Chart) -> Vec<&str> {
    let paths = chart.shapes.iter().map(|shape| shape.path.as_str());
    paths.collect()
}

fn layer(values: &[Option<f64>]) -> Layer {
    Layer {
        class: "fast",
        words: "fast",
        values: values.to_vec(),
    }
}

#[test]
fn linear_scales_end_at_a_round_number() {
    for (most, levels) in [
        (0.0, &[0.0, 1.0][..]),
        (0.37, &[0.0, 0.1, 0.2, 0.3, 0.4]),
        (1.0, &[0.0, 0.5, 1.0]),
        (8.3, &[0.0, 5.0, 10.0]),
        (12.0, &[0.0, 5.0, 10.0, 15.0]),
        (40.0, &[0.0, 10.0, 20.0, 30.0, 40.0]),
        (1_001.0, &[0.0, 500.0, 1_000.0, 1_500.0]),
    ] {
        let scale = Scale::linear(most);
        let found = scale.levels();
        assert_eq!(found.len(), levels.len(), "{most}: {found:?}");
        for (found, expected) in found.iter().zip(levels) {
            assert!((found - expected).abs() < 1e-9, "{most}: {found}");
        }
        assert_eq!(scale.y(0.0), HEIGHT);
        assert!(scale.y(most) >= 0.0 && scale.y(found[found.len() - 1]) < 1e-9);
    }
}

#[test]
fn logarithmic_scales_end_at_powers_of_ten() {
    for (values, low, high) in [
        (&[][..], -3, -2),
        (&[0.003, 0.004], -3, -2),
        (&[0.000_3, 9.0], -4, 1),
        (&[0.001], -3, -2),
        (&[0.0, 0.02, 0.1], -2, -1),
    ] {
        let scale = Scale::logarithmic(values.iter().copied());
        assert_eq!(scale, Scale::Logarithmic { low, high }, "{values:?}");
        assert_eq!(scale.y(10_f64.powi(low)), HEIGHT);
        assert!(scale.y(10_f64.powi(high)).abs() < 1e-9);
    }
    let wide = Scale::Logarithmic { low: -4, high: 2 };
    assert_eq!(wide.levels().len(), 4, "every second one");
}

#[test]
fn layers_stand_upon_each_other_and_gaps_stay_empty() {
    let layers = [
        layer(&[Some(1.0), None, Some(2.0), Some(2.0)]),
        layer(&[Some(1.0), None, Some(0.0), Some(2.0)]),
        layer(&[Some(0.0), None, Some(0.0), Some(0.0)]),
    ];
    let tell = |point: usize| (point != 1).then(|| format!("point {point}"));
    let chart = Chart::stacked(caption(&tell), &timeline(4), &layers);
    // 4 units of value over 180 of height: 45 each.
    let expected = [
        "M0.0 180.0V135.0H250.0V180.0H0.0Z\
         M500.0 180.0V90.0H750.0V90.0H1000.0V180.0H750.0V180.0H500.0Z",
        "M0.0 135.0V90.0H250.0V135.0H0.0Z\
         M500.0 90.0V90.0H750.0V0.0H1000.0V90.0H750.0V90.0H500.0Z",
    ];
    assert_eq!(
        paths(&chart),
        expected,
        "and what is never there has no shape"
    );
    assert_eq!(chart.legend.len(), 3);
    let touched: Vec<(f64, f64)> = chart.touches.iter().map(|it| (it.x, it.width)).collect();
    assert_eq!(touched, [(0.0, 250.0), (500.0, 250.0), (750.0, 250.0)]);
    let labels: Vec<&str> = chart
        .levels
        .iter()
        .map(|level| level.label.as_str())
        .collect();
    assert_eq!(labels, ["0", "1", "2", "3", "4"]);
}

#[test]
fn lines_join_neighbours_and_cross_a_point_that_is_alone() {
    let half = layer(&[Some(0.01), Some(0.01), None, Some(0.01)]);
    let most = layer(&[Some(0.1), Some(0.1), None, Some(0.1)]);
    let chart = Chart::band(caption(&|_| None), &timeline(4), &[half, most], |value| {
        format!("{value} s")
    });
    let expected = [
        "M125.0 0.0L375.0 0.0L375.0 180.0L125.0 180.0Z\
         M750.0 0.0L1000.0 0.0L1000.0 180.0L750.0 180.0Z",
        "M125.0 0.0L375.0 0.0M750.0 0.0L1000.0 0.0",
        "M125.0 180.0L375.0 180.0M750.0 180.0L1000.0 180.0",
    ];
    assert_eq!(paths(&chart), expected);
    let labels: Vec<&str> = chart
        .levels
        .iter()
        .map(|level| level.label.as_str())
        .collect();
    assert_eq!(labels, ["0.01 s", "0.1 s"]);
}

#[test]
fn what_nobody_watched_is_marked() {
    let caption = Caption {
        is_known: &|point| point == 2,
        ..caption(&|_| None)
    };
    let quiet = layer(&[None, None, Some(0.0), None]);
    let chart = Chart::stacked(caption, &timeline(4), &[quiet]);
    let expected = ["M0.0 0H500.0V180.0H0.0ZM750.0 0H1000.0V180.0H750.0Z"];
    assert_eq!(paths(&chart), expected);
    let keys: Vec<&str> = chart.legend.iter().map(|(class, _)| *class).collect();
    assert_eq!(keys, ["fast", "gap"]);
}

#[test]
fn nothing_counted_is_nothing_drawn() {
    let empty = layer(&[None; 3]);
    let chart = Chart::stacked(
        caption(&|_| None),
        &timeline(3),
        std::slice::from_ref(&empty),
    );
    assert_eq!(chart.shapes, []);
    let lines = [empty.clone(), empty];
    let chart = Chart::band(caption(&|_| None), &timeline(3), &lines, |_| String::new());
    assert_eq!(chart.shapes, []);
    assert_eq!(chart.touches, []);
}

#[test]
fn ticks_stand_at_round_times_away_from_the_edges() {
    let hour = Timeline {
        first: 1_700_000_040,
        step: 60,
        count: 60,
        ticks: (600, 1_200),
        format: "%H:%M",
    };
    let moments = hour.moments();
    let labels: Vec<(&str, bool)> = moments
        .iter()
        .map(|moment| (moment.label.as_str(), moment.is_fine))
        .collect();
    let expected = [
        ("22:20", false),
        ("22:30", true),
        ("22:40", false),
        ("22:50", true),
        ("23:00", false),
        ("23:10", true),
    ];
    assert_eq!(labels, expected);
    assert_eq!(moments[0].percent, 10.0);
    assert_eq!(moments[1].percent, 26.7);
    let edges = Timeline {
        first: 1_700_000_400,
        ..hour
    };
    assert_eq!(
        edges.moments().len(),
        5,
        "the one at the very edge is left out"
    );
}
