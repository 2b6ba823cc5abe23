//! The retry queue.

use std::time::Duration;

use super::NEXT_HOPS_KEPT;

/// A change of the queue that takes longer goes on in the background; less than [`CHANGE_WAIT`](super::CHANGE_WAIT).
pub const ACTION_WAIT: Duration = Duration::from_secs(20);
/// Attempts of the queue under way at one time.
pub const QUEUE_ATTEMPTS: usize = 200;
/// Of them those for next hops that have not answered of late: silent servers cannot keep all mail waiting.
pub const QUEUE_ATTEMPTS_UNPROVEN: usize = QUEUE_ATTEMPTS / 2;
/// Of these those that have not been greeted yet: servers that are well greet within a second.
pub const QUEUE_ATTEMPTS_UNGREETED: usize = 50;
/// Attempts at one time for one next hop that has not answered of late.
pub const QUEUE_ATTEMPTS_PER_UNPROVEN: usize = 3;
/// Attempts at one time for all next hops that were silent when tried last: new ones have the rest before them.
pub const QUEUE_ATTEMPTS_SILENT: usize = 25;
/// What a next hop did when it was tried last counts for this long.
pub const ANSWERED_OF_LATE: Duration = Duration::from_secs(3_600);
/// An attempt that has had its place this long makes way when the place is wanted: most take a second.
pub const QUEUE_PLACE_HOLD: Duration = Duration::from_secs(60);
/// Attempts that have made way so: with them there are twice as many as places.
pub const QUEUE_ATTEMPTS_ASIDE: usize = QUEUE_ATTEMPTS;
/// Attempts under way at one time for one next hop, so that it cannot take the connections of all others.
pub const QUEUE_ATTEMPTS_PER_NEXT_HOP: usize = 20;
/// Attempts for one next hop up to which a message is handed on from memory; beyond that it waits in the queue.
pub const HANDED_ON_PER_NEXT_HOP: usize = 100;
/// Messages that the queue reads back at one time before their attempts begin.
pub const QUEUE_LOADS: usize = 8;
/// Damaged recipients are looked through for those whose time is over this often at least.
pub const DAMAGED_INTERVAL: Duration = Duration::from_secs(60);
/// Rows that one look into the queue takes for one next hop: each may be an attempt of its own.
pub const QUEUE_ROWS_PER_NEXT_HOP: usize = 20;
/// Rows that one look into the queue takes; the next look follows at once.
pub const QUEUE_ROWS_PER_LOOK: usize = QUEUE_ATTEMPTS;
/// Next hops that one look chooses from: more than can be known, so that silent ones do not hide others.
pub const QUEUE_NEXT_HOPS_PER_LOOK: usize = 10 * NEXT_HOPS_KEPT;
/// A recipient whose next hop was busy or suspended, and so was not asked, is due again after this.
pub const UNTRIED_WAIT: Duration = Duration::from_secs(2);
/// A recipient that met a paused next hop is due again after this, or as soon as the next hop is resumed.
pub const PAUSED_WAIT: Duration = Duration::from_secs(60);
/// An uncertain recipient is not tried again before this.
pub const UNCERTAIN_WAIT: Duration = Duration::from_secs(600);
/// Random part of a retry interval, in percent to either side.
pub const RETRY_JITTER_PERCENT: u64 = 20;
/// A message up to this size is returned whole in a report; of a larger one the header only.
pub const REPORT_BODY_BYTES: u64 = 50 * 1_024;
/// Reports of success and of delay that a stranger gets in a row: they go to the sender that it names.
pub const STRANGER_REPORTS: u32 = 20;
/// A client that has used them up gets another one this often.
pub const STRANGER_REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// A message that waits this long is reported as delayed when its sender asked for it.
pub const DELAY_REPORT_AFTER: Duration = Duration::from_secs(4 * 3_600);
/// Pause before a report that the store did not take is stored again.
pub const REPORT_RETRY_WAIT: Duration = Duration::from_secs(2);
/// Pause of the queue's runner after the store did not answer.
pub const QUEUE_STORE_PAUSE: Duration = Duration::from_secs(1);
/// The queue's runner looks at least this often, should a clock have stepped.
pub const QUEUE_SLEEP_MAX: Duration = Duration::from_secs(60);
/// Steps forward of the clock that are remembered: no attempt lasts as long as so many take.
pub const CLOCK_STEPS: usize = 16;
