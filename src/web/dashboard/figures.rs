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

/// All of them.
pub(in crate::web) struct LiveFigures {
    /// The time of day they are of.
    pub(super) at: String,
    pub(super) headline: Headline,
    pub(super) present: PresentFigures,
    pub(super) spans: Vec<SpanRow>,
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

/// The one number that the appliance is about.
pub(super) struct Headline {
    pub(super) ratio: String,
    pub(super) sentence: String,
    pub(super) bar: Bar,
}

/// What is now, or was in the last minute.
pub(super) struct PresentFigures {
    pub(super) rate: String,
    pub(super) p50: String,
    pub(super) p99: String,
    pub(super) memory: String,
    pub(super) budget: String,
    pub(super) memory_bar: Bar,
    pub(super) disk: String,
    pub(super) sessions: String,
    pub(super) waiting: String,
    pub(super) oldest: String,
}

/// One line of the table of windows.
pub(super) struct SpanRow {
    /// Names its texts for the script.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) messages: String,
    pub(super) ratio: String,
    pub(super) bytes: String,
    pub(super) bytes_ratio: String,
    pub(super) bar: Bar,
}

/// A bar of three parts in percent of its width; each begins where the one before ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Bar {
    /// Names it for the script.
    #[serde(skip)]
    pub(super) key: &'static str,
    pub(super) memory: f64,
    pub(super) split: f64,
    pub(super) disk: f64,
    #[serde(skip)]
    pub(super) split_from: f64,
    #[serde(skip)]
    pub(super) disk_from: f64,
    pub(super) words: String,
}

/// What the script gets: texts and bars by their keys.
#[derive(Serialize)]
struct LiveEvent<'a> {
    at: &'a str,
    texts: BTreeMap<String, &'a str>,
    bars: BTreeMap<&'static str, &'a Bar>,
}

impl LiveFigures {
    /// The figures of the moment that the gauges are of.
    pub(in crate::web) fn new(live: &Live, gauges: &Gauges) -> Self {
        Self {
            at: gauges.now.strftime("%H:%M:%S UTC").to_string(),
            headline: headline(live),
            present: present(live, gauges),
            spans: spans(live),
        }
    }

    /// The same as JSON, for one event.
    pub(in crate::web) fn event(&self) -> serde_json::Result<String> {
        let present = &self.present;
        let mut texts: BTreeMap<String, &str> = [
            ("ratio", &self.headline.ratio),
            ("sentence", &self.headline.sentence),
            ("rate", &present.rate),
            ("p50", &present.p50),
            ("p99", &present.p99),
            ("memory", &present.memory),
            ("budget", &present.budget),
            ("disk", &present.disk),
            ("sessions", &present.sessions),
            ("waiting", &present.waiting),
            ("oldest", &present.oldest),
        ]
        .map(|(key, text)| (key.to_owned(), text.as_str()))
        .into();
        for span in &self.spans {
            for (column, text) in [
                ("messages", &span.messages),
                ("ratio", &span.ratio),
                ("bytes", &span.bytes),
                ("bytes-ratio", &span.bytes_ratio),
            ] {
                texts.insert(format!("{}-{column}", span.key), text);
            }
        }
        let bars = [&self.headline.bar, &present.memory_bar].into_iter();
        let bars = bars.chain(self.spans.iter().map(|span| &span.bar));
        serde_json::to_string(&LiveEvent {
            at: &self.at,
            texts,
            bars: bars.map(|bar| (bar.key, bar)).collect(),
        })
    }
}

/// The shortest window that holds enough to mean something: the hour, else the day, else all.
fn headline(live: &Live) -> Headline {
    let (span, when) = [
        (&live.windows.hour, "in the last hour"),
        (&live.windows.day, "in the last day"),
        (&live.since_start, "since start"),
    ]
    .into_iter()
    .find(|(span, _)| span.ratio.is_some())
    .unwrap_or((&live.since_start, "since start"));
    let sentence = match span.messages.total() {
        0 => "No message was answered yet.".to_owned(),
        1 => format!("of 1 message {when} never touched a disk"),
        total => format!(
            "of {} messages {when} never touched a disk",
            wording::count(total)
        ),
    };
    Headline {
        ratio: wording::percent(span.ratio),
        sentence,
        bar: bar("headline", &span.messages),
    }
}

fn present(live: &Live, gauges: &Gauges) -> PresentFigures {
    let seconds = gauges.uptime.as_secs().clamp(1, 60);
    let budget_bytes = gauges.budget_bytes;
    let messages = live.windows.minute.messages.total();
    let held = live.resident.memory_bytes;
    let latency = live.acknowledgement_seconds;
    PresentFigures {
        rate: wording::rate(messages as f64 / seconds as f64),
        p50: wording::latency(latency.p50),
        p99: wording::latency(latency.p99),
        memory: wording::bytes(held),
        budget: format!("of {}", wording::bytes(budget_bytes)),
        memory_bar: Bar::of_memory("held", held, budget_bytes),
        disk: wording::bytes(live.resident.disk_bytes),
        sessions: wording::count(gauges.sessions_open),
        waiting: wording::count(live.queue.recipients),
        oldest: match live.queue.recipients {
            0 => "nobody waits".to_owned(),
            _ => {
                let age = Duration::from_secs(live.queue.oldest_age_seconds);
                format!("oldest {}", wording::age(age))
            }
        },
    }
}

fn spans(live: &Live) -> Vec<SpanRow> {
    let row = |key, name, span: &Span| SpanRow {
        key,
        name,
        messages: wording::count(span.messages.total()),
        ratio: wording::percent(span.ratio),
        bytes: wording::bytes(span.bytes.total()),
        bytes_ratio: wording::percent(span.bytes.ratio()),
        bar: bar(key, &span.messages),
    };
    vec![
        row("minute", "Last minute", &live.windows.minute),
        row("hour", "Last hour", &live.windows.hour),
        row("day", "Last day", &live.windows.day),
        row("all", "Since start", &live.since_start),
    ]
}

fn bar(key: &'static str, messages: &ByStorage) -> Bar {
    let part = |count: u64| width(count, messages.total());
    Bar {
        key,
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

impl Bar {
    /// How much of a whole is taken.
    fn of_memory(key: &'static str, part: u64, whole: u64) -> Self {
        let memory = width(part, whole);
        Self {
            key,
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
    use serde_json::Value;

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
        let event = figures.event().expect("JSON");
        let event: Value = serde_json::from_str(&event).expect("JSON");
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
        assert_eq!(figures.headline.ratio, "—");
        assert_eq!(figures.headline.sentence, "No message was answered yet.");
        assert_eq!(figures.present.rate, "0");
        assert_eq!(figures.present.oldest, "nobody waits");
    }
}
