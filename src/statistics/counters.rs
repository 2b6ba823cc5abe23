//! Counters that only grow: what delivery and the trail count beside the messages.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::message::words::OutcomeKind;

/// One number.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All of them, each named in `/metrics`. Sessions have counters of their own.
#[derive(Debug, Default)]
pub struct Counters {
    /// Recipients that were delivered, by an attempt on any path.
    pub recipients_delivered: Counter,
    /// Recipients that an attempt left for later.
    pub recipients_deferred: Counter,
    /// Recipients that were refused.
    pub recipients_refused: Counter,
    /// Recipients whose dot was handed over without a reply.
    pub recipients_uncertain: Counter,
    /// Reports that were written.
    pub reports_written: Counter,
    /// Entries of the trail that were dropped.
    pub trail_dropped: Counter,
}

impl Counters {
    /// Counts what an attempt meant for one recipient.
    pub fn attempted(&self, outcome: OutcomeKind) {
        match outcome {
            OutcomeKind::Delivered => self.recipients_delivered.increment(),
            OutcomeKind::Deferred => self.recipients_deferred.increment(),
            OutcomeKind::Refused => self.recipients_refused.increment(),
            OutcomeKind::Uncertain => self.recipients_uncertain.increment(),
        }
    }
}
