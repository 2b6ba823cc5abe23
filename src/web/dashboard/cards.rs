//! The dashboard's cards: why messages touched disk, next hops, what waits, the appliance itself.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Unit};

use super::figures::width;
use crate::conditions::{ServiceFigures, ServiceState};
use crate::delivery::{NextHopFigures, Suspension};
use crate::limits;
use crate::message::backlog::QueueOverview;
use crate::message::{DiskReason, RowState};
use crate::statistics::LiveQueue;
use crate::statistics::live::Span;
use crate::store::DiskFigures;
use crate::web::page::Frame;
use crate::web::wording;

/// One reason why messages touched disk.
pub(super) struct ReasonRow {
    /// Its word, for the link to its messages.
    pub(super) word: String,
    pub(super) name: String,
    pub(super) meaning: &'static str,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) width: f64,
    /// When the day began that is counted.
    pub(super) since: String,
}

/// Reasons that were met in the day before `now`, the most frequent first.
pub(super) fn reasons(day: &Span, now: Timestamp) -> Vec<ReasonRow> {
    let since = now.checked_sub(SignedDuration::from_hours(24));
    let since = since.and_then(|since| since.round(Unit::Minute));
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
    let met = day.disk_reasons.iter().filter(|(_, count)| *count > 0);
    let mut met: Vec<_> = met.collect();
    met.sort_by_key(|(_, count)| Reverse(*count));
    let most = met.first().map_or(1, |(_, count)| *count);
    met.into_iter()
        .map(|(reason, count)| ReasonRow {
            word: reason.to_string(),
            name: reason.to_string().replace(['_', ':'], " "),
            meaning: meaning(&reason),
            count: wording::count(count),
            share: wording::percent(Some(count as f64 / day.messages.total().max(1) as f64)),
            width: width(count, most),
            since: since.clone(),
        })
        .collect()
}

/// What a reason's word means.
fn meaning(reason: &DiskReason) -> &'static str {
    match reason {
        DiskReason::OverThreshold => "larger than the memory threshold",
        DiskReason::Condition(_) => "a condition asked for it",
        DiskReason::Deferred => "the next hop said “later” or was not reached",
        DiskReason::AckDeadline => "the client could not be kept waiting longer",
        DiskReason::DestinationBusy => "no connection became free in time",
        DiskReason::DestinationSuspended => "the next hop’s breaker was open",
        DiskReason::NextHopPaused => "an operator paused the next hop",
        DiskReason::MemoryPressure => "the memory budget was used up",
        DiskReason::Conversion => "the next hop takes only 7-bit content",
        DiskReason::Uncertain => "the next hop did not answer the final dot",
        DiskReason::StandardPath => "the standard path was chosen",
    }
}

/// The next hops that matter most now.
pub(super) struct NextHopsCard {
    pub(super) rows: Vec<NextHopRow>,
    /// How many are not shown.
    pub(super) more: Option<String>,
    /// Since when they are counted.
    pub(super) since: String,
}

/// One next hop since start; latencies of the last minutes.
pub(super) struct NextHopRow {
    pub(super) name: Arc<str>,
    pub(super) success: String,
    pub(super) success_width: f64,
    pub(super) delivered: String,
    pub(super) deferred: String,
    pub(super) refused: String,
    pub(super) uncertain: String,
    pub(super) p50: String,
    pub(super) p99: String,
    pub(super) connections: u32,
    /// Until the next probe, when the breaker is open.
    pub(super) probe_in: Option<String>,
}

impl NextHopsCard {
    /// The suspended ones first, then the busiest.
    pub(super) fn new(mut figures: Vec<NextHopFigures>, since: Timestamp) -> Self {
        figures.sort_by_key(|next_hop| {
            let is_fine = next_hop.suspension == Suspension::None;
            (is_fine, Reverse(next_hop.attempted()))
        });
        let more = figures.len().saturating_sub(limits::NEXT_HOPS_SHOWN);
        figures.truncate(limits::NEXT_HOPS_SHOWN);
        Self {
            rows: figures.into_iter().map(next_hop_row).collect(),
            more: (more > 0).then(|| wording::counted(more as u64, "next hop")),
            since: wording::moment_utc(since),
        }
    }
}

fn next_hop_row(next_hop: NextHopFigures) -> NextHopRow {
    let latency = |time: Option<Duration>| wording::latency(time.map(|time| time.as_secs_f64()));
    NextHopRow {
        success: wording::percent(next_hop.success_share()),
        success_width: width(next_hop.delivered, next_hop.attempted()),
        delivered: wording::count(next_hop.delivered),
        deferred: wording::count(next_hop.deferred),
        refused: wording::count(next_hop.refused),
        uncertain: wording::count(next_hop.uncertain),
        p50: latency(next_hop.latency_p50),
        p99: latency(next_hop.latency_p99),
        connections: next_hop.open_connections,
        probe_in: match next_hop.suspension {
            Suspension::None => None,
            Suspension::Suspended { probe_in } => Some(wording::age(probe_in)),
        },
        name: next_hop.name,
    }
}

/// One service of the conditions since start.
pub(super) struct ServiceRow {
    pub(super) name: Arc<str>,
    pub(super) asked: String,
    pub(super) failed: String,
    pub(super) took: String,
    /// When it is tried again, if its breaker is open.
    pub(super) tried_again: Option<String>,
    /// Why it could not tell last; empty when it always could.
    pub(super) trouble: String,
}

/// The services that conditions have asked, those that are left alone first.
pub(super) fn services(mut figures: Vec<ServiceFigures>) -> Vec<ServiceRow> {
    figures.sort_by_key(|service| service.state == ServiceState::Asked);
    figures.into_iter().map(service_row).collect()
}

fn service_row(service: ServiceFigures) -> ServiceRow {
    ServiceRow {
        name: service.name,
        asked: wording::count(service.asked),
        failed: wording::count(service.failed),
        took: wording::latency(service.took.map(|took| took.as_secs_f64())),
        tried_again: match service.state {
            ServiceState::Asked => None,
            ServiceState::LeftAlone(Duration::ZERO) => Some("with the next message".to_owned()),
            ServiceState::LeftAlone(pause) => Some(format!("in {}", wording::age(pause))),
        },
        trouble: service.trouble,
    }
}

/// The retry queue in short.
pub(super) struct QueueCard {
    pub(super) total: String,
    /// Behind the total: of what, and how old.
    pub(super) words: String,
    pub(super) is_empty: bool,
    pub(super) states: Vec<StateRow>,
    pub(super) backlogs: Vec<BacklogRow>,
}

/// The rows in one state.
pub(super) struct StateRow {
    pub(super) state: &'static str,
    pub(super) count: String,
}

/// What waits for one next hop.
pub(super) struct BacklogRow {
    pub(super) next_hop: String,
    pub(super) count: String,
    pub(super) width: f64,
}

impl QueueCard {
    /// The sums may be some seconds older than the size.
    pub(super) fn new(overview: &QueueOverview, size: &LiveQueue) -> Self {
        let states = overview.by_state.iter().map(|(state, count)| StateRow {
            state: state.as_str(),
            count: wording::count(*count),
        });
        let most = overview
            .due_by_next_hop
            .first()
            .map_or(1, |(_, most)| *most);
        let backlogs = overview.due_by_next_hop.iter();
        let held = overview.by_state.iter();
        let held = held.filter(|(state, _)| *state == RowState::Held);
        let held = held.map(|(_, count)| count).sum();
        Self {
            total: wording::count(size.recipients),
            words: queue_words(size, held),
            is_empty: size.recipients == 0,
            states: states.collect(),
            backlogs: backlogs
                .map(|(next_hop, count)| BacklogRow {
                    next_hop: next_hop.clone(),
                    count: wording::count(*count),
                    width: width(*count, most),
                })
                .collect(),
        }
    }
}

/// “recipients, 98,000 of them held; the oldest for 3 d 4 h”
fn queue_words(size: &LiveQueue, held: u64) -> String {
    let noun = if size.recipients == 1 {
        "recipient"
    } else {
        "recipients"
    };
    let held = wording::held_of(held, size.recipients);
    let held = held.map_or(String::new(), |held| format!(", {held}"));
    let age = wording::age(Duration::from_secs(size.oldest_age_seconds));
    format!("{noun}{held}; the oldest for {age}")
}

/// The appliance itself.
pub(super) struct ApplianceCard {
    pub(super) version: &'static str,
    pub(super) uptime: String,
    pub(super) budget: String,
    pub(super) disk_free: String,
    pub(super) disk_total: String,
    pub(super) disk_used_width: f64,
    pub(super) appliance_database: String,
    pub(super) history_database: String,
}

impl ApplianceCard {
    pub(super) fn new(frame: &Frame, disk: &DiskFigures, budget_bytes: u64) -> Self {
        Self {
            version: frame.version,
            uptime: frame.uptime.clone(),
            budget: wording::bytes(budget_bytes),
            disk_free: wording::bytes(disk.free_bytes),
            disk_total: wording::bytes(disk.total_bytes),
            disk_used_width: width(
                disk.total_bytes.saturating_sub(disk.free_bytes),
                disk.total_bytes,
            ),
            appliance_database: wording::bytes(disk.appliance_bytes),
            history_database: wording::bytes(disk.history_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_hop(name: &str, delivered: u64, suspension: Suspension) -> NextHopFigures {
        NextHopFigures {
            name: name.into(),
            open_connections: 2,
            delivered,
            deferred: 1,
            refused: 0,
            uncertain: 0,
            latency_p50: Some(Duration::from_millis(20)),
            latency_p99: None,
            suspension,
        }
    }

    #[test]
    fn suspended_next_hops_come_first_and_few_are_shown() {
        let probe_in = Duration::from_secs(20);
        let mut figures: Vec<NextHopFigures> = (0..30)
            .map(|number| next_hop(&format!("mx{number}"), number, Suspension::None))
            .collect();
        figures.push(next_hop("broken", 0, Suspension::Suspended { probe_in }));
        let card = NextHopsCard::new(figures, Timestamp::UNIX_EPOCH);
        let names: Vec<&str> = card.rows.iter().map(|row| &*row.name).collect();
        assert_eq!(names[..3], ["broken", "mx29", "mx28"]);
        assert_eq!(names.len(), limits::NEXT_HOPS_SHOWN);
        assert_eq!(card.more.as_deref(), Some("11 next hops"));
        assert_eq!(card.since, "1970-01-01 00:00:00 UTC");
        assert_eq!(card.rows[0].probe_in.as_deref(), Some("20 s"));
        assert_eq!(card.rows[0].success, "0.0 %");
        assert_eq!(card.rows[1].success, "96.7 %");
        assert_eq!(card.rows[1].p50, "20 ms");
        assert_eq!(card.rows[1].p99, "—");
    }

    #[test]
    fn services_that_are_left_alone_come_first() {
        let service = |name: &str, state| ServiceFigures {
            name: name.into(),
            state,
            asked: 1_200,
            failed: 3,
            trouble: "clamd: no answer within 30.0 s".into(),
            took: Some(Duration::from_millis(12)),
        };
        let pause = ServiceState::LeftAlone(Duration::from_secs(20));
        let rows = services(vec![
            service("rspamd", ServiceState::Asked),
            service("clamd", pause),
        ]);
        assert_eq!(&*rows[0].name, "clamd");
        assert_eq!(rows[0].tried_again.as_deref(), Some("in 20 s"));
        assert_eq!(rows[1].tried_again, None);

        assert_eq!(
            (rows[1].asked.as_str(), rows[1].took.as_str()),
            ("1,200", "12 ms")
        );
        let due = ServiceState::LeftAlone(Duration::ZERO);
        let rows = services(vec![service("clamd", due)]);
        let expected = Some("with the next message");
        assert_eq!(rows[0].tried_again.as_deref(), expected);
    }

    #[test]
    fn what_is_held_is_told_apart() {
        for (recipients, held, expected) in [
            (1, 0, "recipient; the oldest for 1 min 0 s"),
            (1, 1, "recipient, held; the oldest for 1 min 0 s"),
            (
                99_055,
                98_000,
                "recipients, 98,000 of them held; the oldest for 1 min 0 s",
            ),
        ] {
            let size = LiveQueue {
                recipients,
                oldest_age_seconds: 60,
            };
            assert_eq!(queue_words(&size, held), expected);
        }
    }

    #[test]
    fn reasons_link_to_the_day_that_they_count() {
        let mut tally = crate::statistics::tally::AnsweredTally::default();
        tally.messages.disk = 4;
        tally.disk_reasons.count(&DiskReason::AckDeadline, 1);
        let named = DiskReason::Condition("large attachments".into());
        tally.disk_reasons.count(&named, 3);
        let now = "2025-03-02T10:00:29Z".parse().expect("a time");
        let rows = reasons(&tally.into(), now);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].word, "condition:large attachments");
        assert_eq!(rows[0].name, "condition large attachments");
        assert_eq!((rows[0].share.as_str(), rows[0].width), ("75.0 %", 100.0));
        assert_eq!(rows[1].name, "ack deadline");
        assert_eq!(rows[1].since, "2025-03-01T10:00:00Z");
    }
}
