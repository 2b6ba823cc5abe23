//! The present alerts, as the dashboard shows them. `templates/alerts.html` is the part of the page.

use std::time::Duration;

use jiff::Timestamp;

use super::{Context, wording};
use crate::alerts::{Alert, Kind, Severity};

/// What `alerts.html` shows, under the name `alerts`.
pub(super) struct AlertList {
    pub(super) rows: Vec<AlertRow>,
    /// Suspended next hops without a row of their own.
    pub(super) left_out: Option<String>,
}

/// One alert.
pub(super) struct AlertRow {
    pub(super) name: &'static str,
    pub(super) is_critical: bool,
    pub(super) text: String,
    pub(super) since: String,
    /// How long that is.
    pub(super) age: String,
}

impl AlertList {
    /// The alerts of this moment.
    pub(super) fn of(context: &Context) -> Self {
        let present = context.alerts.present();
        let now = Timestamp::now();
        let left_out = present.next_hops_left_out;
        Self {
            rows: present.alerts.iter().map(|alert| row(alert, now)).collect(),
            left_out: (left_out > 0).then(|| wording::count(left_out as u64)),
        }
    }
}

fn row(alert: &Alert, now: Timestamp) -> AlertRow {
    let age = now.duration_since(alert.since);
    AlertRow {
        name: name(alert.kind()),
        is_critical: alert.kind().severity() == Severity::Critical,
        text: alert.figures.to_string(),
        since: alert.since.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        age: wording::age(Duration::from_secs(
            u64::try_from(age.as_secs()).unwrap_or(0),
        )),
    }
}

/// What a person calls it.
pub(super) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::QueueLarge => "Queue is large",
        Kind::QueueOld => "Mail waits long",
        Kind::BreakerOpen => "Next hop suspended",
        Kind::DiskLow => "Disk fills up",
        Kind::MemoryLow => "Memory is full",
        Kind::NoDelivery => "Nothing delivered",
    }
}
