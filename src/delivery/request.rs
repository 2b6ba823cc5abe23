//! What an attempt is asked to do, what it asks back, and what it comes to.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::limits;
use crate::message::{Message, Outcome};
use crate::settings::NextHop;

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
    pub(super) fn connect_wait(self) -> Duration {
        self.either(limits::FAST_CONNECT_WAIT, limits::QUEUE_CONNECT_WAIT)
    }

    pub(super) fn command_wait(self) -> Duration {
        self.either(limits::FAST_COMMAND_WAIT, limits::QUEUE_COMMAND_WAIT)
    }

    /// From the first packet to a connection that is ready for MAIL: connecting, the greeting, EHLO and
    /// STARTTLS together.
    pub(super) fn opening_wait(self) -> Duration {
        self.either(limits::FAST_OPENING_WAIT, limits::QUEUE_OPENING_WAIT)
    }

    pub(super) fn block_wait(self) -> Duration {
        self.either(limits::FAST_BLOCK_WAIT, limits::QUEUE_BLOCK_WAIT)
    }

    fn either(self, fast: Duration, queue: Duration) -> Duration {
        match self {
            Self::Fast => fast,
            Self::Queue => queue,
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
