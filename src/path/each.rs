//! The fast path for clients that hear a reply for each recipient (LMTP, PRDR): nobody's outcome has to
//! stand for the others', so a refusal is passed on beside a delivery, and only what has to wait is stored.

use std::sync::Arc;

use super::answer::Account;
use super::fast::unsettled;
use super::flight::Flight;
use super::verdict::{Standing, Tally};
use super::{Paths, Transaction};
use crate::message::{Message, Outcome};
use crate::settings::{Settings, WhenDeferred, WhenRefused};
use crate::smtp::reply::Reply;

use super::flight::State;

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
                return told(&flight, settings, None);
            }
            let error = match self.store(transaction, &mut flight).await {
                Ok(stored) => {
                    // What was stored is queued, whatever came meanwhile.
                    let mut told = told(&flight, settings, Some(&queued(&transaction.message)));
                    for place in stored.plan.places() {
                        told.each[place] = queued(&transaction.message);
                    }
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
                return told(&flight, settings, Some(&Reply::insufficient_storage()));
            }
            flight.withdraw_unfinished();
            let seen = flight.ended.len();
            flight.all_ended().await;
            let late = &flight.ended[seen..];
            self.record_attempts(self.attempts_of(&transaction.message, late));
        }
    }
}

fn queued(message: &Message) -> Reply {
    Reply::new(250, (2, 0, 0), format!("Queued {}", message.id))
}

/// What the client hears of each recipient; those it is not told of hear `otherwise`.
fn told(flight: &Flight, settings: &Settings, otherwise: Option<&Reply>) -> Account {
    let standings = flight.standings();
    let recipients = flight.states.iter().zip(standings);
    let each: Vec<Reply> = recipients
        .map(|(state, standing)| match (state, otherwise) {
            (State::Known, _) => Reply::new(250, (2, 0, 0), "Already delivered"),
            (_, Some(otherwise)) if !is_told(standing, settings) => otherwise.clone(),
            (State::Ended(Outcome::Delivered(reply)), _) => {
                Reply::new(250, (2, 0, 0), format!("Delivered ({reply})"))
            }
            (State::Ended(outcome), _) => outcome.reply().passed_on(),
            (State::Pending, _) => Reply::not_in_time(),
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
