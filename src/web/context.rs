//! What the pages and the API work with.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::live_feed::LiveFeed;
use super::search_permits::SearchPermits;
use super::wording;
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

/// The appliance, as handlers see it.
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
    /// The part of the trail that is not written yet.
    pub trail: Trail,
    /// Changes of the settings.
    pub administration: Arc<Administration>,
    /// Changes of the SMTP logins.
    pub smtp_logins: Arc<SmtpLogins>,
    /// Changes of the OpenPGP keys of recipients.
    pub openpgp_keys: Arc<OpenPgpKeys>,
    /// Changes of the queue.
    pub queue: Arc<Queue>,
    /// The present alerts.
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
    /// Permits to search the trail.
    pub search_permits: SearchPermits,
    /// The figures that all dashboards share.
    pub live_feed: Arc<LiveFeed>,
    /// The figures of every next hop.
    pub next_hops: Box<dyn Fn() -> Vec<NextHopFigures> + Send + Sync>,
    /// Whether mail is taken; the reason when it is not.
    pub readiness: Box<dyn Fn() -> Result<(), &'static str> + Send + Sync>,
    /// Accounts, sessions and tokens.
    pub accounts: Arc<Accounts>,
    /// The web address can be reached from other machines: every page that comes by plain HTTP warns.
    pub is_exposed: bool,
}

impl Context {
    /// The figures of this moment.
    pub(super) async fn live(&self) -> Result<Live, ReadError> {
        let queue = self.store.queue_view.backlog().await?;
        let oldest = queue.oldest_received_at;
        let age = oldest.map(|oldest| wording::between(oldest, Timestamp::now()).as_secs());
        let resident = Resident {
            memory_bytes: self.budget.used_bytes(),
            memory_budget_bytes: self.budget.limit_bytes(),
            disk_bytes: self.spool.bytes() + self.store.queue.inline_bytes(),
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
