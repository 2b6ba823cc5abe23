//! The fast path: deliver, then reply (Figures 3A and 3B of the patent, steps 310–317).

use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::answer::Account;
use super::each::told_each;
use super::flight::{Flight, Halt, State, Underway, reported};
use super::plan::{Plan, Stored};
use super::verdict::{AfterFailedStore, Tally, Verdict, after_failed_store, verdict};
use super::{ClientPresence, Paths, Transaction};
use crate::delivery::Report;
use crate::message::trail::{Attempted, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{DiskReason, Message, Outcome, Path};
use crate::queue::NewEntry;
use crate::settings::NextHop;
use crate::smtp::reply::Reply;
use crate::store::{NewRow, StoreError};

impl Paths {
    /// Tries every recipient that is not `known` to be settled before the reply, and stores what could
    /// not be delivered by the deadline.
    pub(super) async fn take_fast_path<C: ClientPresence>(
        self: &Arc<Self>,
        transaction: &Transaction,
        known: &[bool],
        deadline: Instant,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> Account {
        let mut flight = Flight::launch(self, transaction, known);
        let halt = flight.run(client, deadline.into(), shutdown).await;
        let reports: Vec<&Report> = flight.ended.iter().map(|(_, report)| report).collect();
        let all_told = self
            .queue
            .report_relayed(&transaction.message, &reports)
            .await;
        let mut attempted = self.attempts_of(&transaction.message, reported(&flight.ended));
        // A plain delivery, which is most mail, goes into the row of its answer.
        let delivered = attempted.pop_if(|attempted| {
            attempted.outcome == OutcomeKind::Delivered && flight.states.len() == 1 && all_told
        });
        self.record_attempts(attempted);
        let account = match halt {
            Halt::ClientGone => {
                self.note_left(&transaction.message, &told_each(&flight));
                client_gone()
            }
            Halt::Ended | Halt::TimeUp if transaction.each => {
                self.settle_each(transaction, flight).await
            }
            Halt::Ended | Halt::TimeUp => self.settle(transaction, flight).await,
        };
        Account {
            delivered,
            ..account
        }
    }

    /// Applies the table until it can be carried out.
    async fn settle(self: &Arc<Self>, transaction: &Transaction, mut flight: Flight) -> Account {
        let settings = &transaction.settings;
        loop {
            let tally = flight.tally();
            match verdict(tally, settings.when_deferred, settings.when_refused) {
                Verdict::Delivered => return delivered(&flight),
                Verdict::PassRefusal => return passed_on(first_refusal(&flight)),
                Verdict::PassDeferral => {
                    flight.withdraw_unfinished();
                    self.note_left(&transaction.message, &told_each(&flight));
                    return passed_on(&first_deferral(&flight));
                }
                Verdict::Store => {}
            }
            let error = match self.store(transaction, &mut flight).await {
                Ok(stored) => return self.continue_in_background(flight, stored, tally),
                Err(error) => error,
            };
            // Outcomes may have arrived while the store tried.
            let tally = flight.tally();
            if verdict(tally, settings.when_deferred, settings.when_refused) != Verdict::Store {
                continue;
            }
            tracing::error!(id = %transaction.message.id, %error, "not stored");
            match after_failed_store(tally.delivered > 0, flight.has_unanswered_dot()) {
                AfterFailedStore::AwaitDots => {
                    flight.withdraw_unfinished();
                    let seen = flight.ended.len();
                    flight.all_ended().await;
                    let late = &flight.ended[seen..];
                    self.record_attempts(self.attempts_of(&transaction.message, reported(late)));
                }
                AfterFailedStore::PartialFailure => {
                    self.note_left(&transaction.message, &told_each(&flight));
                    return partial_failure(&flight);
                }
                AfterFailedStore::FailureReason => {
                    flight.withdraw_unfinished();
                    self.note_left(&transaction.message, &told_each(&flight));
                    return failure();
                }
            }
        }
    }

    /// Steps 315 and 316: identifies the failed recipients and stores the complete message with
    /// them, those still pending under a lease.
    pub(super) async fn store(
        self: &Arc<Self>,
        transaction: &Transaction,
        flight: &mut Flight,
    ) -> Result<Stored, StoreError> {
        let message = Arc::clone(&transaction.message);
        let plan = Plan::of(
            flight,
            &transaction.settings,
            &self.queue.allocate_rows(flight.states.len()),
            transaction.each,
        );
        let leased: Vec<NewRow> = plan
            .rows
            .iter()
            .filter(|planned| planned.leased)
            .map(|planned| planned.row.clone())
            .collect();
        let lease = self.queue.lease(&leased);
        let rows: Vec<NewRow> = plan
            .rows
            .iter()
            .map(|planned| planned.row.clone())
            .collect();
        let ended_before = flight.ended.len();
        let queue = Arc::clone(&self.queue);
        let tally = flight.tally();
        let is_owed = tally.delivered > 0 || tally.uncertain > 0 || flight.has_unanswered_dot();
        let parcel = [NewEntry {
            message,
            rows,
            failed: plan.failed.clone(),
            made_of: None,
        }];
        flight
            .run_beside(async {
                match is_owed {
                    true => queue.enqueue_owed(&parcel).await,
                    false => queue.enqueue(&parcel).await,
                }
            })
            .await?;
        // Rows are committed: the gate stands open from here on.
        flight.gate.decide(true);
        Ok(Stored {
            plan,
            lease,
            ended_before,
            kept_from: transaction.message.received_at,
        })
    }

    /// The attempts that are left go on without the client.
    pub(super) fn continue_in_background(
        self: &Arc<Self>,
        flight: Flight,
        mut stored: Stored,
        tally: Tally,
    ) -> Account {
        let account = stored_account(&flight.message, &stored.plan, tally, flight.states.len());
        let Flight {
            message,
            mut ended,
            underway,
            ..
        } = flight;
        for (group, report) in ended.split_off(stored.ended_before) {
            let rows = stored.rows_of(&group);
            let lease = stored.lease.part(rows.iter().map(|row| row.id));
            let ended = ready(report);
            let handed_over = crate::queue::HandedOver::default();
            self.queue.adopt(
                Arc::clone(&message),
                group.next_hop,
                rows,
                lease,
                ended,
                handed_over,
            );
        }
        for Underway {
            group,
            attempt,
            handed_over,
            ..
        } in underway.into_iter().filter(|group| group.begun)
        {
            let rows = stored.rows_of(&group);
            let lease = stored.lease.part(rows.iter().map(|row| row.id));
            self.queue.adopt(
                Arc::clone(&message),
                group.next_hop,
                rows,
                lease,
                attempt,
                handed_over,
            );
        }
        account
    }

    /// Counts the attempts that ended, and words them for the trail when it is kept.
    pub(super) fn attempts_of<'a>(
        &self,
        message: &Message,
        ended: impl IntoIterator<Item = (&'a Arc<NextHop>, &'a Report)>,
    ) -> Vec<Attempted> {
        let at = Timestamp::now();
        let mut attempted = Vec::new();
        for (next_hop, report) in ended {
            for (position, outcome) in &report.outcomes {
                self.statistics.counters.attempted(outcome.kind());
                if !self.trail.is_kept() {
                    continue;
                }
                attempted.push(Attempted {
                    message: message.id,
                    recipient: message.envelope.recipients[*position].address.clone(),
                    at,
                    next_hop: Arc::clone(next_hop.name()),
                    peer: report.peer,
                    outcome: outcome.kind(),
                    words: outcome.reply().to_string(),
                    took: report.took,
                    tls: report.tls,
                });
            }
        }
        attempted
    }

    pub(super) fn record_attempts(&self, attempted: Vec<Attempted>) {
        for attempted in attempted {
            self.trail.record(TrailEntry::Attempted(attempted));
        }
    }
}

/// Steps 313 and 314: everybody has it.
fn delivered(flight: &Flight) -> Account {
    let words = flight
        .states
        .iter()
        .find_map(|state| match state {
            State::Ended(Outcome::Delivered(reply)) => Some(reply.to_string()),
            _ => None,
        })
        .unwrap_or_else(|| "already delivered".to_owned());
    let id = flight.message.id;
    Account {
        reply: Reply::new(250, (2, 0, 0), format!("Delivered {id} ({words})")),
        settled: (0..flight.states.len()).collect(),
        ..unsettled()
    }
}

/// Step 317: what could not be delivered is durable.
fn stored_account(message: &Message, plan: &Plan, tally: Tally, recipients: usize) -> Account {
    let waiting = plan.rows.len();
    let reported = plan.failed.len();
    let verb = if waiting > 0 { "Queued" } else { "Accepted" };
    let text = if tally.delivered == 0 && reported == 0 {
        format!("Queued {}", message.id)
    } else {
        let delivered = tally.delivered;
        format!(
            "{verb} {}: {delivered} delivered, {waiting} waiting, {reported} failed and reported",
            message.id
        )
    };
    let mut reasons: Vec<DiskReason> = Vec::new();
    for planned in &plan.rows {
        if !reasons.contains(&planned.row.reason) {
            reasons.push(planned.row.reason.clone());
        }
    }
    let stored = !plan.is_empty(message);
    if stored && waiting == 0 {
        // Only reports were stored.
        reasons.push(DiskReason::Deferred);
    }
    Account {
        reply: Reply::new(250, (2, 0, 0), text),
        stored,
        reasons,
        settled: (0..recipients).collect(),
        ..unsettled()
    }
}

fn passed_on(reply: &Reply) -> Account {
    Account {
        reply: reply.passed_on(),
        ..unsettled()
    }
}

fn first_refusal(flight: &Flight) -> &Reply {
    flight
        .states
        .iter()
        .find_map(|state| match state {
            State::Ended(Outcome::Refused(reply)) => Some(reply),
            _ => None,
        })
        .expect("the verdict was that recipients were refused")
}

/// The first deferral's words; our own when the deadline passed first.
fn first_deferral(flight: &Flight) -> Reply {
    flight
        .states
        .iter()
        .find_map(|state| match state {
            State::Ended(Outcome::Deferred(_, reply)) => Some(reply.clone()),
            _ => None,
        })
        .unwrap_or_else(Reply::not_in_time)
}

/// Somebody has it and the rest could not be stored.
fn partial_failure(flight: &Flight) -> Account {
    let delivered =
        |state: &State| matches!(state, State::Known | State::Ended(Outcome::Delivered(_)));
    let states = flight.states.iter().enumerate();
    Account {
        reply: Reply::new(
            451,
            (4, 3, 0),
            "Delivered to some recipients only; send it again, they will not get it twice",
        ),
        settled: states
            .filter(|(_, state)| delivered(state))
            .map(|(position, _)| position)
            .collect(),
        needs_fingerprint: true,
        ..unsettled()
    }
}

/// Nobody has it and it could not be stored.
fn failure() -> Account {
    Account {
        reply: Reply::insufficient_storage(),
        ..unsettled()
    }
}

/// Nobody waits for a reply and nobody got the message.
pub(super) fn client_gone() -> Account {
    Account {
        reply: Reply::new(451, (4, 4, 2), "The client closed the connection"),
        client_gone: true,
        ..unsettled()
    }
}

/// An account in which nothing has happened yet.
pub(super) fn unsettled() -> Account {
    Account::nothing(Reply::local_error(), Path::Fast)
}
