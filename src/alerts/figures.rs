//! What an alert has measured, and the sentence that says it.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::words;

/// What was measured, beside the bound that was set. [`fmt::Display`] says it in a sentence that is as
/// true at an alert's end as at its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AlertFigures {
    /// Of [`AlertKind::QueueLarge`].
    QueueLarge {
        /// Recipients in the queue, those that are held included.
        recipients: u64,
        /// How many may be in it.
        bound_recipients: u64,
    },
    /// Of [`AlertKind::QueueOld`].
    QueueOld {
        /// Age of the message that has waited longest; null when none waits.
        oldest_age_seconds: Option<u64>,
        /// The age that is allowed.
        bound_seconds: u64,
    },
    /// Of [`AlertKind::QueueDamaged`].
    QueueDamaged {
        /// Recipients whose mail is damaged.
        damaged_recipients: u64,
    },
    /// Of [`AlertKind::BreakerOpen`].
    BreakerOpen {
        /// The next hop's name.
        #[schema(value_type = String)]
        next_hop: Arc<str>,
        /// How long it has been suspended; null when it is not any more.
        suspended_seconds: Option<u64>,
        /// How long it may be.
        bound_seconds: u64,
    },
    /// Of [`AlertKind::DiskLow`].
    DiskLow {
        /// Bytes that can still be written.
        free_bytes: u64,
        /// Bytes of the whole file system.
        total_bytes: u64,
        /// How many must be free; null when only the share counts.
        bound_bytes: Option<u64>,
        /// Which share must be free, in percent; null when only the bytes count.
        bound_percent: Option<u64>,
    },
    /// Of [`AlertKind::DiskFull`].
    DiskFull {
        /// Bytes that can still be written.
        free_bytes: u64,
        /// How many new mail leaves free.
        reserve_bytes: u64,
    },
    /// Of [`AlertKind::TrailStopped`].
    TrailStopped {
        /// Why it is not written; null when it is.
        problem: Option<String>,
    },
    /// Of [`AlertKind::TrailBegunAnew`].
    TrailBegunAnew {
        /// Where the damaged one is kept; null when none was found at this start.
        kept_as: Option<String>,
    },
    /// Of [`AlertKind::MemoryLow`].
    MemoryLow {
        /// Bytes that messages hold.
        used_bytes: u64,
        /// Bytes that mail of strangers may fill: the rest of the memory budget is for trusted clients.
        budget_bytes: u64,
        /// Which share of that they may hold for long, in percent.
        bound_percent: u64,
    },
    /// Of [`AlertKind::NoDelivery`].
    NoDelivery {
        /// Time without a delivery.
        silent_seconds: u64,
        /// Recipients that wait to be tried again.
        waiting_recipients: u64,
        /// How long it may be.
        bound_seconds: u64,
    },
    /// Of [`AlertKind::OpenRelay`].
    OpenRelay {
        /// The trusted networks that hold nearly all addresses, the widest of them; none at the alert's end.
        networks: Vec<String>,
        /// Top-level domains that every client may send to, the first of them.
        domains: Vec<String>,
        /// Networks of proxies whose word on their clients is taken and that hold nearly all addresses, the widest of
        /// them.
        proxies: Vec<String>,
    },
}

impl fmt::Display for AlertFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::QueueLarge {
                recipients,
                bound_recipients,
            } => words::queue_large(*recipients, *bound_recipients),
            Self::QueueOld {
                oldest_age_seconds,
                bound_seconds,
            } => words::queue_old(*oldest_age_seconds, *bound_seconds),
            Self::QueueDamaged { damaged_recipients } => words::queue_damaged(*damaged_recipients),
            Self::BreakerOpen {
                next_hop,
                suspended_seconds,
                bound_seconds,
            } => words::breaker_open(next_hop, *suspended_seconds, *bound_seconds),
            Self::DiskLow {
                free_bytes,
                total_bytes,
                bound_bytes,
                bound_percent,
            } => words::disk_low(*free_bytes, *total_bytes, *bound_bytes, *bound_percent),
            Self::DiskFull {
                free_bytes,
                reserve_bytes,
            } => words::disk_full(*free_bytes, *reserve_bytes),
            Self::TrailStopped { problem } => words::trail_stopped(problem.as_deref()),
            Self::TrailBegunAnew { kept_as } => words::trail_begun_anew(kept_as.as_deref()),
            Self::MemoryLow {
                used_bytes,
                budget_bytes,
                bound_percent,
            } => words::memory_low(*used_bytes, *budget_bytes, *bound_percent),
            Self::NoDelivery {
                silent_seconds,
                waiting_recipients,
                bound_seconds,
            } => words::no_delivery(*silent_seconds, *waiting_recipients, *bound_seconds),
            Self::OpenRelay {
                networks,
                domains,
                proxies,
            } => words::open_relay(networks, domains, proxies),
        };
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(figures: &AlertFigures, expected: &str) {
        assert_eq!(figures.to_string(), expected);
    }

    #[test]
    fn sentences_have_their_figures() {
        check(
            &AlertFigures::QueueLarge {
                recipients: 12_034,
                bound_recipients: 10_000,
            },
            "12,034 recipients are in the retry queue; the bound is 10,000.",
        );
        check(
            &AlertFigures::QueueOld {
                oldest_age_seconds: Some(18_720),
                bound_seconds: 14_400,
            },
            "The oldest message in the retry queue has waited 5 h 12 min; the bound is 4 h.",
        );
        check(
            &AlertFigures::QueueOld {
                oldest_age_seconds: None,
                bound_seconds: 14_400,
            },
            "Nobody waits in the retry queue.",
        );
        let figures = AlertFigures::OpenRelay {
            networks: vec!["0.0.0.0/0".to_owned()],
            domains: Vec::new(),
            proxies: Vec::new(),
        };
        let expected = "Everybody who reaches this appliance may send through it to anywhere, because of the \
                        trusted network 0.0.0.0/0.";
        check(&figures, expected);
        check(
            &AlertFigures::QueueDamaged {
                damaged_recipients: 1,
            },
            "What is stored for 1 recipient in the retry queue is damaged or gone and cannot be sent: the \
             disk may be failing. Unless it is repaired and tried again, the senders are told when its time \
             is over.",
        );
        check(
            &AlertFigures::QueueDamaged {
                damaged_recipients: 0,
            },
            "Nothing in the retry queue is damaged.",
        );
        check(
            &AlertFigures::BreakerOpen {
                next_hop: "mx.example.net".into(),
                suspended_seconds: Some(305),
                bound_seconds: 300,
            },
            "The next hop mx.example.net has been suspended for 5 min 5 s, and its mail waits; the bound is 5 min.",
        );
        check(
            &AlertFigures::DiskLow {
                free_bytes: 820 << 20,
                total_bytes: 20 << 30,
                bound_bytes: Some(1 << 30),
                bound_percent: Some(10),
            },
            "820 MiB of 20 GiB (4.0 %) are free where the data directory is; the bound is 1.0 GiB or 10 %.",
        );
        check(
            &AlertFigures::DiskFull {
                free_bytes: 60 << 20,
                reserve_bytes: 64 << 20,
            },
            "60 MiB are free where the data directory is; 64 MiB are kept free, and mail that would have to \
             be stored there is not taken (452). What is delivered at once passes.",
        );
        for (problem, expected) in [
            (None, "What becomes of messages is written down."),
            (
                Some("the disk is full".to_owned()),
                "What becomes of messages is not written down: the disk is full.",
            ),
        ] {
            check(&AlertFigures::TrailStopped { problem }, expected);
        }
        check(
            &AlertFigures::TrailBegunAnew {
                kept_as: Some("/data/history.db.damaged".to_owned()),
            },
            "What became of messages before the last start, and the figures of that time, were damaged: \
             they are kept as /data/history.db.damaged, and were begun anew. The disk may be failing.",
        );
        check(
            &AlertFigures::MemoryLow {
                used_bytes: 950 << 20,
                budget_bytes: 1 << 30,
                bound_percent: 90,
            },
            "Messages hold 950 MiB of 1.0 GiB (92.8 %) of the memory that mail of strangers may fill; the bound is 90 %.",
        );
        check(
            &AlertFigures::NoDelivery {
                silent_seconds: 3_900,
                waiting_recipients: 1,
                bound_seconds: 3_600,
            },
            "Nothing was delivered for 1 h 5 min; the bound is 1 h. 1 recipient waits to be tried again.",
        );
    }
}
