//! The replies to a message that went straight through (steps 506–508). Pure.

use std::fmt::Write as _;

use crate::message::words::OutcomeKind;
use crate::message::{Message, Outcome, Path};
use crate::path::disposition::Disposition;
use crate::path::per_recipient::{overall, reply_to};
use crate::path::verdict::{CutThroughVerdict, cut_through_verdict};
use crate::smtp::reply::Reply;

/// Recipients that a reply names; of more it says how many.
const NAMED: usize = 10;

/// What came of one recipient.
#[derive(Clone, Copy, Debug)]
pub(super) enum RecipientResult<'a> {
    /// It has this very content already.
    AlreadySettled,
    /// What its next hop said.
    Said(&'a Outcome),
    /// Not reached: every transaction ends; but it must not count as delivered.
    Unknown,
}

impl RecipientResult<'_> {
    pub(super) fn kind(&self) -> OutcomeKind {
        match self {
            Self::AlreadySettled => OutcomeKind::Delivered,
            Self::Said(outcome) => outcome.kind(),
            Self::Unknown => OutcomeKind::Uncertain,
        }
    }

    /// The reply for this recipient alone.
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::AlreadySettled => Reply::ALREADY_DELIVERED,
            Self::Said(outcome) => reply_to(outcome),
            Self::Unknown => Reply::LOCAL_ERROR,
        }
    }
}

/// What became of the message, from what came of each recipient, by its place.
pub(super) fn disposition(
    message: &Message,
    results: &[RecipientResult<'_>],
    per_recipient: bool,
) -> Disposition {
    let verdict = cut_through_verdict(results.iter().map(RecipientResult::kind).collect());
    let places = results.iter().enumerate();
    let settled = places.filter(|(_, result)| result.kind() == OutcomeKind::Delivered);
    let settled = settled.map(|(place, _)| place).collect();
    if per_recipient {
        // A client with a reply for each recipient repeats the message for those who lack it only.
        let each: Vec<Reply> = results.iter().map(RecipientResult::reply).collect();
        return Disposition {
            settled,
            reply: overall(&each),
            each,
            ..Disposition::nothing(Reply::LOCAL_ERROR, Path::CutThrough)
        };
    }
    let reply = match verdict {
        CutThroughVerdict::Delivered => delivered(message, results),
        CutThroughVerdict::Refusal => first(results, OutcomeKind::Refused),
        CutThroughVerdict::Deferral => first_deferral(results),
        CutThroughVerdict::PartlyDeferred => partly_deferred(message, results),
        CutThroughVerdict::PartlyRefused => partly_refused(message, results),
    };
    Disposition {
        settled,
        needs_fingerprint: verdict == CutThroughVerdict::PartlyDeferred,
        ..Disposition::nothing(reply, Path::CutThrough)
    }
}

/// Step 507.
fn delivered(message: &Message, results: &[RecipientResult<'_>]) -> Reply {
    let mut said = results.iter().filter_map(|result| match result {
        RecipientResult::Said(outcome) => Some(outcome.reply()),
        RecipientResult::AlreadySettled | RecipientResult::Unknown => None,
    });
    Reply::delivered(message.id, said.next())
}

/// Step 508: the reply for the first recipient with this outcome.
fn first(results: &[RecipientResult<'_>], kind: OutcomeKind) -> Reply {
    let found = results.iter().find(|result| result.kind() == kind);
    found.map_or(Reply::LOCAL_ERROR, RecipientResult::reply)
}

fn first_deferral(results: &[RecipientResult<'_>]) -> Reply {
    let mut deferred = results.iter();
    match deferred.any(|result| result.kind() == OutcomeKind::Deferred) {
        true => first(results, OutcomeKind::Deferred),
        false => first(results, OutcomeKind::Uncertain),
    }
}

fn partly_deferred(message: &Message, results: &[RecipientResult<'_>]) -> Reply {
    let has = named(message, results, &[OutcomeKind::Delivered]);
    let has_not = named(
        message,
        results,
        &[OutcomeKind::Deferred, OutcomeKind::Uncertain],
    );
    let why = first_deferral(results);
    Reply::partly_deferred(format!(
        "Delivered to {has}; not yet to {has_not} ({} {}). Send it again: nobody will get it twice",
        why.code,
        why.passed_words()
    ))
}

fn partly_refused(message: &Message, results: &[RecipientResult<'_>]) -> Reply {
    let has = named(message, results, &[OutcomeKind::Delivered]);
    let has_not = named(message, results, &[OutcomeKind::Refused]);
    let why = first(results, OutcomeKind::Refused);
    Reply::partly_refused(format!(
        "Delivered to {has}; refused for {has_not} ({} {})",
        why.code,
        why.passed_words()
    ))
}

/// The recipients with one of these outcomes, by name.
fn named(message: &Message, results: &[RecipientResult<'_>], kinds: &[OutcomeKind]) -> String {
    let recipients = message.envelope.recipients.iter().zip(results);
    let all: Vec<&str> = recipients
        .filter(|(_, result)| kinds.contains(&result.kind()))
        .map(|(recipient, _)| recipient.address.as_str())
        .collect();
    let mut names = all[..all.len().min(NAMED)].join(", ");
    if all.len() > NAMED {
        // Writing to a String cannot fail.
        let _ = write!(names, " and {} more", all.len() - NAMED);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::DiskReason;
    use crate::message::testing::arc_message;

    fn outcomes() -> [Outcome; 4] {
        [
            Outcome::Delivered(Reply::new(250, (2, 6, 0), "taken")),
            Outcome::Deferred(DiskReason::Deferred, Reply::new(450, (4, 2, 0), "later")),
            Outcome::Refused(Reply::new(550, (5, 1, 1), "unknown")),
            Outcome::Uncertain(Reply::new(451, (4, 4, 2), "silence")),
        ]
    }

    #[test]
    fn one_reply_says_who_has_it_and_who_has_not() {
        let [taken, later, unknown, silence] = &outcomes();
        let said = RecipientResult::Said;
        let known = RecipientResult::AlreadySettled;
        let message = arc_message(
            "a@example.org",
            &["b@one.example", "c@two.example"],
            b"x\r\n",
        );
        let id = message.id;
        let twice = "Send it again: nobody will get it twice";
        for (results, code, words, settled, needs_fingerprint) in [
            (
                [said(taken), said(taken)],
                250,
                format!("Delivered {id} (250 2.6.0 taken)"),
                &[0, 1][..],
                false,
            ),
            (
                [known, said(taken)],
                250,
                format!("Delivered {id} (250 2.6.0 taken)"),
                &[0, 1],
                false,
            ),
            (
                [known, known],
                250,
                format!("Delivered {id} (already delivered)"),
                &[0, 1],
                false,
            ),
            (
                [said(unknown), said(unknown)],
                550,
                "unknown".to_owned(),
                &[],
                false,
            ),
            (
                [said(unknown), said(later)],
                450,
                "later".to_owned(),
                &[],
                false,
            ),
            (
                [said(silence), said(later)],
                450,
                "later".to_owned(),
                &[],
                false,
            ),
            (
                [said(silence), said(unknown)],
                451,
                "silence".to_owned(),
                &[],
                false,
            ),
            (
                [said(taken), said(unknown)],
                554,
                "Delivered to b@one.example; refused for c@two.example (550 ".to_owned(),
                &[0],
                false,
            ),
            (
                [said(silence), said(taken)],
                451,
                "Delivered to c@two.example; not yet to b@one.example (451 ".to_owned(),
                &[1],
                true,
            ),
            ([said(later), known], 451, twice.to_owned(), &[1], true),
            (
                [RecipientResult::Unknown, said(taken)],
                451,
                twice.to_owned(),
                &[1],
                true,
            ),
        ] {
            let found = disposition(&message, &results, false);
            assert_eq!(found.reply.code, code, "{results:?}");
            assert!(found.reply.text.contains(&words), "{} {words}", found.reply);
            assert_eq!(found.settled, settled, "{results:?}");
            assert_eq!(found.needs_fingerprint, needs_fingerprint, "{results:?}");
            assert_eq!((found.path, found.stored), (Path::CutThrough, false));
            assert!(found.each.is_empty());
        }
    }

    #[test]
    fn a_reply_for_each_recipient_needs_no_fingerprint() {
        let [taken, later, ..] = &outcomes();
        let message = arc_message(
            "a@example.org",
            &["b@one.example", "c@two.example"],
            b"x\r\n",
        );
        let results = [RecipientResult::Said(taken), RecipientResult::Said(later)];
        let found = disposition(&message, &results, true);
        let codes: Vec<u16> = found.each.iter().map(|reply| reply.code).collect();
        assert_eq!(codes, [250, 450]);
        assert_eq!(found.reply.code, 250);
        assert_eq!(found.settled, [0]);
        assert!(!found.needs_fingerprint);
    }

    #[test]
    fn of_many_recipients_some_are_named() {
        let many: Vec<String> = (0..12).map(|one| format!("r{one}@example.net")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let message = arc_message("a@example.org", &many, b"x\r\n");
        let [taken, _, unknown, _] = &outcomes();
        let mut results = vec![RecipientResult::Said(unknown); 12];
        results[11] = RecipientResult::Said(taken);
        let reply = disposition(&message, &results, false).reply;
        let words = "r9@example.net and 1 more (550";
        assert!(reply.text.contains(words), "{reply}");
    }
}
