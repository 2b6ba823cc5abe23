//! Milter: mail filters that speak the milter protocol, version 6, as Sendmail and Postfix do. We are the
//! MTA's side of it.
//!
//! Milters are written to listen in on a conversation: they hear of the client, then of each command.
//! Conditions are looked into when the data are there, so a milter is told all of that in one go, hears
//! and says the same, and what it says early counts as early: nothing more is told.
//!
//! Each message has a connection of its own. To keep one would save a connect and a negotiation on the
//! local machine; it would cost a state on both sides that outlives the message (ABORT, whose end is not
//! acknowledged), and a second try whenever an idle connection turns out to be gone.

mod change;
mod changes;
mod dialogue;
#[cfg(any(fuzzing, test))]
pub(super) mod fuzzing;
mod incoming;
mod numbered_header;
mod packet;
mod response;
#[cfg(test)]
mod scripted;
mod stage;
mod telling;
mod text;

use super::check::{CheckFn, Concerns, ConditionCheck, MessageCheck};
use super::header::Field;
use super::new_body::NewBodyWriter;
use super::service_stream::connect;
use super::verdict::{CheckAnswer, CheckVerdict, Edit};
use super::words;
use crate::message::Reservation;
use crate::settings::service_address::ServiceAddress;
use crate::smtp::reply::Reply;
use dialogue::{MilterOutcome, MilterVerdict, converse};
use incoming::Incoming;
use telling::Announced;

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::All,
    tags: &[],
    run: CheckFn::Message(|asked| Box::pin(check(asked))),
};

/// Has one milter look at the message until the deadline.
async fn check(asked: MessageCheck<'_>) -> CheckVerdict {
    let MessageCheck {
        conditions,
        settings,
        draft,
        position,
        ..
    } = asked;
    let address = &settings.milter.milters[position];
    let tools = &conditions.tools;
    let told = Announced {
        hostname: &tools.hostname,
        draft,
    };
    let conversation = async {
        let mut stream = connect(address).await?;
        let writer = NewBodyWriter::new(draft.arrived(), settings, tools);
        let new_body = Incoming::new(writer, settings.message_size_max_bytes);
        let outcome = converse(&mut *stream, told, new_body).await;
        outcome.map_err(|trouble| trouble.map(|why| of(address, &why)))
    };
    let service = conditions.milters[position].at(address, settings.milter.connections_max);
    let asker = asked.asker(settings.milter.when_unavailable);
    let neutral = negotiate(address, draft.arrived().body.another_share());
    match service.ask(asker, conversation, neutral).await {
        Ok(outcome) => verdict(outcome, &address.to_string(), draft.fields()),
        Err(no_answer) => CheckVerdict::without(no_answer),
    }
}

/// Words about the milter at this address, which follow its name.
fn of(address: &ServiceAddress, why: &str) -> String {
    words::cut(&format!("{address}: {why}"))
}

/// The neutral question: what a milter agrees to. It hears of no message.
async fn negotiate(address: &ServiceAddress, share: Reservation) -> Result<(), String> {
    let mut stream = connect(address).await?;
    let agreed = dialogue::negotiate(&mut *stream, share).await;
    agreed.map_err(|why| of(address, &why))
}

/// What an outcome means for the message, whose fields are these.
fn verdict(outcome: MilterOutcome, milter: &str, fields: &[Field]) -> CheckVerdict {
    let of =
        |answer, words: &str| CheckVerdict::of(answer, words::cut(&format!("{milter}: {words}")));
    let why = match outcome.end {
        MilterVerdict::Refused(reply) => {
            let words = reply.to_string();
            return of(CheckAnswer::Refuse(reply), &words);
        }
        MilterVerdict::Deferred(reply) => {
            let words = reply.to_string();
            return of(CheckAnswer::Defer(reply), &words);
        }
        // docs/decisions/0008: nothing is lost on a word. What it would have changed means nothing.
        MilterVerdict::Discarded => return of(CheckAnswer::Quarantine, "wants it discarded"),
        MilterVerdict::Passed => &outcome.quarantine,
    };
    let refused = outcome.refused.iter();
    let refused =
        refused.map(|(address, reply)| Edit::RefuseRecipient(address.clone(), reply.clone()));
    let mut edits: Vec<Edit> = refused.collect();
    let new_body = match outcome.new_body.transpose() {
        Ok(new_body) => new_body,
        Err(error) => {
            tracing::error!(%milter, %error, "its new body finds no place");
            let answer = CheckAnswer::Defer(Reply::INSUFFICIENT_STORAGE);
            return of(answer, "its new body finds no place");
        }
    };
    let answer = match why {
        Some(_) => CheckAnswer::Quarantine,
        None => CheckAnswer::Pass,
    };
    let why = why.iter().map(|why| match why.as_str() {
        "" => "wants it kept back".to_owned(),
        why => why.to_owned(),
    });
    let mut said: Vec<String> = why.collect();
    for (address, reply) in &outcome.refused {
        said.push(format!("refused <{}>: {reply}", address.as_str()));
    }
    let is_so = "not shown, too large";
    said.extend(of_count(outcome.unshown, "header field", is_so));
    let (changed, envelope) = outcome.changes.counts();
    said.extend(of_count(changed, "change", "of the header"));
    said.extend(new_body.is_some().then(|| "a new body".to_owned()));
    said.extend(of_count(envelope, "change", "of the envelope"));
    let changes = outcome.changes;
    edits.extend(changes.into_edits(fields, outcome.keeps_leading_space));
    edits.extend(new_body.map(Edit::ReplaceBody));
    let words = match said.is_empty() {
        true => milter.to_owned(),
        false => format!("{milter}: {}", said.join(", ")),
    };
    CheckVerdict {
        edits,
        ..CheckVerdict::of(answer, words::cut(&words))
    }
}

/// So many of what, and what is so of them; none when there are none.
fn of_count(count: usize, what: &str, is_so: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {what} {is_so}")),
        count => Some(format!("{count} {what}s {is_so}")),
    }
}

#[cfg(test)]
mod tests;
