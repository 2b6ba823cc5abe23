//! One attempt: from the breaker's leave to everybody's outcome (Figure 3B, steps 310–312).

use std::net::SocketAddr;

use tokio::time::Instant;

use super::approach::Approach;
use super::breaker::{Admission, BreakerEvent};
use super::connection::ServerConnection;
use super::transaction::{self, Concluded, ConnectionFate};
use super::{CommitPoint, DeliveryRequest, TimeoutProfile};
use crate::message::Outcome;

/// The server that was spoken to.
#[derive(Clone, Copy, Debug)]
pub(super) struct RemoteServer {
    pub(super) address: SocketAddr,
    /// TLS was spoken.
    pub(super) tls: bool,
    /// It offered DSN: reports of delivery are its business from here on (RFC 3461 §5.2.2).
    pub(super) reports: bool,
}

impl RemoteServer {
    /// The one at the other end of `connection`.
    pub(super) fn of(connection: &ServerConnection) -> Self {
        Self {
            address: connection.peer,
            tls: connection.is_tls(),
            reports: connection.capabilities.dsn,
        }
    }
}

/// What an attempt came to, before it is reported.
#[derive(Debug)]
pub(super) struct AttemptOutcomes {
    /// In the order of the request.
    pub(super) outcomes: Vec<Outcome>,
    /// The server that was spoken to and whether under TLS.
    pub(super) peer: Option<RemoteServer>,
}

pub(super) struct Attempt<'a, P> {
    pub(super) approach: Approach<'a>,
    pub(super) request: &'a DeliveryRequest,
    pub(super) point: &'a P,
}

impl<P: CommitPoint> Attempt<'_, P> {
    /// Never fails: whatever happens is an outcome.
    pub(super) async fn run(&self) -> AttemptOutcomes {
        let (_room, admission) = match self.approach.admission(self.request.busy_wait).await {
            Ok(admission) => admission,
            Err(outcome) => return self.nobody(outcome),
        };
        if let Some(tried) = self.on_idle_connection(admission).await {
            return tried;
        }
        match self.approach.open(admission).await {
            Ok(connection) => {
                self.point.greeted();
                self.on_fresh_connection(connection, admission).await
            }
            Err(outcome) => self.nobody(outcome),
        }
    }

    /// None: there was no idle connection, or it turned out to be dead before anything was handed over.
    async fn on_idle_connection(&self, admission: Admission) -> Option<AttemptOutcomes> {
        let mut connection = self.approach.idle().await?;
        self.point.greeted();
        let concluded = transaction::conduct(&mut connection, self.request, self.point).await;
        if concluded.ending == ConnectionFate::Stale {
            // The others idled beside it.
            self.approach.known.pool.discard_idle();
            return None;
        }
        Some(self.settle(connection, concluded, admission))
    }

    async fn on_fresh_connection(
        &self,
        mut connection: ServerConnection,
        admission: Admission,
    ) -> AttemptOutcomes {
        let concluded = transaction::conduct(&mut connection, self.request, self.point).await;
        self.settle(connection, concluded, admission)
    }

    /// Keeps the connection or closes it, and lets the breaker know.
    fn settle(
        &self,
        connection: ServerConnection,
        concluded: Concluded,
        admission: Admission,
    ) -> AttemptOutcomes {
        let peer = Some(RemoteServer::of(&connection));
        match concluded.ending {
            ConnectionFate::Reusable => {
                self.approach.learn(BreakerEvent::Served, admission);
                let pool = &self.approach.known.pool;
                pool.give_back(connection, Instant::now());
            }
            ConnectionFate::ServiceClosing => {
                self.approach.learn(BreakerEvent::ServiceClosing, admission)
            }
            // On the fast path it may be the client who has gone.
            ConnectionFate::Severed if self.request.timeouts == TimeoutProfile::Queue => {
                self.approach.learn(BreakerEvent::Broken, admission);
            }
            ConnectionFate::Severed | ConnectionFate::Stale => {}
        }
        AttemptOutcomes {
            outcomes: concluded.outcomes,
            peer,
        }
    }

    /// No server was spoken to.
    fn nobody(&self, outcome: Outcome) -> AttemptOutcomes {
        AttemptOutcomes {
            outcomes: vec![outcome; self.request.recipients.len()],
            peer: None,
        }
    }
}
