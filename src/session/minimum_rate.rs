//! How slowly a client may send data.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// The rate of the data of one message or chunk so far.
#[derive(Debug)]
pub(super) struct MinimumRate {
    began: Instant,
    /// When the last data came, or the data began.
    pub(super) last: Instant,
    bytes: u64,
    bytes_per_second: u64,
}

impl MinimumRate {
    /// The data begins at `now`, at no less than this on average.
    pub(super) fn begin(now: Instant, bytes_per_second: u64) -> Self {
        Self {
            began: now,
            last: now,
            bytes: 0,
            bytes_per_second,
        }
    }

    /// More data came at `now`.
    pub(super) fn arrived(&mut self, bytes: u64, now: Instant) {
        self.last = now;
        self.bytes += bytes;
    }

    /// We did not read for so long, until `now`: that is not the client's slowness.
    pub(super) fn excuse(&mut self, not_read: Duration, now: Instant) {
        self.began += not_read;
        self.last = now;
    }

    /// The instant at which the client is too slow if nothing more comes before: it was silent for
    /// too long, or the average over the data so far falls below the rate.
    pub(super) fn deadline(&self) -> Instant {
        let silent = self.last + limits::DATA_BLOCK_WAIT;
        let earned = Duration::from_secs(self.bytes / self.bytes_per_second);
        let slow = self.began + earned.max(limits::DATA_RATE_GRACE);
        silent.min(slow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_limit_that_is_broken_counts() {
        let check = |blocks: &[(u64, u64)], expected_seconds: u64| {
            let began = Instant::now();
            let mut rate = MinimumRate::begin(began, limits::DATA_RATE_BYTES_PER_SECOND);
            for &(second, bytes) in blocks {
                rate.arrived(bytes, began + Duration::from_secs(second));
            }
            let deadline = rate.deadline().duration_since(began).as_secs();
            assert_eq!(deadline, expected_seconds, "{blocks:?}");
        };
        check(&[], 30);
        check(&[(1, 1)], 30);
        check(&[(29, 15_000)], 30);
        check(&[(29, 20_000)], 40);
        check(&[(29, 20_000), (39, 500)], 41);
        check(&[(1, 10_000_000)], 181);
        check(&[(1, 10_000_000), (100, 1)], 280);
    }
}
