//! Sessions and the listeners that accept them.

use std::time::Duration;

/// Replies of 5xx to one client before we say 421 and close.
pub const SESSION_ERRORS: u32 = 10;
/// Sessions at one time, over all listeners, where there is memory for them.
pub const SESSIONS: usize = 10_000;
/// Share of the memory, in percent, for what sessions take by themselves; the memory budget is another quarter.
pub const SESSIONS_MEMORY_PERCENT: u64 = 25;
/// Memory that one session takes by itself, all in all: see `docs/performance.md` for how it was measured.
/// In the middle of data with its smallest buffers, under TLS, and what the kernel has for its socket.
pub const SESSION_BYTES: u64 = 49_152;
/// Sessions that are allowed however little memory there is.
pub const SESSIONS_MIN: usize = 100;
/// Share of all sessions, in percent, that is kept for trusted networks: strangers must not keep them out.
pub const SESSIONS_KEPT_PERCENT: usize = 10;
/// File descriptors for each session: its socket, and one of a spool file or of a connection to a next hop.
pub const DESCRIPTORS_PER_SESSION: u64 = 2;
/// Sessions at one time from one client address; trusted networks are exempt.
pub const SESSIONS_PER_CLIENT: usize = 50;
/// A whole command line arrives within this. RFC 5321 §4.5.3.2.7 asks for 5 minutes.
pub const COMMAND_WAIT: Duration = Duration::from_secs(300);
/// A reply is taken by the client within this; a client that does not read is cut off.
pub const REPLY_WAIT: Duration = Duration::from_secs(60);
/// The TLS handshake of a client or of a next hop.
pub const TLS_HANDSHAKE_WAIT: Duration = Duration::from_secs(30);
/// Grace before the rate of the data counts.
pub const DATA_RATE_GRACE: Duration = Duration::from_secs(30);
/// Average bytes a second of the data after the grace: a slower client holds a session to no purpose.
pub const DATA_RATE_BYTES_PER_SECOND: u64 = 500;
/// No bytes of data at all for this long ends the session. RFC 5321 §4.5.3.2.8 lets us wait 3 minutes.
pub const DATA_BLOCK_WAIT: Duration = Duration::from_secs(180);
/// The session's read buffer while commands are spoken: ten thousand idle sessions hold ten thousand.
pub const COMMAND_BUFFER_BYTES: usize = 4_096;
/// The most that a session's read buffer grows to: a TLS record. Memory that was used once comes back slowly.
pub const DATA_BUFFER_BYTES: usize = 16_384;
/// What it begins with at 354: an ordinary message in one read. More is taken from the memory budget.
pub const DATA_BUFFER_FIRST_BYTES: usize = 8_192;
/// Bytes that are decoded before what does not stay in memory is written away. Canonical line ends may double them.
pub const DECODED_BYTES: usize = 4_096;
/// What the envelope of one message may hold beside the memory budget: a dozen recipients and more.
pub const ENVELOPE_BYTES: u64 = 4_096;
/// Replies that wait to be written together, beyond which they are: a message may have a thousand.
pub const REPLIES_BYTES: usize = 4_096;
/// A client that is silent this long gives its grown buffers back; a busy one finds them as they were.
pub const BUFFER_IDLE: Duration = Duration::from_secs(1);
/// Bytes that are read on to the end of a message that is refused already: then the session closes.
pub const READ_ON_BYTES: u64 = 1 << 30;
/// One block of a body is written to the spool, or read from it, within this; a disk that hangs must not hang sessions.
pub const SPOOL_WAIT: Duration = Duration::from_secs(60);
/// How long is read on after a last reply: closing over unread bytes resets the connection, and may lose the reply.
pub const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Bytes of replies that the system keeps for a client that does not read them; it takes twice as much memory
/// for them. A reply has a hundred bytes, and a client that is further behind is waited for.
pub const REPLIES_IN_FLIGHT_BYTES: usize = 32_768;
/// Connections that wait to be accepted.
pub const LISTEN_BACKLOG: i32 = 1_024;
/// Wait before the next accept when the process or the machine is out of file descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A PROXY protocol header from a proxy. Its specification asks for 3 s at least, for lost packets.
pub const PROXY_HEADER_WAIT: Duration = Duration::from_secs(10);
/// Proxies that speak for one session, one for the other: more than one is rare.
pub const PROXIES_IN_A_ROW: usize = 8;
