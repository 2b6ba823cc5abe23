//! What is counted for one next hop.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

/// The figures of one next hop, as pages and the API show them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NextHopFigures {
    /// Its name: `host:port` or the domain.
    pub name: Arc<str>,
    /// Connections that are open now, idle ones included.
    pub open_connections: u32,
    /// Recipients it took since start.
    pub delivered: u64,
    /// Recipients it put off, or that could not be tried.
    pub deferred: u64,
    /// Recipients it refused.
    pub refused: u64,
    /// Recipients whose outcome is not known.
    pub uncertain: u64,
    /// Half of the last minutes' attempts took no longer; none without attempts.
    pub latency_p50: Option<Duration>,
    /// All but a hundredth of the last minutes' attempts took no longer.
    pub latency_p99: Option<Duration>,
    /// Whether the breaker is open.
    pub suspension: Suspension,
}

/// The state of a next hop's breaker, for the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Suspension {
    /// Mail goes there.
    None,
    /// Mail for it waits; the queue tries it again.
    Suspended {
        /// Until the next probe.
        probe_in: Duration,
    },
}
