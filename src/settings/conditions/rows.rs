//! Rows that the tables of several conditions have.

use crate::settings::catalogue::{
    ChoiceValue, Setting, SettingKind as Kind, TextKind, ValueBounds, setting, value,
};

/// The switch of a condition.
#[rustfmt::skip]
pub(in crate::settings) const ENABLED: Setting = setting("enabled", "Condition", "", Kind::Choice(&[
    value("true", "On", ""),
    value("false", "Off", ""),
]));

/// Whether a condition disables the fast path.
#[rustfmt::skip]
pub(in crate::settings) const DISABLES_FAST_PATH: Setting = setting("disables_fast_path", "Path of checked messages", "", Kind::Choice(&[
    value("true", "Standard path", "They are checked, stored and synced, answered, and then delivered."),
    value("false", "Fast path", "They are checked in memory within the acknowledgement deadline and delivered before the reply."),
]));

/// Where a service listens.
pub(in crate::settings) const fn server(hint: &'static str) -> Setting {
    setting("server", "Server", hint, Kind::Text(TextKind::Service))
}

/// The longest wait for a service.
#[rustfmt::skip]
pub(in crate::settings) const TIMEOUT: Setting = setting("timeout_seconds", "Timeout",
    "How long to wait for an answer. After that the check counts as unavailable.",
    Kind::Time(ValueBounds::new(1, 120)));

/// How many may ask a service at once.
#[rustfmt::skip]
pub(in crate::settings) const CONNECTIONS: Setting = setting("connections_max", "Concurrent checks",
    "One client may use half of them. A message that finds none free waits up to the timeout and is then deferred.",
    Kind::Number(ValueBounds::new(1, 1_000)));

/// What "cannot tell" means.
#[rustfmt::skip]
pub(in crate::settings) const WHEN_UNAVAILABLE: Setting = setting("when_unavailable", "If unavailable",
    "The service is down, too slow, or answers with nonsense.",
    Kind::Choice(&[
        value("defer", "Defer (451)", "The client keeps the message and tries again."),
        value("pass", "Accept unchecked", "Applies when the service was asked and did not answer, or has just failed a test request. A message that found no free check is deferred all the same."),
    ]));

/// What happens to a message in which something is found.
pub(in crate::settings) const fn when_found(label: &'static str) -> Setting {
    setting("when_found", label, "", Kind::Choice(WHEN_FOUND))
}

#[rustfmt::skip]
const WHEN_FOUND: &[ChoiceValue] = &[
    value("refuse", "Reject (554)", "In the session: the sender knows at once."),
    value("quarantine", "Quarantine", "Accept the message and hold it in the queue until an operator releases or purges it."),
    value("tag", "Tag", "Deliver it with a header field that says what was found."),
];
