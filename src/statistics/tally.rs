//! A tally: messages and bytes by storage, paths, and reasons for disk.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::AnsweredFigures;
use crate::limits;
use crate::message::{DiskReason, Path, Storage};

/// A count for each storage, in the order of [`Storage::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ByStorage {
    /// Nothing on disk.
    pub memory: u64,
    /// Head in memory, tail on disk.
    pub split: u64,
    /// All on disk.
    pub disk: u64,
}

impl ByStorage {
    fn of(&mut self, storage: Storage) -> &mut u64 {
        match storage {
            Storage::Memory => &mut self.memory,
            Storage::Split => &mut self.split,
            Storage::Disk => &mut self.disk,
        }
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.memory + self.split + self.disk
    }

    /// The share that stayed in memory, 0 to 1; none when there was nothing.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.memory as f64 / total as f64)
    }

    pub(super) fn add(&mut self, others: &Self) {
        self.memory += others.memory;
        self.split += others.split;
        self.disk += others.disk;
    }
}

/// A count for each path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ByPath {
    /// Delivered, then answered.
    pub fast: u64,
    /// Stored, then answered.
    pub standard: u64,
    /// Streamed through.
    pub cut_through: u64,
}

impl ByPath {
    fn of(&mut self, path: Path) -> &mut u64 {
        match path {
            Path::Fast => &mut self.fast,
            Path::Standard => &mut self.standard,
            Path::CutThrough => &mut self.cut_through,
        }
    }

    pub(super) fn add(&mut self, others: &Self) {
        self.fast += others.fast;
        self.standard += others.standard;
        self.cut_through += others.cut_through;
    }
}

/// A count for each reason. Conditions are counted by name; their number is bounded, so that no
/// name that an administrator invents can fill the memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByReason {
    plain: [u64; DiskReason::PLAIN.len()],
    conditions: Vec<(Arc<str>, u64)>,
}

impl ByReason {
    /// Counts `times` messages that touched disk for `reason`.
    pub fn count(&mut self, reason: &DiskReason, times: u64) {
        let DiskReason::Condition(name) = reason else {
            if let Some(place) = DiskReason::PLAIN.iter().position(|plain| plain == reason) {
                self.plain[place] += times;
            }
            return;
        };
        let known = self.conditions.iter().position(|(known, _)| known == name);
        match known {
            Some(place) => self.conditions[place].1 += times,
            None if self.conditions.len() < limits::CONDITIONS_COUNTED => {
                self.conditions.push((Arc::clone(name), times));
            }
            None => {}
        }
    }

    /// How many touched disk for `reason`.
    #[must_use]
    pub fn of(&self, reason: &DiskReason) -> u64 {
        let mut all = self.iter();
        all.find(|(known, _)| known == reason)
            .map_or(0, |(_, count)| count)
    }

    /// Every reason with its count: the plain ones always, conditions once they were seen.
    pub fn iter(&self) -> impl Iterator<Item = (DiskReason, u64)> {
        let plain = DiskReason::PLAIN.iter().cloned().zip(self.plain);
        let conditions = self
            .conditions
            .iter()
            .map(|(name, count)| (DiskReason::Condition(Arc::clone(name)), *count));
        plain.chain(conditions)
    }

    pub(super) fn add(&mut self, others: &Self) {
        for (mine, other) in self.plain.iter_mut().zip(&others.plain) {
            *mine += other;
        }
        for (name, count) in &others.conditions {
            self.count(&DiskReason::Condition(Arc::clone(name)), *count);
        }
    }
}

impl Serialize for ByReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (reason, count) in self.iter() {
            map.serialize_entry(&reason.as_word(), &count)?;
        }
        map.end()
    }
}

impl PartialSchema for ByReason {
    fn schema() -> RefOr<Schema> {
        let count = || {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(0))
        };
        let words = DiskReason::PLAIN.iter().map(DiskReason::as_word);
        words
            .fold(ObjectBuilder::new(), |object, word| {
                object.property(word.clone(), count()).required(word)
            })
            .description(Some(
                "A count for each reason; conditions, once seen, as `condition:<name>`",
            ))
            .additional_properties(Some(AdditionalProperties::from(count())))
            .into()
    }
}

impl ToSchema for ByReason {}

impl<'de> Deserialize<'de> for ByReason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = std::collections::BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut by_reason = Self::default();
        for (word, count) in counts {
            if let Some(reason) = DiskReason::from_word(&word) {
                by_reason.count(&reason, count);
            }
        }
        Ok(by_reason)
    }
}

/// What was answered 250 in some span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnsweredTally {
    /// Messages.
    pub messages: ByStorage,
    /// Bytes of content.
    pub bytes: ByStorage,
    /// Messages that touched disk; one may have several reasons.
    pub disk_reasons: ByReason,
    /// Messages.
    pub paths: ByPath,
}

impl AnsweredTally {
    /// Counts one message.
    pub fn record(&mut self, figures: &AnsweredFigures<'_>) {
        *self.messages.of(figures.storage) += 1;
        *self.bytes.of(figures.storage) += figures.size_bytes;
        *self.paths.of(figures.path) += 1;
        for (place, reason) in figures.reasons.iter().enumerate() {
            if !figures.reasons[..place].contains(reason) {
                self.disk_reasons.count(reason, 1);
            }
        }
    }

    /// Adds what others counted.
    pub fn add(&mut self, others: &Self) {
        self.messages.add(&others.messages);
        self.bytes.add(&others.bytes);
        self.disk_reasons.add(&others.disk_reasons);
        self.paths.add(&others.paths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_reason_given_twice_counts_once() {
        let named = DiskReason::Condition(Arc::from("antivirus"));
        let mut tally = AnsweredTally::default();
        tally.record(&AnsweredFigures {
            path: Path::Standard,
            storage: Storage::Disk,
            reasons: &[DiskReason::Deferred, named.clone(), DiskReason::Deferred],
            size_bytes: 10,
            acknowledged_after: Duration::ZERO,
        });
        let counted: Vec<_> = tally
            .disk_reasons
            .iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(counted, [(DiskReason::Deferred, 1), (named, 1)]);
    }

    #[test]
    fn names_of_conditions_are_bounded() {
        let mut by_reason = ByReason::default();
        for number in 0..limits::CONDITIONS_COUNTED + 10 {
            by_reason.count(&DiskReason::Condition(format!("rule {number}").into()), 1);
        }
        assert_eq!(by_reason.conditions.len(), limits::CONDITIONS_COUNTED);
    }

    #[test]
    fn the_ratio_of_nothing_is_none() {
        assert_eq!(ByStorage::default().ratio(), None);
        let three = ByStorage {
            memory: 3,
            split: 1,
            disk: 0,
        };
        assert_eq!(three.ratio(), Some(0.75));
    }
}
