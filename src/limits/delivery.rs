//! Next hops: connections, addresses, breaker.

use std::time::Duration;

/// Recipients in one transaction with a next hop. RFC 5321 §4.5.3.1.8: every server takes 100.
pub const RECIPIENTS_PER_TRANSACTION: usize = 100;
/// An idle connection to a next hop is kept this long: shorter than any peer's own limit.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(5);
/// A connection is reused until it is this old. A count would have the slowest server attract most connections.
pub const CONNECTION_AGE: Duration = Duration::from_secs(300);
/// Fast path: establish a connection to one address.
pub const FAST_CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Fast path: the reply to a command.
pub const FAST_COMMAND_WAIT: Duration = Duration::from_secs(10);
/// Fast path: each block of data is taken.
pub const FAST_BLOCK_WAIT: Duration = Duration::from_secs(20);
/// Queue: establish a connection to one address.
pub const QUEUE_CONNECT_WAIT: Duration = Duration::from_secs(30);
/// Fast path: from the first packet to a connection that is ready for MAIL. Slower servers are left to the queue.
pub const FAST_OPENING_WAIT: Duration = Duration::from_secs(20);
/// Queue: the same. RFC 5321 §4.5.3.2.1 allows a greeting 5 minutes, but who takes one has no time for mail.
pub const QUEUE_OPENING_WAIT: Duration = Duration::from_secs(60);
/// Queue: the reply to a command, RFC 5321 §4.5.3.2.
pub const QUEUE_COMMAND_WAIT: Duration = Duration::from_secs(300);
/// Queue: each block of data is taken, RFC 5321 §4.5.3.2.5.
pub const QUEUE_BLOCK_WAIT: Duration = Duration::from_secs(180);
/// After the final dot, on every path, RFC 5321 §4.5.3.2.6.
pub const AFTER_DOT_WAIT: Duration = Duration::from_secs(600);
/// QUIT to a next hop is a courtesy.
pub const QUIT_WAIT: Duration = Duration::from_secs(2);
/// A test of a next hop, from the look-up to its end: an administrator waits for the page.
pub const PROBE_WAIT: Duration = Duration::from_secs(10);
/// Mail exchangers of a domain that one attempt looks up: more than any serious one has. Of more, the best half stay
/// and the others take turns.
pub const EXCHANGERS: usize = 100;
/// Addresses of one next hop that are known at one time: a hundred for each exchanger.
pub const ADDRESSES_KNOWN: usize = 10_000;
/// Those that are tried for one message, while there is time: the next attempt begins with others.
pub const ADDRESSES_TRIED: usize = 200;
/// Addresses of one exchanger that are tried before the exchangers behind it have had their turn.
pub const ADDRESSES_OF_EXCHANGER_FIRST: usize = 3;
/// No further address of a next hop is tried for one message after this: ten that do not answer at all.
/// The next attempt begins with those that did not fail.
pub const ADDRESSES_WAIT: Duration = Duration::from_secs(300);
/// Next hops whose state (pool, breaker, figures) is kept; the least used goes first.
pub const NEXT_HOPS_KEPT: usize = 10_000;
/// Failures to connect or greet in a row that open a breaker.
pub const BREAKER_FAILURES: u32 = 3;
/// The first probe of an open breaker.
pub const BREAKER_PROBE_FIRST: Duration = Duration::from_secs(30);
/// A probe that is due this long and that the queue did not make is made by a client's message.
pub const BREAKER_QUEUE_FIRST: Duration = Duration::from_secs(10);
/// The interval between probes doubles up to this.
pub const BREAKER_PROBE_LAST: Duration = Duration::from_secs(300);
/// Content that the smallest receive windows hold. Of more, the kernel is asked whether the server's machine has it.
pub const CONTENT_IN_FLIGHT_BYTES: usize = 8_192;
/// An address that failed is tried last for this long, which doubles with each failure in a row.
pub const ADDRESS_PENALTY: Duration = Duration::from_secs(60);
/// It doubles up to this.
pub const ADDRESS_PENALTY_LAST: Duration = Duration::from_secs(3_600);
/// Addresses under a penalty at one time.
pub const ADDRESS_PENALTIES: usize = 10_000;
/// Pieces of one vectored write (IOV_MAX on Linux); content with more is copied together first.
pub const WRITE_PIECES: usize = 1_024;
/// Pieces that content with stuffed dots falls into: for nothing but dots they would take more memory than it does.
pub const STUFFED_PIECES: usize = 256;
/// Content that is converted to 7-bit on its way is converted and sent in pieces of about so many bytes.
pub const CONVERTED_BYTES: usize = 16_384;
/// Latencies of a next hop's attempts count for one to two of these.
pub const LATENCY_WINDOW: Duration = Duration::from_secs(300);
/// Idle connections are looked through this often.
pub const IDLE_SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// An answer of the kernel about one socket (sock_diag).
pub const SOCK_DIAG_ANSWER_BYTES: usize = 4_096;
