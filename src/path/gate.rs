//! The commit gate: one for each message, shared by its groups.
//!
//! The first group that reaches its dot asks whether the client is still there; the answer counts
//! for all. A client that is gone is owed nothing as long as nobody has the message, so its
//! attempts end without the dot and it may send again without a duplicate.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::delivery::CommitPoint;
use crate::queue::HandedOver;

/// The gate of one message.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Whether it is open, once that is decided.
    decision: OnceLock<bool>,
    asked: Notify,
    decided: Notify,
}

impl Gate {
    /// Whether it was opened or shut.
    #[must_use]
    pub(super) fn is_decided(&self) -> bool {
        self.decision.get().is_some()
    }

    /// Whether it was shut.
    #[must_use]
    pub(super) fn is_shut(&self) -> bool {
        self.decision.get() == Some(&false)
    }

    /// Opens or shuts it for good; the first decision counts.
    pub(super) fn decide(&self, open: bool) {
        let _ = self.decision.set(open);
        self.decided.notify_waiters();
    }

    /// Waits until a group stands before it. For the one who can look at the client.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Whether the dot may be handed over; waits for the decision.
    async fn pass(&self) -> bool {
        loop {
            let decided = self.decided.notified();
            tokio::pin!(decided);
            // Armed before the look, so that a decision in between is not missed.
            decided.as_mut().enable();
            match self.decision.get() {
                Some(open) => return *open,
                None => self.asked.notify_one(),
            }
            decided.await;
        }
    }
}

/// The commit point of one group: the message's gate, and the group's own mark.
#[derive(Debug)]
pub(super) struct GroupPoint {
    /// Shared by the message's groups.
    pub(super) gate: Arc<Gate>,
    /// Set when this group's dot was handed over.
    pub(super) handed_over: HandedOver,
}

impl CommitPoint for GroupPoint {
    async fn may_commit(&self) -> bool {
        self.gate.pass().await
    }

    fn handed_over(&self) {
        self.handed_over.set();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_asks_and_the_others_obey() {
        for open in [true, false] {
            let gate = Arc::new(Gate::default());
            let groups: Vec<_> = (0..3)
                .map(|_| {
                    let gate = Arc::clone(&gate);
                    tokio::spawn(async move { gate.pass().await })
                })
                .collect();
            gate.asked().await;
            assert!(!gate.is_decided());
            gate.decide(open);
            for group in groups {
                assert_eq!(group.await.expect("it does not panic"), open);
            }
            assert_eq!(gate.pass().await, open, "late ones too");
            assert_eq!(gate.is_shut(), !open);
        }
    }

    #[tokio::test]
    async fn the_first_decision_counts() {
        let gate = Gate::default();
        gate.decide(false);
        gate.decide(true);
        assert!(!gate.pass().await);
    }
}
