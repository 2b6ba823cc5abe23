//! An alert: its topic, since when it holds, and what was measured.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::figures::AlertFigures;
use super::kind::{AlertKind, Severity};

/// What an alert is about. There is at most one alert on each topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// Its kind.
    pub kind: AlertKind,
    /// Of [`AlertKind::BreakerOpen`]: the name of the next hop.
    pub next_hop: Option<Arc<str>>,
}

impl Topic {
    /// The only topic of its kind.
    #[must_use]
    pub const fn of(kind: AlertKind) -> Self {
        Self {
            kind,
            next_hop: None,
        }
    }

    /// The breaker of the next hop of this name.
    #[must_use]
    pub const fn breaker(next_hop: Arc<str>) -> Self {
        Self {
            kind: AlertKind::BreakerOpen,
            next_hop: Some(next_hop),
        }
    }
}

/// One alert as it is now. In JSON it is an [`AlertInJson`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "AlertInJson")]
pub struct Alert {
    /// What it is about.
    pub topic: Topic,
    /// When what it is about began, which is before the alert where it had to last.
    pub since: Timestamp,
    /// What was measured last.
    pub figures: AlertFigures,
}

impl Alert {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> AlertKind {
        self.topic.kind
    }
}

/// An alert in the API and the webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertInJson {
    /// What it is about.
    alert: AlertKind,
    /// How serious it is.
    severity: Severity,
    /// When what it is about began, which is before the alert where it had to last.
    since: Timestamp,
    /// What was measured last, in a sentence.
    text: String,
    /// What was measured last, beside the bound that was set.
    figures: AlertFigures,
}

impl From<Alert> for AlertInJson {
    fn from(alert: Alert) -> Self {
        let kind = alert.kind();
        Self {
            alert: kind,
            severity: kind.severity(),
            since: alert.since,
            text: alert.figures.to_string(),
            figures: alert.figures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_shape_is_what_others_script_against() {
        let alert = Alert {
            topic: Topic::of(AlertKind::QueueLarge),
            since: Timestamp::UNIX_EPOCH,
            figures: AlertFigures::QueueLarge {
                recipients: 3,
                bound_recipients: 2,
            },
        };
        assert_eq!(
            serde_json::to_value(alert).expect("an alert"),
            json!({
                "alert": "queue_large",
                "severity": "warning",
                "since": "1970-01-01T00:00:00Z",
                "text": "3 recipients are in the retry queue; the bound is 2.",
                "figures": {"recipients": 3, "bound_recipients": 2},
            })
        );
    }

    #[test]
    fn the_words_are_one_set() {
        for &kind in AlertKind::ALL {
            assert_eq!(serde_json::to_value(kind).ok(), Some(json!(kind.as_str())));
        }
    }
}
