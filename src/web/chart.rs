//! Charts: from values over time to paths, ticks and words, which `chart.html` writes as SVG.
//!
//! Pure: no clock, no I/O. The plot is [`WIDTH`] by [`HEIGHT`] units and stretched to the width that
//! the page has; texts stand outside of it and keep their size. What has no value has no ink.

use std::fmt::Write as _;

use jiff::Timestamp;

/// Units from left to right, whatever width the plot is shown at.
pub(super) const WIDTH: f64 = 1_000.0;
/// Units from top to bottom; each is shown as one pixel.
pub(super) const HEIGHT: f64 = 180.0;
/// Grid lines of a linear scale, the one at zero included, are at most this many.
const LEVELS_MOST: f64 = 5.0;
/// A tick closer to the edge than this is left out: its label would be cut.
const EDGE: f64 = 15.0;

/// Values of one name, point by point; none is a gap.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// Names its colour in the stylesheet.
    pub(super) class: &'static str,
    /// Its name in the legend.
    pub(super) words: &'static str,
    pub(super) values: Vec<Option<f64>>,
}

/// What `chart.html` writes.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// Begins the ids of its elements.
    pub(super) name: &'static str,
    pub(super) title: String,
    /// What somebody who does not see it wants to know.
    pub(super) description: String,
    pub(super) legend: Vec<Key>,
    pub(super) shapes: Vec<Shape>,
    pub(super) levels: Vec<Level>,
    pub(super) moments: Vec<Moment>,
    pub(super) touches: Vec<Touch>,
}

/// One entry of the legend.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) class: &'static str,
    pub(super) words: &'static str,
}

/// A path in the plot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    /// `area` or `line`, and the colour.
    pub(super) class: String,
    pub(super) path: String,
}

/// A horizontal grid line with its label.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    /// In units from the top.
    pub(super) y: f64,
    pub(super) label: String,
}

/// A tick on the axis of time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    /// From the left, in percent of the width.
    pub(super) percent: f64,
    pub(super) label: String,
    /// Left out where the page is narrow.
    pub(super) is_fine: bool,
}

/// A point's whole height, which tells its values when the pointer rests on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Touch {
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) words: String,
}

/// The axis of time: points of equal length, side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    /// When the first point begins, in seconds since 1970.
    pub(super) first: i64,
    /// Length of a point in seconds.
    pub(super) step: i64,
    /// Points.
    pub(super) count: usize,
    /// Seconds between ticks, and between those that stay on a narrow page.
    pub(super) ticks: (i64, i64),
    /// How a tick is written, for `strftime`.
    pub(super) format: &'static str,
}

impl Timeline {
    fn x(&self, point: usize) -> f64 {
        WIDTH * point as f64 / self.count.max(1) as f64
    }

    fn moments(&self) -> Vec<Moment> {
        let (every, every_coarse) = self.ticks;
        let span = self.step * self.count as i64;
        let begin = self.first + (-self.first).rem_euclid(every);
        let seconds = std::iter::successors(Some(begin), |second| Some(second + every));
        seconds
            .take_while(|second| *second < self.first + span)
            .map(|second| (second, WIDTH * (second - self.first) as f64 / span as f64))
            .filter(|(_, x)| (EDGE..=WIDTH - EDGE).contains(x))
            .map(|(second, x)| Moment {
                percent: rounded(x / 10.0),
                label: self.label(second),
                is_fine: second.rem_euclid(every_coarse) != 0,
            })
            .collect()
    }

    fn label(&self, second: i64) -> String {
        Timestamp::from_second(second)
            .map_or_else(|_| String::new(), |at| at.strftime(self.format).to_string())
    }

    /// Points of which nothing is known, as areas of full height, and their entry of the legend.
    fn gaps(&self, is_known: impl Fn(usize) -> bool) -> Option<(Shape, Key)> {
        let mut path = String::new();
        for run in runs(self.count, |point| !is_known(point)) {
            let (begin, end) = (self.x(run.start), self.x(run.end));
            let _ = write!(path, "M{begin:.1} 0H{end:.1}V{HEIGHT:.1}H{begin:.1}Z");
        }
        let shape = Shape {
            class: "area gap".to_owned(),
            path,
        };
        let key = Key {
            class: "gap",
            words: "did not run",
        };
        (!shape.path.is_empty()).then_some((shape, key))
    }

    /// The points that `words` tells something about.
    fn touches(&self, words: impl Fn(usize) -> Option<String>) -> Vec<Touch> {
        let width = rounded(self.x(1));
        let touch = |point| {
            words(point).map(|words| Touch {
                x: rounded(self.x(point)),
                width,
                words,
            })
        };
        (0..self.count).filter_map(touch).collect()
    }
}

/// From values to heights.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// From zero to a multiple of `step`.
    Linear { top: f64, step: f64 },
    /// From one power of ten to another.
    Logarithmic { low: i32, high: i32 },
}

impl Scale {
    /// Takes values up to `most`, with steps that people count in.
    fn linear(most: f64) -> Self {
        if most <= 0.0 {
            return Self::Linear {
                top: 1.0,
                step: 1.0,
            };
        }
        let least_step = most / (LEVELS_MOST - 1.0);
        let magnitude = 10_f64.powf(least_step.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|digit| digit * magnitude)
            .into_iter()
            .find(|step| *step >= least_step * (1.0 - 1e-9))
            .unwrap_or(10.0 * magnitude);
        Self::Linear {
            top: step * (most / step - 1e-9).ceil().max(1.0),
            step,
        }
    }

    /// Takes values, all above zero, within whole powers of ten.
    fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let bounds =
            values
                .filter(|value| *value > 0.0)
                .fold(None, |bounds: Option<(f64, f64)>, value| {
                    let (least, most) = bounds.unwrap_or((value, value));
                    Some((least.min(value), most.max(value)))
                });
        let (least, most) = bounds.unwrap_or((0.001, 0.01));
        let low = least.log10().floor() as i32;
        let high = (most.log10().ceil() as i32).max(low + 1);
        Self::Logarithmic { low, high }
    }

    /// The height of a value, in units from the top.
    fn y(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { top, .. } => value / top,
            Self::Logarithmic { low, high } => {
                (value.max(f64::MIN_POSITIVE).log10() - f64::from(low)) / f64::from(high - low)
            }
        };
        HEIGHT * (1.0 - share.clamp(0.0, 1.0))
    }

    /// The values of the grid lines, from the bottom to the top.
    fn levels(self) -> Vec<f64> {
        match self {
            Self::Linear { top, step } => {
                let count = (top / step).round() as u32;
                (0..=count).map(|number| f64::from(number) * step).collect()
            }
            Self::Logarithmic { low, high } => {
                let every = if high - low > 5 { 2 } else { 1 };
                (low..=high)
                    .step_by(every)
                    .map(|power| 10_f64.powi(power))
                    .collect()
            }
        }
    }

    fn grid(self, label: impl Fn(f64) -> String) -> Vec<Level> {
        let level = |value| Level {
            y: rounded(self.y(value)),
            label: label(value),
        };
        self.levels().into_iter().map(level).collect()
    }
}

/// What both kinds of chart are told.
pub(super) struct Caption<'a> {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) description: String,
    /// Whether anything is known of a point.
    pub(super) is_known: &'a dyn Fn(usize) -> bool,
    /// What the pointer is told of a point; none where there is nothing to tell.
    pub(super) tell: &'a dyn Fn(usize) -> Option<String>,
}

impl Chart {
    /// Layers upon each other, the first at the bottom: each point is a step as wide as its time.
    pub(super) fn stacked(caption: Caption<'_>, timeline: &Timeline, layers: &[Layer]) -> Self {
        let edges = stack(timeline.count, layers);
        let most = edges.last().into_iter().flatten().flatten();
        let scale = Scale::linear(most.copied().fold(0.0, f64::max));
        let decimals = match scale {
            Scale::Linear { step, .. } => (-step.log10().floor()).clamp(0.0, 6.0) as usize,
            Scale::Logarithmic { .. } => 0,
        };
        let is_seen = |layer: &Layer| layer.values.iter().flatten().any(|value| *value > 0.0);
        let shapes = layers.iter().zip(edges.windows(2));
        let shapes = shapes.filter(|(layer, _)| is_seen(layer));
        let shapes = shapes.map(|(layer, edges)| Shape {
            class: format!("area {}", layer.class),
            path: steps(timeline, scale, &edges[0], &edges[1]),
        });
        let levels = scale.grid(|value| format!("{value:.decimals$}"));
        Self::assemble(caption, timeline, layers, shapes.collect(), levels)
    }

    /// Two lines on a logarithmic scale with a band between them.
    pub(super) fn band(
        caption: Caption<'_>,
        timeline: &Timeline,
        lines: &[Layer; 2],
        label: impl Fn(f64) -> String,
    ) -> Self {
        let values = lines.iter().flat_map(|line| line.values.iter().flatten());
        let scale = Scale::logarithmic(values.copied());
        let [lower, upper] = lines;
        let mut shapes = vec![Shape {
            class: "area band".to_owned(),
            path: between(timeline, scale, &lower.values, &upper.values),
        }];
        shapes.extend([upper, lower].map(|line| Shape {
            class: format!("line {}", line.class),
            path: polyline(timeline, scale, &line.values),
        }));
        shapes.retain(|shape| !shape.path.is_empty());
        Self::assemble(caption, timeline, lines, shapes, scale.grid(label))
    }

    fn assemble(
        caption: Caption<'_>,
        timeline: &Timeline,
        layers: &[Layer],
        mut shapes: Vec<Shape>,
        levels: Vec<Level>,
    ) -> Self {
        let keys = layers.iter().map(|layer| Key {
            class: layer.class,
            words: layer.words,
        });
        let mut legend: Vec<Key> = keys.collect();
        if let Some((shape, key)) = timeline.gaps(caption.is_known) {
            shapes.insert(0, shape);
            legend.push(key);
        }
        Self {
            shapes,
            legend,
            levels,
            moments: timeline.moments(),
            touches: timeline.touches(caption.tell),
            name: caption.name,
            title: caption.title,
            description: caption.description,
        }
    }
}

/// The edges between layers, from the ground up: one more than there are layers.
fn stack(count: usize, layers: &[Layer]) -> Vec<Vec<Option<f64>>> {
    let mut edges = Vec::with_capacity(layers.len() + 1);
    let is_known = |point: usize| {
        layers
            .iter()
            .all(|layer| value(&layer.values, point).is_some())
    };
    edges.push(
        (0..count)
            .map(|point| is_known(point).then_some(0.0))
            .collect(),
    );
    for (place, layer) in layers.iter().enumerate() {
        let below: &Vec<Option<f64>> = &edges[place];
        let above = below
            .iter()
            .enumerate()
            .map(|(point, below)| Some((*below)? + value(&layer.values, point)?))
            .collect();
        edges.push(above);
    }
    edges
}

fn value(values: &[Option<f64>], point: usize) -> Option<f64> {
    values.get(point).copied().flatten()
}

/// Ranges of points that follow each other without a gap.
fn runs(count: usize, is_known: impl Fn(usize) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for point in (0..count).filter(|point| is_known(*point)) {
        match runs.last_mut() {
            Some(run) if run.end == point => run.end += 1,
            _ => runs.push(point..point + 1),
        }
    }
    runs
}

/// The area between two edges that both go in steps.
fn steps(
    timeline: &Timeline,
    scale: Scale,
    lower: &[Option<f64>],
    upper: &[Option<f64>],
) -> String {
    let mut path = String::new();
    let y = |values: &[Option<f64>], point| scale.y(value(values, point).unwrap_or_default());
    for run in runs(timeline.count, |point| value(upper, point).is_some()) {
        let begin = timeline.x(run.start);
        let _ = write!(path, "M{begin:.1} {:.1}", y(lower, run.start));
        for point in run.clone() {
            let _ = write!(path, "V{:.1}H{:.1}", y(upper, point), timeline.x(point + 1));
        }
        for point in run.rev() {
            let _ = write!(path, "V{:.1}H{:.1}", y(lower, point), timeline.x(point));
        }
        path.push('Z');
    }
    path
}

/// Where a line goes through a run of points: through their middles, and across one that is alone.
fn corners(
    timeline: &Timeline,
    scale: Scale,
    values: &[Option<f64>],
    run: &std::ops::Range<usize>,
) -> Vec<(f64, f64)> {
    let y = |point| scale.y(value(values, point).unwrap_or_default());
    if run.len() == 1 {
        return [timeline.x(run.start), timeline.x(run.end)]
            .map(|x| (x, y(run.start)))
            .to_vec();
    }
    let middle = |point| (timeline.x(point) + timeline.x(point + 1)) / 2.0;
    run.clone().map(|point| (middle(point), y(point))).collect()
}

fn polyline(timeline: &Timeline, scale: Scale, values: &[Option<f64>]) -> String {
    let mut path = String::new();
    for run in runs(timeline.count, |point| value(values, point).is_some()) {
        for (place, (x, y)) in corners(timeline, scale, values, &run)
            .into_iter()
            .enumerate()
        {
            let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
        }
    }
    path
}

/// The area between two lines where both are known.
fn between(
    timeline: &Timeline,
    scale: Scale,
    lower: &[Option<f64>],
    upper: &[Option<f64>],
) -> String {
    let mut path = String::new();
    let is_known = |point| value(lower, point).is_some() && value(upper, point).is_some();
    for run in runs(timeline.count, is_known) {
        let there = corners(timeline, scale, upper, &run).into_iter();
        let back = corners(timeline, scale, lower, &run).into_iter().rev();
        for (place, (x, y)) in there.chain(back).enumerate() {
            let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
        }
        path.push('Z');
    }
    path
}

/// As exact as a screen can show.
fn rounded(units: f64) -> f64 {
    (units * 10.0).round() / 10.0
}

#[cfg(test)]
#[path = "chart_tests.rs"]
mod tests;
