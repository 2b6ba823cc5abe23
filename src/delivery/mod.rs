//! Outbound delivery: one message, one next hop, one attempt, and an outcome for each recipient.
//!
//! Read [`attempt`] first: it asks the **breaker**, waits for room in the **pool**, takes an idle
//! connection or opens one (**resolve**, **connector**), and runs one **transaction** on it. Content that
//! the server does not support (8BITMIME) is converted first (**conversion**). What the replies mean is
//! decided in **verdicts**, which is pure, as are the breaker, the order of addresses and the
//! **envelope**'s exchange.

use std::sync::{Arc, Weak};

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::address_penalty::Penalties;
use self::breaker::{Admission, BreakerEvent};
use self::connection::ServerConnection;
use self::connector::Connector;
use self::known_next_hops::{KnownNextHop, KnownNextHops};
use self::resolve::Resolver;

use crate::dns::Dns;
use crate::limits;
use crate::own_mark::OwnMark;
use crate::settings::Current;

mod approach;
mod attempt;
mod mail_transaction_start;

mod breaker;
mod known_next_hops;
mod pool;

mod address_penalty;
mod mx;
mod resolve;

mod connection;
mod connector;
mod stream;
mod tls_client;

mod content;
mod conversation_error;
mod conversion;
mod envelope;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod open_transaction;
mod request;
mod transaction;
mod verdicts;

mod certificate;
mod probe;

mod figures;

pub use breaker::NextHopHealth;
pub use figures::{NextHopFigures, Suspension};
pub use mail_transaction_start::{MailTransactionStart, StartError};
pub use open_transaction::OpenTransaction;
pub use probe::{Probe, ProbeFinding, ProbeStep, ProbeStepKind};
pub use request::{AttemptResult, CommitPoint, DeliveryRequest, TimeoutProfile};

/// Everything that delivery keeps between attempts. Shared by all paths and the queue.
#[derive(Debug)]
pub struct Delivery {
    settings: Current,
    resolver: Resolver,
    connector: Connector,
    known: KnownNextHops,
    penalties: Mutex<Penalties>,
    /// See [`Delivery::recovered`].
    recovered: Notify,
}

impl Delivery {
    /// Delivery under our `hostname` (said in EHLO), with the next hops' settings as they change. Who
    /// greets us with `own_mark` is ourselves, and gets nothing.
    /// Must be called inside a runtime: idle connections are closed by a task of their own, which
    /// ends with the value.
    #[must_use]
    pub fn new(hostname: Arc<str>, own_mark: OwnMark, settings: Current) -> Arc<Self> {
        let delivery = Arc::new(Self {
            settings,
            resolver: Resolver::new(Arc::clone(&hostname)),
            connector: Connector::new(hostname, own_mark),
            known: KnownNextHops::default(),
            penalties: Mutex::default(),
            recovered: Notify::new(),
        });
        tokio::spawn(close_expired(Arc::downgrade(&delivery)));
        delivery
    }

    /// The DNS as delivery asks it, with what it remembers.
    #[must_use]
    pub fn dns(&self) -> Arc<Dns> {
        Arc::clone(self.resolver.dns())
    }

    /// When a suspended next hop is probed next; none when it is not suspended or a probe is due, so
    /// that an attempt of the queue is worth its while.
    #[must_use]
    pub fn suspended(&self, next_hop_name: &str) -> Option<Instant> {
        let known = self.known.find(next_hop_name)?;
        let breaker = known.breaker();
        breaker.suspended(TimeoutProfile::Queue, Instant::now())
    }

    /// What a next hop did when it was tried last.
    #[must_use]
    pub fn standing(&self, next_hop_name: &str) -> NextHopHealth {
        let known = self.known.find(next_hop_name);
        known.map_or(NextHopHealth::New, |known| {
            known.breaker().standing(Instant::now())
        })
    }

    /// Lets the queue probe a suspended next hop at once: an administrator says that it is up again.
    pub fn probe_now(&self, next_hop_name: &str) {
        if let Some(known) = self.known.find(next_hop_name) {
            known.breaker().probe_now(Instant::now());
        }
    }

    /// Returns when a next hop is no longer suspended that was when it last returned: what waits for it
    /// can go. For one waiter.
    pub async fn recovered(&self) {
        self.recovered.notified().await;
    }

    /// Tells the breaker what came of an attempt.
    fn learn(&self, known: &KnownNextHop, event: BreakerEvent, admission: Admission) {
        if known.learn(event, admission, Instant::now()) {
            self.recovered.notify_one();
        }
    }

    /// The server of a connection has conducted a whole transaction: it may carry the next one.
    fn served(&self, known: &KnownNextHop, connection: ServerConnection, admission: Admission) {
        self.learn(known, BreakerEvent::Served, admission);
        known.pool.give_back(connection);
    }

    /// All next hops that are suspended, with the time of their next probe.
    #[must_use]
    pub fn suspended_next_hops(&self) -> Vec<(Arc<str>, Instant)> {
        let now = Instant::now();
        let known = self.known.all();
        let suspended = known.iter().filter_map(|next_hop| {
            let probe_at = next_hop.breaker().suspended(TimeoutProfile::Queue, now)?;
            Some((Arc::clone(&next_hop.name), probe_at))
        });
        suspended.collect()
    }

    /// The names of all next hops whose breaker is open, those that are being probed included.
    #[must_use]
    pub fn open_breakers(&self) -> Vec<Arc<str>> {
        let known = self.known.all();
        let open = known.iter().filter(|next_hop| next_hop.is_open());
        open.map(|next_hop| Arc::clone(&next_hop.name)).collect()
    }

    /// The figures of every next hop that is kept, by name.
    #[must_use]
    pub fn next_hops(&self) -> Vec<NextHopFigures> {
        self.known.figures(Instant::now())
    }

    /// Takes out the connections that were idle for too long.
    fn expired(&self, now: Instant) -> Vec<ServerConnection> {
        let known = self.known.all();
        let expired = known.iter().flat_map(|known| known.pool.expired(now));
        expired.collect()
    }

    /// Says QUIT on every idle connection and keeps none any more. Attempts under way go on.
    pub async fn close(&self) {
        let known = self.known.all();
        let idle = known.iter().flat_map(|next_hop| next_hop.pool.close());
        join_all(idle.map(ServerConnection::quit)).await;
    }
}

/// Takes leave on connections that were idle for too long, until `delivery` is gone.
async fn close_expired(delivery: Weak<Delivery>) {
    let mut ticks = tokio::time::interval(limits::IDLE_SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        let Some(delivery) = delivery.upgrade() else {
            return;
        };
        // Nothing known is held while servers take leave: only what nobody holds can be forgotten.
        let expired = delivery.expired(Instant::now());
        drop(delivery);
        join_all(expired.into_iter().map(ServerConnection::quit)).await;
    }
}

#[cfg(test)]
pub(crate) mod tests;
