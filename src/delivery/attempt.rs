//! One attempt: from the breaker's leave to everybody's outcome (Figure 3B, steps 310–312).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Delivery;
use super::approach::Approach;
use super::breaker::{Admission, BreakerEvent};
use super::connection::ServerConnection;
use super::request::{AttemptResult, CommitPoint, DeliveryRequest, TimeoutProfile};
use super::transaction::{self, Concluded, ConnectionFate};
use crate::message::Outcome;

/// The server that was spoken to.
#[derive(Clone, Copy, Debug)]
pub(super) struct RemoteServer {
    pub(super) address: SocketAddr,
    pub(super) tls: bool,
    /// It offered DSN: reports of delivery are its business from here on (RFC 3461 §5.2.2).
    pub(super) reports: bool,
}

impl RemoteServer {
    /// The one at the other end of `connection`.
    pub(super) fn of(connection: &ServerConnection) -> Self {
        Self {
            address: connection.peer,
            tls: connection.tls().is_some(),
            reports: connection.capabilities.dsn,
        }
    }
}

impl Delivery {
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
        let (outcomes, server) = attempt.run().await;
        let now = Instant::now();
        let took = now.saturating_duration_since(began);
        known.counters.count(&outcomes);
        if server.is_some() {
            known.counters.record(took, now);
        }
        result(&request.recipients, outcomes, server, took)
    }
}

/// What came of a transaction, for the recipients at these places in the envelope.
pub(super) fn result(
    recipients: &[usize],
    outcomes: Vec<Outcome>,
    server: Option<RemoteServer>,
    took: Duration,
) -> AttemptResult {
    AttemptResult {
        outcomes: recipients.iter().copied().zip(outcomes).collect(),
        peer: server.map(|server| server.address),
        tls: server.is_some_and(|server| server.tls),
        peer_reports: server.is_some_and(|server| server.reports),
        took,
    }
}

/// An outcome for each recipient in the order of the request, and the server that was spoken to.
type Tried = (Vec<Outcome>, Option<RemoteServer>);

struct Attempt<'a, P> {
    approach: Approach<'a>,
    request: &'a DeliveryRequest,
    point: &'a P,
}

impl<P: CommitPoint> Attempt<'_, P> {
    /// Never fails: whatever happens is an outcome.
    async fn run(&self) -> Tried {
        let (_room, admission) = match self.approach.admission(self.request.busy_wait).await {
            Ok(admission) => admission,
            Err(outcome) => return self.nobody(outcome),
        };
        if let Some(tried) = self.on_idle_connection(admission).await {
            return tried;
        }
        match self.approach.open(admission).await {
            Ok(mut connection) => {
                self.point.greeted();
                let concluded = transaction::conduct(&mut connection, self.request, self.point);
                self.settle(concluded.await, connection, admission)
            }
            Err(outcome) => self.nobody(outcome),
        }
    }

    /// None: there was no idle connection, or it turned out to be dead before anything was handed over.
    async fn on_idle_connection(&self, admission: Admission) -> Option<Tried> {
        let mut connection = self.approach.idle().await?;
        self.point.greeted();
        let concluded = transaction::conduct(&mut connection, self.request, self.point).await;
        if concluded.ending == ConnectionFate::Stale {
            // The others idled beside it.
            self.approach.known.pool.discard_idle();
            return None;
        }
        Some(self.settle(concluded, connection, admission))
    }

    /// Keeps the connection or closes it, and lets the breaker know.
    fn settle(
        &self,
        concluded: Concluded,
        connection: ServerConnection,
        admission: Admission,
    ) -> Tried {
        let server = Some(RemoteServer::of(&connection));
        match concluded.ending {
            ConnectionFate::Reusable => {
                let Approach {
                    delivery, known, ..
                } = self.approach;
                delivery.served(known, connection, admission);
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
        (concluded.outcomes, server)
    }

    /// No server was spoken to.
    fn nobody(&self, outcome: Outcome) -> Tried {
        (vec![outcome; self.request.recipients.len()], None)
    }
}
