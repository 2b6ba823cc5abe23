//! What all who watch the dashboard share: the task that computes the live figures, and sums over the queue
//! that are too expensive to be computed for each visitor.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::accounts::TokenHash;
use crate::clients::ClientLimit;
use crate::limits;
use crate::message::backlog::QueueOverview;
use crate::store::{ReadError, Store};

/// The newest event's text; none before the first.
pub(super) type Newest = Option<Arc<str>>;

/// What all listeners share.
#[derive(Debug)]
pub struct LiveFeed {
    /// One for each page that may listen, by the session of its browser.
    pub(super) places: Arc<ClientLimit<TokenHash>>,
    pub(super) producer: Mutex<Option<Producer>>,
    overview: tokio::sync::Mutex<Option<(Instant, Arc<QueueOverview>)>>,
    pub(super) closed: CancellationToken,
}

/// The task that computes the figures.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) newest: Arc<watch::Sender<Newest>>,
    pub(super) task: JoinHandle<()>,
}

impl Default for LiveFeed {
    fn default() -> Self {
        Self {
            places: Arc::new(ClientLimit::new(
                limits::LIVE_LISTENERS,
                limits::LIVE_LISTENERS_PER_SESSION,
            )),
            producer: Mutex::default(),
            overview: tokio::sync::Mutex::default(),
            closed: CancellationToken::new(),
        }
    }
}

impl LiveFeed {
    /// Ends every stream, and those that begin later at once: a server that stops waits for its answers to
    /// be complete, and a stream never is.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Sums over the retry queue, at most [`limits::QUEUE_SUMS_AGE`] old: those who ask meanwhile
    /// wait for the same answer.
    pub(super) async fn queue_overview(
        &self,
        store: &Store,
    ) -> Result<Arc<QueueOverview>, ReadError> {
        let mut kept = self.overview.lock().await;
        if let Some((at, overview)) = &*kept
            && at.elapsed() < limits::QUEUE_SUMS_AGE
        {
            return Ok(Arc::clone(overview));
        }
        let overview = Arc::new(store.queue_view.overview(limits::BACKLOGS_SHOWN).await?);
        *kept = Some((Instant::now(), Arc::clone(&overview)));
        Ok(overview)
    }

    /// Ends the producer unless there are listeners. Under the lock, so that none begins to listen to
    /// one that is about to end.
    pub(super) fn retire(&self, newest: &watch::Sender<Newest>) -> bool {
        let mut producer = self.producer.lock();
        let is_unheard = newest.receiver_count() == 0;
        if is_unheard {
            *producer = None;
        }
        is_unheard
    }
}
