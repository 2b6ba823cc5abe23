//! The watch: gathers the facts, has them judged, publishes the alerts, and says what begins and ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Alerts;
use super::notification::{Notification, sentence};
use super::rule::{AlertChange, AlertFacts, AlertState, DiskReserve, QueueFacts, judge};
use crate::boot::{self, DiskSpace};
use crate::delivery::Delivery;
use crate::limits;
use crate::message::{MemoryBudget, Spool, TrustLevel};
use crate::settings::{OpenTo, Settings};
use crate::statistics::{Statistics, Trail};
use crate::store::{ReadError, Store};

/// Where the facts come from.
#[derive(Debug)]
pub struct Sources {
    /// The retry queue.
    pub store: Store,
    /// The breakers.
    pub delivery: Arc<Delivery>,
    /// What was accepted and delivered.
    pub statistics: Arc<Statistics>,
    /// Bytes of bodies in memory.
    pub budget: Arc<MemoryBudget>,
    /// What of the disk new mail may use.
    pub spool: Arc<Spool>,
    /// Whether it is written.
    pub trail: Trail,
    /// The directory whose file system may fill up.
    pub data_directory: PathBuf,
}

/// A clock that never steps back: the wall clock's time at start, and the monotonic clock from there.
struct SteadyClock {
    begun: Instant,
    begun_at: Timestamp,
}

impl SteadyClock {
    fn start() -> Self {
        Self {
            begun: Instant::now(),
            begun_at: super::now(),
        }
    }

    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.begun_at
            .checked_add(Duration::from_millis(elapsed))
            .unwrap_or(Timestamp::MAX)
    }
}

impl Alerts {
    /// Looks at the facts every [`limits::ALERT_INTERVAL`], and at once when the settings change, until
    /// `shutdown`.
    pub async fn watch(self: Arc<Self>, sources: Sources, shutdown: CancellationToken) {
        let clock = SteadyClock::start();
        let mut disk = DiskGauge {
            directory: sources.data_directory.clone(),
            asking: None,
        };
        let mut settings = self.settings.clone();
        let mut looks = interval(limits::ALERT_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut state = AlertState::default();
        let mut looked_at: Option<(Arc<Settings>, OpenTo)> = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = looks.tick() => {}
                changed = settings.changed() => if changed.is_none() {
                    return;
                },
            }
            let facts = tokio::select! {
                () = shutdown.cancelled() => return,
                facts = sources.facts(&mut disk, clock.now()) => facts,
            };
            let settings = self.settings.snapshot();
            // Once for each change: long lists take a while.
            let known = looked_at.take();
            let known = known.filter(|(known, _)| Arc::ptr_eq(known, &settings));
            let (_, open_to) = looked_at
                .insert(known.unwrap_or_else(|| (Arc::clone(&settings), settings.open_to())));
            let facts = AlertFacts {
                open_to: open_to.clone(),
                ..facts
            };
            let judgement = judge(&facts, settings.document(), state);
            state = judgement.state;
            // Published before the webhook and the log get it, so that a reader of either finds it.
            self.present.send_replace(Arc::new(state.present()));
            for change in &judgement.changes {
                say(&self, change, facts.at);
            }
        }
    }
}

fn say(alerts: &Alerts, change: &AlertChange, at: Timestamp) {
    match change {
        AlertChange::Begin(alert) => {
            let text = sentence(change, alert);
            warn!(alert = alert.kind().as_str(), since = %alert.since, "alert: {text}");
        }
        AlertChange::End(alert, _) => {
            let text = sentence(change, alert);
            info!(alert = alert.kind().as_str(), since = %alert.since, "alert ended: {text}");
        }
    }
    if alerts.settings.snapshot().alert_webhook_url.is_none() {
        return;
    }
    let webhook = alerts.webhook();
    let notification = Notification::of(change, &webhook.appliance, at);
    if webhook.outbox.put(notification) {
        warn!("the webhook is too slow: it will not be told of an alert");
    }
}

impl Sources {
    async fn facts(&self, disk: &mut DiskGauge, at: Timestamp) -> AlertFacts {
        let (queue, disk) = tokio::join!(self.queue(), disk.space());
        AlertFacts {
            at,
            queue,
            suspended: self.delivery.open_breakers(),
            disk,
            reserve: DiskReserve {
                free_bytes: self.spool.room().free_bytes(),
                reserve_bytes: self.spool.room().reserve_bytes(),
                turned_away: self.spool.room().turned_away_lately(),
            },
            trail_problem: self.trail.problem(),
            trail_kept_as: self
                .store
                .trail
                .set_aside()
                .map(|path| path.display().to_string()),
            memory_used_bytes: self.budget.used_bytes(),
            memory_budget_bytes: self.budget.limit_bytes_for(TrustLevel::Stranger),
            delivered: self.statistics.counters.recipients_delivered.value(),
            accepted: self.statistics.since_start().tally.messages.total(),
            open_to: OpenTo::default(),
        }
    }

    async fn queue(&self) -> Option<QueueFacts> {
        let asking = async {
            let size = self.store.queue_view.backlog().await?;
            let waiting = self.store.queue_view.waiting_recipients().await?;
            let damaged = self.store.queue_view.damaged_recipients().await?;
            Ok::<_, ReadError>((size, waiting, damaged))
        };
        let (size, waiting, damaged) =
            timeout(limits::ALERT_FACTS_WAIT, asking).await.ok()?.ok()?;
        let oldest_age = size.oldest_received_at.map(|received_at| {
            let age = Timestamp::now().duration_since(received_at);
            Duration::from_secs(u64::try_from(age.as_secs()).unwrap_or(0))
        });
        Some(QueueFacts {
            recipients: size.recipients,
            waiting,
            oldest_age,
            damaged,
        })
    }
}

/// Asks the file system on a thread that may block, since one over a network may not answer. One
/// thread at a time: a question without an answer is not asked again.
struct DiskGauge {
    directory: PathBuf,
    asking: Option<JoinHandle<Option<DiskSpace>>>,
}

impl DiskGauge {
    async fn space(&mut self) -> Option<DiskSpace> {
        let asking = self.asking.get_or_insert_with(|| {
            let directory = self.directory.clone();
            tokio::task::spawn_blocking(move || boot::disk_space(&directory))
        });
        let answer = timeout(limits::ALERT_FACTS_WAIT, asking).await.ok()?;
        self.asking = None;
        answer.ok()?
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
