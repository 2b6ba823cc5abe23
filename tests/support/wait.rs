//! Waiting for a condition with a deadline, which is what the scenes do instead of sleeping.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What most things are given: generous, because a loaded machine of two cores must not fail a test
/// that is only slow. A test that passes never waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The looks at one condition: each but the first comes a moment after the last, and when the time
/// is up the next one panics.
pub(crate) struct Looks {
    what: String,
    within: Duration,
    began: Instant,
}

impl Looks {
    pub(crate) fn at(what: &str, within: Duration) -> Looks {
        Looks {
            what: what.to_owned(),
            within,
            began: Instant::now(),
        }
    }

    /// Returns when it is time to look again.
    pub(crate) async fn again(&self) {
        let Looks {
            what,
            within,
            began,
        } = self;
        assert!(
            began.elapsed() < *within,
            "waited {within:?} in vain for: {what}"
        );
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Looks until `condition` gives a value and returns it; panics, naming `what`, after `within`.
pub(crate) async fn until<T, F>(what: &str, within: Duration, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let looks = Looks::at(what, within);
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        looks.again().await;
    }
}

/// As [`until`], for a condition that is only true or false.
pub(crate) async fn until_true<F>(what: &str, within: Duration, mut condition: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let looks = Looks::at(what, within);
    while !condition().await {
        looks.again().await;
    }
}

/// The value of a future that must be done within `within`; panics, naming `what`, otherwise.
pub(crate) async fn within<T>(what: &str, within: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(within, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: nothing after {within:?}"))
}
