//! The kinds of alerts: one row each.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// What there can be alerts about: the closed set of words in the API, the webhook and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum AlertKind {
    /// More recipients are in the queue than the administrator finds right.
    QueueLarge,
    /// The oldest message has waited for too long.
    QueueOld,
    /// Stored mail was found damaged, and cannot be sent.
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

impl AlertKind {
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

    /// The word, the label and the severity of each.
    const fn row(self) -> (&'static str, &'static str, Severity) {
        use Severity::{Critical, Warning};
        match self {
            Self::QueueLarge => ("queue_large", "Queue is large", Warning),
            Self::QueueOld => ("queue_old", "Mail waits long", Warning),
            Self::QueueDamaged => ("queue_damaged", "Mail is damaged", Critical),
            Self::BreakerOpen => ("breaker_open", "Next hop suspended", Warning),
            Self::DiskLow => ("disk_low", "Disk fills up", Critical),
            Self::DiskFull => ("disk_full", "Disk is full", Critical),
            Self::TrailStopped => ("trail_stopped", "Trail stopped", Warning),
            Self::TrailBegunAnew => ("trail_begun_anew", "Trail begun anew", Warning),
            Self::MemoryLow => ("memory_low", "Memory is full", Critical),
            Self::NoDelivery => ("no_delivery", "Nothing delivered", Critical),
            Self::OpenRelay => ("open_relay", "Open relay", Warning),
        }
    }

    /// The word in the API, the webhook, the metrics and the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The label on the pages.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.row().1
    }

    /// How serious it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        self.row().2
    }
}

impl Serialize for AlertKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How serious an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AlertSeverity)]
pub enum Severity {
    /// It can wait until the morning.
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
