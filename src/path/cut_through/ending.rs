//! The end of a message that goes straight through: who has it, and what its client is told (steps 505–508).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Passage;
use super::leg::{Leg, LegState};
use crate::delivery::Report;
use crate::message::trail::{Attempted, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{DiskReason, Message, Outcome, Path};
use crate::path::answer::{Account, Answer};
use crate::path::fast::client_gone;
use crate::path::fingerprints::{ContentDigest, Ticket};
use crate::path::flight::Group;
use crate::path::verdict::{Passed, Standing, passed};
use crate::path::{Arrived, ClientPresence, Paths, Transaction};
use crate::smtp::reply::Reply;

/// A message whose content has come whole and is with its next hops, but for its end.
#[derive(Debug)]
pub struct EndedPassage {
    /// Its legs.
    pub passage: Box<Passage>,
    /// All of it but its content.
    pub message: Arc<Message>,
    /// The client hears a reply for each recipient.
    pub each: bool,
    /// When the end of data was read.
    pub ended_at: Instant,
}

/// Recipients that a reply names; of more it says how many.
const NAMED: usize = 10;

impl Paths {
    /// Ends a message whose content has come whole, and says what its recipients said. All bodies are
    /// there then and no end is, so that a client that has gone meanwhile is owed nothing; the ends go out
    /// together.
    pub async fn end_passage<C: ClientPresence>(
        self: &Arc<Self>,
        ended: EndedPassage,
        client: &mut C,
    ) -> Answer {
        let EndedPassage {
            mut passage,
            message,
            each,
            ended_at,
        } = ended;
        let digest = passage.content_digest();
        let recognised_by = passage.settle_known(&digest);
        let has_left = passage.has_takers() && !client.still_there().await;
        if has_left {
            passage.abandon(&withdrawn());
        } else {
            passage.send_end().await;
            passage.conclude().await;
        }
        let transaction = Transaction {
            message,
            declared_size: passage.opening.declared_size,
            settings: Arc::clone(&passage.settings),
            path: passage.opening.path,
            obstacle: None,
            each,
            reasons: Vec::new(),
            ended_at,
        };
        let delivered = self.record_legs(&passage, &transaction.message).await;
        let account = match has_left {
            true => Account {
                path: Path::CutThrough,
                ..client_gone()
            },
            false => passage.account(&transaction.message, each),
        };
        let arrived = Arrived {
            message: Arc::clone(&transaction.message),
            size_bytes: passage.content_bytes,
            digest: Some(digest),
            examined: std::mem::take(&mut passage.words),
        };
        let deadline = Duration::from_secs(transaction.settings.ack_deadline_seconds);
        let late = account.reply.is_positive() && ended_at.elapsed() >= deadline;
        let account = Account {
            delivered,
            ..account
        };
        self.give(&transaction, &arrived, account, recognised_by, late)
            .await
    }

    /// Puts down what every next hop said; an only delivery is given back, for the row of the answer.
    async fn record_legs(&self, passage: &Passage, message: &Arc<Message>) -> Option<Attempted> {
        for recipient in passage.already_settled() {
            self.note_settled(message, recipient);
        }
        let ended: Vec<(Group, Report)> = passage.legs.iter().filter_map(ended).collect();
        let mut attempted = self.attempts_of(message, &ended);
        let delivered = attempted.pop_if(|attempted| {
            attempted.outcome == OutcomeKind::Delivered && passage.accepted() == 1
        });
        self.record_attempts(attempted);
        for turned_away in &passage.turned_away {
            self.trail.record(TrailEntry::Attempted(Attempted {
                message: message.id,
                recipient: turned_away.recipient.clone(),
                at: Timestamp::now(),
                next_hop: Arc::clone(&turned_away.next_hop),
                peer: turned_away.peer,
                outcome: turned_away.outcome.kind(),
                words: turned_away.outcome.reply().to_string(),
                took: Duration::ZERO,
                tls: false,
            }));
        }
        let reports: Vec<&Report> = ended.iter().map(|(_, report)| report).collect();
        self.queue.report_relayed(message, &reports).await;
        delivered
    }
}

fn ended(leg: &Leg) -> Option<(Group, Report)> {
    let LegState::Ended(report) = &leg.state else {
        return None;
    };
    let group = Group {
        next_hop: Arc::clone(&leg.next_hop),
        recipients: leg.recipients.clone(),
    };
    Some((group, report.clone()))
}

impl Passage {
    fn content_digest(&self) -> ContentDigest {
        let mut content = ContentDigest::default();
        content.copy_from_slice(self.digest.clone().finish().as_ref());
        content
    }

    /// Closes the legs whose recipients have this very content already.
    fn settle_known(&mut self, digest: &ContentDigest) -> Ticket {
        let mut ticket = Ticket::default();
        for leg in &mut self.legs {
            if leg.is_known_as(digest) {
                ticket = ticket.and(Ticket::of(&leg.known, digest));
                leg.settle_as_known();
            }
        }
        ticket
    }

    fn already_settled(&self) -> impl Iterator<Item = usize> {
        let legs = self.legs.iter();
        let settled = legs.filter(|leg| matches!(leg.state, LegState::AlreadySettled));
        settled.flat_map(|leg| leg.recipients.iter().copied())
    }

    /// What came of each recipient, by its place; none: it has the message already.
    fn outcomes(&self) -> Vec<Option<&Outcome>> {
        let mut outcomes = vec![None; self.accepted()];
        for leg in &self.legs {
            if let LegState::Ended(report) = &leg.state {
                for (recipient, outcome) in &report.outcomes {
                    outcomes[*recipient] = Some(outcome);
                }
            }
        }
        outcomes
    }

    fn account(&self, message: &Message, each: bool) -> Account {
        let outcomes = self.outcomes();
        let tally = outcomes.iter().map(|outcome| standing(*outcome)).collect();
        let verdict = passed(tally);
        let reply = match verdict {
            Passed::Delivered => delivered(message, &outcomes),
            Passed::Refusal => first(&outcomes, OutcomeKind::Refused),
            Passed::Deferral => first_deferral(&outcomes),
            Passed::PartlyDeferred => partly_deferred(message, &outcomes),
            Passed::PartlyRefused => partly_refused(message, &outcomes),
        };
        let places = outcomes.iter().enumerate();
        let has_it = |outcome: &Option<&Outcome>| standing(*outcome) == Standing::Delivered;
        Account {
            settled: places
                .filter(|(_, outcome)| has_it(outcome))
                .map(|(place, _)| place)
                .collect(),
            // Who hears of each recipient repeats it for those who lack it, and for nobody else.
            needs_fingerprint: verdict == Passed::PartlyDeferred && !each,
            each: match each {
                true => outcomes.iter().map(|outcome| own_reply(*outcome)).collect(),
                false => Vec::new(),
            },
            ..Account::nothing(reply, Path::CutThrough)
        }
    }
}

fn standing(outcome: Option<&Outcome>) -> Standing {
    match outcome {
        None | Some(Outcome::Delivered(_)) => Standing::Delivered,
        Some(Outcome::Deferred(..)) => Standing::Deferred,
        Some(Outcome::Refused(_)) => Standing::Refused,
        Some(Outcome::Uncertain(_)) => Standing::Uncertain,
    }
}

/// What the client hears of one recipient.
fn own_reply(outcome: Option<&Outcome>) -> Reply {
    match outcome {
        None => Reply::new(250, (2, 0, 0), "Already delivered"),
        Some(Outcome::Delivered(reply)) => {
            Reply::new(250, (2, 0, 0), format!("Delivered ({reply})"))
        }
        Some(outcome) => outcome.reply().passed_on(),
    }
}

/// Step 507.
fn delivered(message: &Message, outcomes: &[Option<&Outcome>]) -> Reply {
    let mut said = outcomes.iter().flatten();
    let words = said.next().map_or_else(
        || "already delivered".to_owned(),
        |outcome| outcome.reply().to_string(),
    );
    let id = message.id;
    Reply::new(250, (2, 0, 0), format!("Delivered {id} ({words})"))
}

/// Step 508: what the first recipient's next hop said that has this outcome.
fn first(outcomes: &[Option<&Outcome>], kind: OutcomeKind) -> Reply {
    let mut said = outcomes.iter().flatten();
    let found = said.find(|outcome| outcome.kind() == kind);
    found.map_or_else(Reply::local_error, |outcome| outcome.reply().passed_on())
}

fn first_deferral(outcomes: &[Option<&Outcome>]) -> Reply {
    let mut said = outcomes.iter().flatten();
    let deferred = said.any(|outcome| outcome.kind() == OutcomeKind::Deferred);
    first(
        outcomes,
        match deferred {
            true => OutcomeKind::Deferred,
            false => OutcomeKind::Uncertain,
        },
    )
}

fn partly_deferred(message: &Message, outcomes: &[Option<&Outcome>]) -> Reply {
    let has = named(message, outcomes, |standing| {
        standing == Standing::Delivered
    });
    let has_not = named(message, outcomes, |standing| {
        matches!(standing, Standing::Deferred | Standing::Uncertain)
    });
    let why = first_deferral(outcomes);
    let words = format!(
        "Delivered to {has}; not yet to {has_not} ({} {}). Send it again: nobody will get it twice",
        why.code,
        why.passed_words()
    );
    Reply::new(451, (4, 0, 0), words)
}

fn partly_refused(message: &Message, outcomes: &[Option<&Outcome>]) -> Reply {
    let has = named(message, outcomes, |standing| {
        standing == Standing::Delivered
    });
    let has_not = named(message, outcomes, |standing| standing == Standing::Refused);
    let why = first(outcomes, OutcomeKind::Refused);
    let words = format!(
        "Delivered to {has}; refused for {has_not} ({} {})",
        why.code,
        why.passed_words()
    );
    Reply::new(554, (5, 0, 0), words)
}

/// The recipients that stand so, by name.
fn named(
    message: &Message,
    outcomes: &[Option<&Outcome>],
    stands: impl Fn(Standing) -> bool,
) -> String {
    let recipients = message.envelope.recipients.iter().zip(outcomes);
    let all: Vec<&str> = recipients
        .filter(|(_, outcome)| stands(standing(**outcome)))
        .map(|(recipient, _)| recipient.address.as_str())
        .collect();
    let mut names = all[..all.len().min(NAMED)].join(", ");
    if all.len() > NAMED {
        // Writing to a String cannot fail.
        let _ = write!(names, " and {} more", all.len() - NAMED);
    }
    names
}

/// The client went away.
fn withdrawn() -> Outcome {
    let words = "the client left before the end of data";
    Outcome::Deferred(DiskReason::Deferred, Reply::new(451, (4, 4, 2), words))
}
