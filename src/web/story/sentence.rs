//! The sentences of a story, one for each thing that the trail tells.

use jiff::Timestamp;

use super::recipient_status::{Happening, Mood};
use crate::message::RowState;
use crate::message::queue_listing::QueueItem;
use crate::message::trail::RecipientEvent;
use crate::message::trail_listing::{AnsweredRow, TrailEvent};
use crate::message::words::{DiskReason, OutcomeKind, Path, Storage};
use crate::web::wording;

/// One sentence. Its end is a full stop, or a colon and the quotation.
#[derive(Debug, PartialEq)]
pub(in crate::web) struct Sentence {
    /// When; none where the trail does not say.
    pub(in crate::web) at: Option<Timestamp>,
    pub(in crate::web) text: String,
    /// The words of a reply; empty when there are none.
    pub(in crate::web) quotation: String,
    pub(in crate::web) mood: Mood,
}

impl Sentence {
    /// When, in words; blank where the trail does not say.
    pub(in crate::web) fn time(&self) -> String {
        self.at.map(wording::moment).unwrap_or_default()
    }
}

/// For a message that no client sent, or whose arrival is not in the trail.
pub(super) fn unknown_beginning(only: Option<&str>) -> Sentence {
    let recipient = only.map_or(String::new(), |recipient| format!(" for {recipient}"));
    let text = format!(
        "How this message{recipient} began is not in the trail: it is a report of our own, or the trail \
         was switched off then"
    );
    plain(None, text, Mood::Neutral)
}

/// For a message that a condition made of another one.
pub(super) fn made(arrived: &str) -> Sentence {
    Sentence {
        at: None,
        text: "A condition made this message of another one, whose story tells how it arrived"
            .to_owned(),
        quotation: arrived.trim().to_owned(),
        mood: Mood::Neutral,
    }
}

/// “Received from 192.0.2.1 (client.example.org), 4.1 KiB from anna@example.org for bert@example.net”
pub(super) fn received(answered: &AnsweredRow, only: Option<&str>) -> Sentence {
    let mut text = match &answered.client_address {
        Some(address) if answered.helo.is_empty() => format!("Received from {address}"),
        Some(address) => format!("Received from {address} ({})", answered.helo),
        None => "Written by ourselves".to_owned(),
    };
    if let Some(login) = &answered.login {
        text += &format!(", logged in as {login}");
    }
    let sender = match answered.sender.as_str() {
        "" => "nobody (a report)",
        sender => sender,
    };
    let recipients = match (only, answered.recipients) {
        (Some(recipient), 0 | 1) => recipient.to_owned(),
        (_, 1) => "one recipient".to_owned(),
        (_, count) => format!("{} recipients", wording::count(count)),
    };
    let size = wording::bytes(answered.size_bytes);
    text += &format!(", {size} from {sender} for {recipients}");
    plain(Some(answered.received_at), text, Mood::Neutral)
}

/// Which path it took and where it was held, with the reasons.
pub(super) fn way(answered: &AnsweredRow) -> Sentence {
    let path = match Path::from_word(&answered.path) {
        Some(Path::Fast) => "It took the fast path".to_owned(),
        Some(Path::Standard) => "It took the standard path".to_owned(),
        Some(Path::CutThrough) => "It was streamed straight through".to_owned(),
        None => format!("It took the path “{}”", answered.path),
    };
    let storage = match Storage::from_word(&answered.storage) {
        Some(Storage::Memory) if answered.path == Path::CutThrough.as_str() => {
            ", was held nowhere and never touched a disk".to_owned()
        }
        Some(Storage::Memory) => ", was held in memory and never touched a disk".to_owned(),
        Some(Storage::Split) => ", its head in memory and its tail on disk".to_owned(),
        Some(Storage::Disk) => " and was stored on disk".to_owned(),
        None => format!(" and was held in “{}”", answered.storage),
    };
    let reasons: Vec<String> = answered.reasons.iter().map(|word| because(word)).collect();
    let because = match listed(&reasons) {
        Some(reasons) => format!(", because {reasons}"),
        None => String::new(),
    };
    plain(None, format!("{path}{storage}{because}"), Mood::Neutral)
}

/// What the conditions said; none when none was present.
pub(super) fn examined(answered: &AnsweredRow) -> Option<Sentence> {
    (!answered.examined.is_empty()).then(|| Sentence {
        at: None,
        text: "Its conditions".to_owned(),
        quotation: answered.examined.clone(),
        mood: Mood::Neutral,
    })
}

/// A reason for disk, to stand behind “because”.
fn because(word: &str) -> String {
    let text = match DiskReason::from_word(word) {
        Some(DiskReason::OverThreshold) => "it exceeded the memory threshold",
        Some(DiskReason::Condition(name)) => return format!("the condition “{name}” was present"),
        Some(DiskReason::Deferred) => "a next hop put it off or was not reached",
        Some(DiskReason::AckDeadline) => "the delivery took longer than the sender was to wait",
        Some(DiskReason::DestinationBusy) => "no connection to the next hop became free in time",
        Some(DiskReason::DestinationSuspended) => "the next hop was suspended after failures",
        Some(DiskReason::NextHopPaused) => "an operator had paused the next hop",
        Some(DiskReason::MemoryPressure) => "the memory for messages was used up",
        Some(DiskReason::Conversion) => "the next hop takes only 7-bit content",
        Some(DiskReason::Uncertain) => "a next hop got all of it and did not answer",
        Some(DiskReason::StandardPath) => "the standard path was chosen for all messages",
        None => return format!("“{word}” is given as the reason"),
    };
    text.to_owned()
}

/// “one”, “one and two”, “one, two and three”.
pub(super) fn listed(parts: &[String]) -> Option<String> {
    match parts {
        [] => None,
        [one] => Some(one.clone()),
        [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
    }
}

/// The reply to the end of data.
pub(super) fn reply(answered: &AnsweredRow) -> Sentence {
    let after = wording::latency(Some(answered.acknowledged_seconds));
    let (text, mood) = match answered.code / 100 {
        2 => (format!("Answered after {after}"), Mood::Good),
        failed @ (4 | 5) => {
            let (yet, why) = match failed {
                4 => (" yet", "to try again later"),
                _ => ("", "that it failed"),
            };
            let text = format!("Not taken{yet}: after {after} the sender was told {why}");
            (text, Mood::Bad)
        }
        _ => (format!("Answered after {after}"), Mood::Neutral),
    };
    let code = answered.code.to_string();
    Sentence {
        at: None,
        text,
        quotation: match answered.reply.starts_with(&code) {
            true => answered.reply.clone(),
            false => format!("{code} {}", answered.reply).trim_end().to_owned(),
        },
        mood,
    }
}

/// One event.
pub(super) fn of(event: &TrailEvent) -> Sentence {
    match Happening::from_word(&event.what) {
        Happening::Attempt(outcome) => attempted(event, outcome),
        Happening::Done(done) => noted(event, done),
        Happening::Other => quoted(event, format!("“{}”", event.what), Mood::Neutral),
    }
}

fn attempted(event: &TrailEvent, outcome: OutcomeKind) -> Sentence {
    let name = event.next_hop.as_deref().unwrap_or("the next hop");
    let server = server(name, event.peer.as_deref(), event.tls);
    let took = wording::latency(event.took_seconds);
    let verb = wording::capitalised(outcome.as_str());
    let text = match outcome {
        OutcomeKind::Delivered => format!("Delivered to {server} in {took}"),
        OutcomeKind::Uncertain => {
            format!("Sent to {server}, which did not answer within {took}; it may have arrived")
        }
        OutcomeKind::Deferred | OutcomeKind::Refused => match event.peer {
            Some(_) => format!("{verb} by {server} after {took}"),
            None => format!("{verb} without a connection to {name}"),
        },
    };
    let mood = match outcome {
        OutcomeKind::Delivered => Mood::Good,
        OutcomeKind::Deferred | OutcomeKind::Refused | OutcomeKind::Uncertain => Mood::Bad,
    };
    quoted(event, text, mood)
}

/// “mx.example.net (192.0.2.25:25, TLS)”; an address that is its own name stands once.
fn server(name: &str, peer: Option<&str>, tls: Option<bool>) -> String {
    let peer = peer.filter(|peer| *peer != name);
    let tls = tls.map(|spoken| if spoken { "TLS" } else { "no TLS" });
    let details: Vec<&str> = peer.into_iter().chain(tls).collect();
    if details.is_empty() {
        return name.to_owned();
    }
    format!("{name} ({})", details.join(", "))
}

/// What was done for a recipient.
fn noted(event: &TrailEvent, done: RecipientEvent) -> Sentence {
    let text = match done {
        RecipientEvent::Queued => "Put into the retry queue",
        RecipientEvent::Copied => "Made into a message of its own, which has its own story",
        RecipientEvent::Made => "Made by a condition of the message that arrived",
        RecipientEvent::AlreadySettled => {
            "Recognised as a repetition: it had been settled before and was not sent again"
        }
        RecipientEvent::LeftWithClient => "Left with the client, which was told to send it again",
        RecipientEvent::Reported => "The failure was reported to the sender",
        RecipientEvent::FailedSilently => "Failed without a report, since nobody was to get one",
        RecipientEvent::NotReported => {
            "Its sender had asked for a report of success and gets none: a client that is not trusted gets \
             few of them"
        }
        RecipientEvent::Expired => "Given up: its time or its number of tries was used up",
        RecipientEvent::Damaged => {
            "What is stored of it was found damaged, so that it cannot be sent"
        }
        RecipientEvent::Quarantined => {
            "Kept back in the queue by a condition, until an operator decides"
        }
        RecipientEvent::Retried => {
            return ordered(event, "“Retry now” was asked for", Mood::Neutral);
        }
        RecipientEvent::Held => return ordered(event, "Held", Mood::Neutral),
        RecipientEvent::Released => return ordered(event, "Released", Mood::Neutral),
        RecipientEvent::Purged => return ordered(event, "Purged without a report", Mood::Bad),
        RecipientEvent::Returned => return ordered(event, "Returned to the sender", Mood::Bad),
    };
    let text = text.to_owned();
    match done {
        RecipientEvent::AlreadySettled => quoted(event, text, Mood::Good),
        RecipientEvent::LeftWithClient | RecipientEvent::NotReported => {
            plain(Some(event.at), text, Mood::Neutral)
        }
        RecipientEvent::Queued | RecipientEvent::Copied | RecipientEvent::Made => {
            quoted(event, text, Mood::Neutral)
        }
        _ => quoted(event, text, Mood::Bad),
    }
}

/// What an operator did, whose name the event's words are.
fn ordered(event: &TrailEvent, what: &str, mood: Mood) -> Sentence {
    let by = match event.words.as_str() {
        "" => "an operator",
        who => who,
    };
    plain(Some(event.at), format!("{what} by {by}"), mood)
}

/// The row that still waits.
pub(super) fn in_queue(row: &QueueItem, now: Timestamp) -> Sentence {
    let next = wording::until(row.next_attempt_at, now);
    let tries = match row.attempts {
        0 => "not tried yet".to_owned(),
        1 => "tried once".to_owned(),
        attempts => format!("tried {} times", wording::count(attempts)),
    };
    let text = match row.state {
        RowState::Waiting => {
            format!("It waits in the retry queue, {tries}; the next try is {next}")
        }
        RowState::Uncertain => {
            format!("It waits in the retry queue as uncertain, {tries}; the next try is {next}")
        }
        RowState::Delivering => "It is being tried right now".to_owned(),
        RowState::Held => {
            format!("It is held in the retry queue, {tries}, until somebody releases it")
        }
        RowState::Quarantined => "It is kept in quarantine until somebody decides".to_owned(),
        RowState::Damaged => {
            "It is damaged in the retry queue and waits there until it is repaired, or until its time is \
             over and its sender is told"
                .to_owned()
        }
    };
    plain(None, text, Mood::Neutral)
}

fn plain(at: Option<Timestamp>, text: String, mood: Mood) -> Sentence {
    Sentence {
        at,
        text,
        quotation: String::new(),
        mood,
    }
}

fn quoted(event: &TrailEvent, text: String, mood: Mood) -> Sentence {
    Sentence {
        at: Some(event.at),
        text,
        quotation: event.words.trim().to_owned(),
        mood,
    }
}
