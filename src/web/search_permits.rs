//! Permits to search the trail, so that no visitor keeps the others, or the dashboard, from reading.
//!
//! Each visitor, which is an account or a token, searches once at a time; what they ask meanwhile waits.
//! All visitors together leave one reader for the figures that every dashboard shows.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::ApiError;
use crate::limits;

/// The permits of all visitors.
#[derive(Debug)]
pub struct SearchPermits {
    readers: Arc<Semaphore>,
    /// Of those who search or wait, by name; unused ones go when another visitor comes.
    visitors: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Default for SearchPermits {
    fn default() -> Self {
        Self {
            readers: Arc::new(Semaphore::new(limits::TRAIL_SEARCHES)),
            visitors: Mutex::default(),
        }
    }
}

impl SearchPermits {
    /// Runs `search` when there is a permit for the visitor with this name.
    ///
    /// # Errors
    /// When there is none within [`limits::TRAIL_TURN_WAIT`], and those of `search`.
    pub(super) async fn run<T, E>(
        &self,
        visitor: &str,
        search: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        let permit = timeout(limits::TRAIL_TURN_WAIT, self.permit(visitor)).await;
        let permit = permit.map_err(|_| ApiError::TrailIsBusy)?;
        // The search holds its permit itself: SQLite goes on when the client has gone.
        let search = tokio::spawn(async move {
            let _permit = permit;
            search.await
        });
        match search.await {
            Ok(found) => found.map_err(Into::into),
            Err(panicked) => Err(ApiError::Trouble(panicked.into())),
        }
    }

    /// The visitor's own comes first: a visitor who waits for it takes no reader from others.
    async fn permit(&self, visitor: &str) -> [OwnedSemaphorePermit; 2] {
        let own = self.own(visitor).acquire_owned().await;
        let reader = Arc::clone(&self.readers).acquire_owned().await;
        [own, reader].map(|permit| permit.expect("the semaphore is never closed"))
    }

    fn own(&self, visitor: &str) -> Arc<Semaphore> {
        let mut visitors = self.visitors.lock();
        visitors.retain(|_, own| Arc::strong_count(own) > 1);
        let own = visitors.entry(visitor.to_owned());
        Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use tokio::sync::oneshot;
    use tokio::task::JoinSet;

    use super::*;

    /// A search that ends when the sender sends or is dropped.
    fn search() -> (
        impl Future<Output = Result<(), ApiError>>,
        oneshot::Sender<()>,
    ) {
        let (end, ended) = oneshot::channel();
        let search = async move {
            let _ = ended.await;
            Ok(())
        };
        (search, end)
    }

    /// Begins a search that goes on until its sender is dropped, and forgets who asked for it.
    async fn begin(permits: &SearchPermits, visitor: &str) -> oneshot::Sender<()> {
        let (search, end) = search();
        let asked = timeout(limits::TRAIL_TURN_WAIT / 2, permits.run(visitor, search));
        assert!(asked.await.is_err(), "it goes on");
        end
    }

    async fn ask(permits: &SearchPermits, visitor: &str) -> Result<(), StatusCode> {
        let answer = permits.run(visitor, async { Ok::<_, ApiError>(()) }).await;
        answer.map_err(|error| error.status())
    }

    #[tokio::test(start_paused = true)]
    async fn a_visitor_searches_once_at_a_time_and_keeps_nobody_else_from_it() {
        let permits = SearchPermits::default();
        let end = begin(&permits, "token reader").await;
        let busy = Err(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(&permits, "token reader").await, busy);
        assert_eq!(ask(&permits, "anna").await, Ok(()));
        drop(end);
        assert_eq!(ask(&permits, "token reader").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_leave_a_reader() {
        let permits = SearchPermits::default();
        let mut ends = Vec::new();
        for visitor in 0..limits::TRAIL_SEARCHES {
            ends.push(begin(&permits, &visitor.to_string()).await);
        }
        assert!(ends.len() < limits::STORE_READERS as usize);
        let busy = Err(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(&permits, "anna").await, busy);
        ends.pop();
        assert_eq!(ask(&permits, "anna").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_visitor_asks_meanwhile_waits() {
        let permits = Arc::new(SearchPermits::default());
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut asked = JoinSet::new();
        for _ in 0..20 {
            let permits = Arc::clone(&permits);
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            let search = async move {
                let now = running.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(now, Ordering::Relaxed);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, ApiError>(())
            };
            asked.spawn(async move { permits.run("anna", search).await });
        }
        let answers = asked.join_all().await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(most.load(Ordering::Relaxed), 1);
        let _ = ask(&permits, "bert").await;
        let visitors = permits.visitors.lock();
        assert_eq!(visitors.len(), 1, "who is through is forgotten");
    }
}
