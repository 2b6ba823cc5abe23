//! A reply for each recipient (LMTP, PRDR): no recipient's outcome has to stand for the others', so a refusal
//! is passed on beside a delivery, and only what has to wait is stored.

use super::disposition::Disposition;
use super::flight::RecipientState;
use super::verdict::passes_on;
use crate::message::Outcome;
use crate::message::words::OutcomeKind;
use crate::settings::Settings;
use crate::smtp::reply::Reply;

/// What could be said of each recipient by itself.
pub(super) fn replies(states: &[RecipientState]) -> Vec<Reply> {
    states.iter().map(own_reply).collect()
}

fn own_reply(state: &RecipientState) -> Reply {
    match state {
        RecipientState::Known => Reply::ALREADY_DELIVERED,
        RecipientState::Ended(outcome) => reply_to(outcome),
        RecipientState::Pending => Reply::NOT_IN_TIME,
    }
}

/// The reply for a recipient with this outcome.
pub(super) fn reply_to(outcome: &Outcome) -> Reply {
    match outcome {
        Outcome::Delivered(reply) => Reply::delivered_by(reply),
        outcome => outcome.reply().passed_on(),
    }
}

/// The reply for each recipient: `otherwise` where it is not its own.
pub(super) fn disposition(
    states: &[RecipientState],
    outcomes: &[OutcomeKind],
    settings: &Settings,
    otherwise: Option<&Reply>,
) -> Disposition {
    let (when_deferred, when_refused) = (settings.when_deferred, settings.when_refused);
    let recipients = states.iter().zip(outcomes);
    let each = recipients.map(|(state, outcome)| match otherwise {
        Some(otherwise) if !passes_on(*outcome, when_deferred, when_refused) => otherwise.clone(),
        _ => own_reply(state),
    });
    of_replies(each.collect())
}

/// Recipients with a positive reply are settled.
pub(super) fn of_replies(each: Vec<Reply>) -> Disposition {
    let places = each.iter().enumerate();
    let settled = places.filter(|(_, reply)| reply.is_positive());
    Disposition {
        settled: settled.map(|(place, _)| place).collect(),
        reply: overall(&each),
        each,
        ..Disposition::fast(Reply::LOCAL_ERROR)
    }
}

/// One reply for the whole, behind those of PRDR and in the trail. It is positive when any recipient's is:
/// senders take any other for the answer to all of them.
pub(super) fn overall(each: &[Reply]) -> Reply {
    let taken = each.iter().filter(|reply| reply.is_positive()).count();
    match each.first() {
        Some(first) if each.iter().all(|reply| reply.code == first.code) => first.clone(),
        Some(_) if taken > 0 => {
            let words = format!("Accepted for {taken} of {} recipients", each.len());
            Reply::accepted(words)
        }
        _ => {
            let transient = each.iter().find(|reply| reply.is_transient());
            let reply = transient.or_else(|| each.first());
            reply.cloned().unwrap_or(Reply::LOCAL_ERROR)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::DiskReason;

    #[test]
    fn the_reply_for_the_whole_is_positive_when_one_is() {
        let reply =
            |code: u16| Reply::new(code, (u8::try_from(code / 100).unwrap_or(5), 0, 0), "words");
        for (codes, expected) in [
            (&[250][..], "250 2.0.0 words"),
            (&[250, 250], "250 2.0.0 words"),
            (&[550, 550], "550 5.0.0 words"),
            (&[550, 250, 450], "250 2.0.0 Accepted for 1 of 3 recipients"),
            (&[550, 450], "450 4.0.0 words"),
            (&[550, 554], "550 5.0.0 words"),
        ] {
            let each: Vec<Reply> = codes.iter().map(|code| reply(*code)).collect();
            assert_eq!(overall(&each).to_string(), expected, "{codes:?}");
        }
        assert_eq!(overall(&[]), Reply::LOCAL_ERROR);
    }

    #[test]
    fn each_state_has_its_reply() {
        let later = Reply::new(450, (4, 2, 0), "later");
        let states = [
            RecipientState::Known,
            RecipientState::Ended(Outcome::Delivered(Reply::new(250, (2, 0, 0), "taken"))),
            RecipientState::Ended(Outcome::Deferred(DiskReason::Deferred, later)),
            RecipientState::Pending,
        ];
        let found: Vec<u16> = replies(&states).iter().map(|reply| reply.code).collect();
        assert_eq!(found, [250, 250, 450, 451]);
        let words = replies(&states)[1].to_string();
        assert_eq!(words, "250 2.0.0 Delivered (250 2.0.0 taken)");
    }
}
