//! The message body, its spool, and the memory budget.

use std::time::Duration;

/// The first piece of a body in memory: most messages fit.
pub const FIRST_CHUNK_BYTES: usize = 4_096;
/// No later piece is larger.
pub const CHUNK_BYTES: usize = 65_536;
/// Bodies up to here are stored inline, in the database's own transaction: no file, no orphan.
/// Measured: 4 KiB inline at 32 a batch is six times faster than a synced file each.
pub const INLINE_BODY_BYTES: u64 = 131_072;
/// One read or write of a spool file.
pub const SPOOL_BLOCK_BYTES: usize = 65_536;
/// The same where the memory budget has nothing for it: slower, but little for each of ten thousand sessions.
pub const SPOOL_BLOCK_LEAST_BYTES: usize = 8_192;
/// Share of the memory budget, in percent, from which a new message gets 452 before the 354.
pub const BUDGET_REFUSAL_PERCENT: u64 = 95;
/// Share of the memory budget, in percent, that may be held when a stranger asks for more: the rest is for
/// trusted clients, who go on sending while strangers fill what they can.
pub const BUDGET_STRANGERS_PERCENT: u64 = 80;
/// Who waits for a share of the memory budget asks for it this often.
pub const BUDGET_RETRY_WAIT: Duration = Duration::from_millis(50);
