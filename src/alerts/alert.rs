//! An alert: what it is about, how serious it is, and what it says to a person.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{age, bytes, open_to, share};
use crate::settings::quantity::write_count as count;

/// What there can be alerts about: the closed set of words in the API, the webhook and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AlertKind)]
pub enum Kind {
    /// More recipients are in the queue than the administrator finds right.
    QueueLarge,
    /// The oldest message has waited for too long.
    QueueOld,
    /// Mail that is stored was found damaged, and cannot be sent.
    QueueDamaged,
    /// A next hop has been suspended for too long.
    BreakerOpen,
    /// The data directory's file system fills up.
    DiskLow,
    /// So little of the disk is left that what would have to be stored is not taken.
    DiskFull,
    /// The trail is not written.
    TrailStopped,
    /// The trail was damaged, and begun anew.
    TrailBegunAnew,
    /// Messages hold nearly all of the memory budget that mail of strangers may fill.
    MemoryLow,
    /// Nothing was delivered although there was something to deliver.
    NoDelivery,
    /// Everybody who reaches the appliance may send through it to anywhere.
    OpenRelay,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::QueueLarge,
        Self::QueueOld,
        Self::QueueDamaged,
        Self::BreakerOpen,
        Self::DiskLow,
        Self::DiskFull,
        Self::TrailStopped,
        Self::TrailBegunAnew,
        Self::MemoryLow,
        Self::NoDelivery,
        Self::OpenRelay,
    ];

    /// The word in the API, the webhook, the metrics and the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueLarge => "queue_large",
            Self::QueueOld => "queue_old",
            Self::QueueDamaged => "queue_damaged",
            Self::BreakerOpen => "breaker_open",
            Self::DiskLow => "disk_low",
            Self::DiskFull => "disk_full",
            Self::TrailStopped => "trail_stopped",
            Self::TrailBegunAnew => "trail_begun_anew",
            Self::MemoryLow => "memory_low",
            Self::NoDelivery => "no_delivery",
            Self::OpenRelay => "open_relay",
        }
    }

    /// How serious it is. Critical is what stops mail, or is about to; everything else can wait until
    /// the morning.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::QueueDamaged
            | Self::DiskLow
            | Self::DiskFull
            | Self::MemoryLow
            | Self::NoDelivery => Severity::Critical,
            Self::QueueLarge
            | Self::QueueOld
            | Self::BreakerOpen
            | Self::TrailStopped
            | Self::TrailBegunAnew
            | Self::OpenRelay => Severity::Warning,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How serious an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AlertSeverity)]
pub enum Severity {
    /// Somebody should look at it.
    Warning,
    /// Mail is not taken or not delivered, or soon will not be.
    Critical,
}

impl Severity {
    /// The word in the API and on the pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What an alert is about. There is at most one alert on each topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// See [`Kind::QueueLarge`].
    QueueLarge,
    /// See [`Kind::QueueOld`].
    QueueOld,
    /// See [`Kind::QueueDamaged`].
    QueueDamaged,
    /// See [`Kind::BreakerOpen`]; one for each next hop, by name.
    BreakerOpen(Arc<str>),
    /// See [`Kind::DiskLow`].
    DiskLow,
    /// See [`Kind::DiskFull`].
    DiskFull,
    /// See [`Kind::TrailStopped`].
    TrailStopped,
    /// See [`Kind::TrailBegunAnew`].
    TrailBegunAnew,
    /// See [`Kind::MemoryLow`].
    MemoryLow,
    /// See [`Kind::NoDelivery`].
    NoDelivery,
    /// See [`Kind::OpenRelay`].
    OpenRelay,
}

impl Topic {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::QueueLarge => Kind::QueueLarge,
            Self::QueueOld => Kind::QueueOld,
            Self::QueueDamaged => Kind::QueueDamaged,
            Self::BreakerOpen(_) => Kind::BreakerOpen,
            Self::DiskLow => Kind::DiskLow,
            Self::DiskFull => Kind::DiskFull,
            Self::TrailStopped => Kind::TrailStopped,
            Self::TrailBegunAnew => Kind::TrailBegunAnew,
            Self::MemoryLow => Kind::MemoryLow,
            Self::NoDelivery => Kind::NoDelivery,
            Self::OpenRelay => Kind::OpenRelay,
        }
    }
}

/// What was measured, beside the bound that was set. [`fmt::Display`] says it in a sentence that is as
/// true at an alert's end as at its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = AlertFigures)]
pub enum Figures {
    /// Of [`Kind::QueueLarge`].
    QueueLarge {
        /// Recipients in the queue, those that are held included.
        recipients: u64,
        /// How many may be in it.
        bound_recipients: u64,
    },
    /// Of [`Kind::QueueOld`].
    QueueOld {
        /// Age of the message that has waited longest; null when none waits.
        oldest_age_seconds: Option<u64>,
        /// The age that is allowed.
        bound_seconds: u64,
    },
    /// Of [`Kind::QueueDamaged`].
    QueueDamaged {
        /// Recipients whose mail is damaged.
        damaged_recipients: u64,
    },
    /// Of [`Kind::BreakerOpen`].
    BreakerOpen {
        /// The next hop's name.
        #[schema(value_type = String)]
        next_hop: Arc<str>,
        /// How long it has been suspended; null when it is not any more.
        suspended_seconds: Option<u64>,
        /// How long it may be.
        bound_seconds: u64,
    },
    /// Of [`Kind::DiskLow`].
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
    /// Of [`Kind::DiskFull`].
    DiskFull {
        /// Bytes that can still be written.
        free_bytes: u64,
        /// How many new mail leaves free.
        reserve_bytes: u64,
    },
    /// Of [`Kind::TrailStopped`].
    TrailStopped {
        /// Why it is not written; null when it is.
        problem: Option<String>,
    },
    /// Of [`Kind::TrailBegunAnew`].
    TrailBegunAnew {
        /// Where the damaged one is kept; null when none was found at this start.
        kept_as: Option<String>,
    },
    /// Of [`Kind::MemoryLow`].
    MemoryLow {
        /// Bytes that messages hold.
        used_bytes: u64,
        /// Bytes that mail of strangers may fill: the rest of the memory budget is for trusted clients.
        budget_bytes: u64,
        /// Which share of that they may hold for long, in percent.
        bound_percent: u64,
    },
    /// Of [`Kind::NoDelivery`].
    NoDelivery {
        /// Time without a delivery.
        silent_seconds: u64,
        /// Recipients that wait to be tried again.
        waiting_recipients: u64,
        /// How long it may be.
        bound_seconds: u64,
    },
    /// Of [`Kind::OpenRelay`].
    OpenRelay {
        /// The trusted networks that hold nearly everybody, the widest of them; none at the alert's end.
        networks: Vec<String>,
        /// Top-level domains that everybody may send to, the first of them.
        domains: Vec<String>,
        /// Networks of proxies that are believed whom they speak for and hold nearly everybody, the widest of
        /// them.
        proxies: Vec<String>,
    },
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueLarge {
                recipients,
                bound_recipients,
            } => write!(
                f,
                "{} in the retry queue; the bound is {}.",
                being(*recipients),
                count(*bound_recipients)
            ),
            Self::QueueOld {
                oldest_age_seconds,
                bound_seconds,
            } => match oldest_age_seconds {
                Some(oldest) => write!(
                    f,
                    "The oldest message in the retry queue has waited {}; the bound is {}.",
                    age(*oldest),
                    age(*bound_seconds)
                ),
                None => f.write_str("Nobody waits in the retry queue."),
            },
            Self::QueueDamaged { damaged_recipients } => match damaged_recipients {
                0 => f.write_str("Nothing in the retry queue is damaged."),
                damaged => write!(
                    f,
                    "What is stored for {} in the retry queue is damaged or gone and cannot be sent: the \
                     disk may be failing. Unless it is repaired and tried again, the senders are told when \
                     its time is over.",
                    recipients(*damaged)
                ),
            },
            Self::BreakerOpen {
                next_hop,
                suspended_seconds,
                bound_seconds,
            } => match suspended_seconds {
                Some(seconds) => write!(
                    f,
                    "The next hop {next_hop} has been suspended for {}, and its mail waits; the bound is {}.",
                    age(*seconds),
                    age(*bound_seconds)
                ),
                None => write!(f, "The next hop {next_hop} is not suspended any more."),
            },
            Self::DiskLow {
                free_bytes,
                total_bytes,
                bound_bytes,
                bound_percent,
            } => write!(
                f,
                "{} of {} ({}) are free where the data directory is; the bound is {}.",
                bytes(*free_bytes),
                bytes(*total_bytes),
                share(*free_bytes, *total_bytes),
                disk_bound(*bound_bytes, *bound_percent)
            ),
            Self::DiskFull {
                free_bytes,
                reserve_bytes,
            } => write!(
                f,
                "{} are free where the data directory is; {} are kept free, and mail that would have to be \
                 stored there is not taken (452). What is delivered at once passes.",
                bytes(*free_bytes),
                bytes(*reserve_bytes)
            ),
            Self::TrailStopped { problem } => match problem {
                Some(problem) => write!(
                    f,
                    "What becomes of messages is not written down: {problem}."
                ),
                None => f.write_str("What becomes of messages is written down."),
            },
            Self::TrailBegunAnew { kept_as } => match kept_as {
                Some(kept_as) => write!(
                    f,
                    "What became of messages before the last start, and the figures of that time, were \
                     damaged: they are kept as {kept_as}, and were begun anew. The disk may be failing."
                ),
                None => f.write_str("What became of messages was whole at the last start."),
            },
            Self::MemoryLow {
                used_bytes,
                budget_bytes,
                bound_percent,
            } => write!(
                f,
                "Messages hold {} of {} ({}) of the memory that mail of strangers may fill; the bound is {bound_percent} %.",
                bytes(*used_bytes),
                bytes(*budget_bytes),
                share(*used_bytes, *budget_bytes)
            ),
            Self::NoDelivery {
                silent_seconds,
                waiting_recipients,
                bound_seconds,
            } => match silent_seconds {
                0 => f.write_str("Mail is being delivered."),
                _ => write!(
                    f,
                    "Nothing was delivered for {}; the bound is {}. {} to be tried again.",
                    age(*silent_seconds),
                    age(*bound_seconds),
                    waiting(*waiting_recipients)
                ),
            },
            Self::OpenRelay {
                networks,
                domains,
                proxies,
            } => f.write_str(&open_to(networks, domains, proxies)),
        }
    }
}

fn disk_bound(size: Option<u64>, percent: Option<u64>) -> String {
    let size = size.map(bytes);
    let percent = percent.map(|percent| format!("{percent} %"));
    let bounds: Vec<String> = size.into_iter().chain(percent).collect();
    bounds.join(" or ")
}

/// Some of them may be held, and do not wait.
fn being(recipients: u64) -> String {
    match recipients {
        1 => "1 recipient is".to_owned(),
        _ => format!("{} recipients are", count(recipients)),
    }
}

fn recipients(count_of_them: u64) -> String {
    match count_of_them {
        1 => "1 recipient".to_owned(),
        _ => format!("{} recipients", count(count_of_them)),
    }
}

fn waiting(recipients: u64) -> String {
    match recipients {
        1 => "1 recipient waits".to_owned(),
        _ => format!("{} recipients wait", count(recipients)),
    }
}

/// One alert as it is now. In JSON it is an [`AlertInJson`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "AlertInJson")]
pub struct Alert {
    /// What it is about.
    pub topic: Topic,
    /// When what it is about began, which is before the alert where it had to last.
    pub since: Timestamp,
    /// What was measured last.
    pub figures: Figures,
}

impl Alert {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.topic.kind()
    }
}

/// An alert in the API and the webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertInJson {
    /// What it is about.
    alert: Kind,
    /// How serious it is.
    severity: Severity,
    /// When what it is about began, which is before the alert where it had to last.
    since: Timestamp,
    /// What was measured last, in a sentence.
    text: String,
    /// What was measured last, beside the bound that was set.
    figures: Figures,
}

impl From<Alert> for AlertInJson {
    fn from(alert: Alert) -> Self {
        let kind = alert.kind();
        Self {
            alert: kind,
            severity: kind.severity(),
            since: alert.since,
            text: alert.figures.to_string(),
            figures: alert.figures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(figures: &Figures, expected: &str) {
        assert_eq!(figures.to_string(), expected);
    }

    #[test]
    fn sentences_have_their_figures() {
        check(
            &Figures::QueueLarge {
                recipients: 12_034,
                bound_recipients: 10_000,
            },
            "12,034 recipients are in the retry queue; the bound is 10,000.",
        );
        check(
            &Figures::QueueOld {
                oldest_age_seconds: Some(18_720),
                bound_seconds: 14_400,
            },
            "The oldest message in the retry queue has waited 5 h 12 min; the bound is 4 h.",
        );
        check(
            &Figures::QueueOld {
                oldest_age_seconds: None,
                bound_seconds: 14_400,
            },
            "Nobody waits in the retry queue.",
        );
        let figures = Figures::OpenRelay {
            networks: vec!["0.0.0.0/0".to_owned()],
            domains: Vec::new(),
            proxies: Vec::new(),
        };
        let expected = "Everybody who reaches this appliance may send through it to anywhere, because of the \
                        trusted network 0.0.0.0/0.";
        check(&figures, expected);
        check(
            &Figures::QueueDamaged {
                damaged_recipients: 1,
            },
            "What is stored for 1 recipient in the retry queue is damaged or gone and cannot be sent: the \
             disk may be failing. Unless it is repaired and tried again, the senders are told when its time \
             is over.",
        );
        check(
            &Figures::QueueDamaged {
                damaged_recipients: 0,
            },
            "Nothing in the retry queue is damaged.",
        );
        check(
            &Figures::BreakerOpen {
                next_hop: "mx.example.net".into(),
                suspended_seconds: Some(305),
                bound_seconds: 300,
            },
            "The next hop mx.example.net has been suspended for 5 min 5 s, and its mail waits; the bound is 5 min.",
        );
        check(
            &Figures::DiskLow {
                free_bytes: 820 << 20,
                total_bytes: 20 << 30,
                bound_bytes: Some(1 << 30),
                bound_percent: Some(10),
            },
            "820 MiB of 20 GiB (4.0 %) are free where the data directory is; the bound is 1.0 GiB or 10 %.",
        );
        check(
            &Figures::DiskFull {
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
            check(&Figures::TrailStopped { problem }, expected);
        }
        check(
            &Figures::TrailBegunAnew {
                kept_as: Some("/data/history.db.damaged".to_owned()),
            },
            "What became of messages before the last start, and the figures of that time, were damaged: \
             they are kept as /data/history.db.damaged, and were begun anew. The disk may be failing.",
        );
        check(
            &Figures::MemoryLow {
                used_bytes: 950 << 20,
                budget_bytes: 1 << 30,
                bound_percent: 90,
            },
            "Messages hold 950 MiB of 1.0 GiB (92.8 %) of the memory that mail of strangers may fill; the bound is 90 %.",
        );
        check(
            &Figures::NoDelivery {
                silent_seconds: 3_900,
                waiting_recipients: 1,
                bound_seconds: 3_600,
            },
            "Nothing was delivered for 1 h 5 min; the bound is 1 h. 1 recipient waits to be tried again.",
        );
    }

    #[test]
    fn the_shape_is_what_others_script_against() {
        let alert = Alert {
            topic: Topic::QueueLarge,
            since: Timestamp::UNIX_EPOCH,
            figures: Figures::QueueLarge {
                recipients: 3,
                bound_recipients: 2,
            },
        };
        assert_eq!(
            serde_json::to_value(alert).expect("an alert"),
            json!({
                "alert": "queue_large",
                "severity": "warning",
                "since": "1970-01-01T00:00:00Z",
                "text": "3 recipients are in the retry queue; the bound is 2.",
                "figures": {"recipients": 3, "bound_recipients": 2},
            })
        );
    }

    #[test]
    fn the_words_are_one_set() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).ok(), Some(json!(kind.as_str())));
        }
    }
}
