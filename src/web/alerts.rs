//! The present alerts, as the dashboard shows them. `templates/alerts.html` is the part of the page.

use jiff::Timestamp;

use super::{Context, wording};
use crate::alerts::{Alert, AlertKind, Severity};

/// What `alerts.html` shows, under the name `alerts`.
pub(super) struct AlertList {
    /// The class of the most serious of them.
    pub(super) mark: &'static str,
    pub(super) rows: Vec<AlertRow>,
    /// Suspended next hops without a row of their own.
    pub(super) left_out: Option<String>,
}

/// One alert.
pub(super) struct AlertRow {
    pub(super) name: &'static str,
    /// The class of its tag, by its severity.
    pub(super) mark: &'static str,
    /// The page on which an administrator solves it, and the words of the link.
    pub(super) remedy: Option<(&'static str, &'static str)>,
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
            mark: gravest(&present.alerts),
            rows: present.alerts.iter().map(|alert| row(alert, now)).collect(),
            left_out: (left_out > 0).then(|| wording::counted(left_out as u64, "next hop")),
        }
    }
}

/// The class of the most serious of these alerts.
pub(super) fn gravest(alerts: &[Alert]) -> &'static str {
    let severities = alerts.iter().map(|alert| alert.kind().severity());
    mark(severities.max().unwrap_or(Severity::Warning))
}

fn row(alert: &Alert, now: Timestamp) -> AlertRow {
    AlertRow {
        name: alert.kind().label(),
        mark: mark(alert.kind().severity()),
        remedy: remedy(alert.kind()),
        text: alert.figures.to_string(),
        since: wording::moment_utc(alert.since),
        age: wording::age(wording::between(alert.since, now)),
    }
}

fn remedy(kind: AlertKind) -> Option<(&'static str, &'static str)> {
    match kind {
        AlertKind::OpenRelay => Some(("/settings/access", "Who may relay")),
        AlertKind::QueueDamaged => Some(("/queue?state=damaged", "What is damaged")),
        _ => None,
    }
}

/// The class for this severity.
pub(super) fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "caution",
        Severity::Critical => "bad",
    }
}
