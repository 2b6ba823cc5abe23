//! The figures of one short span: what windows consist of, and what the history keeps of a minute.

use serde::{Deserialize, Serialize};

use super::AnsweredFigures;
use super::latency::Latencies;
use super::tally::Tally;

/// Sizes are counted in powers of two up to 2 GiB, beyond the largest message that is taken.
pub const SIZE_CLASSES: usize = 32;

/// Everything that was counted in one second, one minute, or since start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Seconds of the span in which the appliance ran: what makes rates of the counts, and tells a quiet
    /// span from one that nobody watched.
    pub seconds: u64,
    /// Messages and bytes.
    #[serde(flatten)]
    pub tally: Tally,
    /// Acknowledgement latency.
    pub latencies: Latencies,
    /// Messages by size: class `n` holds sizes of more than 2^(n-1) and up to 2^n bytes. They tell
    /// how many messages another threshold would have kept in memory.
    pub sizes: Vec<u64>,
}

impl Figures {
    /// Counts one message.
    pub fn record(&mut self, figures: &AnsweredFigures<'_>) {
        self.tally.record(figures);
        self.latencies.record(figures.acknowledged_after);
        let class = size_class(figures.size_bytes);
        if self.sizes.len() <= class {
            self.sizes.resize(class + 1, 0);
        }
        self.sizes[class] += 1;
    }

    /// Adds what others counted.
    pub fn add(&mut self, others: &Self) {
        self.seconds += others.seconds;
        self.tally.add(&others.tally);
        self.latencies.add(&others.latencies);
        if self.sizes.len() < others.sizes.len() {
            self.sizes.resize(others.sizes.len(), 0);
        }
        for (mine, other) in self.sizes.iter_mut().zip(&others.sizes) {
            *mine += other;
        }
    }
}

fn size_class(bytes: u64) -> usize {
    let class = bytes.max(1).next_power_of_two().trailing_zeros() as usize;
    class.min(SIZE_CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{DiskReason, Path, Storage};
    use std::time::Duration;

    #[test]
    fn sizes_fall_into_powers_of_two() {
        for (bytes, class) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (32_768, 15),
            (32_769, 16),
            (u64::MAX >> 1, 31),
        ] {
            assert_eq!(size_class(bytes), class, "{bytes}");
        }
    }

    #[test]
    fn they_survive_their_text() {
        let mut figures = Figures::default();
        figures.record(&AnsweredFigures {
            path: Path::Standard,
            storage: Storage::Disk,
            reasons: &[DiskReason::Deferred, DiskReason::Condition("milter".into())],
            size_bytes: 70_000,
            acknowledged_after: Duration::from_millis(12),
        });
        let text = serde_json::to_string(&figures).expect("figures");
        assert_eq!(serde_json::from_str::<Figures>(&text).ok(), Some(figures));
    }

    #[test]
    fn what_an_older_text_lacks_is_zero() {
        let text = r#"{"messages": {"memory": 3, "split": 0, "disk": 0}}"#;
        let figures: Figures = serde_json::from_str(text).expect("figures");
        assert_eq!(figures.tally.messages.memory, 3);
        assert_eq!(figures.latencies.count(), 0);
    }
}
