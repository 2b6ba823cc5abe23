//! The fast path: deliver, then reply (Figures 3A and 3B of the patent, steps 310–317).

use std::future::ready;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::client_presence::ClientPresence;
use super::context::PathContext;
use super::disposition::Disposition;
use super::flight::{Flight, Halt, Underway, results};
use super::outbound::Dispatch;
use super::plan::{StorePlan, Stored};
use super::verdict::{
    AfterFailedStore, OutcomeCounts, ReplyVerdict, after_failed_store, needs_store, verdict,
};
use super::{per_recipient, single_reply};
use crate::queue::{HandedOver, LeasedRows, NewEntry};
use crate::settings::WhenDeferred;
use crate::smtp::reply::Reply;
use crate::store::{NewRow, StoreError};

/// The fast path.
#[derive(Debug)]
pub(super) struct FastPath {
    context: Arc<PathContext>,
}

impl FastPath {
    pub(super) fn new(context: Arc<PathContext>) -> Self {
        Self { context }
    }

    /// Tries every recipient that is not `known` to be settled before the reply, and stores what could
    /// not be delivered by the deadline.
    pub(super) async fn deliver<C: ClientPresence>(
        &self,
        dispatch: &Dispatch,
        known: &[bool],
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> Disposition {
        let message = &dispatch.message;
        let mut flight = Flight::launch(&self.context.delivery, dispatch, known);
        let halt = flight.run(client, dispatch.deadline.into(), shutdown).await;
        let (ended, is_one) = (results(&flight.ended), flight.states.len() == 1);
        let delivered = self.context.record_ended(message, ended, is_one).await;
        let disposition = match halt {
            Halt::ClientGone => {
                self.note_left(&flight);
                Disposition::client_gone()
            }
            Halt::Ended | Halt::TimeUp if dispatch.per_recipient => {
                self.settle_each(dispatch, flight).await
            }
            Halt::Ended | Halt::TimeUp => self.settle(dispatch, flight).await,
        };
        Disposition {
            delivered,
            ..disposition
        }
    }

    /// Applies the table until it can be carried out.
    async fn settle(&self, dispatch: &Dispatch, mut flight: Flight) -> Disposition {
        let settings = &dispatch.settings;
        let id = dispatch.message.id;
        loop {
            let counts = flight.counts();
            match verdict(counts, settings.when_deferred, settings.when_refused) {
                ReplyVerdict::Delivered => return single_reply::delivered(id, &flight.states),
                ReplyVerdict::PassRefusal => return single_reply::first_refusal(&flight.states),
                ReplyVerdict::PassDeferral => {
                    flight.withdraw_unfinished();
                    self.note_left(&flight);
                    return single_reply::first_deferral(&flight.states);
                }
                ReplyVerdict::Store => {}
            }
            let error = match self.store(dispatch, &mut flight).await {
                Ok(stored) => return self.continue_in_background(flight, stored, counts),
                Err(error) => error,
            };
            // Outcomes may have arrived while the store tried.
            let counts = flight.counts();
            let verdict = verdict(counts, settings.when_deferred, settings.when_refused);
            if verdict != ReplyVerdict::Store {
                continue;
            }
            tracing::error!(%id, %error, "not stored");
            match after_failed_store(counts.delivered > 0, flight.has_unanswered_dot()) {
                AfterFailedStore::AwaitDots => self.await_dots(&mut flight).await,
                AfterFailedStore::PartialFailure => {
                    self.note_left(&flight);
                    return single_reply::partial_failure(&flight.states);
                }
                AfterFailedStore::Failure => {
                    flight.withdraw_unfinished();
                    self.note_left(&flight);
                    return single_reply::failure();
                }
            }
        }
    }

    /// Stores what has to wait, and says for each recipient what became of it.
    async fn settle_each(&self, dispatch: &Dispatch, mut flight: Flight) -> Disposition {
        let (message, settings) = (&dispatch.message, &dispatch.settings);
        let (when_deferred, when_refused) = (settings.when_deferred, settings.when_refused);
        if when_deferred == WhenDeferred::Pass {
            flight.withdraw_unfinished();
        }
        loop {
            let counts = flight.counts();
            if !needs_store(counts, when_deferred, when_refused) {
                return self.reply_to_each(dispatch, &flight, None);
            }
            let error = match self.store(dispatch, &mut flight).await {
                Ok(stored) => {
                    // What was stored is queued, whatever came meanwhile.
                    let queued = Reply::queued(message.id);
                    let (states, outcomes) = (&flight.states, flight.outcomes());
                    let replies =
                        per_recipient::disposition(states, &outcomes, settings, Some(&queued));
                    let mut each = replies.each;
                    for place in stored.plan.places() {
                        each[place] = queued.clone();
                    }
                    self.context.note_left(message, &each);
                    let Disposition {
                        settled,
                        reply,
                        each,
                        ..
                    } = per_recipient::of_replies(each);
                    return Disposition {
                        settled,
                        reply,
                        each,
                        ..self.continue_in_background(flight, stored, counts)
                    };
                }
                Err(error) => error,
            };
            tracing::error!(id = %message.id, %error, "not stored");
            if !flight.has_unanswered_dot() {
                flight.withdraw_unfinished();
                let otherwise = Reply::INSUFFICIENT_STORAGE;
                return self.reply_to_each(dispatch, &flight, Some(&otherwise));
            }
            self.await_dots(&mut flight).await;
        }
    }

    /// The reply for each recipient; `otherwise` for those that have none of their own.
    fn reply_to_each(
        &self,
        dispatch: &Dispatch,
        flight: &Flight,
        otherwise: Option<&Reply>,
    ) -> Disposition {
        let (states, outcomes) = (&flight.states, flight.outcomes());
        let disposition =
            per_recipient::disposition(states, &outcomes, &dispatch.settings, otherwise);
        self.context.note_left(&dispatch.message, &disposition.each);
        disposition
    }

    /// Nothing is stored, and a dot is unanswered: its reply may still come.
    async fn await_dots(&self, flight: &mut Flight) {
        flight.withdraw_unfinished();
        let seen = flight.ended.len();
        flight.all_ended().await;
        let late = results(&flight.ended[seen..]);
        let attempted = self.context.attempts_of(&flight.message, late);
        self.context.record_attempts(attempted);
    }

    /// Records who is left with the client.
    fn note_left(&self, flight: &Flight) {
        let replies = per_recipient::replies(&flight.states);
        self.context.note_left(&flight.message, &replies);
    }

    /// Steps 315 and 316: identifies the failed recipients and stores the complete message with
    /// them, those still pending under a lease.
    async fn store(&self, dispatch: &Dispatch, flight: &mut Flight) -> Result<Stored, StoreError> {
        let queue = &self.context.queue;
        let ids = queue.allocate_rows(flight.states.len());
        let plan = StorePlan::of(flight, &dispatch.settings, &ids, dispatch.per_recipient);
        let leased = plan.rows.iter().filter(|planned| planned.leased);
        let leased: Vec<NewRow> = leased.map(|planned| planned.row.clone()).collect();
        let lease = queue.lease(&leased);
        let rows = plan.rows.iter().map(|planned| planned.row.clone());
        let ended_before = flight.ended.len();
        let counts = flight.counts();
        let is_owed = counts.delivered > 0 || counts.uncertain > 0 || flight.has_unanswered_dot();
        let entries = [NewEntry {
            message: Arc::clone(&dispatch.message),
            rows: rows.collect(),
            failed: plan.failed.clone(),
            made_of: None,
        }];
        flight
            .run_beside(async {
                match is_owed {
                    true => queue.enqueue_owed(&entries).await,
                    false => queue.enqueue(&entries).await,
                }
            })
            .await?;
        // Rows are committed: the gate stands open from here on.
        flight.gate.decide(true);
        Ok(Stored {
            plan,
            lease,
            ended_before,
            kept_from: dispatch.message.received_at,
        })
    }

    /// The attempts that are left go on without the client.
    fn continue_in_background(
        &self,
        flight: Flight,
        mut stored: Stored,
        counts: OutcomeCounts,
    ) -> Disposition {
        let queue = &self.context.queue;
        let recipients = flight.states.len();
        let disposition = single_reply::stored(&flight.message, &stored.plan, counts, recipients);
        let Flight {
            message,
            mut ended,
            underway,
            ..
        } = flight;
        let leased = |next_hop, rows, lease| LeasedRows {
            message: Arc::clone(&message),
            next_hop,
            rows,
            lease,
            place: None,
        };
        for (group, result) in ended.split_off(stored.ended_before) {
            let (rows, lease) = stored.rows_of(&group);
            queue.follow(
                leased(group.next_hop, rows, lease),
                ready(result),
                HandedOver::default(),
            );
        }
        for Underway {
            group,
            attempt,
            handed_over,
            ..
        } in underway.into_iter().filter(|group| group.begun)
        {
            let (rows, lease) = stored.rows_of(&group);
            queue.follow(leased(group.next_hop, rows, lease), attempt, handed_over);
        }
        disposition
    }
}

#[cfg(test)]
#[path = "fast_tests.rs"]
mod tests;
