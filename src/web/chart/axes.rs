//! The axes of a chart: from points of time to places, and from values to heights.

use jiff::Timestamp;

use super::{HEIGHT, WIDTH};

/// Grid lines of a linear scale, the one at zero included, are at most this many.
const LEVELS_MOST: f64 = 5.0;
/// A tick closer to the edge than this is left out: its label would be cut.
const EDGE: f64 = 15.0;

/// A horizontal grid line with its label.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::web) struct Level {
    /// In units from the top.
    pub(in crate::web) y: f64,
    pub(in crate::web) label: String,
}

/// A tick on the axis of time.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::web) struct TimeTick {
    /// From the left, in percent of the width.
    pub(in crate::web) percent: f64,
    pub(in crate::web) label: String,
    /// Left out where the page is narrow.
    pub(in crate::web) is_fine: bool,
}

/// The axis of time: points of equal length, side by side.
#[derive(Clone, Copy, Debug)]
pub(in crate::web) struct Timeline {
    /// When the first point begins, in seconds since 1970.
    pub(in crate::web) first: i64,
    /// Length of a point in seconds.
    pub(in crate::web) step: i64,
    /// Points.
    pub(in crate::web) count: usize,
    /// Seconds between ticks, and between those that stay on a narrow page.
    pub(in crate::web) ticks: (i64, i64),
    /// How a tick is written, for `strftime`.
    pub(in crate::web) format: &'static str,
}

impl Timeline {
    pub(super) fn x(&self, point: usize) -> f64 {
        WIDTH * point as f64 / self.count.max(1) as f64
    }

    pub(super) fn moments(&self) -> Vec<TimeTick> {
        let (every, every_coarse) = self.ticks;
        let span = self.step * self.count as i64;
        let begin = self.first + (-self.first).rem_euclid(every);
        let seconds = std::iter::successors(Some(begin), |second| Some(second + every));
        seconds
            .take_while(|second| *second < self.first + span)
            .map(|second| (second, WIDTH * (second - self.first) as f64 / span as f64))
            .filter(|(_, x)| (EDGE..=WIDTH - EDGE).contains(x))
            .map(|(second, x)| TimeTick {
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
}

/// From values to heights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// From zero to a multiple of `step`.
    Linear { top: f64, step: f64 },
    /// From one power of ten to another.
    Logarithmic { low: i32, high: i32 },
}

impl Scale {
    /// Takes values up to `most`, with steps that people count in.
    pub(super) fn linear(most: f64) -> Self {
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
    pub(super) fn logarithmic(values: impl Iterator<Item = f64> + Clone) -> Self {
        let values = values.filter(|value| *value > 0.0);
        let least = values.clone().reduce(f64::min).unwrap_or(0.001);
        let most = values.reduce(f64::max).unwrap_or(0.01);
        let low = least.log10().floor() as i32;
        let high = (most.log10().ceil() as i32).max(low + 1);
        Self::Logarithmic { low, high }
    }

    /// The height of a value, in units from the top.
    pub(super) fn y(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { top, .. } => value / top,
            Self::Logarithmic { low, high } => {
                (value.max(f64::MIN_POSITIVE).log10() - f64::from(low)) / f64::from(high - low)
            }
        };
        HEIGHT * (1.0 - share.clamp(0.0, 1.0))
    }

    /// The values of the grid lines, from the bottom to the top.
    pub(super) fn levels(self) -> Vec<f64> {
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

    pub(super) fn grid(self, label: impl Fn(f64) -> String) -> Vec<Level> {
        let level = |value| Level {
            y: rounded(self.y(value)),
            label: label(value),
        };
        self.levels().into_iter().map(level).collect()
    }
}

/// As exact as a screen can show.
pub(super) fn rounded(units: f64) -> f64 {
    (units * 10.0).round() / 10.0
}
