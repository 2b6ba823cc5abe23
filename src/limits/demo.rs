//! The demo: its load, its destination and its box for reports.

use std::time::Duration;

/// One line of figures this often.
pub const DEMO_REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// Connections to the box for reports at one time.
pub const REPORT_BOX_CONNECTIONS: usize = 32;
/// Silence after which the box for reports closes a connection.
pub const REPORT_BOX_WAIT: Duration = Duration::from_secs(60);
/// Sample messages under way: the slow ones must not hold up the others.
pub const LOAD_MESSAGES: usize = 32;
/// A whole sample message, its reply included.
pub const LOAD_MESSAGE_WAIT: Duration = Duration::from_secs(60);
/// Threads of the sink, one for each session: our bound of connections to one next hop, and a dozen for others.
pub const SINK_THREADS: u32 = 32;
/// The delay of `slow@…`: longer than the default acknowledgement deadline, so that the client is answered first.
pub const SINK_SLOW_WAIT: Duration = Duration::from_secs(12);
/// How often `later@…` is deferred.
pub const SINK_DEFERRALS: u32 = 2;
/// Pairs of sender and recipient whose deferrals are counted; beyond it all begin anew.
pub const SINK_DEFERRALS_COUNTED: usize = 10_000;
