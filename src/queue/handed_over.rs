//! Whether an attempt's final dot was given to the socket: from then on it may have been delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::Queue;
use super::places::Greeting;
use crate::delivery::CommitPoint;

/// A mark that an attempt sets once and others read or wait for.
#[derive(Clone, Debug, Default)]
pub struct HandedOver(Arc<Mark>);

#[derive(Debug, Default)]
struct Mark {
    set: AtomicBool,
    change: Notify,
}

impl HandedOver {
    /// The dot's last byte was given to the socket.
    pub fn set(&self) {
        self.0.set.store(true, Ordering::Release);
        self.0.change.notify_one();
    }

    /// Whether it was.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Waits until it is. For one waiter.
    pub async fn wait(&self) {
        while !self.is_set() {
            self.0.change.notified().await;
        }
    }
}

/// The commit point of the queue's own attempts: no client waits for them, so the gate is open.
#[derive(Debug)]
pub(super) struct OpenGate {
    pub(super) handed_over: HandedOver,
    /// Where to note that the next hop has greeted, if that is not expected.
    pub(super) greeting: Option<(Greeting, Arc<Queue>)>,
}

impl CommitPoint for OpenGate {
    async fn may_commit(&self) -> bool {
        true
    }

    fn handed_over(&self) {
        self.handed_over.set();
    }

    fn greeted(&self) {
        if let Some((greeting, queue)) = &self.greeting {
            greeting.came();
            queue.room_is_free();
        }
    }
}
