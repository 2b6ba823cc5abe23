//! Minutes and hours go to the history and come back at start, so that hour, day and month survive a
//! restart.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Statistics;
use super::windows::kept;
use crate::limits;
use crate::store::{Period, Store};

/// Puts the last day's minutes and the last month's hours back. Called once, before anything is counted.
///
/// # Errors
/// When the history cannot be read. What cannot be decoded is left out.
pub async fn restore(statistics: &Statistics, store: &Store) -> anyhow::Result<()> {
    for span in [Period::Minute, Period::Hour] {
        let last = statistics.present(span);
        let numbers = last.saturating_sub(kept(span))..=last;
        for (number, text) in in_time(store.trail.load_figures(span, numbers)).await? {
            match serde_json::from_str(&text) {
                Ok(figures) => statistics.restore(span, number, &figures),
                Err(error) => {
                    let span = span.word();
                    warn!(number, %error, "one {span} of the statistics cannot be read");
                }
            }
        }
    }
    Ok(())
}

/// Writes minutes and hours until `shutdown`, and the present ones then. Cancel it after all tasks that
/// count have ended.
pub async fn keep(statistics: Arc<Statistics>, store: Store, shutdown: CancellationToken) {
    let mut first = statistics.present(Period::Minute);
    loop {
        let is_last = tokio::select! {
            () = shutdown.cancelled() => true,
            () = sleep(limits::ROLLUP_INTERVAL) => false,
        };
        let present = statistics.present(Period::Minute);
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

async fn in_time<T, E: Into<anyhow::Error>>(
    answer: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    let answered = timeout(limits::HISTORY_WAIT, answer).await;
    let answered = answered.context("the history did not answer")?;
    answered.map_err(Into::into)
}

async fn save(statistics: &Statistics, store: &Store, first: u64) -> anyhow::Result<()> {
    // Mail comes first.
    anyhow::ensure!(store.queue.room().is_there(), "the disk is almost full");
    for span in [Period::Minute, Period::Hour] {
        let first = first * Period::Minute.seconds() / span.seconds();
        for (number, figures) in statistics.spans_from(span, first) {
            let text = serde_json::to_string(&figures).context("figures as text")?;
            in_time(store.trail.save_figures(span, number, text)).await?;
        }
    }
    Ok(())
}
