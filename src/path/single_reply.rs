//! One reply for all recipients, from what became of each.

use super::disposition::Disposition;
use super::flight::RecipientState;
use super::plan::StorePlan;
use super::verdict::OutcomeCounts;
use crate::message::{DiskReason, Message, MessageId, Outcome};
use crate::smtp::reply::Reply;

/// Steps 313 and 314: everybody has it.
pub(super) fn delivered(id: MessageId, states: &[RecipientState]) -> Disposition {
    let said = states.iter().find_map(|state| match state {
        RecipientState::Ended(Outcome::Delivered(reply)) => Some(reply),
        _ => None,
    });
    Disposition {
        settled: (0..states.len()).collect(),
        ..Disposition::fast(Reply::delivered(id, said))
    }
}

/// Step 317: what could not be delivered is durable.
pub(super) fn stored(
    message: &Message,
    plan: &StorePlan,
    counts: OutcomeCounts,
    recipients: usize,
) -> Disposition {
    let waiting = plan.rows.len();
    let reported = plan.failed.len();
    let verb = if waiting > 0 { "Queued" } else { "Accepted" };
    let reply = if counts.delivered == 0 && reported == 0 {
        Reply::queued(message.id)
    } else {
        let delivered = counts.delivered;
        Reply::accepted(format!(
            "{verb} {}: {delivered} delivered, {waiting} waiting, {reported} failed and reported",
            message.id
        ))
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
    Disposition {
        stored,
        reasons,
        settled: (0..recipients).collect(),
        ..Disposition::fast(reply)
    }
}

/// The first refusal's words.
pub(super) fn first_refusal(states: &[RecipientState]) -> Disposition {
    let refusal = states.iter().find_map(|state| match state {
        RecipientState::Ended(Outcome::Refused(reply)) => Some(reply),
        _ => None,
    });
    let refusal = refusal.expect("the verdict was that recipients were refused");
    Disposition::fast(refusal.passed_on())
}

/// The first deferral's words; our own when the deadline passed first.
pub(super) fn first_deferral(states: &[RecipientState]) -> Disposition {
    let deferral = states.iter().find_map(|state| match state {
        RecipientState::Ended(Outcome::Deferred(_, reply)) => Some(reply.clone()),
        _ => None,
    });
    Disposition::fast(deferral.unwrap_or(Reply::NOT_IN_TIME).passed_on())
}

/// Some recipients have it, and the rest could not be stored.
pub(super) fn partial_failure(states: &[RecipientState]) -> Disposition {
    let states = states.iter().enumerate();
    let delivered = states.filter(|(_, state)| {
        matches!(
            state,
            RecipientState::Known | RecipientState::Ended(Outcome::Delivered(_))
        )
    });
    Disposition {
        settled: delivered.map(|(position, _)| position).collect(),
        needs_fingerprint: true,
        ..Disposition::fast(Reply::PARTLY_DELIVERED)
    }
}

/// No recipient has it, and it could not be stored.
pub(super) fn failure() -> Disposition {
    Disposition::fast(Reply::INSUFFICIENT_STORAGE)
}
