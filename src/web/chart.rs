//! Charts: from values over time to paths, ticks and words, which `chart.html` writes as SVG.
//!
//! Pure: no clock, no I/O. The plot is [`WIDTH`] by [`HEIGHT`] units and stretched to the width that
//! the page has; texts stand outside of it and keep their size. Points without a value are not drawn, and
//! where nothing was recorded there is a shade.

mod axes;

use std::fmt::Write as _;
use std::ops::Range;

pub(super) use axes::Timeline;
use axes::{Level, Scale, TimeTick, rounded};

/// Units from left to right, whatever width the plot is shown at.
pub(super) const WIDTH: f64 = 1_000.0;
/// Units from top to bottom; each is shown as one pixel.
pub(super) const HEIGHT: f64 = 180.0;

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
    /// The chart in words, for those who do not see it.
    pub(super) description: String,
    /// Classes and words.
    pub(super) legend: Vec<(&'static str, &'static str)>,
    pub(super) shapes: Vec<Shape>,
    pub(super) levels: Vec<Level>,
    pub(super) moments: Vec<TimeTick>,
    pub(super) touches: Vec<Touch>,
}

/// A path in the plot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    /// `area` or `line`, and the colour.
    pub(super) class: String,
    pub(super) path: String,
}

/// A point's whole height, which shows its values when the pointer rests on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Touch {
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) words: String,
}

impl Timeline {
    /// Points of which nothing is known, as areas of full height.
    fn gaps(&self, is_known: impl Fn(usize) -> bool) -> Option<Shape> {
        let mut path = String::new();
        for run in runs(self.count, |point| !is_known(point)) {
            let (begin, end) = (self.x(run.start), self.x(run.end));
            let _ = write!(path, "M{begin:.1} 0H{end:.1}V{HEIGHT:.1}H{begin:.1}Z");
        }
        let class = "area gap".to_owned();
        (!path.is_empty()).then_some(Shape { class, path })
    }

    /// The points that `words` describes.
    fn touches(&self, words: impl Fn(usize) -> Option<String>) -> Vec<Touch> {
        let touch = |point| {
            Some(Touch {
                x: rounded(self.x(point)),
                width: rounded(self.x(1)),
                words: words(point)?,
            })
        };
        (0..self.count).filter_map(touch).collect()
    }
}

/// What both kinds of chart need.
pub(super) struct Caption<'a> {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) description: String,
    /// Whether anything is known of a point.
    pub(super) is_known: &'a dyn Fn(usize) -> bool,
    /// What a point shows under the pointer; none where there is nothing to show.
    pub(super) tell: &'a dyn Fn(usize) -> Option<String>,
}

impl Chart {
    /// Layers upon each other, the first at the bottom: each point is a step as wide as its time.
    pub(super) fn stacked(caption: Caption<'_>, timeline: &Timeline, layers: &[Layer]) -> Self {
        let edges = stack(timeline.count, layers);
        let most = edges.last().into_iter().flatten().flatten();
        let scale = Scale::linear(most.copied().fold(0.0, f64::max));
        let plot = Plot { timeline, scale };
        let decimals = match scale {
            Scale::Linear { step, .. } => (-step.log10().floor()).clamp(0.0, 6.0) as usize,
            Scale::Logarithmic { .. } => 0,
        };
        let is_seen = |layer: &Layer| layer.values.iter().flatten().any(|value| *value > 0.0);
        let shapes = layers.iter().zip(edges.windows(2));
        let shapes = shapes.filter(|(layer, _)| is_seen(layer));
        let shapes = shapes.map(|(layer, edges)| Shape {
            class: format!("area {}", layer.class),
            path: plot.steps(&edges[0], &edges[1]),
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
        let plot = Plot { timeline, scale };
        let [lower, upper] = lines;
        let mut shapes = vec![Shape {
            class: "area band".to_owned(),
            path: plot.between(&lower.values, &upper.values),
        }];
        shapes.extend([upper, lower].map(|line| Shape {
            class: format!("line {}", line.class),
            path: plot.polyline(&line.values),
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
        let keys = layers.iter().map(|layer| (layer.class, layer.words));
        let mut legend: Vec<_> = keys.collect();
        if let Some(gaps) = timeline.gaps(caption.is_known) {
            shapes.insert(0, gaps);
            legend.push(("gap", "did not run"));
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
    let is_known = |point| {
        let mut values = layers.iter().map(|layer| value(&layer.values, point));
        values.all(|value| value.is_some())
    };
    let ground = (0..count).map(|point| is_known(point).then_some(0.0));
    let mut edges: Vec<Vec<Option<f64>>> = vec![ground.collect()];
    for (place, layer) in layers.iter().enumerate() {
        let below = edges[place].iter().enumerate();
        let above = below.map(|(point, below)| Some((*below)? + value(&layer.values, point)?));
        edges.push(above.collect());
    }
    edges
}

fn value(values: &[Option<f64>], point: usize) -> Option<f64> {
    values.get(point).copied().flatten()
}

/// Ranges of points that follow each other without a gap.
fn runs(count: usize, is_known: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for point in (0..count).filter(|point| is_known(*point)) {
        match runs.last_mut() {
            Some(run) if run.end == point => run.end += 1,
            _ => runs.push(point..point + 1),
        }
    }
    runs
}

/// Lines from the first of these places to the last.
fn draw(path: &mut String, places: impl IntoIterator<Item = (f64, f64)>) {
    for (place, (x, y)) in places.into_iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
    }
}

/// Where points and values stand.
#[derive(Clone, Copy)]
struct Plot<'a> {
    timeline: &'a Timeline,
    scale: Scale,
}

impl Plot<'_> {
    fn y(self, values: &[Option<f64>], point: usize) -> f64 {
        self.scale.y(value(values, point).unwrap_or_default())
    }

    /// The area between two edges that both go in steps.
    fn steps(self, lower: &[Option<f64>], upper: &[Option<f64>]) -> String {
        let mut path = String::new();
        for run in runs(self.timeline.count, |point| value(upper, point).is_some()) {
            let (begin, ground) = (self.timeline.x(run.start), self.y(lower, run.start));
            let _ = write!(path, "M{begin:.1} {ground:.1}");
            let mut step = |y: f64, x| {
                let _ = write!(path, "V{y:.1}H{:.1}", self.timeline.x(x));
            };
            for point in run.clone() {
                step(self.y(upper, point), point + 1);
            }
            for point in run.rev() {
                step(self.y(lower, point), point);
            }
            path.push('Z');
        }
        path
    }

    /// Where a line goes through a run of points: through their middles, and across one that is alone.
    fn corners(self, values: &[Option<f64>], run: &Range<usize>) -> Vec<(f64, f64)> {
        let x = |point| self.timeline.x(point);
        if run.len() == 1 {
            let y = self.y(values, run.start);
            return vec![(x(run.start), y), (x(run.end), y)];
        }
        let corner = |point| ((x(point) + x(point + 1)) / 2.0, self.y(values, point));
        run.clone().map(corner).collect()
    }

    fn polyline(self, values: &[Option<f64>]) -> String {
        let mut path = String::new();
        for run in runs(self.timeline.count, |point| value(values, point).is_some()) {
            draw(&mut path, self.corners(values, &run));
        }
        path
    }

    /// The area between two lines where both are known.
    fn between(self, lower: &[Option<f64>], upper: &[Option<f64>]) -> String {
        let mut path = String::new();
        let is_known = |point| value(lower, point).is_some() && value(upper, point).is_some();
        for run in runs(self.timeline.count, is_known) {
            let back = self.corners(lower, &run).into_iter().rev();
            draw(&mut path, self.corners(upper, &run).into_iter().chain(back));
            path.push('Z');
        }
        path
    }
}

#[cfg(test)]
#[path = "chart_tests.rs"]
mod tests;
