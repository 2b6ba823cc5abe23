//! Waiting for a condition with a deadline, which is what the scenes do instead of sleeping.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What most things are given: generous, because a loaded machine of two cores must not fail a test
/// that is only slow. A test that passes never waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until `condition` gives a value and returns it; panics, naming `what`, after `within`.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            began.elapsed() < within,
            "waited {within:?} in vain for: {what}"
        );
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// As [`until`], for a condition that is only true or false.
pub(crate) async fn until_true(
    what: &str,
    within: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) {
    until(what, within, async || condition().await.then_some(())).await;
}

/// The value of a future that must be done within `within`; panics, naming `what`, otherwise.
pub(crate) async fn within<T>(what: &str, within: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(within, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: nothing after {within:?}"))
}
