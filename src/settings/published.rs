//! A value that is published as a whole: whoever needs it takes a snapshot, and a change is in force for the next
//! snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::Settings;

/// The current value, for everybody who reads it: the settings, unless another type is named.
#[derive(Debug)]
pub struct Current<T = Settings> {
    value: watch::Receiver<Arc<T>>,
    generation: Arc<AtomicU64>,
}

/// By hand: the value itself is not cloned.
impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            generation: Arc::clone(&self.generation),
        }
    }
}

impl<T> Current<T> {
    /// A snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<T> {
        Arc::clone(&self.value.borrow())
    }

    /// Grows with every change. Read before a snapshot: while it is the same, so is what was found there.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Waits for the next change; none when the publisher is gone.
    pub async fn changed(&mut self) -> Option<Arc<T>> {
        self.value.changed().await.ok()?;
        Some(Arc::clone(&self.value.borrow_and_update()))
    }
}

/// The one place that publishes a value.
#[derive(Debug)]
pub struct Publisher<T = Settings> {
    value: watch::Sender<Arc<T>>,
    generation: Arc<AtomicU64>,
}

impl<T> Publisher<T> {
    /// Begins with `value`.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self {
            value: watch::Sender::new(Arc::new(value)),
            generation: Arc::default(),
        }
    }

    /// A view of the current value.
    #[must_use]
    pub fn current(&self) -> Current<T> {
        Current {
            value: self.value.subscribe(),
            generation: Arc::clone(&self.generation),
        }
    }

    /// Publishes: effective for the next message, the next AUTH, and the next command of a client that has
    /// logged in.
    pub fn publish(&self, value: T) {
        self.value.send_replace(Arc::new(value));
        // Behind it: whoever sees the new number finds the new value.
        self.generation.fetch_add(1, Ordering::Release);
    }
}
