//! `/`: the live ratio as headline, why messages touched disk, what is held now, and the queue.
//!
//! Plain HTML that reloads itself; `?refresh=off` keeps it still for whoever reads slowly.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::Timestamp;
use serde::Deserialize;

use super::access::Visitor;
use super::alerts::AlertList;
use super::page::{Frame, Page, Section, render};
use super::{Context, wording};
use crate::delivery::{NextHopFigures, Suspension};
use crate::limits;
use crate::statistics::latency::Latencies;
use crate::statistics::live::Span;
use crate::statistics::tally::ByStorage;
use crate::statistics::{Live, Window};
use crate::store::{QueueFilter, QueueItem, QueuePage, QueuePageRequest};

/// The page reloads itself this often.
const REFRESH_SECONDS: u32 = 10;

/// What the query of the page says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    refresh: Option<String>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    alerts: AlertList,
    headline: Headline,
    spans: Vec<SpanRow>,
    reasons: Vec<ReasonRow>,
    resident: ResidentCard,
    latencies: Vec<LatencyRow>,
    next_hops: Vec<NextHopRow>,
    queue: QueueCard,
}

/// The one number that the appliance is about.
struct Headline {
    ratio: String,
    sentence: String,
    bar: Bar,
}

/// A bar of three parts in percent of its width; each begins where the one before ends.
struct Bar {
    memory: f64,
    split: f64,
    disk: f64,
    split_from: f64,
    disk_from: f64,
    words: String,
}

struct SpanRow {
    name: &'static str,
    messages: String,
    ratio: String,
    bytes: String,
    bytes_ratio: String,
    bar: Bar,
}

struct ReasonRow {
    name: String,
    count: String,
    share: String,
    width: f64,
}

struct ResidentCard {
    memory: String,
    budget: String,
    memory_width: f64,
    disk: String,
}

struct LatencyRow {
    name: &'static str,
    p50: String,
    p99: String,
}

struct NextHopRow {
    name: Arc<str>,
    delivered: String,
    deferred: String,
    refused: String,
    p50: String,
    connections: u32,
    /// Until the next probe, when the breaker is open.
    suspended: Option<String>,
}

struct QueueCard {
    total: String,
    is_empty: bool,
    oldest: String,
    rest: Option<String>,
    rows: Vec<QueueRow>,
}

struct QueueRow {
    recipient: String,
    sender: String,
    next_hop: String,
    state: &'static str,
    reason: String,
    attempts: u64,
    next_attempt: String,
    age: String,
    size: String,
    last_reply: String,
}

/// The page.
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Page {
    let live = context.live().await?;
    let now = Timestamp::now();
    let first = QueuePageRequest {
        limit: limits::PAGE_ITEMS,
        ..QueuePageRequest::default()
    };
    let everything = QueueFilter::default();
    let queue = context.store.queue_page(&everything, first, now).await?;
    let Query(options) = options?;
    let statistics = &context.statistics;
    let headline = headline(&live);
    let mut frame = Frame::new(
        &context,
        visitor,
        Section::Dashboard,
        headline.ratio.clone(),
    );
    frame.refresh = (options.refresh.as_deref() != Some("off")).then_some(REFRESH_SECONDS);
    render(&Overview {
        alerts: AlertList::of(&context),
        frame,
        headline,
        spans: spans(&live),
        reasons: reasons(&live.windows.day),
        resident: resident(&live, context.budget.limit_bytes()),
        latencies: vec![
            latency_row("minute", &statistics.latency(Window::Minute)),
            latency_row("hour", &statistics.latency(Window::Hour)),
            latency_row("day", &statistics.latency(Window::Day)),
        ],
        next_hops: next_hops((context.next_hops)()),
        queue: queue_card(queue, &live, now),
    })
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
        bar: bar(&span.messages),
    }
}

fn bar(messages: &ByStorage) -> Bar {
    let part = |count: u64| width(count, messages.total());
    Bar {
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

/// A part of a whole in percent, as exact as a screen can show.
fn width(part: u64, whole: u64) -> f64 {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    (percent.min(100.0) * 100.0).round() / 100.0
}

fn spans(live: &Live) -> Vec<SpanRow> {
    [
        ("Last minute", &live.windows.minute),
        ("Last hour", &live.windows.hour),
        ("Last day", &live.windows.day),
        ("Since start", &live.since_start),
    ]
    .into_iter()
    .map(|(name, span)| SpanRow {
        name,
        messages: wording::count(span.messages.total()),
        ratio: wording::percent(span.ratio),
        bytes: wording::bytes(span.bytes.total()),
        bytes_ratio: wording::percent(span.bytes.ratio()),
        bar: bar(&span.messages),
    })
    .collect()
}

/// Reasons that were met, the most frequent first.
fn reasons(span: &Span) -> Vec<ReasonRow> {
    let mut met: Vec<_> = span
        .disk_reasons
        .iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    met.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let most = met.first().map_or(1, |(_, count)| *count);
    met.into_iter()
        .map(|(reason, count)| ReasonRow {
            name: reason.as_word().replace('_', " "),
            count: wording::count(count),
            share: wording::percent(Some(count as f64 / span.messages.total().max(1) as f64)),
            width: width(count, most),
        })
        .collect()
}

fn resident(live: &Live, budget_bytes: u64) -> ResidentCard {
    let held = live.resident.memory_bytes;
    ResidentCard {
        memory: wording::bytes(held),
        budget: wording::bytes(budget_bytes),
        memory_width: width(held, budget_bytes),
        disk: wording::bytes(live.resident.disk_bytes),
    }
}

fn latency_row(name: &'static str, latencies: &Latencies) -> LatencyRow {
    LatencyRow {
        name,
        p50: wording::latency(latencies.quantile(0.5)),
        p99: wording::latency(latencies.quantile(0.99)),
    }
}

/// The suspended ones first, then the busiest.
fn next_hops(mut figures: Vec<NextHopFigures>) -> Vec<NextHopRow> {
    figures.sort_by_key(|next_hop| {
        let is_fine = next_hop.suspension == Suspension::None;
        (is_fine, std::cmp::Reverse(next_hop.delivered))
    });
    figures.truncate(limits::NEXT_HOPS_IN_METRICS);
    figures
        .into_iter()
        .map(|next_hop| NextHopRow {
            delivered: wording::count(next_hop.delivered),
            deferred: wording::count(next_hop.deferred + next_hop.uncertain),
            refused: wording::count(next_hop.refused),
            p50: wording::latency(next_hop.latency_p50.map(|time| time.as_secs_f64())),
            connections: next_hop.open_connections,
            suspended: match next_hop.suspension {
                Suspension::None => None,
                Suspension::Suspended { probe_in } => Some(wording::age(probe_in)),
            },
            name: next_hop.name,
        })
        .collect()
}

fn queue_card(page: QueuePage, live: &Live, now: Timestamp) -> QueueCard {
    let shown = page.items.len() as u64;
    QueueCard {
        total: wording::count(page.total),
        is_empty: page.items.is_empty(),
        oldest: wording::age(Duration::from_secs(live.queue.oldest_age_seconds)),
        rest: (page.total > shown).then(|| wording::count(page.total - shown)),
        rows: page
            .items
            .into_iter()
            .map(|item| queue_row(item, now))
            .collect(),
    }
}

fn queue_row(item: QueueItem, now: Timestamp) -> QueueRow {
    let wait = between(now, item.next_attempt_at);
    QueueRow {
        state: item.state.as_str(),
        attempts: item.attempts,
        next_attempt: if wait.is_zero() {
            "now".to_owned()
        } else {
            format!("in {}", wording::age(wait))
        },
        age: wording::age(between(item.received_at, now)),
        size: wording::bytes(item.size_bytes),
        reason: item.reason.replace('_', " "),
        sender: if item.sender.is_empty() {
            "<>".to_owned()
        } else {
            item.sender
        },
        recipient: item.recipient,
        next_hop: item.next_hop,
        last_reply: item.last_reply,
    }
}

/// The time from one moment to a later one; nothing when it is not later.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}
