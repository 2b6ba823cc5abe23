//! The appliance at work: what runs beside each other, and the order in which it stops.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::engine::Engine;
use super::{Appliance, capacity, disk};
use crate::alerts::{self, Alerts};
use crate::delivery::Delivery;
use crate::limits;
use crate::listener::{self, Acceptor};
use crate::message::MemoryBudget;
use crate::queue::Queue;
use crate::settings::Current;
use crate::statistics::rollup;
use crate::statistics::trail::TrailWriter;
use crate::store::{Store, Writers};
use crate::web;

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// Everything that stops with the first word: accepting, sessions, the queue's runner.
    front: CancellationToken,
    /// Sessions, accept loops and what follows the settings.
    sessions: TaskTracker,
    queue: Arc<Queue>,
    delivery: Arc<Delivery>,
    /// The web server, which may be asked for its health until mail is done.
    web: Stoppable,
    /// The watch over all others, and its voice to the webhook.
    watchers: Vec<Stoppable>,
    /// The trail's writer and the roll-up: they write down what the others did.
    scribes: Vec<Stoppable>,
    store: Store,
    writers: Writers,
}

impl Running {
    /// Begins to take mail and to show pages.
    pub(super) fn begin(appliance: Appliance, reload: Arc<Notify>) -> Self {
        let sessions = TaskTracker::new();
        spawn_followers(&appliance, &sessions, reload);
        let (engine, pages, tls) = (appliance.engine, appliance.pages, appliance.tls);
        let (data_directory, front) = (appliance.data_directory, appliance.front);
        let scribes = scribes(&engine, appliance.trail_writer, data_directory.clone());
        let watchers = watchers(&engine, &pages.alerts, data_directory);
        let places = Arc::new(capacity::places(pages.sessions_max));
        if pages.sessions_max < limits::SESSIONS {
            let sessions = pages.sessions_max;
            info!(
                sessions,
                "fewer at one time than otherwise, for the memory or the descriptors there are"
            );
        }
        let acceptor = Arc::new(Acceptor {
            context: appliance.session,
            places,
            sessions: sessions.clone(),
            shutdown: front.clone(),
        });
        for listener in appliance.listeners {
            sessions.spawn(Arc::clone(&acceptor).run(listener));
        }
        let web = Stoppable::spawn("web", |stop| async move {
            if let Err(error) = web::serve(appliance.door, tls, pages, stop).await {
                warn!(%error, "the web address is not served any more");
            }
        });
        Self {
            front,
            sessions,
            queue: engine.queue,
            delivery: engine.delivery,
            web,
            watchers,
            scribes,
            store: engine.store,
            writers: appliance.writers,
        }
    }

    /// Sessions first, since they still give work to the queue; then the queue's attempts; then what
    /// only watched; the store last.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::SHUTDOWN_GRACE;
        self.front.cancel();
        self.sessions.close();
        // What stops now is no news.
        for watcher in self.watchers {
            watcher.stop(Instant::now() + limits::COURTESY_WAIT).await;
        }
        if timeout_at(deadline, self.sessions.wait()).await.is_err() {
            let sessions = self.sessions.len();
            warn!(sessions, "cut off: their clients keep their messages");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.queue.close(left.min(limits::ATTEMPTS_GRACE)).await;
        // Courtesies: they may not delay what has to be written.
        let _ = timeout(limits::COURTESY_WAIT, self.delivery.close()).await;
        self.web.stop(Instant::now() + limits::COURTESY_WAIT).await;
        for scribe in self.scribes {
            scribe.stop(Instant::now() + limits::COURTESY_WAIT).await;
        }
        anyhow::ensure!(
            self.store.close(self.writers).await,
            "the databases were not closed in time"
        );
        info!("stopped");
        Ok(())
    }
}

/// A task that ends when its token is cancelled.
#[derive(Debug)]
struct Stoppable {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Stoppable {
    fn spawn<F>(name: &'static str, work: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(work(stop.clone()));
        Self { name, stop, task }
    }

    async fn stop(self, deadline: Instant) {
        self.stop.cancel();
        if timeout_at(deadline, self.task).await.is_err() {
            warn!(task = self.name, "did not end in time");
        }
    }
}

/// What follows the settings, the disk and the queue until `front` is cancelled.
fn spawn_followers(appliance: &Appliance, sessions: &TaskTracker, reload: Arc<Notify>) {
    let Appliance { engine, front, .. } = appliance;
    let settings = || engine.settings.clone();
    sessions.spawn(follow_budget(
        Arc::clone(&engine.budget),
        settings(),
        front.clone(),
    ));
    sessions.spawn(listener::follow_certificate(
        Arc::clone(&appliance.tls),
        settings(),
        reload,
        front.clone(),
    ));
    let administration = Arc::clone(appliance.administration());
    sessions.spawn(administration.follow_store(front.clone()));
    sessions.spawn(disk::follow(
        appliance.data_directory.clone(),
        Arc::clone(&engine.spool),
        settings(),
        front.clone(),
    ));
    sessions.spawn(Arc::clone(&engine.queue).run(front.clone()));
}

fn scribes(engine: &Engine, trail_writer: TrailWriter, data_directory: PathBuf) -> Vec<Stoppable> {
    let store = || engine.store.clone();
    vec![
        Stoppable::spawn("trail", |stop| {
            trail_writer.run(engine.store.trail.clone(), data_directory, stop)
        }),
        Stoppable::spawn("roll-up", |stop| {
            rollup::keep(Arc::clone(&engine.statistics), store(), stop)
        }),
    ]
}

fn watchers(engine: &Engine, alerts: &Arc<Alerts>, data_directory: PathBuf) -> Vec<Stoppable> {
    let sources = alerts::Sources {
        store: engine.store.clone(),
        delivery: Arc::clone(&engine.delivery),
        statistics: Arc::clone(&engine.statistics),
        budget: Arc::clone(&engine.budget),
        spool: Arc::clone(&engine.spool),
        trail: engine.trail.clone(),
        data_directory,
    };
    let (watching, telling) = (Arc::clone(alerts), Arc::clone(alerts));
    vec![
        Stoppable::spawn("alerts", |stop| watching.watch(sources, stop)),
        Stoppable::spawn("webhook", |stop| telling.tell(stop)),
    ]
}

async fn follow_budget(
    budget: Arc<MemoryBudget>,
    mut settings: Current,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = settings.changed() => match changed {
                Some(changed) => budget.set_limit(capacity::budget_bytes(&changed)),
                None => return,
            },
        }
    }
}
