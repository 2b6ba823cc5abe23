//! What `/settings/retention` shows beside its form: how much of the history there is now.

use askama::Template;
use jiff::Timestamp;
use tokio::time::timeout;
use tracing::warn;

use super::page::{PageParts, fragment};
use crate::limits;
use crate::store::{DiskFigures, TrailSize};
use crate::web::error::PageError;
use crate::web::{Context, wording};

#[derive(Template)]
#[template(path = "settings/trail_size.html")]
struct TrailSizeTemplate {
    /// None when it is not known now: the settings can be changed all the same.
    kept: Option<KeptTrail>,
}

/// What is kept now, in words.
struct KeptTrail {
    messages: String,
    /// Since when, and how long ago that was; none when nothing is kept.
    oldest: Option<(String, String)>,
    on_disk: String,
    /// Bytes of a day, once there is enough to go by.
    a_day: Option<String>,
    disk_free: String,
    disk_total: String,
}

impl KeptTrail {
    async fn now(context: &Context) -> Option<Self> {
        let figures = async {
            let (trail, disk) =
                tokio::join!(context.store.trail.trail_size(), context.store.disk());
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
        let oldest = trail
            .oldest
            .map(|oldest| (wording::moment_utc(oldest), wording::since(oldest, now)));
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

pub(super) async fn parts(context: &Context) -> Result<PageParts, PageError> {
    let kept = KeptTrail::now(context).await;
    Ok(PageParts {
        below: fragment(&TrailSizeTemplate { kept })?,
        ..PageParts::default()
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
