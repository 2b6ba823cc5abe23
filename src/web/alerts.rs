//! The present alerts, as the dashboard shows them. `templates/alerts.html` is the part of the page.

use std::sync::Arc;

use jiff::Timestamp;

use super::Context;
use crate::alerts::{ActiveAlerts, Alert, AlertKind, Severity};

/// What `alerts.html` shows, under the name `alerts`.
pub(super) struct AlertList {
    pub(super) present: Arc<ActiveAlerts>,
    pub(super) now: Timestamp,
}

impl AlertList {
    /// The alerts of this moment.
    pub(super) fn of(context: &Context) -> Self {
        Self {
            present: context.alerts.present(),
            now: Timestamp::now(),
        }
    }
}

/// The class of the most serious of these alerts.
pub(super) fn gravest(alerts: &[Alert]) -> &'static str {
    let severities = alerts.iter().map(|alert| alert.kind().severity());
    mark(severities.max().unwrap_or(Severity::Warning))
}

/// The page on which an administrator solves it, and the words of the link.
pub(super) fn remedy(kind: AlertKind) -> Option<(&'static str, &'static str)> {
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
