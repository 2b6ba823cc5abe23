//! The fast path for clients that hear a reply for each recipient (LMTP, PRDR): nobody's outcome has to
//! stand for the others', so a refusal is passed on beside a delivery, and only what has to wait is stored.

use std::sync::Arc;

use super::answer::Account;
use super::fast::unsettled;
use super::flight::{Flight, State, reported};
use super::verdict::{Standing, Tally};
use super::{Paths, Transaction};
use crate::message::{Message, Outcome};
use crate::settings::{Settings, WhenDeferred, WhenRefused};
use crate::smtp::reply::Reply;

/// Whether something has to be stored before the replies.
fn stores(tally: Tally, settings: &Settings) -> bool {
    tally.uncertain > 0
        || (tally.deferred > 0 && settings.when_deferred == WhenDeferred::Queue)
        || (tally.refused > 0 && settings.when_refused == WhenRefused::Report)
}

/// Whether the client is told of a recipient that stands so, in the place of a row or a report.
pub(super) fn is_told(standing: Standing, settings: &Settings) -> bool {
    match standing {
        Standing::Delivered => true,
        Standing::Uncertain => false,
        Standing::Deferred => settings.when_deferred == WhenDeferred::Pass,
        Standing::Refused => settings.when_refused == WhenRefused::Reply,
    }
}

impl Paths {
    /// Stores what has to wait, and says for each recipient what became of it.
    pub(super) async fn settle_each(
        self: &Arc<Self>,
        transaction: &Transaction,
        mut flight: Flight,
    ) -> Account {
        let settings = &transaction.settings;
        if settings.when_deferred == WhenDeferred::Pass {
            flight.withdraw_unfinished();
        }
        loop {
            let tally = flight.tally();
            if !stores(tally, settings) {
                let told = told(&flight, settings, None);
                self.note_left(&transaction.message, &told.each);
                return told;
            }
            let error = match self.store(transaction, &mut flight).await {
                Ok(stored) => {
                    // What was stored is queued, whatever came meanwhile.
                    let mut told = told(&flight, settings, Some(&queued(&transaction.message)));
                    for place in stored.plan.places() {
                        told.each[place] = queued(&transaction.message);
                    }
                    self.note_left(&transaction.message, &told.each);
                    let account = self.continue_in_background(flight, stored, tally);
                    let settled = told.each.iter().enumerate();
                    return Account {
                        settled: settled
                            .filter(|(_, reply)| reply.is_positive())
                            .map(|(place, _)| place)
                            .collect(),
                        reply: overall(&told.each),
                        each: told.each,
                        ..account
                    };
                }
                Err(error) => error,
            };
            tracing::error!(id = %transaction.message.id, %error, "not stored");
            if !flight.has_unanswered_dot() {
                flight.withdraw_unfinished();
                let told = told(&flight, settings, Some(&Reply::insufficient_storage()));
                self.note_left(&transaction.message, &told.each);
                return told;
            }
            flight.withdraw_unfinished();
            let seen = flight.ended.len();
            flight.all_ended().await;
            let late = &flight.ended[seen..];
            self.record_attempts(self.attempts_of(&transaction.message, reported(late)));
        }
    }
}

fn queued(message: &Message) -> Reply {
    Reply::new(250, (2, 0, 0), format!("Queued {}", message.id))
}

/// What could be said of each recipient by itself.
pub(super) fn told_each(flight: &Flight) -> Vec<Reply> {
    flight.states.iter().map(own_reply).collect()
}

fn own_reply(state: &State) -> Reply {
    match state {
        State::Known => already_delivered(),
        State::Ended(outcome) => reply_of(outcome),
        State::Pending => Reply::not_in_time(),
    }
}

/// What the client hears of a recipient that a fingerprint says is settled.
pub(super) fn already_delivered() -> Reply {
    Reply::new(250, (2, 0, 0), "Already delivered")
}

/// What the client hears of a recipient with this outcome.
pub(super) fn reply_of(outcome: &Outcome) -> Reply {
    match outcome {
        Outcome::Delivered(reply) => Reply::new(250, (2, 0, 0), format!("Delivered ({reply})")),
        outcome => outcome.reply().passed_on(),
    }
}

/// What the client hears of each recipient; those it is not told of hear `otherwise`.
fn told(flight: &Flight, settings: &Settings, otherwise: Option<&Reply>) -> Account {
    let standings = flight.standings();
    let recipients = flight.states.iter().zip(standings);
    let each: Vec<Reply> = recipients
        .map(|(state, standing)| match otherwise {
            Some(otherwise) if !is_told(standing, settings) => otherwise.clone(),
            _ => own_reply(state),
        })
        .collect();
    let places = each.iter().enumerate();
    Account {
        settled: places
            .filter(|(_, reply)| reply.is_positive())
            .map(|(place, _)| place)
            .collect(),
        reply: overall(&each),
        each,
        ..unsettled()
    }
}

/// One reply for the whole, behind those of PRDR and in the trail. It is positive when somebody's is:
/// senders take any other for the answer to all of them.
pub(super) fn overall(each: &[Reply]) -> Reply {
    let taken = each.iter().filter(|reply| reply.is_positive()).count();
    match each.first() {
        Some(first) if each.iter().all(|reply| reply.code == first.code) => first.clone(),
        Some(_) if taken > 0 => {
            let words = format!("Accepted for {taken} of {} recipients", each.len());
            Reply::new(250, (2, 0, 0), words)
        }
        _ => {
            let transient = each.iter().find(|reply| reply.is_transient());
            let reply = transient.or_else(|| each.first());
            reply.cloned().unwrap_or_else(Reply::local_error)
        }
    }
}
