//! How messages are held, answered, tried again and remembered.

use super::{DAY, GIBIBYTE, MEBIBYTE, PEBIBYTE, YEAR};
use crate::limits;
use crate::settings::catalogue::{
    SettingKind as Kind, SettingSection, ValueBounds, group, setting, value,
};

/// How much is held in memory, and which way messages take.
#[rustfmt::skip]
pub const MEMORY: SettingSection = SettingSection::new("Memory and path", &[
    group("", "One message", &[
        setting("memory_threshold_bytes", "Memory threshold",
            "How much of one message is held in memory. 0 writes every message to disk.",
            Kind::SizeOf(ValueBounds::new(0, GIBIBYTE), &[
                value("16 KiB", "16 KiB", ""),
                value("32 KiB", "32 KiB", ""),
                value("64 KiB", "64 KiB", ""),
            ])),
        setting("over_threshold", "Messages over the threshold", "", Kind::Choice(&[
            value("split", "Split", "The head stays in memory and the rest goes to disk. The message is still delivered before the reply."),
            value("disk_only", "Write to disk", "The whole message is stored, answered, and then delivered."),
        ])),
        setting("message_size_max_bytes", "Maximum message size",
            "Larger messages are rejected with 552.",
            Kind::Size(ValueBounds::new(1_024, GIBIBYTE))),
    ]),
    group("", "All messages together", &[
        setting("memory_budget_bytes", "Memory budget",
            "What all messages together may hold, with the buffers that they come through. Beyond it messages are split earlier. Mail of clients that are not trusted fills at most four fifths of it. Empty: a quarter of the memory of this machine or container.",
            Kind::SizeOrBlank(ValueBounds::new(MEBIBYTE, PEBIBYTE))),
        setting("path", "Path", "", Kind::Choice(&[
            value("fast", "Fast", "Deliver, then reply. Only what cannot be delivered at once is stored."),
            value("standard", "Standard", "Store every message durably, reply, then deliver."),
            value("cut_through", "Cut-through", "Connect to the next hops first, pass the content on as it comes, and reply with what they say. Nothing is stored: what is not delivered stays with the client. Messages whose content a condition has to check take the fast path."),
        ])),
        setting("cut_through_tries", "Cut-through: connection attempts",
            "How often to try before the recipient is answered 451.",
            Kind::Number(ValueBounds::new(1, 10))),
    ]),
]);

/// When the reply is given, and how often what waits is tried again.
#[rustfmt::skip]
pub const DELIVERY: SettingSection = SettingSection::new("Delivery and retry", &[
    group("", "The reply", &[
        setting("ack_deadline_seconds", "Acknowledgement deadline",
            "The longest time from the end of the data to the reply. A message that is not delivered by then is stored and answered, and its delivery goes on.",
            Kind::Time(ValueBounds::new(1, 25))),
        setting("when_deferred", "If every next hop defers", "", Kind::Choice(&[
            value("queue", "Queue the message", "It is stored in the retry queue and answered 250."),
            value("pass", "Pass the 4xx on", "The client gets the next hop’s 4xx and tries again."),
        ])),
        setting("when_refused", "If every next hop rejects", "", Kind::Choice(&[
            value("reply", "Pass the 5xx on", "The client gets the next hop’s 5xx: the sender knows at once."),
            value("report", "Send a bounce", "The message is answered 250, and its sender gets a delivery report."),
        ])),
    ]),
    group("", "The retry queue", &[
        setting("retry_schedule_seconds", "Retry schedule",
            "The waits between delivery attempts, separated by commas, like 1m, 5m, 15m, 1h. The last one repeats.",
            Kind::Times(ValueBounds::new(1, 30 * DAY), limits::RETRY_WAITS)),
        setting("retries_max", "Maximum retries",
            "A recipient fails after so many. 0 is no limit: only the queue lifetime counts.",
            Kind::Number(ValueBounds::new(0, 10_000))),
        setting("expire_after_seconds", "Queue lifetime",
            "A recipient that is not delivered by then fails, and the sender gets a delivery report. Also applies to messages that are in the queue already.",
            Kind::Time(ValueBounds::new(1, YEAR))),
    ]),
]);

/// How much of the history is kept.
#[rustfmt::skip]
pub const RETENTION: SettingSection = SettingSection::new("Statistics and trail", &[
    group("", "The trail", &[
        setting("keep_trail", "Message trail", "", Kind::Choice(&[
            value("true", "Keep", "Every message can be looked up, from the client that sent it to the last reply of the next hop."),
            value("false", "Do not keep", "Only the figures of the dashboard are kept."),
        ])),
        setting("trail_retention_seconds", "Maximum age",
            "Older entries are removed.",
            Kind::Time(ValueBounds::new(60, 10 * YEAR))),
        setting("trail_retention_bytes", "Maximum size",
            "The oldest entries are removed when the history is larger.",
            Kind::Size(ValueBounds::new(MEBIBYTE, PEBIBYTE))),
    ]),
]);
