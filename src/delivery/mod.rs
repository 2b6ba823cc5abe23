//! Outbound delivery: one message, one next hop, one attempt, and an outcome for each recipient.
//!
//! Read [`attempt`] first: it asks the **breaker**, waits for room in the **pool**, takes an idle
//! connection or opens one (**resolve**, **connector**), and runs one **transaction** on it. Content that
//! the server does not support (8BITMIME) is converted first (**conversion**). What the replies mean is
//! decided in **verdicts**, which is pure, as are the breaker, the order of addresses and the
//! **envelope**'s exchange.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::address_penalty::Penalties;
use self::approach::Approach;
use self::attempt::Attempt;
use self::connection::ServerConnection;
use self::connector::Connector;
use self::known_next_hops::KnownNextHops;
use self::resolve::Resolver;

use crate::dns::Dns;
use crate::limits;
use crate::message::{Message, Outcome};
use crate::own_mark::OwnMark;
use crate::settings::{Current, NextHop};

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

/// One message for some of its recipients, all with the same next hop.
#[derive(Clone, Debug)]
pub struct DeliveryRequest {
    /// The message.
    pub message: Arc<Message>,
    /// Indexes into the envelope's recipients, at most [`limits::RECIPIENTS_PER_TRANSACTION`].
    pub recipients: Vec<usize>,
    /// Where it is to go.
    pub next_hop: Arc<NextHop>,
    /// How patient the attempt is.
    pub timeouts: TimeoutProfile,
    /// The longest wait for room in the pool.
    pub busy_wait: Duration,
    /// Content that the server cannot take as it is may be converted now: nobody waits for it, or nobody
    /// would do it later.
    pub converts: bool,
}

/// How patient an attempt is with the next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutProfile {
    /// A client waits for its reply. Never probes a suspended next hop.
    Fast,
    /// Nobody waits: the time-outs of RFC 5321 §4.5.3.2. Probes a suspended next hop when it is due.
    Queue,
}

impl TimeoutProfile {
    fn connect_wait(self) -> Duration {
        match self {
            Self::Fast => limits::FAST_CONNECT_WAIT,
            Self::Queue => limits::QUEUE_CONNECT_WAIT,
        }
    }

    fn command_wait(self) -> Duration {
        match self {
            Self::Fast => limits::FAST_COMMAND_WAIT,
            Self::Queue => limits::QUEUE_COMMAND_WAIT,
        }
    }

    /// From the first packet to a connection that is ready for MAIL: connecting, the greeting, EHLO and
    /// STARTTLS together.
    fn opening_wait(self) -> Duration {
        match self {
            Self::Fast => limits::FAST_OPENING_WAIT,
            Self::Queue => limits::QUEUE_OPENING_WAIT,
        }
    }

    fn block_wait(self) -> Duration {
        match self {
            Self::Fast => limits::FAST_BLOCK_WAIT,
            Self::Queue => limits::QUEUE_BLOCK_WAIT,
        }
    }
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub struct AttemptResult {
    /// One outcome for each recipient of the request, in the request's order, with its index into the
    /// envelope. The reply of a deferred outcome is always 4xx.
    pub outcomes: Vec<(usize, Outcome)>,
    /// The server that was spoken to last; none when no address connected.
    pub peer: Option<SocketAddr>,
    /// TLS was spoken with it.
    pub tls: bool,
    /// It offered DSN, so that it reports deliveries to the sender itself.
    pub peer_reports: bool,
    /// How long the attempt took.
    pub took: Duration,
}

/// Asked by the attempt at the point of no return.
pub trait CommitPoint: Send + Sync {
    /// Whether the content may be ended; asked once in each transaction, right before the final dot.
    /// False: the connection is closed without it, and nothing is delivered.
    /// An attempt has a second transaction, which asks again, when the first one's connection broke
    /// before its end was handed over.
    fn may_commit(&self) -> impl Future<Output = bool> + Send;

    /// The dot's last byte was given to the socket: from here on a loss means uncertain.
    fn handed_over(&self);

    /// A server has greeted and is ready for the message.
    fn greeted(&self) {}
}

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

    /// Tries once to deliver. Dropping the future closes the connection.
    pub async fn attempt<P: CommitPoint>(
        self: &Arc<Self>,
        request: DeliveryRequest,
        point: &P,
    ) -> AttemptResult {
        let began = Instant::now();
        let known = self.known.using(request.next_hop.name(), began);
        let attempt = Attempt {
            approach: Approach {
                delivery: self,
                known: &known,
                next_hop: &request.next_hop,
                timeouts: request.timeouts,
            },
            request: &request,
            point,
        };
        let tried = attempt.run().await;
        let now = Instant::now();
        let report = AttemptResult {
            outcomes: request.recipients.into_iter().zip(tried.outcomes).collect(),
            peer: tried.peer.map(|peer| peer.address),
            tls: tried.peer.is_some_and(|peer| peer.tls),
            peer_reports: tried.peer.is_some_and(|peer| peer.reports),
            took: now.saturating_duration_since(began),
        };
        known
            .counters
            .count(report.outcomes.iter().map(|(_, outcome)| outcome));
        if report.peer.is_some() {
            known.counters.record(report.took, now);
        }
        report
    }

    /// When a suspended next hop is probed next; none when it is not suspended or a probe is due, so
    /// that an attempt of the queue is worth its while.
    #[must_use]
    pub fn suspended(&self, next_hop_name: &str) -> Option<Instant> {
        let known = self.known.find(next_hop_name)?;
        known.suspended(TimeoutProfile::Queue, Instant::now())
    }

    /// What a next hop did when it was tried last.
    #[must_use]
    pub fn standing(&self, next_hop_name: &str) -> NextHopHealth {
        let known = self.known.find(next_hop_name);
        known.map_or(NextHopHealth::New, |known| known.standing(Instant::now()))
    }

    /// Lets the queue probe a suspended next hop at once: an administrator says that it is up again.
    pub fn probe_now(&self, next_hop_name: &str) {
        if let Some(known) = self.known.find(next_hop_name) {
            known.probe_now(Instant::now());
        }
    }

    /// Returns when a next hop is no longer suspended that was when it last returned: what waits for it
    /// can go. For one waiter.
    pub async fn recovered(&self) {
        self.recovered.notified().await;
    }

    /// All next hops that are suspended, with the time of their next probe.
    #[must_use]
    pub fn suspended_next_hops(&self) -> Vec<(Arc<str>, Instant)> {
        let now = Instant::now();
        let known = self.known.all();
        let suspended = known.iter().filter_map(|next_hop| {
            let probe_at = next_hop.suspended(TimeoutProfile::Queue, now)?;
            Some((Arc::clone(next_hop.name()), probe_at))
        });
        suspended.collect()
    }

    /// The names of all next hops whose breaker is open, those that are being probed included.
    #[must_use]
    pub fn open_breakers(&self) -> Vec<Arc<str>> {
        let known = self.known.all();
        let open = known.iter().filter(|next_hop| next_hop.is_open());
        open.map(|next_hop| Arc::clone(next_hop.name())).collect()
    }

    /// The figures of every next hop that is kept, by name.
    #[must_use]
    pub fn next_hops(&self) -> Vec<NextHopFigures> {
        self.known.figures(Instant::now())
    }

    /// Says QUIT on every idle connection and keeps none any more. Attempts under way go on.
    pub async fn close(&self) {
        let known = self.known.all();
        let idle = known.iter().flat_map(|next_hop| next_hop.pool.close());
        join_all(idle.map(ServerConnection::quit)).await;
    }

    fn expired(&self) -> Vec<ServerConnection> {
        let now = Instant::now();
        let known = self.known.all();
        known
            .iter()
            .flat_map(|next_hop| next_hop.pool.expired(now))
            .collect()
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
        let expired = delivery.expired();
        drop(delivery);
        join_all(expired.into_iter().map(ServerConnection::quit)).await;
    }
}

#[cfg(test)]
pub(crate) mod tests;
