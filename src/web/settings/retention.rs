//! `/settings/retention`: how much of the history is kept, and what that takes now.

use askama::Template;
use jiff::Timestamp;
use tokio::time::timeout;
use tracing::warn;

use super::form::{Form, Group, Setting, Submission};
use super::kind::{Choice, Kind};
use super::{Answer, keep, present};
use crate::limits;
use crate::store::{DiskFigures, TrailSize};
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};
use crate::web::{Context, wording};

pub(super) const TITLE: &str = "Statistics and trail";

const GROUPS: &[Group] = &[Group {
    heading: "The trail",
    settings: &[
        Setting {
            name: "keep_trail",
            label: "What became of each message",
            hint: "",
            kind: Kind::Choice(&[
                Choice {
                    value: "true",
                    label: "is kept",
                    hint: "“Did it arrive?” can be answered for every message, from who sent it to the destination’s last word.",
                },
                Choice {
                    value: "false",
                    label: "is not kept",
                    hint: "Only what is counted remains: the figures of the dashboard go on.",
                },
            ]),
        },
        Setting {
            name: "trail_retention_seconds",
            label: "Keep it for",
            hint: "Older entries go, like 7 days.",
            kind: Kind::Time,
        },
        Setting {
            name: "trail_retention_bytes",
            label: "Keep at most",
            hint: "The oldest entries go first when the history grows beyond this, like 2 GiB.",
            kind: Kind::Size,
        },
    ],
}];

#[derive(Template)]
#[template(path = "settings/retention.html")]
struct RetentionPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    /// None when it cannot be told now: the settings can be changed all the same.
    kept: Option<Kept>,
}

/// What is kept now, in words.
struct Kept {
    messages: String,
    /// Since when, and how long ago that was; none when nothing is kept.
    oldest: Option<(String, String)>,
    on_disk: String,
    /// Bytes of a day, once there is enough to go by.
    a_day: Option<String>,
    disk_free: String,
    disk_total: String,
}

impl Kept {
    async fn now(context: &Context) -> Option<Self> {
        let figures = async {
            let (trail, disk) = tokio::join!(context.store.trail_size(), context.store.disk());
            anyhow::Ok((trail?, disk?))
        };
        match timeout(limits::TRAIL_SIZE_WAIT, figures).await {
            Ok(Ok((trail, disk))) => Some(Self::of(&trail, &disk, Timestamp::now())),
            Ok(Err(error)) => {
                warn!(%error, "the size of the trail is not known");
                None
            }
            Err(_) => {
                warn!("the size of the trail is not known in time");
                None
            }
        }
    }

    fn of(trail: &TrailSize, disk: &DiskFigures, now: Timestamp) -> Self {
        let messages = if trail.is_estimate {
            format!("about {}", wording::count(rounded(trail.messages)))
        } else {
            wording::count(trail.messages)
        };
        let oldest = trail.oldest.map(|oldest| {
            let at = format!("{} UTC", wording::moment(oldest));
            (at, wording::since(oldest, now))
        });
        Self {
            messages,
            oldest,
            on_disk: wording::bytes(disk.history_bytes),
            a_day: trail
                .oldest
                .and_then(|oldest| a_day(disk.history_bytes, oldest, now))
                .map(wording::bytes),
            disk_free: wording::bytes(disk.free_bytes),
            disk_total: wording::bytes(disk.total_bytes),
        }
    }
}

/// Two digits, and zeros: an estimate promises no more.
fn rounded(number: u64) -> u64 {
    let digits = number.checked_ilog10().unwrap_or(0);
    let unit = 10_u64.pow(digits.saturating_sub(1));
    (number + unit / 2) / unit * unit
}

/// How many bytes a day brings, going by what there is; none in the first day.
fn a_day(bytes: u64, oldest: Timestamp, now: Timestamp) -> Option<u64> {
    const DAY_SECONDS: u128 = 86_400;
    let seconds = now.duration_since(oldest).as_secs();
    let seconds = u128::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds >= DAY_SECONDS)?;
    u64::try_from(u128::from(bytes) * DAY_SECONDS / seconds).ok()
}

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    let kept = Kept::now(&context).await;
    let show =
        |context: &Context, visitor, notice, form| show(context, visitor, notice, form, kept);
    present(&context, visitor, &query, GROUPS, show)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    let kept = Kept::now(&context).await;
    let show =
        |context: &Context, visitor, notice, form| show(context, visitor, notice, form, kept);
    keep(
        &context,
        visitor,
        GROUPS,
        &submission,
        "/settings/retention",
        show,
    )
    .await
}

fn show(
    context: &Context,
    visitor: Visitor,
    notice: Option<&'static str>,
    form: Form,
    kept: Option<Kept>,
) -> Page {
    render(&RetentionPage {
        frame: Frame::new(context, visitor, Section::Settings, TITLE),
        notice,
        form,
        kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_round() {
        for (number, expected) in [
            (0, 0),
            (7, 7),
            (42, 42),
            (1_234, 1_200),
            (1_260, 1_300),
            (9_960_000, 10_000_000),
            (123_456_789, 120_000_000),
        ] {
            assert_eq!(rounded(number), expected);
        }
    }

    #[test]
    fn what_a_day_brings_is_told_after_the_first() {
        let at = |hours: i64| Timestamp::from_second(hours * 3_600).expect("a time");
        for (oldest, now, expected) in [
            (0, 23, None),
            (0, 24, Some(960)),
            (0, 240, Some(96)),
            // The clock was set back.
            (240, 0, None),
        ] {
            assert_eq!(a_day(960, at(oldest), at(now)), expected);
        }
    }
}
