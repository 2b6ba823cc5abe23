//! Alerts: what needs an administrator, shown on the dashboard and sent to a webhook.
//!
//! [`rule`] judges facts and is pure; [`watch`] gathers the facts every few seconds, publishes the
//! alerts that there are and logs each one's beginning and end; [`webhook`] posts them to a server of the
//! administrator's.
//!
//! Nothing of it is written to disk. After a restart everything is judged anew: an alert that still
//! holds begins again, in the log and for the webhook as well; one that was over
//! before the new start has no end.

mod alert;
mod delivery_gap;
mod figures;
mod kind;
mod notification;
mod observation;
mod outbox;
mod rule;
#[cfg(test)]
mod scripted_server;
mod watch;
pub mod webhook;
mod words;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

use crate::settings::Current;

pub use alert::{Alert, AlertInJson, Topic};
pub use figures::AlertFigures;
pub use kind::{AlertKind, Severity};
pub use notification::AlertEvent;
pub use rule::{
    ActiveAlerts, AlertChange, AlertFacts, AlertState, DiskReserve, EndReason, Judgement,
    QueueFacts, judge,
};
pub use watch::Sources;
use webhook::Webhook;

/// The alerts of one appliance: those that there are, and the webhook that they are posted to.
#[derive(Debug)]
pub struct Alerts {
    settings: Current,
    present: channel::Sender<Arc<ActiveAlerts>>,
    webhook: Webhook,
}

/// The present time, as exact as times are kept.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

impl Alerts {
    /// None so far. `appliance` is our host name, which is sent to the webhook. [`Self::watch`] and
    /// [`Self::tell`] drive it.
    #[must_use]
    pub fn new(appliance: Arc<str>, settings: Current) -> Arc<Self> {
        Arc::new(Self {
            webhook: Webhook::new(appliance, settings.clone()),
            settings,
            present: channel::Sender::new(Arc::default()),
        })
    }

    /// The alerts that there are.
    #[must_use]
    pub fn present(&self) -> Arc<ActiveAlerts> {
        Arc::clone(&self.present.borrow())
    }

    /// The alerts as they change.
    #[must_use]
    pub fn follow(&self) -> channel::Receiver<Arc<ActiveAlerts>> {
        self.present.subscribe()
    }

    /// The webhook: its last result, and the test that an administrator asks for.
    #[must_use]
    pub fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// Posts what begins and ends to the webhook, until `shutdown`. What is pending then is dropped.
    pub async fn tell(self: Arc<Self>, shutdown: CancellationToken) {
        self.webhook.run(shutdown).await;
    }
}
