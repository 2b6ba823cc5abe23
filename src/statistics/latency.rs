//! Latencies in buckets of logarithmic width: small, quick to fill, exact to about six percent.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Each doubling is cut into this many buckets.
const BUCKETS_PER_DOUBLING: u64 = 8;
const DOUBLING_BITS: u32 = BUCKETS_PER_DOUBLING.trailing_zeros();
/// Enough for two hours in microseconds, far beyond any deadline.
const BUCKETS: usize = 256;

/// How often each latency was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    buckets: Box<[u32; BUCKETS]>,
    count: u64,
    sum_microseconds: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
            count: 0,
            sum_microseconds: 0,
        }
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = &mut self.buckets[bucket_of(microseconds)];
        *bucket = bucket.saturating_add(1);
        self.count += 1;
        self.sum_microseconds = self.sum_microseconds.saturating_add(microseconds);
    }

    /// Adds what others counted.
    pub fn add(&mut self, others: &Self) {
        if others.count == 0 {
            return;
        }
        for (mine, other) in self.buckets.iter_mut().zip(others.buckets.iter()) {
            *mine = mine.saturating_add(*other);
        }
        self.count += others.count;
        self.sum_microseconds = self
            .sum_microseconds
            .saturating_add(others.sum_microseconds);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together, in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_microseconds as f64 / 1e6
    }

    /// The latency in seconds below which the `share` (0 to 1) of all lies; none when none was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank {
                return Some(middle_of(bucket) / 1e6);
            }
        }
        None
    }

    /// How many lie in buckets that end at or below `bound`: for exported histograms.
    #[must_use]
    pub fn count_up_to(&self, bound: Duration) -> u64 {
        let end = bucket_of(u64::try_from(bound.as_micros()).unwrap_or(u64::MAX));
        self.buckets[..end]
            .iter()
            .map(|&count| u64::from(count))
            .sum()
    }
}

fn bucket_of(microseconds: u64) -> usize {
    if microseconds < BUCKETS_PER_DOUBLING {
        return microseconds as usize;
    }
    let shift = microseconds.ilog2() - DOUBLING_BITS;
    let within = (microseconds >> shift) & (BUCKETS_PER_DOUBLING - 1);
    let bucket = u64::from(shift + 1) * BUCKETS_PER_DOUBLING + within;
    (bucket as usize).min(BUCKETS - 1)
}

fn middle_of(bucket: usize) -> f64 {
    let bucket = bucket as u64;
    if bucket < 2 * BUCKETS_PER_DOUBLING {
        return bucket as f64;
    }
    let shift = bucket / BUCKETS_PER_DOUBLING - 1;
    let first = (BUCKETS_PER_DOUBLING + bucket % BUCKETS_PER_DOUBLING) << shift;
    let width = 1u64 << shift;
    first as f64 + (width - 1) as f64 / 2.0
}

/// Only the buckets that hold something, as pairs of bucket and count, behind the sum.
impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let filled: Vec<(usize, u32)> = self
            .buckets
            .iter()
            .copied()
            .enumerate()
            .filter(|&(_, count)| count > 0)
            .collect();
        (self.sum_microseconds, filled).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (sum_microseconds, filled) = <(u64, Vec<(usize, u32)>)>::deserialize(deserializer)?;
        let mut latencies = Self {
            sum_microseconds,
            ..Self::default()
        };
        for (bucket, count) in filled {
            if let Some(slot) = latencies.buckets.get_mut(bucket) {
                *slot = count;
                latencies.count += u64::from(count);
            }
        }
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_rise_without_gaps() {
        let mut last = 0;
        for microseconds in 0..100_000 {
            let bucket = bucket_of(microseconds);
            assert!(bucket == last || bucket == last + 1, "{microseconds}");
            last = bucket;
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_middle_of_a_bucket_is_close_to_what_was_recorded() {
        for microseconds in [1, 15, 16, 17, 999, 10_000, 123_456, 10_000_000, 600_000_000] {
            let middle = middle_of(bucket_of(microseconds));
            let off = (middle - microseconds as f64).abs() / microseconds as f64;
            assert!(off < 0.07, "{microseconds}: {middle}");
        }
    }

    #[test]
    fn quantiles() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        for _ in 0..98 {
            latencies.record(Duration::from_micros(4));
        }
        latencies.record(Duration::from_micros(7));
        latencies.record(Duration::from_micros(12));
        for (share, expected) in [(0.5, 4e-6), (0.98, 4e-6), (0.99, 7e-6), (1.0, 12e-6)] {
            assert_eq!(latencies.quantile(share), Some(expected), "{share}");
        }
        assert_eq!(latencies.count_up_to(Duration::from_micros(8)), 99);
    }

    #[test]
    fn they_survive_their_text() {
        let mut latencies = Latencies::default();
        for microseconds in [3, 3, 5_000, 12_000_000] {
            latencies.record(Duration::from_micros(microseconds));
        }
        let text = serde_json::to_string(&latencies).expect("numbers");
        assert_eq!(
            serde_json::from_str::<Latencies>(&text).ok(),
            Some(latencies)
        );
    }
}
