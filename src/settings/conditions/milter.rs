//! The settings of the milter condition.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::{CONNECTIONS, DISABLES_FAST_PATH, ENABLED, TIMEOUT, WHEN_UNAVAILABLE};
use crate::settings::catalogue::{SettingKind as Kind, TextKind, group, setting};

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable,
};
use crate::limits;
use crate::settings::FieldErrors;
use crate::settings::service_address::ServiceAddress;

/// Shows messages to milters, whose verdicts and changes count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Milter {
    /// The feature is on.
    pub enabled: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
    /// Where the milters listen, in the order in which they are asked: each sees what the one before
    /// has changed.
    pub milters: Vec<ServiceAddress>,
    /// The longest wait for each of them.
    pub timeout_seconds: u64,
    /// Connections to each of them at one time.
    pub connections_max: u32,
    /// What happens when one of them cannot tell.
    pub when_unavailable: WhenUnavailable,
}

impl Default for Milter {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path: true,
            milters: Vec::new(),
            timeout_seconds: 30,
            connections_max: 10,
            when_unavailable: WhenUnavailable::Defer,
        }
    }
}

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::Milter,
    name: "milter",
    title: "Milter",
    summary: "Shows the message to milters, one after the other: they refuse it, put it off, quarantine it or change it, like one that signs with DKIM.",
    groups: &[
        group("milter", "The condition", &[
            ENABLED,
            DISABLES_FAST_PATH,
        ]),
        group("milter", "Milters", &[
            setting("milters", "Milters",
                "One per line, like 127.0.0.1:8891 or unix:/run/opendkim.sock; the forms of Postfix and Sendmail, like inet:8891@127.0.0.1, are understood. They are called in this order, and each sees the changes of the one before: put one that signs last. A message that a milter discards is quarantined.",
                Kind::Lines(TextKind::Milter, limits::MILTERS)),
            TIMEOUT,
            CONNECTIONS,
            WHEN_UNAVAILABLE,
        ]),
    ],
    lists: &[],
    settings: |written| &written.milter,
};

impl ConditionSettings for Milter {
    fn policy(&self, _: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled,
            disables_fast_path: self.disables_fast_path,
            needs_content: true,
            when_unavailable: self.when_unavailable,
            timeout: Some(Duration::from_secs(self.timeout_seconds)),
        }
    }

    fn validate(&self, _: &Directory, errors: &mut FieldErrors) {
        let milters = &self.milters;
        let mut earlier = HashSet::new();
        let mut twice = milters.iter().filter(|milter| !earlier.insert(*milter));
        if self.enabled && milters.is_empty() {
            errors.add(MILTERS, "at least one is needed to switch this on");
        } else if let Some(milter) = twice.next() {
            errors.add(MILTERS, format!("“{milter}” stands twice"));
        }
    }

    fn count(&self) -> usize {
        self.milters.len().min(limits::MILTERS)
    }
}

const MILTERS: &str = "milter.milters";

/// Reads where a milter listens, as we write it or as Sendmail, Postfix and milters themselves do:
/// `inet:8891@127.0.0.1`, `inet:127.0.0.1:8891`, `local:/run/milter.sock` or the path alone.
///
/// # Errors
/// What is wrong with it.
pub fn read_milter(text: &str) -> Result<ServiceAddress, String> {
    if let Some(path) = text.strip_prefix("local:") {
        return format!("unix:{path}").parse();
    }
    if text.starts_with('/') {
        return format!("unix:{text}").parse();
    }
    let inet = text
        .strip_prefix("inet:")
        .or_else(|| text.strip_prefix("inet6:"));
    match inet.map(|inet| (inet, inet.split_once('@'))) {
        None => text.parse(),
        Some((inet, None)) => inet.parse(),
        Some((_, Some((port, host)))) if host.contains(':') && !host.starts_with('[') => {
            format!("[{host}]:{port}").parse()
        }
        Some((_, Some((port, host)))) => format!("{host}:{port}").parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsDocument;

    fn check(milter: &Milter, field: &str, expected: Option<&str>) {
        let mut errors = FieldErrors::default();
        let document = SettingsDocument {
            milter: milter.clone(),
            ..SettingsDocument::default()
        };
        document.validate(&mut errors);
        assert_eq!(errors.0.get(field).map(String::as_str), expected);
    }

    fn at(ports: impl IntoIterator<Item = u16>) -> Milter {
        let address = |port: u16| format!("127.0.0.1:{port}").parse().expect("an address");
        Milter {
            enabled: true,
            milters: ports.into_iter().map(address).collect(),
            ..Milter::default()
        }
    }

    #[test]
    fn milters_are_checked() {
        check(&Milter::default(), MILTERS, None);
        check(&at(1..=8), MILTERS, None);
        check(
            &at([]),
            MILTERS,
            Some("at least one is needed to switch this on"),
        );
        check(
            &at(1..=9),
            MILTERS,
            Some("has 9 entries; there can be at most 8"),
        );
        check(&at([1, 2, 1]), MILTERS, Some("“127.0.0.1:1” stands twice"));
        let slow = Milter {
            timeout_seconds: 121,
            ..Milter::default()
        };
        let words = Some("must be from 1 s to 2 min");
        check(&slow, "milter.timeout_seconds", words);
    }

    #[test]
    fn what_others_write_is_understood() {
        for (text, expected) in [
            ("127.0.0.1:8891", "127.0.0.1:8891"),
            ("inet:8891@127.0.0.1", "127.0.0.1:8891"),
            ("inet:8891@Milter.example.net", "milter.example.net:8891"),
            ("inet:127.0.0.1:8891", "127.0.0.1:8891"),
            ("inet6:8891@2001:db8::1", "[2001:db8::1]:8891"),
            ("inet6:8891@[2001:db8::1]", "[2001:db8::1]:8891"),
            ("inet:[::1]:8891", "[::1]:8891"),
            ("unix:/run/opendkim.sock", "unix:/run/opendkim.sock"),
            ("local:/run/opendkim.sock", "unix:/run/opendkim.sock"),
            ("/run/opendkim.sock", "unix:/run/opendkim.sock"),
        ] {
            let read = read_milter(text).map(|address| address.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "inet:", "inet:8891", "inet:x@127.0.0.1", "local:run"] {
            assert!(read_milter(text).is_err(), "{text}");
        }
    }
}
