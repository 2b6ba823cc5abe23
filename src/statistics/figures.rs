//! The figures of one short span: what windows consist of, and what the history keeps of a minute.

use serde::{Deserialize, Serialize};

use super::AnsweredFigures;
use super::latency::Latencies;
use super::sizes::Sizes;
use super::tally::AnsweredTally;

/// Everything that was counted in one second, one minute, or since start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Seconds of the span in which the appliance ran: what makes rates of the counts, and tells a quiet
    /// span from one in which it did not run.
    pub seconds: u64,
    /// Messages and bytes.
    #[serde(flatten)]
    pub tally: AnsweredTally,
    /// Acknowledgement latency.
    pub latencies: Latencies,
    /// Messages by size.
    pub sizes: Sizes,
}

impl Figures {
    /// Counts one message.
    pub fn record(&mut self, figures: &AnsweredFigures<'_>) {
        self.tally.record(figures);
        self.latencies.record(figures.acknowledged_after);
        self.sizes.record(figures.size_bytes);
    }

    /// Adds what others counted.
    pub fn add(&mut self, others: &Self) {
        self.seconds += others.seconds;
        self.tally.add(&others.tally);
        self.latencies.add(&others.latencies);
        self.sizes.add(&others.sizes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{DiskReason, Path, Storage};
    use std::time::Duration;

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
