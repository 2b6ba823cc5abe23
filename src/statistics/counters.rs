//! Counters that only grow: what receiving and delivery count beside the messages.

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

/// All of them, each named in `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sessions that were accepted.
    pub sessions_opened: Counter,
    /// Clients that were turned away because there were too many.
    pub sessions_refused: Counter,
    /// Sessions that ended.
    pub sessions_closed: Counter,
    /// Sessions that went on under TLS.
    pub sessions_under_tls: Counter,
    /// Replies that began with 2.
    pub replies_positive: Counter,
    /// Replies that began with 4.
    pub replies_transient: Counter,
    /// Replies that began with 5.
    pub replies_permanent: Counter,
    /// Messages in which bare line ends were made canonical.
    pub line_ends_normalised: Counter,
    /// Messages that were refused for bare line ends or NUL.
    pub line_ends_refused: Counter,
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
    /// Counts a reply by its class.
    pub fn replied(&self, code: u16) {
        match code / 100 {
            2 => self.replies_positive.increment(),
            4 => self.replies_transient.increment(),
            5 => self.replies_permanent.increment(),
            _ => {}
        }
    }

    /// Counts what an attempt meant for one recipient.
    pub fn attempted(&self, outcome: OutcomeKind) {
        match outcome {
            OutcomeKind::Delivered => self.recipients_delivered.increment(),
            OutcomeKind::Deferred => self.recipients_deferred.increment(),
            OutcomeKind::Refused => self.recipients_refused.increment(),
            OutcomeKind::Uncertain => self.recipients_uncertain.increment(),
        }
    }

    /// Sessions that are open now.
    #[must_use]
    pub fn sessions_open(&self) -> u64 {
        let closed = self.sessions_closed.value();
        self.sessions_opened.value().saturating_sub(closed)
    }
}
