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
    pub(super) since: Timestamp,
}

/// Reasons that were met in the day before `now`, the most frequent first.
pub(super) fn reasons(day: &Span, now: Timestamp) -> Vec<ReasonRow> {
    let since = now.checked_sub(SignedDuration::from_hours(24));
    let since = since.and_then(|since| since.round(Unit::Minute));
    let since = since.unwrap_or_default();
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
            since,
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
    /// Counts since start, latencies of the last minutes.
    pub(super) rows: Vec<NextHopFigures>,
    /// How many are not shown.
    pub(super) more: Option<String>,
    /// Since when they are counted.
    pub(super) since: String,
}

impl NextHopsCard {
    /// The suspended ones first, then the busiest.
    pub(super) fn new(mut rows: Vec<NextHopFigures>, since: Timestamp) -> Self {
        rows.sort_by_key(|next_hop| {
            let is_fine = next_hop.suspension == Suspension::None;
            (is_fine, Reverse(next_hop.attempted()))
        });
        let more = rows.len().saturating_sub(limits::NEXT_HOPS_SHOWN);
        rows.truncate(limits::NEXT_HOPS_SHOWN);
        Self {
            rows,
            more: (more > 0).then(|| wording::counted(more as u64, "next hop")),
            since: wording::moment_utc(since),
        }
    }
}

/// Until the next probe of a next hop, when its breaker is open.
pub(super) fn probe_in(next_hop: &NextHopFigures) -> Option<String> {
    match next_hop.suspension {
        Suspension::None => None,
        Suspension::Suspended { probe_in } => Some(wording::age(probe_in)),
    }
}

/// The services that conditions have asked, those that are left alone first.
pub(super) fn services(mut figures: Vec<ServiceFigures>) -> Vec<ServiceFigures> {
    figures.sort_by_key(|service| service.state == ServiceState::Asked);
    figures
}

/// When a service is tried again, if its breaker is open.
pub(super) fn tried_again(service: &ServiceFigures) -> Option<String> {
    match service.state {
        ServiceState::Asked => None,
        ServiceState::LeftAlone(Duration::ZERO) => Some("with the next message".to_owned()),
        ServiceState::LeftAlone(pause) => Some(format!("in {}", wording::age(pause))),
    }
}

/// The retry queue in short.
pub(super) struct QueueCard {
    /// Sums, which may be some seconds older than the size.
    pub(super) overview: Arc<QueueOverview>,
    pub(super) size: LiveQueue,
}

impl QueueCard {
    /// Behind the total: of what, and how old.
    pub(super) fn words(&self) -> String {
        let states = self.overview.by_state.iter();
        let held = states.filter(|(state, _)| *state == RowState::Held);
        queue_words(&self.size, held.map(|(_, count)| count).sum())
    }

    /// What waits for a next hop, in percent of what waits for the first.
    pub(super) fn width(&self, count: u64) -> f64 {
        let first = self.overview.due_by_next_hop.first();
        width(count, first.map_or(1, |(_, most)| *most))
    }
}

/// “recipients, 98,000 of them held; the oldest for 3 d 4 h”
fn queue_words(size: &LiveQueue, held: u64) -> String {
    let noun = match size.recipients {
        1 => "recipient",
        _ => "recipients",
    };
    let held = wording::held_of(held, size.recipients);
    let held = held.map_or(String::new(), |held| format!(", {held}"));
    let age = wording::age(Duration::from_secs(size.oldest_age_seconds));
    format!("{noun}{held}; the oldest for {age}")
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
        let suspension = Suspension::Suspended {
            probe_in: Duration::from_secs(20),
        };
        let mut figures: Vec<NextHopFigures> = (0..30)
            .map(|number| next_hop(&format!("mx{number}"), number, Suspension::None))
            .collect();
        figures.push(next_hop("broken", 0, suspension));
        let card = NextHopsCard::new(figures, Timestamp::UNIX_EPOCH);
        let names: Vec<&str> = card.rows.iter().map(|row| &*row.name).collect();
        assert_eq!(names[..3], ["broken", "mx29", "mx28"]);
        assert_eq!(names.len(), limits::NEXT_HOPS_SHOWN);
        assert_eq!(card.more.as_deref(), Some("11 next hops"));
        assert_eq!(card.since, "1970-01-01 00:00:00 UTC");
        assert_eq!(probe_in(&card.rows[0]).as_deref(), Some("20 s"));
        let success = |place: usize| wording::percent(card.rows[place].success_share());
        assert_eq!(success(0), "0.0 %");
        assert_eq!(success(1), "96.7 %");
        assert_eq!(wording::took(card.rows[1].latency_p50), "20 ms");
        assert_eq!(wording::took(card.rows[1].latency_p99), "—");
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
        assert_eq!(tried_again(&rows[0]).as_deref(), Some("in 20 s"));
        assert_eq!(tried_again(&rows[1]), None);
        assert_eq!(wording::count(rows[1].asked), "1,200");
        assert_eq!(wording::took(rows[1].took), "12 ms");
        let due = ServiceState::LeftAlone(Duration::ZERO);
        let rows = services(vec![service("clamd", due)]);
        let expected = Some("with the next message");
        assert_eq!(tried_again(&rows[0]).as_deref(), expected);
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
        assert_eq!(rows[1].since.to_string(), "2025-03-01T10:00:00Z");
    }
}
