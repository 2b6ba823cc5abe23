//! The rules: which alerts begin, go on and end, given the facts of a moment. Pure: the caller brings
//! the clock.
//!
//! A figure at its bound must not flap. So an alert that has begun ends when its figure is clear of
//! the bound by a tenth, or has been within the bound for [`limits::ALERT_CALM`]; and what is only
//! serious when it lasts (a suspended next hop, a full budget) begins an alert when it has lasted. A
//! fact that is not available neither begins an alert nor ends one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::alert::{Alert, Topic};
use super::delivery_gap::DeliveryGap;
use super::figures::AlertFigures;
use super::observation::{self, AlertLevel, Measured, Observation};
use crate::boot::DiskSpace;
use crate::limits;
use crate::settings::{OpenTo, SettingsDocument};

/// What there is to know at one moment.
#[derive(Clone, Debug)]
pub struct AlertFacts {
    /// The moment, from a clock that never steps back.
    pub at: Timestamp,
    /// The retry queue; none when it cannot be read.
    pub queue: Option<QueueFacts>,
    /// The names of all next hops whose breaker is open.
    pub suspended: Vec<Arc<str>>,
    /// The data directory's file system; none when it cannot be asked.
    pub disk: Option<DiskSpace>,
    /// What of it new mail may use.
    pub reserve: DiskReserve,
    /// Why the trail is not written; none while it is.
    pub trail_problem: Option<String>,
    /// Where the one of before is that was found damaged at this start.
    pub trail_kept_as: Option<String>,
    /// Bytes that message bodies hold in memory.
    pub memory_used_bytes: u64,
    /// Bytes that mail of strangers may fill.
    pub memory_budget_bytes: u64,
    /// Recipients delivered since start.
    pub delivered: u64,
    /// Messages answered 250 since start.
    pub accepted: u64,
    /// Which settings let every client send through the appliance.
    pub open_to: OpenTo,
}

/// The room on the disk, as it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskReserve {
    /// Bytes that are free.
    pub free_bytes: u64,
    /// Bytes that new mail leaves free.
    pub reserve_bytes: u64,
    /// Whether mail found no room of late.
    pub turned_away: bool,
}

/// The retry queue at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueFacts {
    /// Recipients in it.
    pub recipients: u64,
    /// Those that are to be tried again; not the ones that are held.
    pub waiting: u64,
    /// Age of the oldest message; none when it is empty.
    pub oldest_age: Option<Duration>,
    /// Those whose mail is damaged.
    pub damaged: u64,
}

/// What has to be remembered from one judgement to the next. Begins empty.
#[derive(Clone, Debug, Default)]
pub struct AlertState {
    episodes: BTreeMap<Topic, Episode>,
    /// While there is a rule about it.
    gap: Option<DeliveryGap>,
}

/// One topic, from the moment its figure passed the bound.
#[derive(Clone, Debug)]
struct Episode {
    /// Since when.
    since: Timestamp,
    /// When the figure was beyond the bound last.
    exceeded_at: Timestamp,
    /// It lasted, and there is an alert.
    has_begun: bool,
    figures: AlertFigures,
}

/// The alerts of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActiveAlerts {
    /// All of them, by topic.
    pub alerts: Vec<Alert>,
    /// Suspended next hops beyond [`limits::ALERT_NEXT_HOPS`], which have no alert of their own.
    pub next_hops_left_out: usize,
}

/// An alert that begins or ends.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertChange {
    /// It was not there before.
    Begin(Alert),
    /// It is over.
    End(Alert, EndReason),
}

/// Why an alert is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The figure is within its bound again.
    Calm,
    /// The administrator switched the rule off.
    NotWatched,
}

/// What came of one look.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// For the next one.
    pub state: AlertState,
    /// What begins and ends now.
    pub changes: Vec<AlertChange>,
}

/// Judges the facts of a moment by the rules of the settings, from the state that the judgement before left.
#[must_use]
pub fn judge(facts: &AlertFacts, rules: &SettingsDocument, previous: AlertState) -> Judgement {
    let AlertState { episodes, gap } = previous;
    let bound = rules.alert_no_delivery_seconds.map(Duration::from_secs);
    let gap = bound.map(|bound| match gap {
        Some(gap) => gap.follow(facts, bound),
        None => DeliveryGap::begin(facts),
    });
    let known = episodes.iter().filter_map(|(topic, episode)| {
        let name = topic.next_hop.as_ref()?;
        Some((Arc::clone(name), episode.since))
    });
    let observations = observation::all(facts, rules, gap.as_ref(), known.collect());
    let mut judgement = Judgement {
        state: AlertState {
            episodes: BTreeMap::new(),
            gap,
        },
        changes: Vec::new(),
    };
    let mut episodes = episodes;
    // Those that have an alert keep it before others may begin one.
    let mut room = limits::ALERT_NEXT_HOPS.saturating_sub(breakers_begun(&episodes));
    for Observation { topic, measured } in observations {
        let episode = episodes.remove(&topic);
        let Some(measured) = measured else {
            judgement.keep(topic, episode);
            continue;
        };
        judgement.follow(topic, episode, measured, facts.at, &mut room);
    }
    for (topic, episode) in episodes {
        judgement.end(topic, episode, EndReason::NotWatched);
    }
    judgement
}

impl Judgement {
    fn follow(
        &mut self,
        topic: Topic,
        episode: Option<Episode>,
        measured: Measured,
        at: Timestamp,
        room: &mut usize,
    ) {
        let episode = episode.or_else(|| {
            (measured.level == AlertLevel::Exceeded).then(|| Episode {
                since: measured.since.unwrap_or(at),
                exceeded_at: at,
                has_begun: false,
                figures: measured.figures.clone(),
            })
        });
        let Some(mut episode) = episode else {
            return;
        };
        episode.figures = measured.figures;
        match measured.level {
            AlertLevel::Exceeded => {
                episode.exceeded_at = at;
                let is_next_hop = topic.next_hop.is_some();
                if !episode.has_begun
                    && elapsed(episode.since, at) >= measured.hold
                    && (!is_next_hop || *room > 0)
                {
                    episode.has_begun = true;
                    *room -= usize::from(is_next_hop);
                    let alert = episode.alert(&topic);
                    self.changes.push(AlertChange::Begin(alert));
                }
                self.keep(topic, Some(episode));
            }
            AlertLevel::Warning
                if episode.has_begun && elapsed(episode.exceeded_at, at) < limits::ALERT_CALM =>
            {
                self.keep(topic, Some(episode));
            }
            AlertLevel::Warning | AlertLevel::Normal => self.end(topic, episode, EndReason::Calm),
        }
    }

    fn keep(&mut self, topic: Topic, episode: Option<Episode>) {
        self.state
            .episodes
            .extend(episode.map(|episode| (topic, episode)));
    }

    fn end(&mut self, topic: Topic, episode: Episode, ending: EndReason) {
        if episode.has_begun {
            let alert = episode.alert(&topic);
            self.changes.push(AlertChange::End(alert, ending));
        }
    }
}

impl Episode {
    fn alert(&self, topic: &Topic) -> Alert {
        Alert {
            topic: topic.clone(),
            since: self.since,
            figures: self.figures.clone(),
        }
    }
}

impl AlertState {
    /// The alerts that there are.
    #[must_use]
    pub fn present(&self) -> ActiveAlerts {
        let begun = self
            .episodes
            .iter()
            .filter(|(_, episode)| episode.has_begun);
        let alerts = begun.map(|(topic, episode)| episode.alert(topic)).collect();
        // While there is room, those without an alert only have not lasted long enough.
        let is_full = breakers_begun(&self.episodes) >= limits::ALERT_NEXT_HOPS;
        let without = breakers(&self.episodes).filter(|episode| !episode.has_begun);
        let left_out = if is_full { without.count() } else { 0 };
        ActiveAlerts {
            alerts,
            next_hops_left_out: left_out,
        }
    }
}

fn breakers(episodes: &BTreeMap<Topic, Episode>) -> impl Iterator<Item = &Episode> {
    episodes
        .iter()
        .filter_map(|(topic, episode)| topic.next_hop.is_some().then_some(episode))
}

fn breakers_begun(episodes: &BTreeMap<Topic, Episode>) -> usize {
    breakers(episodes)
        .filter(|episode| episode.has_begun)
        .count()
}

/// From one moment to a later one; nothing when it is not later.
pub(super) fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from)
        .max(SignedDuration::ZERO)
        .unsigned_abs()
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
