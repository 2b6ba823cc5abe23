//! The administrator's pages and API: shows everything, changes nothing itself.
//!
//! [`routes`] is the whole route table in one list; [`access`] says who may see what. Changes go to
//! [`crate::administration`].

pub mod access;
mod account;
mod accounts;
mod alerts;
mod api;
mod api_tokens;
mod assets;
mod audit;
mod bounded;
mod chart;
mod confirm;
mod connections;
mod cookies;
mod dashboard;
mod error;
mod header_wait;
mod health;
#[cfg(test)]
mod history_scene;
mod live;
mod local_path;
mod login;
mod message;
mod message_search;
mod messages;
mod metrics;
mod origin;
mod own_account;
mod page;
mod plain;
mod problems;
mod query_string;
mod queue;
mod route;
pub mod routes;
mod seats;
mod settings;
mod setup;
mod smtp_logins;
mod story;
#[cfg(test)]
mod testing;
mod turns;
mod wording;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::administration::{Accounts, Administration, OpenPgpKeys, SmtpLogins};
use crate::alerts::Alerts;
use crate::boot::Addresses;
use crate::conditions::Conditions;
use crate::delivery::{Delivery, NextHopFigures};
use crate::message::{MemoryBudget, Spool};
use crate::queue::Queue;
use crate::session::ReceivingCounters;
use crate::statistics::{Live, LiveQueue, Resident, Statistics, Trail};
use crate::store::{ReadError, Store};
use crate::tls::ServerTls;

pub use connections::Door;
pub use live::LiveFeed;
pub use turns::Turns;

/// What the pages and the API work with.
pub struct Context {
    /// Our name in mail, shown on every page.
    pub hostname: Arc<str>,
    /// What was counted.
    pub statistics: Arc<Statistics>,
    /// What sessions counted.
    pub receiving: Arc<ReceivingCounters>,
    /// Sessions that there may be at one time.
    pub sessions_max: usize,
    /// Queue and trail.
    pub store: Store,
    /// What of the trail is not written yet.
    pub trail: Trail,
    /// Changes of the settings.
    pub administration: Arc<Administration>,
    /// Changes of the SMTP logins.
    pub smtp_logins: Arc<SmtpLogins>,
    /// Changes of the OpenPGP keys of recipients.
    pub openpgp_keys: Arc<OpenPgpKeys>,
    /// Changes of the queue.
    pub queue: Arc<Queue>,
    /// What an administrator should be told.
    pub alerts: Arc<Alerts>,
    /// Bytes of bodies in memory.
    pub budget: Arc<MemoryBudget>,
    /// Bytes of bodies in files.
    pub spool: Arc<Spool>,
    /// Tests of next hops.
    pub delivery: Arc<Delivery>,
    /// Tests of conditions, and how their services fare.
    pub conditions: Arc<Conditions>,
    /// Where it listens.
    pub addresses: Addresses,
    /// Who may search the trail now.
    pub turns: Turns,
    /// What all who watch the dashboard share.
    pub live_feed: Arc<LiveFeed>,
    /// The figures of every next hop.
    pub next_hops: Box<dyn Fn() -> Vec<NextHopFigures> + Send + Sync>,
    /// Whether mail is taken; the reason when it is not.
    pub readiness: Box<dyn Fn() -> Result<(), &'static str> + Send + Sync>,
    /// Who gets in.
    pub accounts: Arc<Accounts>,
    /// Others than this machine reach the web address: every page that comes by plain HTTP warns.
    pub is_exposed: bool,
}

impl Context {
    /// The figures of this moment.
    async fn live(&self) -> Result<Live, ReadError> {
        let queue = self.store.queue_size().await?;
        let age = queue.oldest_received_at.map(|oldest| {
            let age = Timestamp::now().duration_since(oldest);
            u64::try_from(age.as_secs()).unwrap_or(0)
        });
        let resident = Resident {
            memory_bytes: self.budget.used_bytes(),
            memory_budget_bytes: self.budget.limit_bytes(),
            disk_bytes: self.spool.bytes() + self.store.inline_bytes(),
        };
        let queue = LiveQueue {
            recipients: queue.recipients,
            oldest_age_seconds: age.unwrap_or(0),
        };
        Ok(self.statistics.live(resident, queue))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("hostname", &self.hostname)
            .finish_non_exhaustive()
    }
}

/// Answers requests at `door`, plain or under `tls`, until `shutdown`; then those under way are finished. Whoever calls
/// bounds how long that may take.
///
/// # Errors
/// Never in practice: errors of single connections end only them.
pub async fn serve(
    door: Door,
    tls: Arc<ServerTls>,
    context: Arc<Context>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let live_feed = Arc::clone(&context.live_feed);
    let settings = context.administration.current();
    let service =
        routes::router(context).into_make_service_with_connect_info::<connections::Arrival>();
    axum::serve(door.open(tls, settings), service)
        .with_graceful_shutdown(async move {
            shutdown.cancelled().await;
            live_feed.close();
        })
        .await
}
