//! The way to a next hop: the breaker's leave, room in the pool, and a connection to one of its servers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Delivery;
use super::address_penalty::Penalties;
use super::breaker::{Admission, BreakerEvent};
use super::connection::ServerConnection;
use super::connector::{ConnectError, Dial};
use super::known_next_hops::KnownNextHop;
use super::pool::Room;
use super::request::TimeoutProfile;
use super::resolve::{self, MailServer};
use super::verdicts;
use crate::limits;
use crate::message::{DiskReason, Outcome};
use crate::settings::{NextHop, NextHopTarget};
use crate::smtp::reply::Reply;

/// Why there is no connection.
pub(super) struct NotConnected {
    /// What it means for every recipient.
    pub(super) outcome: Outcome,
    /// What the breaker learns when nobody tries again.
    pub(super) event: Option<BreakerEvent>,
}

/// Whoever wants to speak to a next hop, and how patient that is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Approach<'a> {
    pub(super) delivery: &'a Arc<Delivery>,
    pub(super) known: &'a Arc<KnownNextHop>,
    pub(super) next_hop: &'a NextHop,
    pub(super) timeouts: TimeoutProfile,
}

impl Approach<'_> {
    /// The right to use one connection, after a wait of at most `busy_wait`.
    ///
    /// # Errors
    /// What it means for every recipient that there is none now.
    pub(super) async fn admission(
        &self,
        busy_wait: Duration,
    ) -> Result<(Room, Admission), Outcome> {
        let Self {
            next_hop, timeouts, ..
        } = *self;
        if self.delivery.settings.snapshot().is_paused(next_hop.name()) {
            let reply = Reply::NEXT_HOP_PAUSED;
            return Err(Outcome::Deferred(DiskReason::NextHopPaused, reply));
        }
        // Asked first without taking the probe: who is turned away need not wait for room.
        if self.is_suspended() {
            return Err(suspended());
        }
        let room = self.known.pool.room(next_hop.connections_max, busy_wait);
        let room = room.await.ok_or(Outcome::Deferred(
            DiskReason::DestinationBusy,
            Reply::NEXT_HOP_BUSY,
        ))?;
        let admission = self.known.breaker().admit(timeouts, Instant::now());
        match admission {
            Admission::Suspended(_) => Err(suspended()),
            admission => Ok((room, admission)),
        }
    }

    /// An attempt would not be admitted now.
    pub(super) fn is_suspended(&self) -> bool {
        let breaker = self.known.breaker();
        breaker.suspended(self.timeouts, Instant::now()).is_some()
    }

    /// A connection that idled and seems to be alive.
    pub(super) async fn idle(&self) -> Option<ServerConnection> {
        let pool = &self.known.pool;
        let mut connection = pool.take_idle(self.next_hop.tls, Instant::now())?;
        let wait = self.timeouts.command_wait();
        if connection.must_agree && connection.agree(wait).await.is_err() {
            pool.discard_idle();
            return None;
        }
        Some(connection)
    }

    /// A connection to the first address that takes one.
    ///
    /// # Errors
    /// What it means for every recipient that there is none.
    pub(super) async fn open(&self, admission: Admission) -> Result<ServerConnection, Outcome> {
        self.connect(admission).await.map_err(|failed| {
            self.give_up(&failed, admission);
            failed.outcome
        })
    }

    /// Nobody tries again for this message: the breaker learns of it.
    pub(super) fn give_up(&self, failed: &NotConnected, admission: Admission) {
        if let Some(event) = failed.event {
            self.learn(event, admission);
        }
    }

    /// The same for whoever may try again: several failures of one message are one to the breaker.
    pub(super) async fn connect(
        &self,
        admission: Admission,
    ) -> Result<ServerConnection, NotConnected> {
        let settings = self.delivery.settings.snapshot();
        let mut servers = self
            .delivery
            .resolver
            .servers(&self.next_hop.target, &settings.dns_servers)
            .await
            .map_err(|outcome| NotConnected {
                outcome,
                event: None,
            })?;
        self.penalties(|penalties| penalties.order(&mut servers, Instant::now()));
        self.known.pool.make_way();
        let began = Instant::now();
        let mut last = verdicts::deferred(Reply::NEXT_HOP_WITHOUT_ADDRESS);
        // Of the one that is ourselves: whoever is not better would give the message back to us.
        let mut own_preference = None;
        for server in servers.iter().take(limits::ADDRESSES_TRIED) {
            if own_preference.is_some_and(|own| server.preference >= own) {
                continue;
            }
            let waited = began.elapsed();
            if waited >= limits::ADDRESSES_WAIT {
                break;
            }
            // The first addresses that hang use the patience up; the others get the fast path's.
            let timeouts = match waited < limits::FAST_OPENING_WAIT {
                true => self.timeouts,
                false => TimeoutProfile::Fast,
            };
            match self.open_one(server, timeouts).await {
                Ok(connection) => {
                    self.learn(BreakerEvent::Connected, admission);
                    return Ok(connection);
                }
                Err(ConnectError::Ourselves) => own_preference = Some(server.preference),
                Err(error) => last = error.outcome(),
            }
        }
        if own_preference.is_none() {
            let resolver = &self.delivery.resolver;
            resolver.forget(&self.next_hop.target, &servers);
        }
        let is_best = |own| servers.iter().all(|server| server.preference >= own);
        Err(match own_preference {
            Some(own) if is_best(own) => NotConnected {
                outcome: self.led_back(),
                event: None,
            },
            _ => NotConnected {
                outcome: last,
                event: Some(BreakerEvent::NoConnection),
            },
        })
    }

    /// A domain's exchanger that is ourselves is its owner's mistake; a next hop that is, our
    /// administrator's, who repairs it.
    fn led_back(&self) -> Outcome {
        match &self.next_hop.target {
            NextHopTarget::Mx(domain) => resolve::ourselves(domain),
            NextHopTarget::Fixed(_) => ConnectError::Ourselves.outcome(),
        }
    }

    async fn open_one(
        &self,
        server: &MailServer,
        timeouts: TimeoutProfile,
    ) -> Result<ServerConnection, ConnectError> {
        let next_hop = self.next_hop;
        let dial = Dial {
            connector: &self.delivery.connector,
            server,
            policy: next_hop.tls,
            timeouts,
            open: &self.known.pool.open,
        };
        let opened = dial.open().await;
        match &opened {
            Ok(_) => self.penalties(|penalties| penalties.forgive(server.address)),
            // It is where it is: a worse one must not come before it.
            Err(ConnectError::Ourselves) => {}
            Err(error) => {
                tracing::debug!(next_hop = %next_hop.name(), server = %server.host,
                    address = %server.address, reason = %error, "no connection");
                self.penalties(|penalties| penalties.punish(server.address, Instant::now()));
            }
        }
        opened
    }

    pub(super) fn learn(&self, event: BreakerEvent, admission: Admission) {
        self.delivery.learn(self.known, event, admission);
    }

    fn penalties(&self, with: impl FnOnce(&mut Penalties)) {
        let penalties = &self.delivery.penalties;
        with(&mut penalties.lock());
    }
}

fn suspended() -> Outcome {
    let reply = Reply::NEXT_HOP_SUSPENDED;
    Outcome::Deferred(DiskReason::DestinationSuspended, reply)
}
