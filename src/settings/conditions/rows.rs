//! Rows that the tables of several conditions have.

use crate::settings::catalogue::{
    NamedValue, Setting, SettingKind as Kind, TextKind, ValueBounds, setting, value,
};

/// The switch of a condition.
pub(in crate::settings) const ENABLED: Setting = setting(
    "enabled",
    "This condition",
    "",
    Kind::Choice(&[value("true", "is on", ""), value("false", "is off", "")]),
);

/// Whether a condition disables the fast path.
pub(in crate::settings) const DISABLES_FAST_PATH: Setting = setting(
    "disables_fast_path",
    "A message that it concerns",
    "",
    Kind::Choice(&[
        value(
            "true",
            "takes the standard path",
            "Checked, then stored and synced, answered, and delivered.",
        ),
        value(
            "false",
            "may stay on the fast path",
            "Checked in memory within the acknowledgement deadline, and delivered before the reply.",
        ),
    ]),
);

/// Where a service listens.
pub(in crate::settings) const fn server(hint: &'static str) -> Setting {
    setting("server", "Server", hint, Kind::Text(TextKind::Service))
}

/// The longest wait for a service.
pub(in crate::settings) const TIMEOUT: Setting = setting(
    "timeout_seconds",
    "Longest wait",
    "For an answer, from 1 s to 2 min. Then the check cannot tell.",
    Kind::Time(ValueBounds::new(1, 120)),
);

/// How many may ask a service at once.
pub(in crate::settings) const CONNECTIONS: Setting = setting(
    "connections_max",
    "Checks at one time",
    "One client gets half of them. Whoever finds no free one waits, within the longest wait; then the message is put off.",
    Kind::Number(ValueBounds::new(1, 1_000)),
);

/// What "cannot tell" means.
pub(in crate::settings) const WHEN_UNAVAILABLE: Setting = setting(
    "when_unavailable",
    "When the check cannot tell",
    "Its service is down, too slow, or talks nonsense.",
    Kind::Choice(&[
        value(
            "defer",
            "Put the message off",
            "451: the sender keeps it and tries again.",
        ),
        value(
            "pass",
            "Let it pass unchecked",
            "When the service was asked about it and gave no answer, or has just failed a neutral question. A message for which no check was free is put off all the same.",
        ),
    ]),
);

/// What happens to a message in which something is found.
pub(in crate::settings) const fn when_found(label: &'static str) -> Setting {
    setting("when_found", label, "", Kind::Choice(WHEN_FOUND))
}

const WHEN_FOUND: &[NamedValue] = &[
    value(
        "refuse",
        "Refuse it",
        "554 in the session: the sender is told.",
    ),
    value(
        "quarantine",
        "Quarantine it",
        "Taken, and kept back in the queue until an operator releases or purges it.",
    ),
    value(
        "tag",
        "Tag it",
        "Delivered with a header field that says what was found.",
    ),
];
