//! Cut-through.

use std::time::Duration;

/// From RCPT to a connection to its next hop, all tries together. Clients wait 5 minutes (RFC 5321 §4.5.3.2.3).
pub const CUT_THROUGH_CONNECT_WAIT: Duration = Duration::from_secs(100);
/// Cut-through: a next hop's reply to a command. There is no queue that would be more patient.
pub const CUT_THROUGH_REPLY_WAIT: Duration = Duration::from_secs(30);
/// Cut-through: what conditions have to say at the first recipient.
pub const CUT_THROUGH_EXAMINATION_WAIT: Duration = Duration::from_secs(15);
/// Cut-through: between two tries to connect.
pub const CUT_THROUGH_TRY_PAUSE: Duration = Duration::from_secs(1);
/// A client's next command while next hops wait for it: they have other clients, and few connections for us.
pub const CUT_THROUGH_COMMAND_WAIT: Duration = Duration::from_secs(60);
/// From the first recipient to DATA, and between chunks of BDAT, for the same reason. A next hop's time is not counted.
pub const CUT_THROUGH_ENVELOPE_WAIT: Duration = Duration::from_secs(600);
/// The least average rate of the data, for the same reason. Time that a next hop takes does not count.
pub const CUT_THROUGH_RATE_BYTES_PER_SECOND: u64 = 4_096;
/// Transactions at next hops that one message opens.
pub const CUT_THROUGH_LEGS: usize = 64;
/// The most that the session's read buffer grows to while data arrives: each read is a write to every next hop.
pub const CUT_THROUGH_BUFFER_BYTES: usize = 65_536;
/// Transactions that a stranger holds open at one time: a next hop has twenty connections for us.
pub const CUT_THROUGH_PER_STRANGER: u32 = 5;
