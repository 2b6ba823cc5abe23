//! The appliance: everything wired together, and the order in which it stops.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::accounts::{Logins, Passwords, Roster, RosterPublisher};
use crate::administration::{Accounts, Administration, FirstStart, SmtpLogins, first_start};
use crate::alerts::{self, Alerts};
use crate::boot::{self, Addresses, DataDirectory, Options};
use crate::delivery::Delivery;
use crate::limits;
use crate::listener::{self, Listener, Places};
use crate::message::{MemoryBudget, MessageIds, Spool};
use crate::path::{Fingerprints, Paths};
use crate::queue::{self, Queue};
use crate::session::{ReceivingCounters, SessionContext};
use crate::settings::{Current, Publisher, Settings};
use crate::statistics::trail::TrailWriter;
use crate::statistics::{Statistics, Trail, rollup};
use crate::store::{Store, Writers};
use crate::tls::ServerTls;
use crate::web;

/// A running appliance.
#[derive(Debug)]
pub struct Appliance {
    addresses: Addresses,
    administration: Arc<Administration>,
    accounts: Arc<Accounts>,
    statistics: Arc<Statistics>,
    /// Everything that stops with the first word: accepting, sessions, the queue's runner.
    front: CancellationToken,
    /// The web server, which may be asked for its health until mail is done.
    web: Stoppable,
    /// Sessions, accept loops and what follows the settings.
    sessions: TaskTracker,
    queue: Arc<Queue>,
    delivery: Arc<Delivery>,
    /// The watch over all others, and its voice to the webhook.
    watchers: Vec<Stoppable>,
    /// The trail's writer and the roll-up: they write down what the others did.
    scribes: Vec<Stoppable>,
    store: Store,
    writers: Writers,
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

impl Appliance {
    /// Binds every address, opens the databases and begins to take mail.
    ///
    /// # Errors
    /// When an address cannot be bound or a database cannot be opened.
    pub async fn start(
        options: &Options,
        directory: &DataDirectory,
        first_start: &FirstStart,
    ) -> anyhow::Result<Self> {
        let (listeners, door, addresses) = bind(options).await?;
        let now = Timestamp::now();
        let (spool, store, writers) = open_store(directory, now).await?;
        let settings = first_start::settings(&store, first_start).await?;
        let publisher = Publisher::new(settings);
        let current = publisher.current();
        let front = CancellationToken::new();
        let sessions = TaskTracker::new();

        let budget = MemoryBudget::new(budget_bytes(&current.snapshot()));
        let following = follow_budget(Arc::clone(&budget), current.clone(), front.clone());
        sessions.spawn(following);

        let statistics = Arc::new(Statistics::new(now));
        rollup::restore(&statistics, &store).await?;
        let (trail, trail_writer) = Trail::new(current.clone(), Arc::clone(&statistics));
        let scribes = scribes(trail_writer, &statistics, &store, directory);

        let ids = Arc::new(MessageIds::after(store.greatest_message_id().await?));
        let delivery = Delivery::new(Arc::clone(&options.hostname), current.clone());
        let queue = Queue::new(queue::Tools {
            store: store.clone(),
            delivery: Arc::clone(&delivery),
            settings: current.clone(),
            trail: trail.clone(),
            statistics: Arc::clone(&statistics),
            ids: Arc::clone(&ids),
            hostname: Arc::clone(&options.hostname),
            budget: Arc::clone(&budget),
        });
        sessions.spawn(Arc::clone(&queue).run(front.clone()));

        let (smtp_logins, logins) = open_logins(&store).await?;
        let tls = open_tls(options, directory, &current, &sessions, &front)?;
        let counters = Arc::new(ReceivingCounters::default());
        let health = store.clone();
        let context = Arc::new(SessionContext {
            hostname: Arc::clone(&options.hostname),
            settings: current.clone(),
            paths: Arc::new(Paths {
                delivery: Arc::clone(&delivery),
                queue: Arc::clone(&queue),
                fingerprints: Arc::new(Fingerprints::default()),
                statistics: Arc::clone(&statistics),
                trail,
            }),
            ids,
            spool: Arc::clone(&spool),
            budget: Arc::clone(&budget),
            counters: Arc::clone(&counters),
            logins,
            tls: Some(tls),
            takes_mail: Box::new(move || health.healthy()),
        });
        let places = Arc::new(Places::default());
        for listener in listeners {
            let accepting = listener::run(
                listener,
                Arc::clone(&context),
                Arc::clone(&places),
                sessions.clone(),
                front.clone(),
            );
            sessions.spawn(accepting);
        }

        let alerts = Alerts::new(Arc::clone(&options.hostname), current);
        let watchers = watchers(
            &alerts,
            alerts::Sources {
                store: store.clone(),
                delivery: Arc::clone(&delivery),
                statistics: Arc::clone(&statistics),
                budget: Arc::clone(&budget),
                data_directory: directory.path().to_owned(),
            },
        );
        let administration = Administration::new(store.clone(), publisher);
        sessions.spawn(Arc::clone(&administration).follow_store(front.clone()));
        let one_time = first_start.admin_password.as_ref();
        let accounts = Accounts::open(store.clone(), Passwords::new(), one_time).await?;
        let figures = Arc::clone(&delivery);
        let web = web::Context {
            hostname: Arc::clone(&options.hostname),
            statistics: Arc::clone(&statistics),
            receiving: counters,
            store: store.clone(),
            administration: Arc::clone(&administration),
            smtp_logins,
            queue: Arc::clone(&queue),
            alerts,
            budget,
            spool,
            delivery: Arc::clone(&delivery),
            addresses: addresses.clone(),
            live_feed: Arc::default(),
            next_hops: Box::new(move || figures.next_hops()),
            readiness: Box::new(readiness(store.clone(), front.clone())),
            accounts: Arc::clone(&accounts),
            plain_http_is_exposed: !addresses.web.ip().is_loopback(),
        };
        let web = Stoppable::spawn("web", |stop| async move {
            if let Err(error) = web::serve(door, Arc::new(web), stop).await {
                warn!(%error, "the web address is not served any more");
            }
        });
        Ok(Self {
            addresses,
            administration,
            accounts,
            statistics,
            front,
            web,
            sessions,
            queue,
            delivery,
            watchers,
            scribes,
            store,
            writers,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Changes of its settings.
    #[must_use]
    pub fn administration(&self) -> &Arc<Administration> {
        &self.administration
    }

    /// Who gets in.
    #[must_use]
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// What it has counted.
    #[must_use]
    pub fn statistics(&self) -> &Arc<Statistics> {
        &self.statistics
    }

    /// Runs until `shutdown`, then finishes or stores what is under way and closes the databases.
    ///
    /// # Errors
    /// When something could not be closed in order.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        shutdown.cancelled().await;
        self.stop().await
    }

    /// Sessions first, since they still give work to the queue; then the queue's attempts; then what
    /// only watched; the store last.
    async fn stop(self) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::SHUTDOWN_GRACE;
        self.front.cancel();
        self.sessions.close();
        // What stops now is no news.
        for watcher in self.watchers {
            watcher.stop(Instant::now() + COURTESY).await;
        }
        if timeout_at(deadline, self.sessions.wait()).await.is_err() {
            let sessions = self.sessions.len();
            warn!(sessions, "cut off: their clients keep their messages");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.queue.close(left.min(ATTEMPTS_GRACE)).await;
        // Courtesies: they may not delay what has to be written.
        let _ = timeout(COURTESY, self.delivery.close()).await;
        self.web.stop(Instant::now() + COURTESY).await;
        for scribe in self.scribes {
            scribe.stop(Instant::now() + COURTESY).await;
        }
        anyhow::ensure!(
            self.store.close(self.writers).await,
            "the databases were not closed in time"
        );
        info!("stopped");
        Ok(())
    }
}

/// Attempts of the queue lose nothing when they are cut, so they are not waited for to the last.
const ATTEMPTS_GRACE: Duration = Duration::from_secs(3);
/// For those who only have to say good-bye.
const COURTESY: Duration = Duration::from_secs(1);

async fn bind(options: &Options) -> anyhow::Result<(Vec<Listener>, web::Door, Addresses)> {
    let listeners = options
        .smtp_listen
        .iter()
        .map(|&address| {
            Listener::bind(address).with_context(|| format!("cannot listen for mail on {address}"))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let web = web::Door::bind(options.web_listen)
        .await
        .with_context(|| format!("cannot listen for the web on {}", options.web_listen))?;
    let addresses = Addresses {
        smtp: listeners.iter().map(Listener::local_address).collect(),
        web: web.local_address(),
    };
    Ok((listeners, web, addresses))
}

/// The spool and the databases, with what the last run left put right.
async fn open_store(
    directory: &DataDirectory,
    now: Timestamp,
) -> anyhow::Result<(Arc<Spool>, Store, Writers)> {
    let boot = format!("{:x}", now.as_microsecond());
    let spool = Spool::open(directory.path().join("spool"), &boot);
    let spool = spool.context("the spool cannot be opened")?;
    let (store, writers) = Store::open(directory.path(), &spool, now).await?;
    let swept = spool.sweep(&store.spool_names_in_use().await?)?;
    if swept > 0 {
        info!(files = swept, "spool files without a row are removed");
    }
    Ok((spool, store, writers))
}

fn scribes(
    trail_writer: TrailWriter,
    statistics: &Arc<Statistics>,
    store: &Store,
    directory: &DataDirectory,
) -> Vec<Stoppable> {
    let data_directory = directory.path().to_owned();
    vec![
        Stoppable::spawn("trail", |stop| {
            trail_writer.run(store.clone(), data_directory, stop)
        }),
        Stoppable::spawn("roll-up", |stop| {
            rollup::keep(Arc::clone(statistics), store.clone(), stop)
        }),
    ]
}

/// The SMTP logins: where they are changed, and where clients' are checked. They have their own places
/// for passwords, so that clients who guess keep nobody from the web.
async fn open_logins(store: &Store) -> anyhow::Result<(Arc<SmtpLogins>, Arc<Logins>)> {
    let stored = store.smtp_logins().await?;
    let publisher = RosterPublisher::new(Roster::new(stored));
    let passwords = Passwords::new();
    let logins = Logins::new(Arc::clone(&passwords), publisher.current());
    Ok((SmtpLogins::new(store.clone(), passwords, publisher), logins))
}

fn watchers(alerts: &Arc<Alerts>, sources: alerts::Sources) -> Vec<Stoppable> {
    let (watching, telling) = (Arc::clone(alerts), Arc::clone(alerts));
    vec![
        Stoppable::spawn("alerts", |stop| watching.watch(sources, stop)),
        Stoppable::spawn("webhook", |stop| telling.tell(stop)),
    ]
}

/// The certificate for STARTTLS, which follows the settings from here on.
fn open_tls(
    options: &Options,
    directory: &DataDirectory,
    settings: &Current,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> anyhow::Result<Arc<ServerTls>> {
    let tls = ServerTls::open(directory.path(), &options.hostname)
        .context("the certificate for STARTTLS cannot be had")?;
    let following =
        listener::follow_certificate(Arc::clone(&tls), settings.clone(), shutdown.clone());
    tasks.spawn(following);
    Ok(tls)
}

/// Whether mail is taken, and why not.
fn readiness(
    store: Store,
    stopping: CancellationToken,
) -> impl Fn() -> Result<(), &'static str> + Send + Sync {
    move || {
        if stopping.is_cancelled() {
            Err("the appliance is stopping")
        } else if store.healthy() {
            Ok(())
        } else {
            Err("the database cannot be trusted until a restart")
        }
    }
}

/// The budget that the settings give, or a quarter of what the machine has.
fn budget_bytes(settings: &Settings) -> u64 {
    match settings.memory_budget_bytes {
        0 => boot::memory_bytes() / 4,
        given => given,
    }
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
                Some(changed) => budget.set_limit(budget_bytes(&changed)),
                None => return,
            },
        }
    }
}
