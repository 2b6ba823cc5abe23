//! Messages by size: they tell how many another threshold would have kept in memory.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Sizes are counted in powers of two up to 2 GiB, beyond the largest message that is taken.
const CLASSES: usize = 32;

/// A histogram: class `n` holds sizes of more than 2^(n-1) and up to 2^n bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sizes(Vec<u64>);

/// How many messages a threshold holds: at least and at most, since a threshold that is no power of
/// two cuts through a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Held)]
pub struct HeldRange {
    /// Surely so many.
    pub least: u64,
    /// Surely no more.
    pub most: u64,
}

impl Sizes {
    /// Counts a message of so many bytes.
    pub fn record(&mut self, bytes: u64) {
        let class = class(bytes);
        if self.0.len() <= class {
            self.0.resize(class + 1, 0);
        }
        self.0[class] += 1;
    }

    /// Adds what others counted.
    pub fn add(&mut self, others: &Self) {
        if self.0.len() < others.0.len() {
            self.0.resize(others.0.len(), 0);
        }
        for (mine, other) in self.0.iter_mut().zip(&others.0) {
            *mine += other;
        }
    }

    /// All messages.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Messages that do not exceed `threshold_bytes`. One of exactly the threshold stays in memory
    /// (Figure 3A); a threshold of zero holds nothing.
    #[must_use]
    pub fn held_by(&self, threshold_bytes: u64) -> HeldRange {
        let mut held = HeldRange { least: 0, most: 0 };
        if threshold_bytes == 0 {
            return held;
        }
        for (class, count) in self.0.iter().enumerate() {
            let greatest = 1_u64 << class.min(CLASSES - 1);
            let smallest = greatest / 2 + 1;
            if threshold_bytes >= greatest {
                held.least += count;
            }
            if threshold_bytes >= smallest {
                held.most += count;
            }
        }
        held
    }
}

fn class(bytes: u64) -> usize {
    let class = bytes.max(1).next_power_of_two().trailing_zeros() as usize;
    class.min(CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fall_into_powers_of_two() {
        for (bytes, expected) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (32_768, 15),
            (32_769, 16),
            (u64::MAX >> 1, 31),
        ] {
            assert_eq!(class(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn a_threshold_holds_what_does_not_exceed_it() {
        let mut sizes = Sizes::default();
        for bytes in [0, 1, 2_000, 16_384, 16_385, 32_768, 40_000, 65_536, 100_000] {
            sizes.record(bytes);
        }
        assert_eq!(sizes.total(), 9);
        for (threshold, least, most) in [
            (0, 0, 0),
            (1, 2, 2),
            (16_384, 4, 4),
            (32_768, 6, 6),
            (32_769, 6, 8),
            (49_152, 6, 8),
            (65_536, 8, 8),
            (1 << 30, 9, 9),
        ] {
            assert_eq!(
                sizes.held_by(threshold),
                HeldRange { least, most },
                "{threshold}"
            );
        }
    }

    #[test]
    fn their_text_is_a_list_of_counts() {
        let mut sizes = Sizes::default();
        sizes.record(4);
        assert_eq!(
            serde_json::to_string(&sizes).ok().as_deref(),
            Some("[0,0,1]")
        );
        let mut more: Sizes = serde_json::from_str("[1]").expect("counts");
        more.add(&sizes);
        assert_eq!(more.held_by(4), HeldRange { least: 2, most: 2 });
    }
}
