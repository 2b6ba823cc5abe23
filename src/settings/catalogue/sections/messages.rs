//! How messages are held, answered, tried again and remembered.

use super::{DAY, GIBIBYTE, MEBIBYTE, PEBIBYTE, YEAR};
use crate::limits;
use crate::settings::catalogue::{
    NamedValue, SettingKind as Kind, SettingSection, ValueBounds, group, setting, value,
};

/// Thresholds to choose from.
const PRESETS: &[NamedValue] = &[
    value("16 KiB", "16 KiB", ""),
    value("32 KiB", "32 KiB", ""),
    value("64 KiB", "64 KiB", ""),
];

/// How much is held in memory, and which way messages take.
pub const MEMORY: SettingSection = SettingSection::new(
    "Memory and path",
    &[
        group(
            "",
            "One message",
            &[
                setting(
                    "memory_threshold_bytes",
                    "Threshold",
                    "Bytes of one message that may be held in memory. 0 sends every message to the disk.",
                    Kind::SizeOf(ValueBounds::new(0, GIBIBYTE), PRESETS),
                ),
                setting(
                    "over_threshold",
                    "A message that exceeds it",
                    "",
                    Kind::Choice(&[
                        value(
                            "split",
                            "is split",
                            "The head stays in memory, the rest goes to disk, and it is still delivered before the reply.",
                        ),
                        value(
                            "disk_only",
                            "goes to disk as a whole",
                            "It is stored, answered, and then delivered.",
                        ),
                    ]),
                ),
                setting(
                    "message_size_max_bytes",
                    "Largest message",
                    "Anything larger is refused with 552. From 1 KiB to 1 GiB.",
                    Kind::Size(ValueBounds::new(1_024, GIBIBYTE)),
                ),
            ],
        ),
        group(
            "",
            "All messages together",
            &[
                setting(
                    "memory_budget_bytes",
                    "Memory budget",
                    "What all messages together may hold, with the buffers that they come through. Beyond it messages are split earlier. Mail of clients that are not trusted fills at most four fifths of it. Empty: a quarter of the memory of this machine or container.",
                    Kind::SizeOrBlank(ValueBounds::new(MEBIBYTE, PEBIBYTE)),
                ),
                setting(
                    "path",
                    "Path",
                    "",
                    Kind::Choice(&[
                        value(
                            "fast",
                            "Fast",
                            "Deliver, then reply; only what cannot be delivered at once is written down.",
                        ),
                        value(
                            "standard",
                            "Standard",
                            "Store every message durably, reply, then deliver.",
                        ),
                        value(
                            "cut_through",
                            "Cut-through",
                            "Connect to the destinations first, send on what comes, and reply with what they say. Nothing is stored: what is not delivered stays with the client. Not for messages whose content a condition has to see.",
                        ),
                    ]),
                ),
                setting(
                    "cut_through_tries",
                    "Cut-through: tries to connect",
                    "Before a recipient is answered 451, 1 to 10.",
                    Kind::Number(ValueBounds::new(1, 10)),
                ),
            ],
        ),
    ],
);

/// When the reply is given, and how often what waits is tried again.
pub const DELIVERY: SettingSection = SettingSection::new(
    "Delivery and retry",
    &[
        group(
            "",
            "The reply",
            &[
                setting(
                    "ack_deadline_seconds",
                    "Acknowledgement deadline",
                    "From the end of the data to our reply at the latest, 1 s to 25 s. What is still under way then is stored and answered; its delivery goes on.",
                    Kind::Time(ValueBounds::new(1, 25)),
                ),
                setting(
                    "when_deferred",
                    "When every destination says “later”",
                    "",
                    Kind::Choice(&[
                        value(
                            "queue",
                            "Keep it here",
                            "The message is stored in the retry queue and answered 250.",
                        ),
                        value(
                            "pass",
                            "Leave it with the sender",
                            "The destination’s 4xx is passed on, and the sending server tries again.",
                        ),
                    ]),
                ),
                setting(
                    "when_refused",
                    "When every destination refuses",
                    "",
                    Kind::Choice(&[
                        value(
                            "reply",
                            "Tell the client",
                            "The destination’s 5xx is our reply: the sender learns at once.",
                        ),
                        value(
                            "report",
                            "Send a report",
                            "The message is answered 250, and a report goes to its sender.",
                        ),
                    ]),
                ),
            ],
        ),
        group(
            "",
            "The retry queue",
            &[
                setting(
                    "retry_schedule_seconds",
                    "Waits between attempts",
                    "With commas between them, like 1m, 5m, 15m, 1h. The last one repeats.",
                    Kind::Times(ValueBounds::new(1, 30 * DAY), limits::RETRY_WAITS),
                ),
                setting(
                    "retries_max",
                    "Retries at most",
                    "0: only the age counts.",
                    Kind::Number(ValueBounds::new(0, 10_000)),
                ),
                setting(
                    "expire_after_seconds",
                    "Give up after",
                    "The age at which a recipient fails and its sender gets a report, like 5 days. It counts for what waits already.",
                    Kind::Time(ValueBounds::new(1, YEAR)),
                ),
            ],
        ),
    ],
);

/// How much of the history is kept.
pub const RETENTION: SettingSection = SettingSection::new(
    "Statistics and trail",
    &[group(
        "",
        "The trail",
        &[
            setting(
                "keep_trail",
                "What became of each message",
                "",
                Kind::Choice(&[
                    value(
                        "true",
                        "is kept",
                        "“Did it arrive?” can be answered for every message, from who sent it to the destination’s last word.",
                    ),
                    value(
                        "false",
                        "is not kept",
                        "Only what is counted remains: the figures of the dashboard go on.",
                    ),
                ]),
            ),
            setting(
                "trail_retention_seconds",
                "Keep it for",
                "Older entries go, like 7 days.",
                Kind::Time(ValueBounds::new(60, 10 * YEAR)),
            ),
            setting(
                "trail_retention_bytes",
                "Keep at most",
                "The oldest entries go first when the history grows beyond this, like 2 GiB.",
                Kind::Size(ValueBounds::new(MEBIBYTE, PEBIBYTE)),
            ),
        ],
    )],
);
