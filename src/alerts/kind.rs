//! The kinds of alerts, each with its word, its label and its severity.

use crate::message::words::words;

words! {
    /// What there can be alerts about: the closed set of words in the API, the webhook and the metrics.
    AlertKind {
        /// More recipients are in the queue than the administrator finds right.
        QueueLarge => "queue_large",
        /// The oldest message has waited for too long.
        QueueOld => "queue_old",
        /// Stored mail was found damaged, and cannot be sent.
        QueueDamaged => "queue_damaged",
        /// A next hop has been suspended for too long.
        BreakerOpen => "breaker_open",
        /// The data directory's file system fills up.
        DiskLow => "disk_low",
        /// So little of the disk is left that what would have to be stored is not taken.
        DiskFull => "disk_full",
        /// The trail is not written.
        TrailStopped => "trail_stopped",
        /// The trail was damaged, and begun anew.
        TrailBegunAnew => "trail_begun_anew",
        /// Messages hold nearly all of the memory budget that mail of strangers may fill.
        MemoryLow => "memory_low",
        /// Nothing was delivered although there was something to deliver.
        NoDelivery => "no_delivery",
        /// Every client that reaches the appliance may send through it to anywhere.
        OpenRelay => "open_relay",
    }
}

words! {
    /// How serious an alert is.
    Severity as AlertSeverity {
        /// It can wait until the morning.
        Warning => "warning",
        /// Mail is not taken or not delivered, or soon will not be.
        Critical => "critical",
    }
}

impl AlertKind {
    /// The label on the pages, and how serious it is.
    const fn row(self) -> (&'static str, Severity) {
        use Severity::{Critical, Warning};
        match self {
            Self::QueueLarge => ("Queue is large", Warning),
            Self::QueueOld => ("Mail waits long", Warning),
            Self::QueueDamaged => ("Mail is damaged", Critical),
            Self::BreakerOpen => ("Next hop suspended", Warning),
            Self::DiskLow => ("Disk fills up", Critical),
            Self::DiskFull => ("Disk is full", Critical),
            Self::TrailStopped => ("Trail stopped", Warning),
            Self::TrailBegunAnew => ("Trail begun anew", Warning),
            Self::MemoryLow => ("Memory is full", Critical),
            Self::NoDelivery => ("Nothing delivered", Critical),
            Self::OpenRelay => ("Open relay", Warning),
        }
    }

    /// The label on the pages.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.row().0
    }

    /// How serious it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        self.row().1
    }
}
