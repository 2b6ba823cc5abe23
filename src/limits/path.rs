//! The fast path and what every path has in common.

use std::time::Duration;

/// Bodies up to here are sent in one write together with the final dot.
pub const SINGLE_WRITE_BYTES: u64 = 65_536;
/// Groups of one message that are under way at one time on the fast path; the others wait their turn.
pub const GROUPS_AT_ONCE: usize = 64;
/// What our Received field adds to a message at most, for SIZE in MAIL.
pub const RECEIVED_FIELD_BYTES: u64 = 1_024;
/// Next hops that an operator may have paused at one time: each look into the queue names them all.
pub const PAUSED_NEXT_HOPS: usize = 1_000;
/// Words of a next hop that are passed on or kept: large receivers end theirs with the link to the remedy.
pub const REPLY_WORDS_BYTES: usize = 4_096;
/// Words of a next hop to all recipients of one attempt together, when they are many.
pub const REPLIES_WORDS_BYTES: usize = 65_536;
/// Words that are kept of each in any case.
pub const REPLY_WORDS_BYTES_LEAST: usize = 400;
/// Life of a fingerprint: as long as mail servers wait before their first retry (Postfix 5 minutes, Exim
/// 15, sendmail up to 30). What an equal message means hours later is not known.
pub const FINGERPRINT_LIFE: Duration = Duration::from_secs(30 * 60);
/// A client that stays connected so long after a late reply has read it: one that gave up has closed.
pub const LATE_REPLY_STAY: Duration = Duration::from_secs(2);
/// Fingerprints at one time.
pub const FINGERPRINTS: usize = 100_000;
/// Fingerprints of one client at one time.
pub const FINGERPRINTS_PER_CLIENT: usize = 1_000;
