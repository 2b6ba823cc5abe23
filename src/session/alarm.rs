//! One timer for all the waits of a session.
//!
//! Arming a timer takes the runtime's timer lock, and a busy session waits ten thousand times a
//! second. So the timer is moved only when it would ring too late; when it rings too early it is
//! moved on.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits;

#[derive(Debug)]
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self {
            sleep: Box::pin(sleep_until(Instant::now() + limits::COMMAND_WAIT)),
        }
    }

    /// Waits until `deadline`.
    pub(super) fn until(&mut self, deadline: Instant) -> impl Future<Output = ()> + Send + '_ {
        poll_fn(move |context| {
            if deadline < self.sleep.deadline() {
                self.sleep.as_mut().reset(deadline);
            }
            loop {
                ready!(self.sleep.as_mut().poll(context));
                if self.sleep.deadline() >= deadline {
                    return Poll::Ready(());
                }
                self.sleep.as_mut().reset(deadline);
            }
        })
    }

    /// Waits for `work`, at most for `wait`: none when it took longer.
    pub(super) async fn bound<F: Future>(&mut self, wait: Duration, work: F) -> Option<F::Output> {
        let deadline = Instant::now() + wait;
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.until(deadline) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_each_deadline_whatever_came_before() {
        let mut alarm = Alarm::new();
        let began = Instant::now();
        for second in [5, 400, 401, 1_000] {
            let deadline = began + Duration::from_secs(second);
            alarm.until(deadline).await;
            assert_eq!(began.elapsed().as_secs(), second);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_bounded() {
        let mut alarm = Alarm::new();
        let quick = alarm.bound(Duration::from_secs(2), async { 7 }).await;
        assert_eq!(quick, Some(7));
        let never = std::future::pending::<()>();
        assert_eq!(alarm.bound(Duration::from_secs(2), never).await, None);
    }
}
