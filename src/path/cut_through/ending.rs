//! The end of a message that goes straight through: who has it, and what its client is told (steps 505–508).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Passage;
use super::leg::{Leg, LegState};
use crate::delivery::Report;
use crate::message::trail::{Attempted, RecipientEvent, TrailEntry};
use crate::message::words::OutcomeKind;
use crate::message::{DiskReason, Message, Outcome, Path};
use crate::path::answer::{Account, Answer};
use crate::path::each::{already_delivered, overall, reply_of};
use crate::path::fast::client_gone;
use crate::path::fingerprints::{ContentDigest, Ticket};
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
    /// Its content has come; it has not where nobody would take it.
    pub has_content: bool,
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
            has_content,
            each,
            ended_at,
        } = ended;
        let digest = passage.content_digest();
        let recognised_by = match has_content {
            true => passage.settle_known(&digest),
            false => Ticket::default(),
        };
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
        let ended = || passage.legs.iter().filter_map(Leg::reported);
        let reports: Vec<&Report> = ended().map(|(_, report)| report).collect();
        let all_told = self.queue.report_relayed(message, &reports).await;
        let mut attempted = self.attempts_of(message, ended());
        let delivered = attempted.pop_if(|attempted| {
            attempted.outcome == OutcomeKind::Delivered
                && passage.accepted() == 1
                && passage.turned_away.is_empty()
                && all_told
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
                took: turned_away.took,
                tls: false,
            }));
            if turned_away.outcome.reply().is_transient() {
                self.note(
                    message,
                    &turned_away.recipient,
                    RecipientEvent::LeftWithClient,
                );
            }
        }
        let fates = passage.fates();
        if fates
            .iter()
            .any(|fate| fate.standing() != Standing::Delivered)
        {
            let replies: Vec<Reply> = fates.iter().map(Fate::reply).collect();
            self.note_left(message, &replies);
        }
        delivered
    }
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
                ticket = ticket.and(Ticket::of(leg.all_known(), digest));
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

    /// What came of each recipient, by its place.
    fn fates(&self) -> Vec<Fate<'_>> {
        let mut fates = vec![Fate::Unknown; self.accepted()];
        for leg in &self.legs {
            match &leg.state {
                LegState::Ended(report) => {
                    for (recipient, outcome) in &report.outcomes {
                        fates[*recipient] = Fate::Said(outcome);
                    }
                }
                LegState::AlreadySettled => {
                    for recipient in &leg.recipients {
                        fates[*recipient] = Fate::AlreadySettled;
                    }
                }
                LegState::Open(_) | LegState::Ending => {}
            }
        }
        fates
    }

    fn account(&self, message: &Message, each: bool) -> Account {
        let fates = self.fates();
        let tally = fates.iter().map(|fate| fate.standing()).collect();
        let verdict = passed(tally);
        let places = fates.iter().enumerate();
        let has_it = |fate: &Fate<'_>| fate.standing() == Standing::Delivered;
        let settled = places.filter(|(_, fate)| has_it(fate));
        let settled = settled.map(|(place, _)| place).collect();
        if each {
            // Who hears of each recipient repeats it for those who lack it, and for nobody else.
            let each: Vec<Reply> = fates.iter().map(Fate::reply).collect();
            return Account {
                settled,
                reply: overall(&each),
                each,
                ..Account::nothing(Reply::local_error(), Path::CutThrough)
            };
        }
        let reply = match verdict {
            Passed::Delivered => delivered(message, &fates),
            Passed::Refusal => first(&fates, Standing::Refused),
            Passed::Deferral => first_deferral(&fates),
            Passed::PartlyDeferred => partly_deferred(message, &fates),
            Passed::PartlyRefused => partly_refused(message, &fates),
        };
        Account {
            settled,
            needs_fingerprint: verdict == Passed::PartlyDeferred,
            ..Account::nothing(reply, Path::CutThrough)
        }
    }
}

/// What came of one recipient.
#[derive(Clone, Copy, Debug)]
enum Fate<'a> {
    /// It has this very content already.
    AlreadySettled,
    /// What its next hop said.
    Said(&'a Outcome),
    /// Nobody has said anything. Not reached: every leg ends; but it must not count as delivered.
    Unknown,
}

impl Fate<'_> {
    fn standing(&self) -> Standing {
        match self {
            Self::AlreadySettled | Self::Said(Outcome::Delivered(_)) => Standing::Delivered,
            Self::Said(Outcome::Deferred(..)) => Standing::Deferred,
            Self::Said(Outcome::Refused(_)) => Standing::Refused,
            Self::Said(Outcome::Uncertain(_)) | Self::Unknown => Standing::Uncertain,
        }
    }

    /// What the client hears of this recipient alone.
    fn reply(&self) -> Reply {
        match self {
            Self::AlreadySettled => already_delivered(),
            Self::Said(outcome) => reply_of(outcome),
            Self::Unknown => Reply::local_error(),
        }
    }
}

/// Step 507.
fn delivered(message: &Message, fates: &[Fate<'_>]) -> Reply {
    let mut said = fates.iter().filter_map(|fate| match fate {
        Fate::Said(outcome) => Some(outcome.reply().to_string()),
        Fate::AlreadySettled | Fate::Unknown => None,
    });
    let words = said
        .next()
        .unwrap_or_else(|| "already delivered".to_owned());
    let id = message.id;
    Reply::new(250, (2, 0, 0), format!("Delivered {id} ({words})"))
}

/// Step 508: what is said of the first recipient that stands so.
fn first(fates: &[Fate<'_>], standing: Standing) -> Reply {
    let found = fates.iter().find(|fate| fate.standing() == standing);
    found.map_or_else(Reply::local_error, Fate::reply)
}

fn first_deferral(fates: &[Fate<'_>]) -> Reply {
    let mut deferred = fates.iter();
    match deferred.any(|fate| fate.standing() == Standing::Deferred) {
        true => first(fates, Standing::Deferred),
        false => first(fates, Standing::Uncertain),
    }
}

fn partly_deferred(message: &Message, fates: &[Fate<'_>]) -> Reply {
    let has = named(message, fates, |standing| standing == Standing::Delivered);
    let has_not = named(message, fates, |standing| {
        matches!(standing, Standing::Deferred | Standing::Uncertain)
    });
    let why = first_deferral(fates);
    let words = format!(
        "Delivered to {has}; not yet to {has_not} ({} {}). Send it again: nobody will get it twice",
        why.code,
        why.passed_words()
    );
    Reply::new(451, (4, 0, 0), words)
}

fn partly_refused(message: &Message, fates: &[Fate<'_>]) -> Reply {
    let has = named(message, fates, |standing| standing == Standing::Delivered);
    let has_not = named(message, fates, |standing| standing == Standing::Refused);
    let why = first(fates, Standing::Refused);
    let words = format!(
        "Delivered to {has}; refused for {has_not} ({} {})",
        why.code,
        why.passed_words()
    );
    Reply::new(554, (5, 0, 0), words)
}

/// The recipients that stand so, by name.
fn named(message: &Message, fates: &[Fate<'_>], stands: impl Fn(Standing) -> bool) -> String {
    let recipients = message.envelope.recipients.iter().zip(fates);
    let all: Vec<&str> = recipients
        .filter(|(_, fate)| stands(fate.standing()))
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
