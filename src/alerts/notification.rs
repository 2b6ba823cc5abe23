//! What is sent to the webhook: one JSON object, and the signature over it.
//!
//! ```json
//! {"event": "begin", "appliance": "relay.example.net", "at": "2026-07-01T12:00:00Z",
//!  "alert": "queue_large", "severity": "warning", "since": "2026-07-01T12:00:00Z",
//!  "text": "12,034 recipients are in the retry queue; the bound is 10,000.",
//!  "figures": {"recipients": 12034, "bound_recipients": 10000}}
//! ```
//!
//! `event` is `begin`, `end` or `test`. An answer that was lost means that the same words come again:
//! `alert`, `figures.next_hop` where there is one, `event` and `since` together name one event.

use std::sync::Arc;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::alert::{Alert, Topic};
use super::rule::{AlertChange, EndReason};
use crate::message::words::words;
use crate::settings::Secret;

words! {
    /// What happened.
    AlertEvent {
        /// An alert began.
        Begin => "begin",
        /// An alert ended.
        End => "end",
        /// Nothing: an administrator tries the webhook.
        Test => "test",
    }
}

/// One event for the webhook.
#[derive(Clone, Debug)]
pub(super) struct Notification {
    pub(super) event: AlertEvent,
    /// None for a test.
    pub(super) topic: Option<Topic>,
    /// The body of the request.
    pub(super) body: Vec<u8>,
}

impl Notification {
    /// The words on an alert that begins or ends at `at`.
    pub(super) fn of(change: &AlertChange, appliance: &Arc<str>, at: Timestamp) -> Self {
        let (event, alert) = match change {
            AlertChange::Begin(alert) => (AlertEvent::Begin, alert),
            AlertChange::End(alert, _) => (AlertEvent::End, alert),
        };
        let mut words = serde_json::to_value(alert).unwrap_or_else(|_| json!({}));
        words["text"] = Value::String(sentence(change, alert));
        words["event"] = event.as_str().into();
        words["appliance"] = Value::String(appliance.to_string());
        words["at"] = Value::String(at.to_string());
        Self {
            event,
            topic: Some(alert.topic.clone()),
            body: words.to_string().into_bytes(),
        }
    }

    /// The words that try the webhook.
    pub(super) fn test(appliance: &Arc<str>, at: Timestamp) -> Self {
        let words = json!({
            "event": AlertEvent::Test.as_str(),
            "alert": "test",
            "severity": "warning",
            "text": format!("This is a test of the webhook of {appliance}. Nothing has happened."),
            "since": at.to_string(),
            "at": at.to_string(),
            "appliance": appliance.to_string(),
            "figures": {},
        });
        Self {
            event: AlertEvent::Test,
            topic: None,
            body: words.to_string().into_bytes(),
        }
    }

    /// The value of `X-Fastpath-Signature`: the HMAC-SHA256 of the body (RFC 2104) in hexadecimal.
    pub(super) fn signature(&self, secret: &Secret) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let tag = hmac::sign(&key, &self.body);
        let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
        format!("sha256={}", digits.collect::<String>())
    }
}

/// What is said of a change, to a person.
pub(super) fn sentence(change: &AlertChange, alert: &Alert) -> String {
    match change {
        AlertChange::Begin(_) => alert.figures.to_string(),
        AlertChange::End(_, EndReason::Calm) => format!("Over. {}", alert.figures),
        AlertChange::End(_, EndReason::NotWatched) => {
            format!("Not watched any more. Last: {}", alert.figures)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::{AlertFigures, AlertKind};

    fn alert() -> Alert {
        Alert {
            topic: Topic::of(AlertKind::QueueLarge),
            since: Timestamp::UNIX_EPOCH,
            figures: AlertFigures::QueueLarge {
                recipients: 3,
                bound_recipients: 2,
            },
        }
    }

    #[test]
    fn the_words_are_what_others_script_against() {
        let hostname = "relay.example.net".into();
        let change = AlertChange::End(alert(), EndReason::Calm);
        let at = Timestamp::from_second(90).expect("a time");
        let notification = Notification::of(&change, &hostname, at);
        let words: Value = serde_json::from_slice(&notification.body).expect("JSON");
        assert_eq!(
            words,
            json!({
                "event": "end",
                "alert": "queue_large",
                "severity": "warning",
                "text": "Over. 3 recipients are in the retry queue; the bound is 2.",
                "since": "1970-01-01T00:00:00Z",
                "at": "1970-01-01T00:01:30Z",
                "appliance": "relay.example.net",
                "figures": {"recipients": 3, "bound_recipients": 2},
            })
        );
    }

    #[test]
    fn signatures_are_those_of_rfc_4231() {
        // Test case 2.
        let notification = Notification {
            event: AlertEvent::Test,
            topic: None,
            body: b"what do ya want for nothing?".to_vec(),
        };
        assert_eq!(
            notification.signature(&Secret::new("Jefe".to_owned())),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
