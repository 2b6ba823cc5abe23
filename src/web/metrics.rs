//! `/metrics` in the OpenMetrics text format. Every label comes from a bounded set.

use std::fmt;
use std::sync::atomic::AtomicU64;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::Context;
use super::error::ApiError;
use super::extract::Ctx;
use crate::alerts::{ActiveAlerts, AlertKind};
use crate::conditions::{ServiceFigures, ServiceState};
use crate::delivery::{NextHopFigures, Suspension};
use crate::limits;
use crate::message::RowState;
use crate::message::backlog::QueueFigures;
use crate::session::{Count, ReceivingCounters};
use crate::statistics::latency::Latencies;
use crate::statistics::tally::ByStorage;
use crate::statistics::{Counters, Figures, Live};

/// The bounds of the latency histogram, in milliseconds.
const BOUNDS_MILLISECONDS: [u64; 13] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000,
];

type Labels = [(&'static str, String); 1];
type TwoLabels = [(&'static str, String); 2];

/// All metrics of this moment.
pub(super) async fn page(context: Ctx) -> Result<Response, ApiError> {
    let live = context.live().await?;
    let mut registry = Registry::with_prefix("fastpath");
    let figures = context.statistics.since_start();
    register_messages(&mut registry, &figures);
    register_receiving(&mut registry, &context.receiving);
    register_sessions(&mut registry, &context.receiving, context.sessions_max);
    register_counters(&mut registry, &context.statistics.counters);
    register_present(&mut registry, &context, &live);
    register_queue(&mut registry, &context.store.queue_view.figures().await?);
    register_next_hops(&mut registry, (context.next_hops)());
    register_services(&mut registry, &context.conditions.services());
    register_alerts(&mut registry, &context.alerts.present());
    let mut text = String::with_capacity(16_384);
    encode(&mut text, &registry).map_err(|error| ApiError::Trouble(error.into()))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn register_messages(registry: &mut Registry, figures: &Figures) {
    let tally = &figures.tally;
    let by_storage = |counts: &ByStorage| {
        labelled(
            "storage",
            [
                ("memory", counts.memory),
                ("split", counts.split),
                ("disk", counts.disk),
            ],
        )
    };
    registry.register(
        "messages",
        "Messages answered 250 since start, by where they were then",
        by_storage(&tally.messages),
    );
    registry.register(
        "message_bytes",
        "Bytes of messages answered 250 since start, by where they were then",
        by_storage(&tally.bytes),
    );
    registry.register(
        "messages_by_path",
        "Messages answered 250 since start, by the way they took",
        labelled(
            "path",
            [
                ("fast", tally.paths.fast),
                ("standard", tally.paths.standard),
                ("cut_through", tally.paths.cut_through),
            ],
        ),
    );
    let reasons = tally.disk_reasons.iter();
    registry.register(
        "disk_reasons",
        "Messages that touched disk since start, by why; one may have several reasons",
        labelled(
            "reason",
            reasons.map(|(reason, count)| (reason.to_string(), count)),
        ),
    );
    registry.register(
        "acknowledgement_seconds",
        "From the end of data to the 250, since start",
        Acknowledgements(figures.latencies.clone()),
    );
}

fn register_receiving(registry: &mut Registry, receiving: &ReceivingCounters) {
    for (name, help, count) in [
        (
            "sessions_opened",
            "Sessions that were accepted",
            &receiving.sessions_opened,
        ),
        (
            "sessions_refused",
            "Clients that were turned away because there were too many",
            &receiving.sessions_refused,
        ),
        (
            "proxy_checks",
            "Connections of proxies that ended before a word was said, as their health checks do",
            &receiving.proxy_checks,
        ),
        (
            "sessions_under_tls",
            "Sessions that went on under TLS",
            &receiving.tls_sessions,
        ),
        (
            "tls_failures",
            "TLS handshakes of clients that failed",
            &receiving.tls_failures,
        ),
        (
            "smtp_logins",
            "Clients that authenticated",
            &receiving.logins,
        ),
        (
            "smtp_wrong_logins",
            "Tries of clients to authenticate with a wrong name or password",
            &receiving.wrong_logins,
        ),
        (
            "session_timeouts",
            "Sessions that ended because the client was too slow or silent",
            &receiving.timeouts,
        ),
        (
            "messages_normalised",
            "Messages in which bare line ends were made canonical",
            &receiving.messages_normalised,
        ),
        (
            "spool_failures",
            "Messages refused because the spool did not take them",
            &receiving.spool_failures,
        ),
    ] {
        registry.register(name, help, ConstCounter::new(count.value()));
    }
}

fn register_sessions(registry: &mut Registry, receiving: &ReceivingCounters, sessions_max: usize) {
    let classes = ["2xx", "3xx", "4xx", "5xx"].into_iter();
    let counts = receiving.replies.iter().map(Count::value);
    registry.register(
        "replies",
        "Replies to clients, by class",
        labelled("class", classes.zip(counts)),
    );
    registry.register(
        "sessions_open",
        "Sessions that are open now",
        gauge(receiving.sessions_open.value()),
    );
    registry.register(
        "sessions_max",
        "Sessions that there may be at one time, for the memory and the descriptors there are",
        gauge(sessions_max as u64),
    );
}

fn register_counters(registry: &mut Registry, counters: &Counters) {
    for (name, help, counter) in [
        (
            "reports_written",
            "Reports to senders that were written",
            &counters.reports_written,
        ),
        (
            "trail_dropped",
            "Entries of the trail that were dropped",
            &counters.trail_dropped,
        ),
    ] {
        registry.register(name, help, ConstCounter::new(counter.value()));
    }
    registry.register(
        "recipients",
        "Recipients that were tried, by outcome",
        labelled(
            "outcome",
            [
                ("delivered", counters.recipients_delivered.value()),
                ("deferred", counters.recipients_deferred.value()),
                ("refused", counters.recipients_refused.value()),
                ("uncertain", counters.recipients_uncertain.value()),
            ],
        ),
    );
}

fn register_present(registry: &mut Registry, context: &Context, live: &Live) {
    for (name, help, value) in [
        (
            "resident_memory_bytes",
            "Bytes of message bodies in memory now",
            live.resident.memory_bytes,
        ),
        (
            "resident_disk_bytes",
            "Bytes of message bodies on disk now",
            live.resident.disk_bytes,
        ),
        (
            "memory_budget_bytes",
            "Bytes that message bodies may hold in memory",
            context.budget.limit_bytes(),
        ),
        (
            "queue_recipients",
            "Recipients that wait in the retry queue",
            live.queue.recipients,
        ),
        (
            "queue_oldest_age_seconds",
            "Age of the message that has waited longest",
            live.queue.oldest_age_seconds,
        ),
        (
            "uptime_seconds",
            "Time since start",
            context.statistics.uptime().as_secs(),
        ),
        (
            "ready",
            "1 when mail is taken",
            u64::from((context.readiness)().is_ok()),
        ),
    ] {
        registry.register(name, help, gauge(value));
    }
}

/// Every state is there, also those that no row is in: an alert needs a zero to compare with.
fn register_queue(registry: &mut Registry, figures: &QueueFigures) {
    let rows = |state: &RowState| {
        let rows = figures.by_state.iter().find(|(known, _)| known == state);
        (state.as_str(), rows.map_or(0, |(_, rows)| *rows))
    };
    registry.register(
        "queue_recipients_by_state",
        "Recipients in the retry queue, by state",
        gauges("state", RowState::ALL.iter().map(rows)),
    );
}

fn register_services(registry: &mut Registry, services: &[ServiceFigures]) {
    let each = |figure: fn(&ServiceFigures) -> u64| {
        let services = services.iter();
        services.map(move |service| (&*service.name, figure(service)))
    };
    registry.register(
        "service_checks",
        "Checks for which a condition asked its service since start",
        labelled("service", each(|service| service.asked)),
    );
    registry.register(
        "service_failures",
        "Checks for which the service could not tell",
        labelled("service", each(|service| service.failed)),
    );
    let is_left_alone = each(|service| u64::from(service.state != ServiceState::Asked));
    registry.register(
        "service_left_alone",
        "1 while a service is not asked, because it failed a neutral question",
        gauges("service", is_left_alone),
    );
}

/// The busiest next hops only: a relay that looks up MX records knows thousands.
fn register_next_hops(registry: &mut Registry, mut next_hops: Vec<NextHopFigures>) {
    next_hops.sort_by_key(|next_hop| std::cmp::Reverse(next_hop.delivered + next_hop.deferred));
    next_hops.truncate(limits::NEXT_HOPS_IN_METRICS);
    let recipients = Family::<TwoLabels, Counter>::default();
    let latencies = Family::<TwoLabels, Gauge<f64, AtomicU64>>::default();
    for next_hop in &next_hops {
        let labels = |name, value: &str| {
            let next_hop = ("next_hop", next_hop.name.to_string());
            [next_hop, (name, value.to_owned())]
        };
        for (outcome, count) in [
            ("delivered", next_hop.delivered),
            ("deferred", next_hop.deferred),
            ("refused", next_hop.refused),
            ("uncertain", next_hop.uncertain),
        ] {
            let recipients = recipients.get_or_create(&labels("outcome", outcome));
            recipients.inc_by(count);
        }
        for (quantile, latency) in [
            ("0.5", next_hop.latency_p50),
            ("0.99", next_hop.latency_p99),
        ] {
            // None was measured in the last minutes: a zero would be a lie.
            let Some(latency) = latency else { continue };
            let latencies = latencies.get_or_create(&labels("quantile", quantile));
            latencies.set(latency.as_secs_f64());
        }
    }
    registry.register(
        "next_hop_recipients",
        "Recipients by next hop and outcome, of the busiest next hops",
        recipients,
    );
    let each = |figure: fn(&NextHopFigures) -> u64| {
        let each = next_hops.iter().map(|one| (&*one.name, figure(one)));
        gauges("next_hop", each)
    };
    registry.register(
        "next_hop_connections",
        "Connections that are open now, of the busiest next hops",
        each(|next_hop| next_hop.open_connections.into()),
    );
    registry.register(
        "next_hop_suspended",
        "1 when the next hop's breaker is open, of the busiest next hops",
        each(|next_hop| (next_hop.suspension != Suspension::None).into()),
    );
    registry.register(
        "next_hop_attempt_seconds",
        "How long attempts took in the last minutes, of the busiest next hops",
        latencies,
    );
}

/// All kinds at all times, so that a rule of the collector finds its series before the first alert.
fn register_alerts(registry: &mut Registry, present: &ActiveAlerts) {
    let is_active = |kind: &AlertKind| {
        let is_active = present.alerts.iter().any(|alert| alert.kind() == *kind);
        (kind.as_str(), is_active.into())
    };
    registry.register(
        "alert_active",
        "1 while there is an alert of the kind",
        gauges("kind", AlertKind::ALL.iter().map(is_active)),
    );
}

fn labelled<T: Into<String>>(
    label: &'static str,
    counts: impl IntoIterator<Item = (T, u64)>,
) -> Family<Labels, Counter> {
    let family = Family::<Labels, Counter>::default();
    for (value, count) in counts {
        family.get_or_create(&[(label, value.into())]).inc_by(count);
    }
    family
}

fn gauges<'a>(
    label: &'static str,
    values: impl Iterator<Item = (&'a str, u64)>,
) -> Family<Labels, Gauge> {
    let family = Family::<Labels, Gauge>::default();
    for (name, value) in values {
        let gauge = family.get_or_create(&[(label, name.to_owned())]);
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    family
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The latencies as a histogram.
#[derive(Debug)]
struct Acknowledgements(Latencies);

impl EncodeMetric for Acknowledgements {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let mut below = 0;
        let mut buckets = Vec::with_capacity(BOUNDS_MILLISECONDS.len() + 1);
        for bound in BOUNDS_MILLISECONDS {
            let up_to = self.0.count_up_to(std::time::Duration::from_millis(bound));
            buckets.push((bound as f64 / 1e3, up_to - below));
            below = up_to;
        }
        buckets.push((f64::INFINITY, self.0.count() - below));
        encoder.encode_histogram::<NoLabelSet>(self.0.sum_seconds(), self.0.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
