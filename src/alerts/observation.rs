//! What each rule sees in the facts of a moment: where its figure stands, and the figures to be told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::alert::{Figures, Topic};
use super::rule::{DiskReserve, Facts, Rules, elapsed};
use super::silence::Silence;
use crate::limits;

/// Where a figure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Beyond the bound.
    Beyond,
    /// Within the bound, but near it.
    Near,
    /// Clear of the bound.
    Clear,
}

/// What one rule sees.
pub(super) struct Reading {
    pub(super) topic: Topic,
    /// None: the fact cannot be had.
    pub(super) seen: Option<Seen>,
}

pub(super) struct Seen {
    pub(super) place: Place,
    pub(super) figures: Figures,
    /// How long it must last before it is an alert.
    pub(super) hold: Duration,
    /// Since when, where the rule knows better than the one who looks now and then.
    pub(super) since: Option<Timestamp>,
}

impl Reading {
    fn of(topic: Topic, place: Place, figures: Figures) -> Self {
        Self::lasting(topic, place, figures, Duration::ZERO)
    }

    fn lasting(topic: Topic, place: Place, figures: Figures, hold: Duration) -> Self {
        let seen = Some(Seen {
            place,
            figures,
            hold,
            since: None,
        });
        Self { topic, seen }
    }

    fn unknown(topic: Topic) -> Self {
        Self { topic, seen: None }
    }
}

/// What all rules see that are switched on. `known` are the next hops that were suspended, and since
/// when.
pub(super) fn all(
    facts: &Facts,
    rules: &Rules,
    silence: Option<&Silence>,
    known: BTreeMap<Arc<str>, Timestamp>,
) -> Vec<Reading> {
    let single = [
        queue_large(facts, rules),
        queue_old(facts, rules),
        Some(queue_damaged(facts)),
        disk_low(facts, rules),
        Some(disk_full(facts)),
        Some(trail_stopped(facts)),
        Some(trail_begun_anew(facts)),
        memory_low(facts, rules),
        no_delivery(facts, rules, silence),
        Some(open_relay(facts)),
    ];
    let breakers = breakers_open(facts, rules, known);
    single.into_iter().flatten().chain(breakers).collect()
}

fn queue_large(facts: &Facts, rules: &Rules) -> Option<Reading> {
    let bound = rules.queue_recipients?;
    let Some(queue) = facts.queue else {
        return Some(Reading::unknown(Topic::QueueLarge));
    };
    let figures = Figures::QueueLarge {
        recipients: queue.recipients,
        bound_recipients: bound,
    };
    let place = at_most(queue.recipients, bound);
    Some(Reading::of(Topic::QueueLarge, place, figures))
}

fn queue_old(facts: &Facts, rules: &Rules) -> Option<Reading> {
    let bound = rules.queue_age?.as_secs();
    let Some(queue) = facts.queue else {
        return Some(Reading::unknown(Topic::QueueOld));
    };
    let oldest = queue.oldest_age.map(|age| age.as_secs());
    let figures = Figures::QueueOld {
        oldest_age_seconds: oldest,
        bound_seconds: bound,
    };
    let place = at_most(oldest.unwrap_or(0), bound);
    Some(Reading::of(Topic::QueueOld, place, figures))
}

/// Whatever the administrator set: acknowledged mail is lost unless somebody sees to it.
fn queue_damaged(facts: &Facts) -> Reading {
    let Some(queue) = facts.queue else {
        return Reading::unknown(Topic::QueueDamaged);
    };
    let place = match queue.damaged {
        0 => Place::Clear,
        _ => Place::Beyond,
    };
    let figures = Figures::QueueDamaged {
        damaged_recipients: queue.damaged,
    };
    Reading::of(Topic::QueueDamaged, place, figures)
}

/// Every next hop that is suspended, and those that were, with the time since when: a breaker that
/// closes for a moment and opens again is the same trouble.
fn breakers_open(
    facts: &Facts,
    rules: &Rules,
    known: BTreeMap<Arc<str>, Timestamp>,
) -> Vec<Reading> {
    let Some(bound) = rules.breaker else {
        return Vec::new();
    };
    let mut readings: BTreeMap<&Arc<str>, _> = BTreeMap::new();
    for name in known.keys() {
        readings.insert(name, (Place::Near, None));
    }
    for name in &facts.suspended {
        let since = known.get(name).copied().unwrap_or(facts.at);
        let seconds = elapsed(since, facts.at).as_secs();
        readings.insert(name, (Place::Beyond, Some(seconds)));
    }
    let reading = |(name, (place, suspended_seconds)): (&Arc<str>, _)| {
        let figures = Figures::BreakerOpen {
            next_hop: Arc::clone(name),
            suspended_seconds,
            bound_seconds: bound.as_secs(),
        };
        Reading::lasting(Topic::BreakerOpen(Arc::clone(name)), place, figures, bound)
    };
    readings.into_iter().map(reading).collect()
}

fn disk_low(facts: &Facts, rules: &Rules) -> Option<Reading> {
    let (size, percent) = (rules.disk_bytes, rules.disk_percent);
    if size.is_none() && percent.is_none() {
        return None;
    }
    let Some(disk) = facts.disk else {
        return Some(Reading::unknown(Topic::DiskLow));
    };
    let figures = Figures::DiskLow {
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
    let place = match (by_size, by_percent) {
        (Some(Place::Beyond), _) | (_, Some(Place::Beyond)) => Place::Beyond,
        (Some(Place::Near), _) | (_, Some(Place::Near)) => Place::Near,
        _ => Place::Clear,
    };
    Some(Reading::of(Topic::DiskLow, place, figures))
}

/// Whatever the administrator set: mail is turned away.
fn disk_full(facts: &Facts) -> Reading {
    let DiskReserve {
        free_bytes,
        reserve_bytes,
        turned_away,
    } = facts.reserve;
    let figures = Figures::DiskFull {
        free_bytes,
        reserve_bytes,
    };
    let place = match turned_away {
        true => Place::Beyond,
        false => at_least(free_bytes.into(), reserve_bytes.into()),
    };
    Reading::of(Topic::DiskFull, place, figures)
}

fn trail_stopped(facts: &Facts) -> Reading {
    let place = match facts.trail_problem {
        Some(_) => Place::Beyond,
        None => Place::Clear,
    };
    let figures = Figures::TrailStopped {
        problem: facts.trail_problem.clone(),
    };
    Reading::of(Topic::TrailStopped, place, figures)
}

fn trail_begun_anew(facts: &Facts) -> Reading {
    let place = match facts.trail_kept_as {
        Some(_) => Place::Beyond,
        None => Place::Clear,
    };
    let figures = Figures::TrailBegunAnew {
        kept_as: facts.trail_kept_as.clone(),
    };
    Reading::of(Topic::TrailBegunAnew, place, figures)
}

/// What bodies hold jumps within a second, so that only calm ends this one.
fn memory_low(facts: &Facts, rules: &Rules) -> Option<Reading> {
    let bound = rules.memory_percent?;
    let used = u128::from(facts.memory_used_bytes) * 100;
    let place = if used > u128::from(facts.memory_budget_bytes) * u128::from(bound) {
        Place::Beyond
    } else {
        Place::Near
    };
    let figures = Figures::MemoryLow {
        used_bytes: facts.memory_used_bytes,
        budget_bytes: facts.memory_budget_bytes,
        bound_percent: bound,
    };
    let hold = limits::ALERT_MEMORY_HOLD;
    Some(Reading::lasting(Topic::MemoryLow, place, figures, hold))
}

fn no_delivery(facts: &Facts, rules: &Rules, silence: Option<&Silence>) -> Option<Reading> {
    let bound = rules.no_delivery?;
    let silence = silence?;
    let since = if rules.no_delivery_when_idle {
        Some(silence.delivered_at)
    } else {
        silence.owed_since
    };
    let place = match since {
        Some(since) if elapsed(since, facts.at) >= bound => Place::Beyond,
        // Nobody is served, but it is not so bad yet; or there is nobody to be served.
        _ if silence.delivered_at < facts.at => Place::Near,
        _ => Place::Clear,
    };
    let figures = Figures::NoDelivery {
        silent_seconds: elapsed(silence.delivered_at, facts.at).as_secs(),
        waiting_recipients: facts.queue.map_or(0, |queue| queue.waiting),
        bound_seconds: bound.as_secs(),
    };
    let mut reading = Reading::of(Topic::NoDelivery, place, figures);
    if let Some(seen) = &mut reading.seen {
        seen.since = since;
    }
    Some(reading)
}

/// What the settings say: it has no bound, and is over as soon as they say otherwise.
fn open_relay(facts: &Facts) -> Reading {
    let place = if facts.open_to.is_empty() {
        Place::Clear
    } else {
        Place::Beyond
    };
    let figures = Figures::OpenRelay {
        networks: facts.open_to.networks.clone(),
        domains: facts.open_to.domains.clone(),
        proxies: facts.open_to.proxies.clone(),
    };
    Reading::of(Topic::OpenRelay, place, figures)
}

/// A figure that should be at most `bound`; clear at nine tenths of it.
fn at_most(figure: u64, bound: u64) -> Place {
    if figure > bound {
        Place::Beyond
    } else if u128::from(figure) * 10 < u128::from(bound) * 9 {
        Place::Clear
    } else {
        Place::Near
    }
}

/// A figure that should be at least `bound`; clear at eleven tenths of it.
fn at_least(figure: u128, bound: u128) -> Place {
    if figure < bound {
        Place::Beyond
    } else if figure * 10 >= bound * 11 {
        Place::Clear
    } else {
        Place::Near
    }
}
