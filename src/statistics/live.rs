//! The live figures in the shape of `GET /api/v1/statistics/live`.

use serde::Serialize;
use utoipa::ToSchema;

use super::latency::Latencies;
use super::tally::{AnsweredTally, ByPath, ByReason, ByStorage};
use super::windows::{Window, Windows};

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Live {
    /// Since the process began.
    pub since_start: Span,
    /// The last minute, hour and day; the latter two also hold what earlier runs counted.
    pub windows: LiveWindows,
    /// What message bodies hold now.
    pub resident: Resident,
    /// The retry queue now.
    pub queue: LiveQueue,
    /// From the end of data to the reply, of the last minute.
    pub acknowledgement_seconds: Percentiles,
}

/// The windows.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Spans)]
pub struct LiveWindows {
    /// The last 60 seconds.
    pub minute: Span,
    /// The last 60 minutes.
    pub hour: Span,
    /// The last 24 hours.
    pub day: Span,
}

/// One span of time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Span {
    /// Messages answered 250 by where they were then.
    pub messages: ByStorage,
    /// Their bytes.
    pub bytes: ByStorage,
    /// Messages in memory ÷ all, 0 to 1; null when there were none.
    pub ratio: Option<f64>,
    /// Messages by why they touched disk.
    pub disk_reasons: ByReason,
    /// Messages by the way they took.
    pub paths: ByPath,
}

impl From<AnsweredTally> for Span {
    fn from(tally: AnsweredTally) -> Self {
        Self {
            ratio: tally.messages.ratio(),
            messages: tally.messages,
            bytes: tally.bytes,
            disk_reasons: tally.disk_reasons,
            paths: tally.paths,
        }
    }
}

/// Bytes of message bodies that are held now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Resident {
    /// In memory.
    pub memory_bytes: u64,
    /// What memory may hold: the setting, or what the machine gives where that is 0.
    pub memory_budget_bytes: u64,
    /// On disk: in spool files and in the queue's database.
    pub disk_bytes: u64,
}

/// The retry queue's size and age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = QueueSize)]
pub struct LiveQueue {
    /// Recipients that wait.
    pub recipients: u64,
    /// Age of the message that has waited longest; 0 when none waits.
    pub oldest_age_seconds: u64,
}

/// Two points of a distribution; null when nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Percentiles {
    /// Half of all were at or below.
    pub p50: Option<f64>,
    /// 99 of 100 were at or below.
    pub p99: Option<f64>,
}

impl Percentiles {
    pub(super) fn of(latencies: &Latencies) -> Self {
        Self {
            p50: latencies.quantile(0.5),
            p99: latencies.quantile(0.99),
        }
    }
}

impl Live {
    /// Reads the windows that end with the second `now`.
    #[must_use]
    pub fn new(windows: &Windows, now: u64, resident: Resident, queue: LiveQueue) -> Self {
        let span = |window| Span::from(windows.tally(now, window));
        let latencies = windows.latencies(now, Window::Minute);
        Self {
            since_start: windows.since_start().tally.clone().into(),
            windows: LiveWindows {
                minute: span(Window::Minute),
                hour: span(Window::Hour),
                day: span(Window::Day),
            },
            resident,
            queue,
            acknowledgement_seconds: Percentiles::of(&latencies),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{DiskReason, Path, Storage};
    use crate::statistics::AnsweredFigures;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn the_shape_is_what_others_script_against() {
        let mut windows = Windows::new(1_000_000);
        let mut record = |second, storage, reasons: &[DiskReason], path| {
            windows.record(
                second,
                &AnsweredFigures {
                    path,
                    storage,
                    reasons,
                    size_bytes: 100,
                    acknowledged_after: Duration::from_micros(8),
                },
            );
        };
        record(1_000_000, Storage::Memory, &[], Path::Fast);
        record(
            1_000_100,
            Storage::Split,
            &[DiskReason::OverThreshold],
            Path::Fast,
        );
        record(
            1_000_130,
            Storage::Disk,
            &[DiskReason::Condition("antispam".into())],
            Path::Standard,
        );
        let resident = Resident {
            memory_bytes: 1,
            memory_budget_bytes: 9,
            disk_bytes: 2,
        };
        let queue = LiveQueue {
            recipients: 3,
            oldest_age_seconds: 4,
        };
        let live = Live::new(&windows, 1_000_130, resident, queue);
        let reasons = json!({
            "over_threshold": 1, "deferred": 0, "ack_deadline": 0, "destination_busy": 0,
            "destination_suspended": 0, "next_hop_paused": 0, "memory_pressure": 0, "conversion": 0, "uncertain": 0,
            "standard_path": 0, "condition:antispam": 1,
        });
        let all = json!({
            "messages": {"memory": 1, "split": 1, "disk": 1},
            "bytes": {"memory": 100, "split": 100, "disk": 100},
            "ratio": 1.0 / 3.0,
            "disk_reasons": reasons,
            "paths": {"fast": 2, "standard": 1, "cut_through": 0},
        });
        let minute = json!({
            "messages": {"memory": 0, "split": 1, "disk": 1},
            "bytes": {"memory": 0, "split": 100, "disk": 100},
            "ratio": 0.0,
            "disk_reasons": reasons,
            "paths": {"fast": 1, "standard": 1, "cut_through": 0},
        });
        assert_eq!(
            serde_json::to_value(live).expect("figures"),
            json!({
                "since_start": all,
                "windows": {"minute": minute, "hour": all, "day": all},
                "resident": {"memory_bytes": 1, "memory_budget_bytes": 9, "disk_bytes": 2},
                "queue": {"recipients": 3, "oldest_age_seconds": 4},
                "acknowledgement_seconds": {"p50": 8e-6, "p99": 8e-6},
            })
        );
    }

    #[test]
    fn what_does_not_exist_is_null() {
        let windows = Windows::new(0);
        let live = Live::new(&windows, 10, Resident::default(), LiveQueue::default());
        let live = serde_json::to_value(live).expect("figures");
        assert_eq!(live["since_start"]["ratio"], json!(null));
        assert_eq!(live["windows"]["day"]["ratio"], json!(null));
        assert_eq!(
            live["acknowledgement_seconds"],
            json!({"p50": null, "p99": null})
        );
    }
}
