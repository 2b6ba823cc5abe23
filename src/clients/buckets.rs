//! A rate limit by key, whose memory is bounded for any number of keys.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Keys share 65,536 buckets, at random for each start: memory is bounded, and no client can choose
/// whose bucket they use up.
pub type Bucket = u16;

/// A bucket has nothing left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many tries; try again in {}", in_words(self))]
pub struct TooManyTries {
    /// Until there is something in it again.
    pub wait: Duration,
}

impl TooManyTries {
    /// The wait in whole seconds, at least one.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        let seconds = u64::try_from(self.wait.as_millis().div_ceil(1_000));
        seconds.unwrap_or(u64::MAX).max(1)
    }
}

/// Never less than it is.
fn in_words(tries: &TooManyTries) -> String {
    match (tries.seconds(), tries.seconds().div_ceil(60)) {
        (1, _) => "a second".to_owned(),
        (seconds @ ..60, _) => format!("{seconds} seconds"),
        (_, 1) => "a minute".to_owned(),
        (_, minutes) => format!("{minutes} minutes"),
    }
}

/// So many times in a row for each bucket, and once more after each interval.
#[derive(Debug)]
pub struct Buckets {
    burst: u32,
    interval: Duration,
    /// When each bucket is whole again; what is past does not count.
    whole_at: Mutex<HashMap<Bucket, Instant>>,
    hasher: RandomState,
}

impl Buckets {
    /// Buckets that are whole.
    #[must_use]
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst,
            interval,
            whole_at: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// Takes from a key's bucket, and says which that is.
    ///
    /// # Errors
    /// When it has been used up.
    pub fn take(&self, key: impl Hash) -> Result<Bucket, TooManyTries> {
        let [first, second, ..] = self.hasher.hash_one(key).to_ne_bytes();
        let bucket = Bucket::from_ne_bytes([first, second]);
        let now = Instant::now();
        let mut whole_at = self.whole_at.lock();
        let whole = whole_at.entry(bucket).or_insert(now);
        let later = (*whole).max(now) + self.interval;
        let wait = (later - now).saturating_sub(self.interval * self.burst);
        if wait.is_zero() {
            *whole = later;
            Ok(bucket)
        } else {
            Err(TooManyTries { wait })
        }
    }

    /// Puts back what was taken.
    pub fn give_back(&self, bucket: Bucket) {
        if let Some(whole) = self.whole_at.lock().get_mut(&bucket) {
            *whole -= self.interval;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_named_as_it_is() {
        for (millis, expected) in [
            (1, "a second"),
            (1_001, "2 seconds"),
            (59_000, "59 seconds"),
            (60_000, "a minute"),
            (60_001, "2 minutes"),
            (300_000, "5 minutes"),
        ] {
            let wait = Duration::from_millis(millis);
            assert_eq!(in_words(&TooManyTries { wait }), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_fills_again_with_time() {
        let interval = Duration::from_secs(10);
        let buckets = Buckets::new(3, interval);
        let take = || buckets.take("anna").is_ok();
        assert_eq!([take(), take(), take(), take()], [true, true, true, false]);
        let wait = buckets.take("anna").expect_err("it is empty").wait;
        assert_eq!(wait, interval);
        tokio::time::advance(2 * interval).await;
        assert_eq!([take(), take(), take()], [true, true, false]);
        tokio::time::advance(interval).await;
        let bucket = buckets.take("anna").expect("once more");
        assert!(!take());
        buckets.give_back(bucket);
        assert!(take());
    }
}
