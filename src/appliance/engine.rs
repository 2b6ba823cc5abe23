//! The engine: what takes, holds, delivers and counts mail, each part made and given its neighbours.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use tracing::{info, warn};

use super::{capacity, disk};
use crate::accounts::Logins;
use crate::administration::{FirstStart, first_start};
use crate::boot::{BootOptions, DataDirectory};
use crate::conditions::{self, Conditions};
use crate::delivery::Delivery;
use crate::message::{MemoryBudget, MessageIds, Spool};
use crate::openpgp::Keyring;
use crate::own_mark::OwnMark;
use crate::path::{Fingerprints, PathContext, Paths};
use crate::queue::{self, Queue, QueueClock};
use crate::session::{ReceivingCounters, SessionContext};
use crate::settings::{Current, Publisher};
use crate::statistics::trail::TrailWriter;
use crate::statistics::{Statistics, Trail, rollup};
use crate::store::{QueueStore, Store, Writers};
use crate::tls::ServerTls;

/// What sessions, pages and watchers share.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) hostname: Arc<str>,
    own_mark: OwnMark,
    pub(super) settings: Current,
    pub(super) store: Store,
    pub(super) spool: Arc<Spool>,
    pub(super) budget: Arc<MemoryBudget>,
    pub(super) statistics: Arc<Statistics>,
    pub(super) trail: Trail,
    pub(super) ids: Arc<MessageIds>,
    pub(super) delivery: Arc<Delivery>,
    pub(super) conditions: Arc<Conditions>,
    pub(super) queue: Arc<Queue>,
    pub(super) receiving: Arc<ReceivingCounters>,
}

/// What an opened engine hands out: the writers of its databases, and the publishers of settings and keys.
#[derive(Debug)]
pub(super) struct OwnedWriters {
    pub(super) writers: Writers,
    pub(super) trail_writer: TrailWriter,
    pub(super) publisher: Publisher,
    pub(super) keys_publisher: Publisher<Keyring>,
}

impl Engine {
    /// Opens the databases, with what the last run left put right, and reads the settings.
    pub(super) async fn open(
        options: &BootOptions,
        directory: &DataDirectory,
        first_start: &FirstStart,
    ) -> anyhow::Result<(Self, OwnedWriters)> {
        let now = Timestamp::now();
        let (spool, store, writers) = open_store(directory, now).await?;
        let publisher =
            Publisher::new(first_start::settings(&store.administration, first_start).await?);
        let settings = publisher.current();
        let hostname = Arc::clone(&options.hostname);

        let budget = MemoryBudget::new(capacity::budget_bytes(&settings.snapshot()));
        let statistics = restored_statistics(&store, now).await;
        let (trail, trail_writer) = Trail::new(settings.clone(), Arc::clone(&statistics));
        let ids = Arc::new(MessageIds::after(store.greatest_message_id().await?));
        let own_mark = OwnMark::random();
        let delivery = Delivery::new(Arc::clone(&hostname), own_mark.clone(), settings.clone());
        let keys_publisher =
            Publisher::new(Keyring::new(store.administration.openpgp_keys().await?));
        let conditions = Conditions::new(conditions::CheckResources {
            hostname: Arc::clone(&hostname),
            ids: Arc::clone(&ids),
            spool: Arc::clone(&spool),
            budget: Arc::clone(&budget),
            keys: keys_publisher.current(),
            dns: delivery.dns(),
        });
        let queue = Queue::new(queue::QueueServices {
            clock: open_clock(directory, &store.queue).await?,
            store: store.queue.clone(),
            delivery: Arc::clone(&delivery),
            settings: settings.clone(),
            trail: trail.clone(),
            statistics: Arc::clone(&statistics),
            ids: Arc::clone(&ids),
            hostname: Arc::clone(&hostname),
            budget: Arc::clone(&budget),
        });
        let engine = Self {
            hostname,
            own_mark,
            settings,
            store,
            spool,
            budget,
            statistics,
            trail,
            ids,
            delivery,
            conditions: Arc::new(conditions),
            queue,
            receiving: Arc::default(),
        };
        let owned = OwnedWriters {
            writers,
            trail_writer,
            publisher,
            keys_publisher,
        };
        Ok((engine, owned))
    }

    /// What every session is given.
    pub(super) fn session(&self, logins: Arc<Logins>, tls: Arc<ServerTls>) -> SessionContext {
        let health = self.store.clone();
        SessionContext {
            hostname: Arc::clone(&self.hostname),
            own_mark: self.own_mark.clone(),
            settings: self.settings.clone(),
            paths: Arc::new(Paths::new(PathContext {
                conditions: Arc::clone(&self.conditions),
                delivery: Arc::clone(&self.delivery),
                queue: Arc::clone(&self.queue),
                fingerprints: Arc::new(Fingerprints::default()),
                statistics: Arc::clone(&self.statistics),
                trail: self.trail.clone(),
            })),
            ids: Arc::clone(&self.ids),
            spool: Arc::clone(&self.spool),
            budget: Arc::clone(&self.budget),
            counters: Arc::clone(&self.receiving),
            logins,
            tls: Some(tls),
            takes_mail: Box::new(move || health.healthy()),
        }
    }
}

/// The statistics with the figures of earlier runs, where they can be read.
async fn restored_statistics(store: &Store, now: Timestamp) -> Arc<Statistics> {
    let statistics = Arc::new(Statistics::new(now));
    if let Err(error) = rollup::restore(&statistics, store).await {
        let error = format!("{error:#}");
        warn!(
            error,
            "the figures of earlier days cannot be read: they begin anew"
        );
    }
    statistics
}

/// The queue's clock. If the machine's clock was set since the last run, the times in the queue are shifted.
async fn open_clock(directory: &DataDirectory, store: &QueueStore) -> anyhow::Result<QueueClock> {
    let (clock, step) = QueueClock::open(directory.path());
    if let Some(step) = step {
        let shifted = store.shift_times(step, Timestamp::now()).await?;
        warn!(
            seconds = step.as_secs(),
            messages = shifted,
            "the clock was set since the last run: what waits goes on as before"
        );
    }
    Ok(clock)
}

/// The spool and the databases.
async fn open_store(
    directory: &DataDirectory,
    now: Timestamp,
) -> anyhow::Result<(Arc<Spool>, Store, Writers)> {
    let boot = format!("{:x}", now.as_microsecond());
    let spool = Spool::open(directory.path().join("spool"), &boot);
    let spool = spool.context("the spool cannot be opened")?;
    disk::look_first(directory.path(), &spool);
    let (store, writers) = Store::open(directory.path(), &spool, Some(now)).await?;
    match store.queue.spool_names_in_use().await? {
        Some(named) => {
            let swept = spool.sweep(&named)?;
            if swept > 0 {
                info!(files = swept, "spool files without a row are removed");
            }
        }
        None => warn!("a row does not say which file is its own: no spool file is removed"),
    }
    Ok((spool, store, writers))
}
