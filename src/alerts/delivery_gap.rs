//! How long nothing was delivered, and since when something should have been.
//!
//! A quiet night is no gap: what counts is the time during which mail was there to deliver,
//! because messages were accepted or recipients wait to be tried again, and none was delivered. It
//! begins anew with each delivery, so a single message that a destination puts off in the morning
//! does not turn the night before it into an alert.

use std::time::Duration;

use jiff::Timestamp;

use super::rule::{AlertFacts, elapsed};

/// The time without a delivery, as it is known at one moment.
#[derive(Clone, Debug)]
pub(super) struct DeliveryGap {
    delivered: u64,
    accepted: u64,
    /// When a recipient was delivered last; before the first one, when the watch began.
    pub(super) delivered_at: Timestamp,
    /// Since when something is there to deliver and nothing was delivered; none when nothing is.
    pub(super) owed_since: Option<Timestamp>,
    /// When there was something to deliver last.
    owed_at: Timestamp,
}

impl DeliveryGap {
    /// The watch begins: what was before is not known, and does not count.
    pub(super) fn begin(facts: &AlertFacts) -> Self {
        let watch = Self {
            delivered: facts.delivered,
            accepted: facts.accepted,
            delivered_at: facts.at,
            owed_since: None,
            owed_at: facts.at,
        };
        watch.follow(facts, Duration::MAX)
    }

    /// The next look, a while later. What is owed is forgotten when nothing waits any more and nothing
    /// came for as long as `bound`: it was purged, held, or returned.
    pub(super) fn follow(mut self, facts: &AlertFacts, bound: Duration) -> Self {
        if facts.delivered > self.delivered {
            self.delivered = facts.delivered;
            self.delivered_at = facts.at;
            self.owed_since = None;
        }
        let waiting = facts.queue.map(|queue| queue.waiting);
        if facts.accepted > self.accepted || waiting.is_some_and(|waiting| waiting > 0) {
            self.accepted = facts.accepted;
            self.owed_since.get_or_insert(facts.at);
            self.owed_at = facts.at;
        } else if waiting.is_some() && elapsed(self.owed_at, facts.at) >= bound {
            self.owed_since = None;
        }
        self
    }
}
