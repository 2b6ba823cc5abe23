//! What each rule measures in the facts of a moment, and how it compares with the bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::alert::Topic;
use super::delivery_gap::DeliveryGap;
use super::figures::AlertFigures;
use super::kind::AlertKind;
use super::rule::{AlertFacts, DiskReserve, elapsed};
use crate::limits;
use crate::settings::SettingsDocument;

/// How a figure compares with its bound, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AlertLevel {
    /// Beyond the bound.
    Exceeded,
    /// Within the bound, but near it.
    Warning,
    /// Clear of the bound.
    Normal,
}

/// What one rule measures.
pub(super) struct Observation {
    pub(super) topic: Topic,
    /// None: the fact is not available.
    pub(super) measured: Option<Measured>,
}

pub(super) struct Measured {
    pub(super) level: AlertLevel,
    pub(super) figures: AlertFigures,
    /// How long it must last before it is an alert.
    pub(super) hold: Duration,
    /// Since when, where the rule knows better than the watch.
    pub(super) since: Option<Timestamp>,
}

impl Observation {
    fn of(kind: AlertKind, level: AlertLevel, figures: AlertFigures) -> Self {
        Self::lasting(Topic::of(kind), level, figures, Duration::ZERO)
    }

    fn lasting(topic: Topic, level: AlertLevel, figures: AlertFigures, hold: Duration) -> Self {
        let measured = Some(Measured {
            level,
            figures,
            hold,
            since: None,
        });
        Self { topic, measured }
    }

    fn unknown(kind: AlertKind) -> Self {
        Self {
            topic: Topic::of(kind),
            measured: None,
        }
    }
}

/// What all rules measure that are switched on. `known` are the next hops that were suspended, and since
/// when.
pub(super) fn all(
    facts: &AlertFacts,
    rules: &SettingsDocument,
    gap: Option<&DeliveryGap>,
    known: BTreeMap<Arc<str>, Timestamp>,
) -> Vec<Observation> {
    let single = [
        queue_large(facts, rules),
        queue_old(facts, rules),
        Some(queue_damaged(facts)),
        disk_low(facts, rules),
        Some(disk_full(facts)),
        Some(trail_stopped(facts)),
        Some(trail_begun_anew(facts)),
        memory_low(facts, rules),
        no_delivery(facts, rules, gap),
        Some(open_relay(facts)),
    ];
    let breakers = breakers_open(facts, rules, known);
    single.into_iter().flatten().chain(breakers).collect()
}

fn queue_large(facts: &AlertFacts, rules: &SettingsDocument) -> Option<Observation> {
    let bound = rules.alert_queue_recipients?;
    let Some(queue) = facts.queue else {
        return Some(Observation::unknown(AlertKind::QueueLarge));
    };
    let figures = AlertFigures::QueueLarge {
        recipients: queue.recipients,
        bound_recipients: bound,
    };
    let level = at_most(queue.recipients, bound);
    Some(Observation::of(AlertKind::QueueLarge, level, figures))
}

fn queue_old(facts: &AlertFacts, rules: &SettingsDocument) -> Option<Observation> {
    let bound = rules.alert_queue_age_seconds?;
    let Some(queue) = facts.queue else {
        return Some(Observation::unknown(AlertKind::QueueOld));
    };
    let oldest = queue.oldest_age.map(|age| age.as_secs());
    let figures = AlertFigures::QueueOld {
        oldest_age_seconds: oldest,
        bound_seconds: bound,
    };
    let level = at_most(oldest.unwrap_or(0), bound);
    Some(Observation::of(AlertKind::QueueOld, level, figures))
}

/// Not a setting: acknowledged mail is lost unless an operator repairs it.
fn queue_damaged(facts: &AlertFacts) -> Observation {
    let Some(queue) = facts.queue else {
        return Observation::unknown(AlertKind::QueueDamaged);
    };
    let level = exceeded_if(queue.damaged > 0);
    let figures = AlertFigures::QueueDamaged {
        damaged_recipients: queue.damaged,
    };
    Observation::of(AlertKind::QueueDamaged, level, figures)
}

/// Every next hop that is suspended, and those that were, with the time since when: a breaker that
/// closes for a moment and opens again is the same trouble.
fn breakers_open(
    facts: &AlertFacts,
    rules: &SettingsDocument,
    known: BTreeMap<Arc<str>, Timestamp>,
) -> Vec<Observation> {
    let Some(bound) = rules.alert_breaker_seconds else {
        return Vec::new();
    };
    let mut levels: BTreeMap<&Arc<str>, _> = BTreeMap::new();
    for name in known.keys() {
        levels.insert(name, (AlertLevel::Warning, None));
    }
    for name in &facts.suspended {
        let since = known.get(name).copied().unwrap_or(facts.at);
        let seconds = elapsed(since, facts.at).as_secs();
        levels.insert(name, (AlertLevel::Exceeded, Some(seconds)));
    }
    let observation = |(name, (level, suspended_seconds)): (&Arc<str>, _)| {
        let figures = AlertFigures::BreakerOpen {
            next_hop: Arc::clone(name),
            suspended_seconds,
            bound_seconds: bound,
        };
        let hold = Duration::from_secs(bound);
        Observation::lasting(Topic::breaker(Arc::clone(name)), level, figures, hold)
    };
    levels.into_iter().map(observation).collect()
}

fn disk_low(facts: &AlertFacts, rules: &SettingsDocument) -> Option<Observation> {
    let (size, percent) = (rules.alert_disk_free_bytes, rules.alert_disk_free_percent);
    if size.is_none() && percent.is_none() {
        return None;
    }
    let Some(disk) = facts.disk else {
        return Some(Observation::unknown(AlertKind::DiskLow));
    };
    let figures = AlertFigures::DiskLow {
        free_bytes: disk.free_bytes,
        total_bytes: disk.total_bytes,
        bound_bytes: size,
        bound_percent: percent,
    };
    let by_size = size.map(|bound| at_least(disk.free_bytes.into(), bound.into()));
    let by_percent = percent.map(|bound| {
        let whole = u128::from(disk.total_bytes) * u128::from(bound);
        at_least(u128::from(disk.free_bytes) * 100, whole)
    });
    // The worse of the two counts.
    let worse = by_size.into_iter().chain(by_percent).min();
    let level = worse.unwrap_or(AlertLevel::Normal);
    Some(Observation::of(AlertKind::DiskLow, level, figures))
}

/// Not a setting: mail is turned away.
fn disk_full(facts: &AlertFacts) -> Observation {
    let DiskReserve {
        free_bytes,
        reserve_bytes,
        turned_away,
    } = facts.reserve;
    let figures = AlertFigures::DiskFull {
        free_bytes,
        reserve_bytes,
    };
    let level = match turned_away {
        true => AlertLevel::Exceeded,
        false => at_least(free_bytes.into(), reserve_bytes.into()),
    };
    Observation::of(AlertKind::DiskFull, level, figures)
}

fn trail_stopped(facts: &AlertFacts) -> Observation {
    let level = exceeded_if(facts.trail_problem.is_some());
    let figures = AlertFigures::TrailStopped {
        problem: facts.trail_problem.clone(),
    };
    Observation::of(AlertKind::TrailStopped, level, figures)
}

fn trail_begun_anew(facts: &AlertFacts) -> Observation {
    let level = exceeded_if(facts.trail_kept_as.is_some());
    let figures = AlertFigures::TrailBegunAnew {
        kept_as: facts.trail_kept_as.clone(),
    };
    Observation::of(AlertKind::TrailBegunAnew, level, figures)
}

/// What bodies hold jumps within a second, so that only calm ends this one.
fn memory_low(facts: &AlertFacts, rules: &SettingsDocument) -> Option<Observation> {
    let bound = rules.alert_memory_percent?;
    let used = u128::from(facts.memory_used_bytes) * 100;
    let level = if used > u128::from(facts.memory_budget_bytes) * u128::from(bound) {
        AlertLevel::Exceeded
    } else {
        AlertLevel::Warning
    };
    let figures = AlertFigures::MemoryLow {
        used_bytes: facts.memory_used_bytes,
        budget_bytes: facts.memory_budget_bytes,
        bound_percent: bound,
    };
    let hold = limits::ALERT_MEMORY_HOLD;
    Some(Observation::lasting(
        Topic::of(AlertKind::MemoryLow),
        level,
        figures,
        hold,
    ))
}

fn no_delivery(
    facts: &AlertFacts,
    rules: &SettingsDocument,
    gap: Option<&DeliveryGap>,
) -> Option<Observation> {
    let bound = rules.alert_no_delivery_seconds?;
    let gap = gap?;
    let since = if rules.alert_no_delivery_when_idle {
        Some(gap.delivered_at)
    } else {
        gap.owed_since
    };
    let level = match since {
        Some(since) if elapsed(since, facts.at) >= Duration::from_secs(bound) => {
            AlertLevel::Exceeded
        }
        // Nothing is delivered, but not for long yet; or there is nothing to deliver.
        _ if gap.delivered_at < facts.at => AlertLevel::Warning,
        _ => AlertLevel::Normal,
    };
    let figures = AlertFigures::NoDelivery {
        silent_seconds: elapsed(gap.delivered_at, facts.at).as_secs(),
        waiting_recipients: facts.queue.map_or(0, |queue| queue.waiting),
        bound_seconds: bound,
    };
    let mut observation = Observation::of(AlertKind::NoDelivery, level, figures);
    if let Some(measured) = &mut observation.measured {
        measured.since = since;
    }
    Some(observation)
}

/// What the settings say: it has no bound, and is over as soon as they say otherwise.
fn open_relay(facts: &AlertFacts) -> Observation {
    let level = exceeded_if(!facts.open_to.is_empty());
    let figures = AlertFigures::OpenRelay {
        networks: facts.open_to.networks.clone(),
        domains: facts.open_to.domains.clone(),
        proxies: facts.open_to.proxies.clone(),
    };
    Observation::of(AlertKind::OpenRelay, level, figures)
}

/// Of what has no bound to be near to.
fn exceeded_if(is_so: bool) -> AlertLevel {
    match is_so {
        true => AlertLevel::Exceeded,
        false => AlertLevel::Normal,
    }
}

/// A figure that should be at most `bound`; clear at nine tenths of it.
fn at_most(figure: u64, bound: u64) -> AlertLevel {
    if figure > bound {
        AlertLevel::Exceeded
    } else if u128::from(figure) * 10 < u128::from(bound) * 9 {
        AlertLevel::Normal
    } else {
        AlertLevel::Warning
    }
}

/// A figure that should be at least `bound`; clear at eleven tenths of it.
fn at_least(figure: u128, bound: u128) -> AlertLevel {
    if figure < bound {
        AlertLevel::Exceeded
    } else if figure * 10 >= bound * 11 {
        AlertLevel::Normal
    } else {
        AlertLevel::Warning
    }
}
