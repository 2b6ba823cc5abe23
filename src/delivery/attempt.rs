//! One attempt: from the breaker's leave to everybody's outcome (Figure 3B, steps 310–312).

use std::net::SocketAddr;
use std::sync::PoisonError;

use tokio::time::Instant;

use super::breaker::{Admission, Event};
use super::connection::Connection;
use super::known_next_hops::KnownNextHop;
use super::resolve::Server;
use super::transaction::{self, Concluded, Ending};
use super::{CommitPoint, Delivery, Errand};
use crate::limits;
use crate::message::{DiskReason, Outcome};
use crate::smtp::reply::Reply;

/// The server that was spoken to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// TLS was spoken.
    pub(super) tls: bool,
    /// It offered DSN: reports of delivery are its business from here on (RFC 3461 §5.2.2).
    pub(super) reports: bool,
}

/// What an attempt came to, before it is reported.
#[derive(Debug)]
pub(super) struct Tried {
    /// In the order of the errand.
    pub(super) outcomes: Vec<Outcome>,
    /// The server that was spoken to and whether under TLS.
    pub(super) peer: Option<Peer>,
}

pub(super) struct Attempt<'a, P> {
    pub(super) delivery: &'a Delivery,
    pub(super) known: &'a KnownNextHop,
    pub(super) errand: &'a Errand,
    pub(super) point: &'a P,
}

impl<P: CommitPoint> Attempt<'_, P> {
    /// Never fails: whatever happens is an outcome.
    pub(super) async fn run(&self) -> Tried {
        let Errand { next_hop, pace, .. } = self.errand;
        if self.delivery.settings.snapshot().is_paused(next_hop.name()) {
            return self.nobody(paused());
        }
        // Asked first without taking the probe: who is turned away need not wait for room.
        if self.known.suspended(*pace, Instant::now()).is_some() {
            return self.nobody(suspended());
        }
        let room = self
            .known
            .pool
            .room(next_hop.connections_max, self.errand.busy_wait);
        let Some(_room) = room.await else {
            return self.nobody(busy());
        };
        let admission = self.known.admit(*pace, Instant::now());
        if matches!(admission, Admission::Suspended(_)) {
            return self.nobody(suspended());
        }
        if let Some(tried) = self.on_idle_connection(admission).await {
            return tried;
        }
        match self.open(admission).await {
            Ok(connection) => self.on_fresh_connection(connection, admission).await,
            Err(outcome) => self.nobody(outcome),
        }
    }

    /// None: there was no idle connection, or it turned out to be dead before anything was handed over.
    async fn on_idle_connection(&self, admission: Admission) -> Option<Tried> {
        let pool = &self.known.pool;
        let mut connection = pool.take_idle(self.errand.next_hop.tls, Instant::now())?;
        let concluded = transaction::conduct(&mut connection, self.errand, self.point).await;
        if concluded.ending == Ending::Stale {
            // The others idled beside it.
            pool.discard_idle();
            return None;
        }
        Some(self.settle(connection, concluded, admission))
    }

    async fn on_fresh_connection(&self, mut connection: Connection, admission: Admission) -> Tried {
        let concluded = transaction::conduct(&mut connection, self.errand, self.point).await;
        self.settle(connection, concluded, admission)
    }

    /// Keeps the connection or closes it, and lets the breaker know.
    fn settle(&self, connection: Connection, concluded: Concluded, admission: Admission) -> Tried {
        let now = Instant::now();
        let peer = Some(Peer {
            address: connection.peer,
            tls: connection.is_tls(),
            reports: connection.capabilities.dsn,
        });
        match concluded.ending {
            Ending::Reusable => {
                self.learn(Event::Served, admission, now);
                self.known.pool.give_back(connection, now);
            }
            Ending::ServiceClosing => self.learn(Event::ServiceClosing, admission, now),
            Ending::Severed | Ending::Stale => {}
        }
        Tried {
            outcomes: concluded.outcomes,
            peer,
        }
    }

    /// A connection to the first address that takes one.
    async fn open(&self, admission: Admission) -> Result<Connection, Outcome> {
        let next_hop = &self.errand.next_hop;
        let settings = self.delivery.settings.snapshot();
        let mut servers = self
            .delivery
            .resolver
            .servers(&next_hop.target, &settings.dns_servers)
            .await
            .map_err(|unresolved| unresolved.outcome())?;
        self.penalties(|penalties| penalties.order(&mut servers, Instant::now()));
        self.known.pool.make_way();
        let mut last = no_address();
        for server in servers.iter().take(limits::ADDRESSES_TRIED) {
            match self.open_one(server).await {
                Ok(connection) => {
                    self.learn(Event::Connected, admission, Instant::now());
                    return Ok(connection);
                }
                Err(outcome) => last = outcome,
            }
        }
        self.learn(Event::NoConnection, admission, Instant::now());
        Err(last)
    }

    fn learn(&self, event: Event, admission: Admission, now: Instant) {
        if self.known.learn(event, admission, now) {
            self.delivery.recovered.notify_one();
        }
    }

    async fn open_one(&self, server: &Server) -> Result<Connection, Outcome> {
        let Errand { next_hop, pace, .. } = self.errand;
        let open = self.known.pool.open();
        let opener = &self.delivery.opener;
        match opener.open(server, next_hop.tls, *pace, open).await {
            Ok(connection) => {
                self.penalties(|penalties| penalties.forgive(server.address));
                Ok(connection)
            }
            Err(not_opened) => {
                tracing::debug!(next_hop = %next_hop.name(), server = %server.host,
                    address = %server.address, reason = %not_opened, "no connection");
                self.penalties(|penalties| penalties.punish(server.address, Instant::now()));
                Err(not_opened.outcome())
            }
        }
    }

    fn penalties(&self, with: impl FnOnce(&mut super::address_penalty::Penalties)) {
        let penalties = &self.delivery.penalties;
        with(&mut penalties.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// No server was spoken to.
    fn nobody(&self, outcome: Outcome) -> Tried {
        Tried {
            outcomes: vec![outcome; self.errand.recipients.len()],
            peer: None,
        }
    }
}

fn paused() -> Outcome {
    // RFC 3463 §3.4: the destination takes no messages for now.
    let reply = Reply::new(451, (4, 3, 2), "the operator has paused the next hop");
    Outcome::Deferred(DiskReason::NextHopPaused, reply)
}

fn suspended() -> Outcome {
    let words = "the next hop is suspended after repeated failures";
    let reply = Reply::new(451, (4, 4, 1), words);
    Outcome::Deferred(DiskReason::DestinationSuspended, reply)
}

fn busy() -> Outcome {
    let words = "all connections to the next hop are busy";
    let reply = Reply::new(451, (4, 4, 5), words);
    Outcome::Deferred(DiskReason::DestinationBusy, reply)
}

fn no_address() -> Outcome {
    let words = "the next hop has no address";
    Outcome::Deferred(DiskReason::Deferred, Reply::new(451, (4, 4, 4), words))
}
