//! Which conditions are present: steps 401–403 of Figure 4, as a pure function over facts.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::header::Header;
use crate::message::{DiskReason, Message};
use crate::settings::Settings;
use crate::settings::conditions::PreparedOwn;

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// One of the administrator's own, by its name.
    Own(Arc<str>),
    /// The administrator's rules are asked about its content.
    ContentFilter,
    /// clamd looks for malware.
    Antivirus,
    /// Each recipient gets a message of its own.
    ReceivedFor,
}

impl Condition {
    /// The word in reasons, settings and pages.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Own(name) => Cow::Owned(name.to_string()),
            Self::ContentFilter => "content_filter".into(),
            Self::Antivirus => "antivirus".into(),
            Self::ReceivedFor => "received_for".into(),
        }
    }

    /// Why a message touched disk when this condition sent it down the standard path.
    #[must_use]
    pub fn reason(&self) -> DiskReason {
        DiskReason::Condition(match self {
            Self::Own(name) => Arc::clone(name),
            other => Arc::from(&*other.name()),
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// What is known of a message when its data has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Client, envelope, size.
    pub message: &'a Message,
    /// What MAIL declared with SIZE.
    pub declared_size: Option<u64>,
    /// Its header.
    pub header: &'a Header,
}

/// A condition that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Which.
    pub condition: Condition,
    /// It sends the message down the standard path.
    pub disables_fast_path: bool,
}

/// The conditions that are present, in the order in which they are looked into: what is known already,
/// what is ours to say, what services say, and last what only changes the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// In that order.
    pub present: Vec<Present>,
}

impl Decision {
    /// Step 402: the first condition that disables the fast path, if one does.
    #[must_use]
    pub fn standard_path(&self) -> Option<&Condition> {
        let mut present = self.present.iter();
        let first = present.find(|present| present.disables_fast_path)?;
        Some(&first.condition)
    }
}

/// Step 401: which conditions are present.
#[must_use]
pub fn decide(facts: &Facts<'_>, settings: &Settings) -> Decision {
    let mut present = Vec::new();
    let mut note = |is_present: bool, condition: Condition, disables_fast_path: bool| {
        if is_present {
            present.push(Present {
                condition,
                disables_fast_path,
            });
        }
    };
    for own in &settings.conditions().own {
        let name = Arc::from(own.written.name.as_str());
        note(holds(own, facts), Condition::Own(name), true);
    }
    let content_filter = &settings.content_filter;
    note(
        content_filter.concerns_any(),
        Condition::ContentFilter,
        content_filter.disables_fast_path,
    );
    let antivirus = &settings.antivirus;
    note(
        antivirus.enabled,
        Condition::Antivirus,
        antivirus.disables_fast_path,
    );
    let received_for = &settings.received_for;
    note(
        received_for.enabled,
        Condition::ReceivedFor,
        received_for.disables_fast_path,
    );
    Decision { present }
}

/// Whether all parts of an own condition hold.
fn holds(own: &PreparedOwn, facts: &Facts<'_>) -> bool {
    let message = facts.message;
    let recipients = &message.envelope.recipients;
    let written = &own.written;
    let size = message.body.len().max(facts.declared_size.unwrap_or(0));
    let in_networks = || {
        let networks = &written.client_networks;
        message
            .client
            .address
            .is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
    };
    written
        .recipients_more_than
        .is_none_or(|most| recipients.len() as u64 > most)
        && written.larger_than_bytes.is_none_or(|most| size > most)
        && (written.client_networks.is_empty() || in_networks())
        && own
            .sender
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(message.envelope.sender.as_str()))
        && own.recipient.as_ref().is_none_or(|pattern| {
            let mut recipients = recipients.iter();
            recipients.any(|recipient| pattern.is_match(recipient.address.as_str()))
        })
        && written
            .header_field
            .as_deref()
            .is_none_or(|name| facts.header.has(name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{message, settings};
    use super::*;

    /// The conditions that are present, and the one that disables the fast path.
    fn check(patch: Value, declared_size: Option<u64>, present: &[&str], standard: Option<&str>) {
        let message = message(
            "Anna@example.org",
            &["bert@example.net", "carl@example.com"],
            b"Subject: x\r\nX-Bulk: yes\r\n\r\nbody\r\n",
        );
        let header = Header::read(b"Subject: x\r\nX-Bulk: yes\r\n\r\nbody\r\n");
        let facts = Facts {
            message: &message,
            declared_size,
            header: &header,
        };
        let decision = decide(&facts, &settings(patch.clone()));
        let names = decision.present.iter();
        let names: Vec<String> = names.map(|one| one.condition.to_string()).collect();
        assert_eq!(names, present, "{patch}");
        let found = decision.standard_path().map(ToString::to_string);
        assert_eq!(found.as_deref(), standard, "{patch}");
    }

    #[test]
    fn nothing_is_present_by_default() {
        check(json!({}), None, &[], None);
    }

    #[test]
    fn a_switch_makes_a_condition_present_and_the_question_decides_the_path() {
        let antivirus = |disables: bool| {
            json!({"antivirus": {
                "enabled": true, "server": "127.0.0.1:3310", "disables_fast_path": disables,
            }})
        };
        check(antivirus(true), None, &["antivirus"], Some("antivirus"));
        check(antivirus(false), None, &["antivirus"], None);
        let rules = json!([{"name": "a", "part": "size", "larger_than_bytes": 1}]);
        let content_filter = |rules| json!({"content_filter": {"enabled": true, "rules": rules}});
        let name = "content_filter";
        check(content_filter(rules), None, &[name], Some(name));
        check(content_filter(json!([])), None, &[], None);
        let both = json!({
            "antivirus": {"enabled": true, "server": "127.0.0.1:1", "disables_fast_path": false},
            "received_for": {"enabled": true},
        });
        check(
            both,
            None,
            &["antivirus", "received_for"],
            Some("received_for"),
        );
    }

    #[test]
    fn own_conditions_hold_when_all_of_their_parts_do() {
        for (condition, declared_size, expected) in [
            (json!({"recipients_more_than": 1}), None, true),
            (json!({"recipients_more_than": 2}), None, false),
            (json!({"larger_than_bytes": 5}), None, true),
            (json!({"larger_than_bytes": 100}), None, false),
            (json!({"larger_than_bytes": 100}), Some(101), true),
            (json!({"client_networks": ["192.0.2.0/24"]}), None, true),
            (json!({"client_networks": ["198.51.100.0/24"]}), None, false),
            (json!({"sender_pattern": "^anna@"}), None, true),
            (json!({"sender_pattern": "^bert@"}), None, false),
            (json!({"recipient_pattern": r"@example\.com$"}), None, true),
            (json!({"recipient_pattern": "dora"}), None, false),
            (json!({"header_field": "x-bulk"}), None, true),
            (json!({"header_field": "X-Bul"}), None, false),
            (
                json!({"header_field": "x-bulk", "recipients_more_than": 9}),
                None,
                false,
            ),
        ] {
            let mut condition = condition;
            condition["name"] = json!("mine");
            let present: &[&str] = if expected { &["mine"] } else { &[] };
            let patch = json!({"own_conditions": [condition]});
            check(patch, declared_size, present, present.first().copied());
        }
    }
}
