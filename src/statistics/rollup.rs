//! Minutes and hours go to the history and come back at start, so that hour, day and month survive a
//! restart.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::windows::{HOURS_OF_A_MONTH, MINUTES_OF_A_DAY};
use super::{Figures, Statistics};
use crate::limits;
use crate::store::Store;

/// Minutes are written this often; a crash loses at most this much of the statistics.
const INTERVAL: Duration = Duration::from_secs(60);

/// Puts the last day's minutes and the last month's hours back. Called once, before anything is counted.
///
/// # Errors
/// When the history cannot be read. What cannot be decoded is left out.
pub async fn restore(statistics: &Statistics, store: &Store) -> anyhow::Result<()> {
    let last = statistics.minute();
    let first = last.saturating_sub(MINUTES_OF_A_DAY);
    let minutes = timeout(limits::HISTORY_WAIT, store.load_minutes(first..=last))
        .await
        .context("the history did not answer")??;
    for (minute, text) in minutes {
        match serde_json::from_str::<Figures>(&text) {
            Ok(figures) => statistics.restore(minute, &figures),
            Err(error) => warn!(minute, %error, "a minute of the statistics cannot be read"),
        }
    }
    let last = last / 60;
    let first = last.saturating_sub(HOURS_OF_A_MONTH);
    let hours = timeout(limits::HISTORY_WAIT, store.load_hours(first..=last))
        .await
        .context("the history did not answer")??;
    for (hour, text) in hours {
        match serde_json::from_str::<Figures>(&text) {
            Ok(figures) => statistics.restore_hour(hour, &figures),
            Err(error) => warn!(hour, %error, "an hour of the statistics cannot be read"),
        }
    }
    Ok(())
}

/// Writes minutes and hours until `shutdown`, and the present ones then. Cancel it after everybody who
/// counts has ended.
pub async fn keep(statistics: Arc<Statistics>, store: Store, shutdown: CancellationToken) {
    let mut first = statistics.minute();
    loop {
        let is_last = tokio::select! {
            () = shutdown.cancelled() => true,
            () = sleep(INTERVAL) => false,
        };
        let present = statistics.minute();
        match save(&statistics, &store, first).await {
            // The present minute and hour are not over: they are written again the next time.
            Ok(()) => first = present,
            Err(error) => warn!(%error, "minutes of the statistics were not written"),
        }
        if is_last {
            return;
        }
    }
}

async fn save(statistics: &Statistics, store: &Store, first: u64) -> anyhow::Result<()> {
    // Mail comes first.
    anyhow::ensure!(store.room().is_there(), "the disk is almost full");
    for (minute, figures) in statistics.minutes_from(first) {
        let text = serde_json::to_string(&figures).context("figures as text")?;
        timeout(limits::HISTORY_WAIT, store.save_minute(minute, text))
            .await
            .context("the history did not answer")??;
    }
    for (hour, figures) in statistics.hours_from(first / 60) {
        let text = serde_json::to_string(&figures).context("figures as text")?;
        timeout(limits::HISTORY_WAIT, store.save_hour(hour, text))
            .await
            .context("the history did not answer")??;
    }
    Ok(())
}
