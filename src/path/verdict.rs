//! What we answer after the end of data: the table of the design's section 3 as a pure function.
//!
//! The promise: no 250 unless every recipient is delivered, durable in the retry queue, or its
//! failure report is durable.

use crate::message::words::OutcomeKind;
use crate::settings::{WhenDeferred, WhenRefused};

/// How many recipients have which outcome. Deferred counts as well who was not handed over in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// Recipients whose next hop has the message.
    pub delivered: usize,
    /// Recipients to be tried later.
    pub deferred: usize,
    /// Recipients that failed.
    pub refused: usize,
    /// Recipients that may or may not have the message.
    pub uncertain: usize,
}

impl FromIterator<OutcomeKind> for OutcomeCounts {
    fn from_iter<I: IntoIterator<Item = OutcomeKind>>(outcomes: I) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            *match outcome {
                OutcomeKind::Delivered => &mut counts.delivered,
                OutcomeKind::Deferred => &mut counts.deferred,
                OutcomeKind::Refused => &mut counts.refused,
                OutcomeKind::Uncertain => &mut counts.uncertain,
            } += 1;
        }
        counts
    }
}

/// What is done, and what the client's reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyVerdict {
    /// 250 "Delivered"; nothing is stored.
    Delivered,
    /// The first recipient's 5xx; nothing is stored, the sender owns it.
    PassRefusal,
    /// The first deferral's 4xx; attempts not yet handed over are dropped, nothing is stored.
    PassDeferral,
    /// The deferred and uncertain are stored, the refused are reported, then 250.
    Store,
}

/// The table of section 3: outcomes × policies.
#[must_use]
pub fn verdict(
    counts: OutcomeCounts,
    when_deferred: WhenDeferred,
    when_refused: WhenRefused,
) -> ReplyVerdict {
    let OutcomeCounts {
        delivered,
        deferred,
        refused,
        uncertain,
    } = counts;
    match (delivered > 0, deferred > 0, refused > 0, uncertain > 0) {
        // All delivered.
        (_, false, false, false) => ReplyVerdict::Delivered,
        // All refused.
        (false, false, true, false) => match when_refused {
            WhenRefused::Reply => ReplyVerdict::PassRefusal,
            WhenRefused::Report => ReplyVerdict::Store,
        },
        // Deferred only, or deferred and refused.
        (false, true, _, false) => match when_deferred {
            WhenDeferred::Queue => ReplyVerdict::Store,
            WhenDeferred::Pass => ReplyVerdict::PassDeferral,
        },
        // Delivered and anything else, or any uncertain and anything else.
        (true, ..) | (.., true) => ReplyVerdict::Store,
    }
}

/// What is done when a store failed. Never a 5xx for a local fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailedStore {
    /// A dot is unanswered: wait for its reply up to the after-dot time-out and apply the table again.
    AwaitDots,
    /// Some recipient has the message: 451, and a fingerprint that makes the repetition harmless.
    PartialFailure,
    /// No recipient has it: 452 4.3.1.
    Failure,
}

/// The rule for a failed store.
#[must_use]
pub fn after_failed_store(anything_delivered: bool, dots_unanswered: bool) -> AfterFailedStore {
    if dots_unanswered {
        AfterFailedStore::AwaitDots
    } else if anything_delivered {
        AfterFailedStore::PartialFailure
    } else {
        AfterFailedStore::Failure
    }
}

/// What the reply to a message is that went straight through (the patent's steps 506–508).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutThroughVerdict {
    /// 250 "Delivered".
    Delivered,
    /// The first recipient's 5xx.
    Refusal,
    /// The first deferral's 4xx: no recipient is known to have it.
    Deferral,
    /// 451 and a fingerprint: the repetition reaches only those who do not have it.
    PartlyDeferred,
    /// 554, naming who has it and who does not: a repetition would not help.
    PartlyRefused,
}

/// The table for cut-through, where nothing is stored: what is not delivered stays with the client.
/// Uncertain counts as deferred: at least once.
#[must_use]
pub fn cut_through_verdict(counts: OutcomeCounts) -> CutThroughVerdict {
    let deferred = counts.deferred + counts.uncertain;
    match (counts.delivered > 0, deferred > 0, counts.refused > 0) {
        (_, false, false) => CutThroughVerdict::Delivered,
        (false, false, true) => CutThroughVerdict::Refusal,
        (false, true, _) => CutThroughVerdict::Deferral,
        (true, true, _) => CutThroughVerdict::PartlyDeferred,
        (true, false, true) => CutThroughVerdict::PartlyRefused,
    }
}

/// Whether something has to be stored before there is a reply for each recipient.
#[must_use]
pub fn needs_store(
    counts: OutcomeCounts,
    when_deferred: WhenDeferred,
    when_refused: WhenRefused,
) -> bool {
    counts.uncertain > 0
        || (counts.deferred > 0 && when_deferred == WhenDeferred::Queue)
        || (counts.refused > 0 && when_refused == WhenRefused::Report)
}

/// Whether a recipient with this outcome has its own reply, in the place of a row or a report, where there is
/// a reply for each recipient.
#[must_use]
pub fn passes_on(
    outcome: OutcomeKind,
    when_deferred: WhenDeferred,
    when_refused: WhenRefused,
) -> bool {
    match outcome {
        OutcomeKind::Delivered => true,
        OutcomeKind::Uncertain => false,
        OutcomeKind::Deferred => when_deferred == WhenDeferred::Pass,
        OutcomeKind::Refused => when_refused == WhenRefused::Reply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: [OutcomeKind; 4] = [
        OutcomeKind::Delivered,
        OutcomeKind::Deferred,
        OutcomeKind::Refused,
        OutcomeKind::Uncertain,
    ];

    /// The rows of section 3, read as they are written there.
    fn expected(set: &[OutcomeKind], deferred: WhenDeferred, refused: WhenRefused) -> ReplyVerdict {
        let has = |outcome| set.contains(&outcome);
        let only = |outcome| set.iter().all(|&s| s == outcome);
        if only(OutcomeKind::Delivered) {
            return ReplyVerdict::Delivered;
        }
        if only(OutcomeKind::Refused) {
            return match refused {
                WhenRefused::Reply => ReplyVerdict::PassRefusal,
                WhenRefused::Report => ReplyVerdict::Store,
            };
        }
        if !has(OutcomeKind::Delivered) && !has(OutcomeKind::Uncertain) {
            return match deferred {
                WhenDeferred::Queue => ReplyVerdict::Store,
                WhenDeferred::Pass => ReplyVerdict::PassDeferral,
            };
        }
        ReplyVerdict::Store
    }

    /// All sequences of one to four recipients.
    fn combinations() -> Vec<Vec<OutcomeKind>> {
        let mut all: Vec<Vec<OutcomeKind>> = vec![Vec::new()];
        let mut begin = 0;
        for _ in 0..4 {
            let end = all.len();
            for position in begin..end {
                for outcome in OUTCOMES {
                    let mut longer = all[position].clone();
                    longer.push(outcome);
                    all.push(longer);
                }
            }
            begin = end;
        }
        all.split_off(1)
    }

    #[test]
    fn every_combination_of_outcomes_and_policies() {
        let combinations = combinations();
        assert_eq!(combinations.len(), 4 + 16 + 64 + 256);
        for set in combinations {
            for deferred in [WhenDeferred::Queue, WhenDeferred::Pass] {
                for refused in [WhenRefused::Reply, WhenRefused::Report] {
                    let counts = set.iter().copied().collect();
                    assert_eq!(
                        verdict(counts, deferred, refused),
                        expected(&set, deferred, refused),
                        "{set:?} {deferred:?} {refused:?}"
                    );
                }
            }
        }
    }

    /// The table of section 3 cell by cell, so that the reading above is itself checked.
    #[test]
    fn the_table_row_by_row() {
        use OutcomeKind::{Deferred, Delivered, Refused, Uncertain};
        use ReplyVerdict::{PassDeferral, PassRefusal, Store};
        // Outcomes, policy `queue`, policy `pass`; with `when_refused: reply`.
        let rows: &[(&[OutcomeKind], ReplyVerdict, ReplyVerdict)] = &[
            (
                &[Delivered],
                ReplyVerdict::Delivered,
                ReplyVerdict::Delivered,
            ),
            (&[Refused], PassRefusal, PassRefusal),
            (&[Refused, Refused], PassRefusal, PassRefusal),
            (&[Deferred], Store, PassDeferral),
            (&[Deferred, Refused], Store, PassDeferral),
            (&[Delivered, Deferred], Store, Store),
            (&[Delivered, Refused], Store, Store),
            (&[Delivered, Uncertain], Store, Store),
            (&[Uncertain], Store, Store),
            (&[Uncertain, Deferred], Store, Store),
            (&[Uncertain, Refused], Store, Store),
            (&[Delivered, Deferred, Refused, Uncertain], Store, Store),
        ];
        for (set, queue, pass) in rows {
            let counts: OutcomeCounts = set.iter().copied().collect();
            let given = |policy| verdict(counts, policy, WhenRefused::Reply);
            assert_eq!(given(WhenDeferred::Queue), *queue, "{set:?}");
            assert_eq!(given(WhenDeferred::Pass), *pass, "{set:?}");
        }
    }

    /// No 2xx while somebody does not have it, and no 5xx while a repetition may help somebody.
    #[test]
    fn what_passed_is_said_as_it_is() {
        use OutcomeKind::{Deferred, Delivered, Refused, Uncertain};
        for set in combinations() {
            let has = |outcome| set.contains(&outcome);
            let can_repeat = has(Deferred) || has(Uncertain);
            let expected = match (has(Delivered), can_repeat, has(Refused)) {
                (true, false, false) => CutThroughVerdict::Delivered,
                (true, true, _) => CutThroughVerdict::PartlyDeferred,
                (true, false, true) => CutThroughVerdict::PartlyRefused,
                (false, true, _) => CutThroughVerdict::Deferral,
                (false, false, _) => CutThroughVerdict::Refusal,
            };
            assert_eq!(
                cut_through_verdict(set.iter().copied().collect()),
                expected,
                "{set:?}"
            );
        }
    }

    #[test]
    fn a_failed_store_never_loses_and_never_refuses_for_good() {
        use AfterFailedStore::{AwaitDots, Failure, PartialFailure};
        for (delivered, unanswered, expected) in [
            (false, false, Failure),
            (true, false, PartialFailure),
            (false, true, AwaitDots),
            (true, true, AwaitDots),
        ] {
            assert_eq!(after_failed_store(delivered, unanswered), expected);
        }
    }

    /// With a reply for each recipient, what is neither passed on nor delivered is stored, and nothing else is.
    #[test]
    fn each_recipient_is_answered_or_stored() {
        use OutcomeKind::{Deferred, Delivered, Refused, Uncertain};
        for (outcome, queue_reply, queue_report, pass_reply, pass_report) in [
            (Delivered, true, true, true, true),
            (Deferred, false, false, true, true),
            (Refused, true, false, true, false),
            (Uncertain, false, false, false, false),
        ] {
            for (deferred, refused, expected) in [
                (WhenDeferred::Queue, WhenRefused::Reply, queue_reply),
                (WhenDeferred::Queue, WhenRefused::Report, queue_report),
                (WhenDeferred::Pass, WhenRefused::Reply, pass_reply),
                (WhenDeferred::Pass, WhenRefused::Report, pass_report),
            ] {
                let found = passes_on(outcome, deferred, refused);
                assert_eq!(found, expected, "{outcome:?} {deferred:?} {refused:?}");
                let stores = needs_store([outcome].into_iter().collect(), deferred, refused);
                assert_eq!(stores, !expected, "{outcome:?} {deferred:?} {refused:?}");
            }
        }
    }
}
