//! What `/settings` shows beside its form: what another threshold would have done with the last day's
//! messages.

use askama::Template;

use super::form::Form;
use super::page::{PageParts, fragment};
use crate::boot;
use crate::settings::quantity::{read_size, write_size};
use crate::statistics::{Sizes, Window};
use crate::web::error::PageError;
use crate::web::{Context, wording};

/// Thresholds that are shown in any case, in bytes.
const THRESHOLDS: [u64; 3] = [16_384, 32_768, 65_536];

pub(super) fn parts(context: &Context, form: &mut Form) -> Result<PageParts, PageError> {
    let present = context.administration.settings().memory_threshold_bytes;
    let typed = form.typed("memory_threshold_bytes");
    let typed = typed.and_then(|text| read_size(text).ok());
    let sizes = context.statistics.sizes(Window::Day);
    if let Some(field) = form.field_mut("memory_budget_bytes") {
        let in_force = budget_in_force(boot::memory_bytes(), context.budget.limit_bytes());
        field.hint = format!("{} {in_force}", field.hint);
    }
    let what_if = WhatIfTable::new(&sizes, present, typed);
    Ok(PageParts {
        above: "\n<div class=\"beside\">".to_owned(),
        form: " id=\"memory\" data-presets".to_owned(),
        below: fragment(&what_if)?,
        ..PageParts::default()
    })
}

fn budget_in_force(machine_bytes: u64, in_force_bytes: u64) -> String {
    format!(
        "This machine or container has {}. In force now: {}.",
        wording::bytes(machine_bytes),
        wording::bytes(in_force_bytes)
    )
}

/// The table beside the threshold.
#[derive(Debug, Template)]
#[template(path = "settings/what_if.html")]
struct WhatIfTable {
    /// Messages that it is about; none when there were none.
    messages: Option<String>,
    rows: Vec<ThresholdRow>,
}

/// One threshold.
#[derive(Debug, PartialEq)]
struct ThresholdRow {
    threshold: String,
    is_present: bool,
    is_typed: bool,
    /// The share of messages that would have stayed in memory.
    share: String,
    /// Messages that would have exceeded it.
    beyond: String,
    /// The surely held share in percent, for the bar.
    width: f64,
}

impl WhatIfTable {
    /// For the presets, the present threshold, and the one that was typed.
    fn new(sizes: &Sizes, present: u64, typed: Option<u64>) -> Self {
        let mut thresholds: Vec<u64> = THRESHOLDS
            .into_iter()
            .chain([present])
            .chain(typed)
            .collect();
        thresholds.sort_unstable();
        thresholds.dedup();
        let total = sizes.total();
        let rows = thresholds.into_iter().map(|threshold| ThresholdRow {
            is_present: threshold == present,
            is_typed: typed == Some(threshold) && threshold != present,
            ..row(sizes, threshold)
        });
        Self {
            messages: (total > 0).then(|| wording::counted(total, "message")),
            rows: rows.collect(),
        }
    }
}

fn row(sizes: &Sizes, threshold: u64) -> ThresholdRow {
    let total = sizes.total();
    let held = sizes.held_by(threshold);
    let share = |count: u64| (total > 0).then(|| count as f64 / total as f64);
    let (least, most) = (
        wording::percent(share(held.least)),
        wording::percent(share(held.most)),
    );
    let (fewest, most_beyond) = (total - held.most, total - held.least);
    let (fewest_words, most_words) = (wording::count(fewest), wording::count(most_beyond));
    ThresholdRow {
        threshold: write_size(threshold),
        is_present: false,
        is_typed: false,
        share: if least == most {
            least
        } else {
            format!("{} to {most}", least.trim_end_matches(" %"))
        },
        beyond: if fewest == most_beyond {
            fewest_words
        } else {
            format!("{fewest_words} to {most_words}")
        },
        width: (share(held.least).unwrap_or(0.0) * 10_000.0).round() / 100.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(what_if: &WhatIfTable, expected: &[(&str, &str, &str)]) {
        let rows: Vec<_> = what_if
            .rows
            .iter()
            .map(|row| {
                (
                    row.threshold.as_str(),
                    row.share.as_str(),
                    row.beyond.as_str(),
                )
            })
            .collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_known_day() {
        let mut sizes = Sizes::default();
        for (bytes, times) in [(4_000, 900), (20_000, 60), (40_000, 30), (100_000, 10)] {
            for _ in 0..times {
                sizes.record(bytes);
            }
        }
        let what_if = WhatIfTable::new(&sizes, 32_768, Some(49_152));
        assert_eq!(what_if.messages.as_deref(), Some("1,000 messages"));
        check(
            &what_if,
            &[
                ("16 KiB", "90.0 %", "100"),
                ("32 KiB", "96.0 %", "40"),
                ("48 KiB", "96.0 to 99.0 %", "10 to 40"),
                ("64 KiB", "99.0 %", "10"),
            ],
        );
        let marks: Vec<_> = what_if
            .rows
            .iter()
            .map(|row| (row.is_present, row.is_typed))
            .collect();
        assert_eq!(
            marks,
            [(false, false), (true, false), (false, true), (false, false)]
        );
        let same = WhatIfTable::new(&sizes, 32_768, Some(32_768));
        assert_eq!(same.rows.len(), 3);
    }

    #[test]
    fn a_day_without_mail() {
        let what_if = WhatIfTable::new(&Sizes::default(), 0, None);
        assert_eq!(what_if.messages, None);
        assert_eq!(what_if.rows[0].share, "—");
    }
}
