//! Which conditions are present: steps 401–403 of Figure 4, as a pure function over facts.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::check_of;
use super::facts::{EnvelopeFacts, MessageFacts};
use crate::message::DiskReason;
use crate::settings::Settings;
use crate::settings::conditions::{CONDITIONS, ConditionKind, OwnCondition};

/// A condition that a message can meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Of which kind.
    pub kind: ConditionKind,
    /// Its position among those of its kind: the administrator's own, the milters.
    pub position: usize,
    /// The word in reasons, settings and pages.
    name: Cow<'static, str>,
}

impl Condition {
    /// The one at this position of its kind, in these settings.
    #[must_use]
    pub fn at(kind: ConditionKind, position: usize, settings: &Settings) -> Self {
        let name = settings.condition(kind).name_at(position);
        Self {
            kind,
            position,
            name: match name {
                Some(name) => Cow::Owned(name.to_owned()),
                None => Cow::Borrowed(kind.description().name),
            },
        }
    }

    /// Why a message touched disk when this condition sent it down the standard path.
    #[must_use]
    pub fn reason(&self) -> DiskReason {
        DiskReason::Condition(Arc::from(&*self.name))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A condition that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PresentCondition {
    pub(super) condition: Condition,
    /// It sends the message down the standard path.
    pub(super) disables_fast_path: bool,
}

/// The conditions that are present, in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) present: Vec<PresentCondition>,
}

impl Decision {
    /// Step 402: the first condition that disables the fast path, if one does.
    pub(super) fn standard_path(&self) -> Option<&Condition> {
        let mut present = self.present.iter();
        let first = present.find(|present| present.disables_fast_path)?;
        Some(&first.condition)
    }
}

/// The first condition that has to see content before a message is taken; none when all that are on can
/// do without.
#[must_use]
pub fn needs_content(settings: &Settings) -> Option<Condition> {
    let mut kinds = CONDITIONS.iter().map(|condition| condition.kind);
    let kind = kinds.find(|kind| {
        let policy = settings.policy(*kind);
        policy.concerns_any && policy.needs_content
    })?;
    let position = match kind {
        ConditionKind::Own => {
            let mut own = settings.own_conditions.iter();
            own.position(OwnCondition::needs_content).unwrap_or(0)
        }
        _ => 0,
    };
    Some(Condition::at(kind, position, settings))
}

/// Figure 4 for a message whose content is about to come: the condition that sends it down the standard
/// path, now that all of its recipients are known.
#[must_use]
pub fn standard_path_without_content(
    envelope: EnvelopeFacts<'_>,
    settings: &Settings,
) -> Option<Condition> {
    if !settings.conditions().any {
        return None;
    }
    let facts = MessageFacts::before_content(envelope);
    decide(&facts, settings).standard_path().cloned()
}

/// Step 401: which conditions are present.
pub(super) fn decide(facts: &MessageFacts<'_>, settings: &Settings) -> Decision {
    let mut present = Vec::new();
    for description in CONDITIONS {
        let kind = description.kind;
        let policy = settings.policy(kind);
        if !policy.concerns_any {
            continue;
        }
        let concerns = &check_of(kind).concerns;
        let count = settings.condition(kind).count();
        let concerned = (0..count).filter(|at| concerns.holds(facts, settings, *at));
        present.extend(concerned.map(|position| PresentCondition {
            condition: Condition::at(kind, position, settings),
            disables_fast_path: policy.disables_fast_path,
        }));
    }
    Decision { present }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
