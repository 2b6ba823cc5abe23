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

use tokio::time::Instant;

use super::CheckResources;
use super::check::{CheckFn, Concerns, ConditionCheck};
use super::draft::Draft;
use super::header::Field;
use super::new_body::NewBodyWriter;
use super::service::ServiceError;
use super::service_access::ServiceByAccess;
use super::service_stream::connect;
use super::verdict::{CheckAnswer, CheckVerdict, Edit};
use super::words;
use crate::limits;
use crate::message::Reservation;
use crate::settings::Settings;
use crate::settings::service_address::ServiceAddress;
use crate::smtp::reply::Reply;
use changes::Counts;
use dialogue::{MilterOutcome, MilterVerdict, converse};
use incoming::Incoming;
use telling::Announced;

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    concerns: Concerns::All,
    tags: &[],
    run: CheckFn::Message(|asked| {
        let question = MilterQuestion {
            service: &asked.conditions.milters[asked.position],
            address: &asked.settings.milter.milters[asked.position],
            settings: asked.settings,
            tools: &asked.conditions.tools,
        };
        Box::pin(check(question, asked.draft, asked.deadline))
    }),
};

/// What the milters are called, by their positions in the settings.
pub(super) const NAMES: [&str; limits::MILTERS] = [
    "milter 1", "milter 2", "milter 3", "milter 4", "milter 5", "milter 6", "milter 7", "milter 8",
];

/// Whom to ask.
pub(super) struct MilterQuestion<'a> {
    /// What was learned of it.
    pub(super) service: &'a ServiceByAccess<ServiceAddress>,
    /// Where it listens.
    pub(super) address: &'a ServiceAddress,
    /// How many at once, and how large a message may be.
    pub(super) settings: &'a Settings,
    /// Our name, and where a new body is held.
    pub(super) tools: &'a CheckResources,
}

/// Has one milter look at the message until `deadline`.
pub(super) async fn check(
    question: MilterQuestion<'_>,
    draft: &Draft,
    deadline: Instant,
) -> CheckVerdict {
    let MilterQuestion {
        service,
        address,
        settings,
        tools,
    } = question;
    let told = Announced {
        hostname: &tools.hostname,
        draft,
    };
    let conversation = async {
        let mut stream = connect(address).await?;
        let writer = NewBodyWriter::new(draft, settings, tools);
        let new_body = Incoming::new(writer, settings.message_size_max_bytes);
        let outcome = converse(&mut *stream, told, new_body).await;
        outcome.map_err(|trouble| match trouble {
            ServiceError::Service(why) => ServiceError::Service(of(address, &why)),
            ServiceError::Message(why) => ServiceError::Message(of(address, &why)),
            ServiceError::NotShown(why) => ServiceError::NotShown(of(address, &why)),
        })
    };
    let service = service.at(address, settings.milter.connections_max);
    let asker = draft.asker(deadline, settings.milter.when_unavailable);
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
            return of(
                CheckAnswer::Defer(Reply::INSUFFICIENT_STORAGE),
                "its new body finds no place",
            );
        }
    };
    let (answer, mut said) = match why {
        Some(why) if why.is_empty() => (
            CheckAnswer::Quarantine,
            vec!["wants it kept back".to_owned()],
        ),
        Some(why) => (CheckAnswer::Quarantine, vec![why.clone()]),
        None => (CheckAnswer::Pass, Vec::new()),
    };
    for (address, reply) in &outcome.refused {
        said.push(format!("refused <{}>: {reply}", address.as_str()));
    }
    said.extend(of_count(
        outcome.unshown,
        "header field",
        "not shown, too large",
    ));
    said.extend(in_words(outcome.changes.counts(), new_body.is_some()));
    edits.extend(
        outcome
            .changes
            .into_edits(fields, outcome.keeps_leading_space),
    );
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

/// What was changed, for the trail; none when nothing was.
fn in_words(counts: Counts, has_new_body: bool) -> Option<String> {
    let parts = [
        of_count(counts.fields, "change", "of the header"),
        has_new_body.then(|| "a new body".to_owned()),
        of_count(counts.envelope, "change", "of the envelope"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
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
