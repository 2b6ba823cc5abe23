//! The trail and the statistics.

use std::time::Duration;

use super::STORE_READERS;

/// Trail entries in one write.
pub const TRAIL_BATCH: usize = 2_000;
/// Figures of hours are kept this long: the month that the dashboard shows, and a day for whole points.
pub const HOURS_KEPT: Duration = Duration::from_secs(31 * 86_400);
/// The history is pruned this often.
pub const TRAIL_PRUNE_INTERVAL: Duration = Duration::from_secs(3_600);
/// One write to the history, or one pruning of it, is given up after this.
pub const HISTORY_WAIT: Duration = Duration::from_secs(60);
/// Names of conditions that the statistics tell apart.
pub const CONDITIONS_COUNTED: usize = 100;
/// Trail entries that wait for the disk; beyond it they are dropped and counted.
pub const TRAIL_QUEUE: usize = 32_768;
/// Trail entries are written together about this often.
pub const TRAIL_INTERVAL: Duration = Duration::from_secs(1);
/// A reader of the trail waits so long for entries that are not written yet.
pub const TRAIL_CATCH_UP: Duration = Duration::from_secs(1);
/// The trail stops when less than this is free: mail comes first.
pub const TRAIL_DISK_FREE_BYTES: u64 = 256 * 1_048_576;
/// Messages of one chunk of the indexes: fewer mean more chunks for a look-up, more mean more pages for a batch.
pub const TRAIL_CHUNK_MESSAGES: u64 = 4_096;
/// Events of one chunk, for messages with many recipients.
pub const TRAIL_CHUNK_EVENTS: u64 = 16_384;
/// Chunks whose messages are counted for the size of the trail; more are estimated. Some 10 ms of work.
pub const TRAIL_CHUNKS_COUNTED: u64 = 16;
/// The size of the trail is known within this, or the page that shows it does without.
pub const TRAIL_SIZE_WAIT: Duration = Duration::from_secs(3);
/// Searches of the trail by visitors at one time: one reader is left for the figures.
pub const TRAIL_SEARCHES: usize = STORE_READERS as usize - 1;
/// A visitor waits so long for their turn to search the trail.
pub const TRAIL_TURN_WAIT: Duration = Duration::from_secs(5);
/// The Retry-After of a visitor who got no turn: a search takes far less.
pub const TRAIL_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Messages that one page of the trail looks at when no index helps; it says where to go on. Some 20 ms of work.
pub const TRAIL_SCAN_MESSAGES: u32 = 20_000;
/// Messages from an index that one page of the trail looks at, two pages of the database each. Some 20 ms of work.
pub const TRAIL_CANDIDATES: u32 = 2_000;
/// Chunks that one page visits for an address, some 10 µs each: as many as several million messages have.
pub const TRAIL_CHUNKS_VISITED: usize = 4_096;
/// Entries of an index that one page reads for an address: the events of two chunks. Some 20 ms of work.
pub const TRAIL_ENTRIES_READ: u32 = 40_000;
/// Entries read of several chunks together, beside two for each message wanted: most of a chunk. Some 3 ms of work.
pub const TRAIL_ROUND_ENTRIES: u32 = 2_500;
/// Recipients of the messages that one page looks at for what happened to each of them; messages with few
/// recipients are not counted. Some 20 ms of work.
pub const TRAIL_RECIPIENTS_CHECKED: u32 = 20_000;
/// Recipients of one message that are few.
pub const TRAIL_RECIPIENTS_FEW: u32 = 10;
/// Recipients that the trail's listing shows of one message; the message's own page shows all.
pub const TRAIL_RECIPIENTS_SHOWN: usize = 10;
/// Events on one page of a message's story: of each of a hundred recipients the newest 20. Some 300 KB.
pub const TRAIL_EVENTS_SHOWN: usize = 2_000;
/// Messages that one transaction prunes.
pub const PRUNE_CHUNK: i64 = 2_000;
/// Transactions of one round of pruning; what is left waits for the next round.
pub const PRUNE_ROUNDS: usize = 200;
/// Figures of minutes are written this often; a crash loses at most this much of the statistics.
pub const ROLLUP_INTERVAL: Duration = Duration::from_secs(60);
