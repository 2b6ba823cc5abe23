//! The figures of this moment as texts and bars: what the page shows first, and what `/events` tells
//! its script from then on. Both come from here, so that they never differ.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::statistics::Live;
use crate::statistics::live::Span;
use crate::statistics::tally::ByStorage;
use crate::web::{Context, wording};

/// The lines of the table of windows: what begins the keys of their figures, and their names.
pub(super) const SPANS: [(&str, &str); 4] = [
    ("minute", "Last minute"),
    ("hour", "Last hour"),
    ("day", "Last day"),
    ("all", "Since start"),
];

/// All of them, by the keys under which the page's script knows them.
#[derive(Serialize)]
pub(in crate::web) struct LiveFigures {
    /// The time of day they are of.
    pub(super) at: String,
    texts: BTreeMap<String, String>,
    bars: BTreeMap<&'static str, Bar>,
}

/// What the figures need beside the statistics.
pub(in crate::web) struct Gauges {
    pub(super) budget_bytes: u64,
    pub(super) sessions_open: u64,
    /// Tells how much of the last minute there was.
    pub(super) uptime: Duration,
    pub(super) now: Timestamp,
}

impl Gauges {
    pub(in crate::web) fn of(context: &Context, now: Timestamp) -> Self {
        Self {
            budget_bytes: context.budget.limit_bytes(),
            sessions_open: context.receiving.sessions_open.value(),
            uptime: context.statistics.uptime(),
            now,
        }
    }
}

/// A bar of three parts in percent of its width; each begins where the one before ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Bar {
    pub(super) memory: f64,
    pub(super) split: f64,
    pub(super) disk: f64,
    #[serde(skip)]
    pub(super) split_from: f64,
    #[serde(skip)]
    pub(super) disk_from: f64,
    pub(super) words: String,
}

impl LiveFigures {
    /// The figures of the moment that the gauges are of.
    pub(in crate::web) fn new(live: &Live, gauges: &Gauges) -> Self {
        let mut figures = Self {
            at: gauges.now.strftime("%H:%M:%S UTC").to_string(),
            texts: BTreeMap::new(),
            bars: BTreeMap::new(),
        };
        figures.tell_headline(live);
        figures.tell_present(live, gauges);
        let spans = [
            &live.windows.minute,
            &live.windows.hour,
            &live.windows.day,
            &live.since_start,
        ];
        for ((key, _), span) in SPANS.into_iter().zip(spans) {
            figures.tell_span(key, span);
        }
        figures
    }

    /// A text; blank when there is none under this key.
    pub(super) fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    /// A text of the table of windows.
    pub(super) fn of_span(&self, span: &str, column: &str) -> &str {
        self.text(&format!("{span}-{column}"))
    }

    pub(super) fn bar(&self, key: &str) -> Option<&Bar> {
        self.bars.get(key)
    }

    fn tell(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.texts.insert(key.into(), text.into());
    }

    /// The one number that the appliance is about, of the shortest window that holds enough to mean something: the
    /// hour, else the day, else all.
    fn tell_headline(&mut self, live: &Live) {
        let (span, when) = [
            (&live.windows.hour, "in the last hour"),
            (&live.windows.day, "in the last day"),
        ]
        .into_iter()
        .find(|(span, _)| span.ratio.is_some())
        .unwrap_or((&live.since_start, "since start"));
        self.tell("ratio", wording::percent(span.ratio));
        let sentence = match span.messages.total() {
            0 => "No message was answered yet.".to_owned(),
            total => {
                let messages = wording::counted(total, "message");
                format!("of {messages} {when} never touched a disk")
            }
        };
        self.tell("sentence", sentence);
        self.bars.insert("headline", Bar::of(&span.messages));
    }

    /// What is now, or was in the last minute.
    fn tell_present(&mut self, live: &Live, gauges: &Gauges) {
        let seconds = gauges.uptime.as_secs().clamp(1, 60);
        let messages = live.windows.minute.messages.total();
        self.tell("rate", wording::rate(messages as f64 / seconds as f64));
        let latency = live.acknowledgement_seconds;
        self.tell("p50", wording::latency(latency.p50));
        self.tell("p99", wording::latency(latency.p99));
        let (held, budget) = (live.resident.memory_bytes, gauges.budget_bytes);
        self.tell("memory", wording::bytes(held));
        self.tell("budget", format!("of {}", wording::bytes(budget)));
        self.bars.insert("held", Bar::of_memory(held, budget));
        self.tell("disk", wording::bytes(live.resident.disk_bytes));
        self.tell("sessions", wording::count(gauges.sessions_open));
        self.tell("waiting", wording::count(live.queue.recipients));
        let oldest = match live.queue.recipients {
            0 => "nobody waits".to_owned(),
            _ => {
                let age = Duration::from_secs(live.queue.oldest_age_seconds);
                format!("oldest {}", wording::age(age))
            }
        };
        self.tell("oldest", oldest);
    }

    /// One line of the table of windows.
    fn tell_span(&mut self, key: &'static str, span: &Span) {
        for (column, text) in [
            ("messages", wording::count(span.messages.total())),
            ("ratio", wording::percent(span.ratio)),
            ("bytes", wording::bytes(span.bytes.total())),
            ("bytes-ratio", wording::percent(span.bytes.ratio())),
        ] {
            self.tell(format!("{key}-{column}"), text);
        }
        self.bars.insert(key, Bar::of(&span.messages));
    }
}

impl Bar {
    fn of(messages: &ByStorage) -> Self {
        let part = |count: u64| width(count, messages.total());
        Self {
            memory: part(messages.memory),
            split: part(messages.split),
            disk: part(messages.disk),
            split_from: part(messages.memory),
            disk_from: part(messages.memory + messages.split),
            words: format!(
                "{} in memory, {} split, {} on disk",
                wording::count(messages.memory),
                wording::count(messages.split),
                wording::count(messages.disk)
            ),
        }
    }

    /// How much of a whole is taken.
    fn of_memory(part: u64, whole: u64) -> Self {
        let memory = width(part, whole);
        Self {
            memory,
            split: 0.0,
            disk: 0.0,
            split_from: memory,
            disk_from: memory,
            words: format!("{} of {}", wording::bytes(part), wording::bytes(whole)),
        }
    }
}

/// A part of a whole in percent, as exact as a screen can show.
pub(super) fn width(part: u64, whole: u64) -> f64 {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    (percent.min(100.0) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Path, Storage};
    use crate::statistics::{AnsweredFigures, LiveQueue, Resident, Windows};

    #[test]
    fn the_event_tells_what_the_page_shows() {
        let mut windows = Windows::new(6_000);
        for storage in [
            Storage::Memory,
            Storage::Memory,
            Storage::Memory,
            Storage::Split,
        ] {
            windows.record(
                6_000,
                &AnsweredFigures {
                    path: Path::Fast,
                    storage,
                    reasons: &[],
                    size_bytes: 1_024,
                    acknowledged_after: Duration::from_millis(5),
                },
            );
        }
        let resident = Resident {
            memory_bytes: 256,
            memory_budget_bytes: 1_024,
            disk_bytes: 2_048,
        };
        let queue = LiveQueue {
            recipients: 3,
            oldest_age_seconds: 61,
        };
        let live = Live::new(&windows, 6_000, resident, queue);
        let now = Timestamp::from_second(6_000).expect("a time");
        let gauges = Gauges {
            budget_bytes: 1_024,
            sessions_open: 7,
            uptime: Duration::from_secs(2),
            now,
        };
        let figures = LiveFigures::new(&live, &gauges);
        let event = serde_json::to_value(&figures).expect("JSON");
        assert_eq!(event["at"], "01:40:00 UTC");
        for (key, text) in [
            ("ratio", "75.0 %"),
            (
                "sentence",
                "of 4 messages in the last hour never touched a disk",
            ),
            ("rate", "2.0"),
            ("p50", "4.9 ms"),
            ("memory", "256 B"),
            ("budget", "of 1.0 KiB"),
            ("sessions", "7"),
            ("waiting", "3"),
            ("oldest", "oldest 1 min 1 s"),
            ("minute-messages", "4"),
            ("all-bytes", "4.0 KiB"),
            ("day-bytes-ratio", "75.0 %"),
        ] {
            assert_eq!(event["texts"][key], text, "{key}");
        }
        let bar = &event["bars"]["headline"];
        assert_eq!(
            (&bar["memory"], &bar["split"]),
            (&75.0.into(), &25.0.into())
        );
        assert_eq!(bar["words"], "3 in memory, 1 split, 0 on disk");
        assert_eq!(event["bars"]["held"]["memory"], 25.0);
    }

    #[test]
    fn before_the_first_message_there_is_no_ratio() {
        let live = Live::new(
            &Windows::new(0),
            0,
            Resident::default(),
            LiveQueue::default(),
        );
        let gauges = Gauges {
            budget_bytes: 0,
            sessions_open: 0,
            uptime: Duration::ZERO,
            now: Timestamp::UNIX_EPOCH,
        };
        let figures = LiveFigures::new(&live, &gauges);
        assert_eq!(figures.text("ratio"), "—");
        assert_eq!(figures.text("sentence"), "No message was answered yet.");
        assert_eq!(figures.text("rate"), "0");
        assert_eq!(figures.text("oldest"), "nobody waits");
    }
}
