//! The appliance: everything wired together.
//!
//! It has two stages. [`Appliance::open`] puts everything in its place: clients that connect now wait, and
//! settings can still be changed before the first message. [`Appliance::run`] takes mail.

mod capacity;
mod disk;
mod engine;
mod running;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::engine::Engine;
use self::running::Running;
use crate::accounts::{LoginDirectory, Logins, Passwords};
use crate::administration::{
    Accounts, Administration, FirstStart, OpenPgpKeys, OwnAddresses, SmtpLogins,
};
use crate::alerts::Alerts;
use crate::boot::{Addresses, BootOptions, DataDirectory};
use crate::listener::Listener;
use crate::session::SessionContext;
use crate::settings::Publisher;
use crate::statistics::Statistics;
use crate::statistics::trail::TrailWriter;
use crate::store::{AdministrationStore, Store, Writers};
use crate::tls::ServerTls;
use crate::web;

/// An appliance with its addresses bound and its databases open.
#[derive(Debug)]
pub struct Appliance {
    engine: Engine,
    listeners: Vec<Listener>,
    door: web::WebListener,
    session: Arc<SessionContext>,
    /// The certificate for STARTTLS.
    tls: Arc<ServerTls>,
    pages: Arc<web::Context>,
    trail_writer: TrailWriter,
    data_directory: PathBuf,
    /// Cancelled when it begins to stop.
    front: CancellationToken,
    writers: Writers,
}

impl Appliance {
    /// Binds every address and opens the databases. Nothing is accepted yet.
    ///
    /// # Errors
    /// When an address cannot be bound or a database cannot be opened.
    pub async fn open(
        options: &BootOptions,
        directory: &DataDirectory,
        first_start: &FirstStart,
    ) -> anyhow::Result<Self> {
        let (listeners, door, addresses) = bind(options).await?;
        let (engine, owned) = Engine::open(options, directory, first_start).await?;
        let tls = ServerTls::open(directory.path(), &options.hostname)
            .context("the certificate for STARTTLS cannot be had")?;
        let (smtp_logins, logins) = open_logins(&engine.store.administration).await?;
        let session = Arc::new(engine.session(logins, Arc::clone(&tls)));

        let front = CancellationToken::new();
        let one_time = first_start.admin_password.as_ref();
        let accounts = Accounts::open(
            engine.store.administration.clone(),
            Passwords::new(),
            one_time,
        )
        .await?;
        let figures = Arc::clone(&engine.delivery);
        let ourselves = OwnAddresses::at(&addresses, Some(Arc::clone(&engine.hostname)));
        let pages = Arc::new(web::Context {
            hostname: Arc::clone(&engine.hostname),
            statistics: Arc::clone(&engine.statistics),
            receiving: Arc::clone(&engine.receiving),
            sessions_max: capacity::sessions(),
            store: engine.store.clone(),
            trail: engine.trail.clone(),
            administration: Administration::new(
                engine.store.administration.clone(),
                owned.publisher,
                ourselves,
            ),
            smtp_logins,
            openpgp_keys: OpenPgpKeys::new(
                engine.store.administration.clone(),
                owned.keys_publisher,
            ),
            queue: Arc::clone(&engine.queue),
            alerts: Alerts::new(Arc::clone(&engine.hostname), engine.settings.clone()),
            budget: Arc::clone(&engine.budget),
            spool: Arc::clone(&engine.spool),
            delivery: Arc::clone(&engine.delivery),
            conditions: Arc::clone(&engine.conditions),
            is_exposed: !addresses.web.ip().is_loopback(),
            addresses,
            search_permits: web::SearchPermits::default(),
            live_feed: Arc::default(),
            next_hops: Box::new(move || figures.next_hops()),
            readiness: Box::new(readiness(engine.store.clone(), front.clone())),
            accounts,
        });
        Ok(Self {
            engine,
            listeners,
            door,
            session,
            tls,
            pages,
            trail_writer: owned.trail_writer,
            data_directory: directory.path().to_owned(),
            front,
            writers: owned.writers,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.pages.addresses
    }

    /// Changes of its settings.
    #[must_use]
    pub fn administration(&self) -> &Arc<Administration> {
        &self.pages.administration
    }

    /// Its accounts.
    #[must_use]
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.pages.accounts
    }

    /// What it has counted.
    #[must_use]
    pub fn statistics(&self) -> &Arc<Statistics> {
        &self.engine.statistics
    }

    /// Takes mail and shows pages until `shutdown`, then finishes or stores what is under way and
    /// closes the databases. On each notification of `reload` the certificate is read again.
    ///
    /// # Errors
    /// When something could not be closed in order.
    pub async fn run(self, shutdown: CancellationToken, reload: Arc<Notify>) -> anyhow::Result<()> {
        let running = Running::begin(self, reload);
        shutdown.cancelled().await;
        running.stop().await
    }
}

async fn bind(
    options: &BootOptions,
) -> anyhow::Result<(Vec<Listener>, web::WebListener, Addresses)> {
    let listeners = options
        .smtp_listen
        .iter()
        .map(|&address| {
            Listener::bind(address).with_context(|| format!("cannot listen for mail on {address}"))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let web = web::WebListener::bind(options.web_listen)
        .await
        .with_context(|| format!("cannot listen for the web on {}", options.web_listen))?;
    let addresses = Addresses {
        smtp: listeners.iter().map(Listener::local_address).collect(),
        web: web.local_address(),
    };
    Ok((listeners, web, addresses))
}

/// The SMTP logins: where they are changed, and where clients' are checked. They have their own places
/// for passwords, so that clients who guess keep nobody from the web.
async fn open_logins(
    store: &AdministrationStore,
) -> anyhow::Result<(Arc<SmtpLogins>, Arc<Logins>)> {
    let stored = store.smtp_logins().await?;
    let publisher = Publisher::new(LoginDirectory::new(stored));
    let passwords = Passwords::new();
    let logins = Logins::new(Arc::clone(&passwords), publisher.current());
    Ok((SmtpLogins::new(store.clone(), passwords, publisher), logins))
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

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
    use tokio::net::TcpStream;

    use super::*;
    use crate::administration::Actor;

    #[tokio::test]
    async fn who_comes_early_finds_the_settings_made_before_it_runs() {
        let directory = tempfile::tempdir().expect("a directory");
        let any_port = "127.0.0.1:0".parse().expect("an address");
        let options = BootOptions {
            data_directory: directory.path().to_owned(),
            smtp_listen: vec![any_port],
            web_listen: any_port,
            hostname: "relay.example.net".into(),
        };
        let locked = DataDirectory::open(directory.path()).expect("nobody else is there");
        let appliance = Appliance::open(&options, &locked, &FirstStart::default())
            .await
            .expect("it opens");

        let early = TcpStream::connect(appliance.addresses().smtp[0]).await;
        let mut early = BufStream::new(early.expect("the system lets it wait"));
        let change = Map::from_iter([("message_size_max_bytes".to_owned(), json!(1_000_000))]);
        let changed = appliance
            .administration()
            .change(change, Actor::command("test"));
        changed.await.expect("it holds");

        let shutdown = CancellationToken::new();
        let running = tokio::spawn(appliance.run(shutdown.clone(), Arc::default()));
        early.write_all(b"EHLO early\r\n").await.expect("written");
        early.flush().await.expect("sent");
        let mut conversation = String::new();
        while !conversation.contains("\n250 ") {
            early.read_line(&mut conversation).await.expect("a line");
        }
        assert!(conversation.contains("SIZE 1000000\r\n"), "{conversation}");
        shutdown.cancel();
        let stopped = running.await.expect("no panic");
        stopped.expect("it closed in order");
    }
}
