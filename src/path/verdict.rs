//! What we answer after the end of data: the table of the design's section 3 as a pure function.
//!
//! The promise: no 250 unless every recipient is delivered, durable in the retry queue, or its
//! failure report is durable.

use crate::settings::{WhenDeferred, WhenRefused};

/// What counts for one recipient when the verdict is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Its next hop has the message, or a fingerprint says that it is settled.
    Delivered,
    /// Later: so said the next hop, or our final dot was not handed over in time.
    Deferred,
    /// Never: so said the next hop.
    Refused,
    /// Our final dot was handed over and there is no reply (yet).
    Uncertain,
}

/// How many recipients stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Recipients whose next hop has the message.
    pub delivered: usize,
    /// Recipients to be tried later.
    pub deferred: usize,
    /// Recipients that failed.
    pub refused: usize,
    /// Recipients that may or may not have the message.
    pub uncertain: usize,
}

impl FromIterator<Standing> for Tally {
    fn from_iter<I: IntoIterator<Item = Standing>>(standings: I) -> Self {
        let mut tally = Self::default();
        for standing in standings {
            *match standing {
                Standing::Delivered => &mut tally.delivered,
                Standing::Deferred => &mut tally.deferred,
                Standing::Refused => &mut tally.refused,
                Standing::Uncertain => &mut tally.uncertain,
            } += 1;
        }
        tally
    }
}

/// What is done, and what the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
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
pub fn verdict(tally: Tally, when_deferred: WhenDeferred, when_refused: WhenRefused) -> Verdict {
    let Tally {
        delivered,
        deferred,
        refused,
        uncertain,
    } = tally;
    match (delivered > 0, deferred > 0, refused > 0, uncertain > 0) {
        // All delivered.
        (_, false, false, false) => Verdict::Delivered,
        // All refused.
        (false, false, true, false) => match when_refused {
            WhenRefused::Reply => Verdict::PassRefusal,
            WhenRefused::Report => Verdict::Store,
        },
        // Deferred only, or deferred and refused.
        (false, true, _, false) => match when_deferred {
            WhenDeferred::Queue => Verdict::Store,
            WhenDeferred::Pass => Verdict::PassDeferral,
        },
        // Delivered and anything else, or any uncertain and anything else.
        (true, ..) | (.., true) => Verdict::Store,
    }
}

/// What is done when a store failed. Never a 5xx for a local fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailedStore {
    /// A dot is unanswered: wait for its reply up to the after-dot time-out and apply the table again.
    AwaitDots,
    /// Somebody has the message: 451, and a fingerprint that makes the repetition harmless.
    PartialFailure,
    /// Nobody has it: 452 4.3.1.
    FailureReason,
}

/// The rule for a failed store.
#[must_use]
pub fn after_failed_store(anything_delivered: bool, dots_unanswered: bool) -> AfterFailedStore {
    if dots_unanswered {
        AfterFailedStore::AwaitDots
    } else if anything_delivered {
        AfterFailedStore::PartialFailure
    } else {
        AfterFailedStore::FailureReason
    }
}

/// What the client of a message that went straight through is told (the patent's steps 506–508).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// 250 "Delivered".
    Delivered,
    /// The first recipient's 5xx.
    Refusal,
    /// The first deferral's 4xx: nobody is known to have it.
    Deferral,
    /// 451 and a fingerprint: the repetition reaches only those who do not have it.
    PartlyDeferred,
    /// 554, naming who has it and who does not: a repetition would help nobody.
    PartlyRefused,
}

/// The table for cut-through, where nothing is stored: what is not delivered stays with the client.
/// Uncertain counts as deferred: at least once.
#[must_use]
pub fn passed(tally: Tally) -> Passed {
    let deferred = tally.deferred + tally.uncertain;
    match (tally.delivered > 0, deferred > 0, tally.refused > 0) {
        (_, false, false) => Passed::Delivered,
        (false, false, true) => Passed::Refusal,
        (false, true, _) => Passed::Deferral,
        (true, true, _) => Passed::PartlyDeferred,
        (true, false, true) => Passed::PartlyRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDINGS: [Standing; 4] = [
        Standing::Delivered,
        Standing::Deferred,
        Standing::Refused,
        Standing::Uncertain,
    ];

    /// The rows of section 3, read as they are written there.
    fn expected(set: &[Standing], deferred: WhenDeferred, refused: WhenRefused) -> Verdict {
        let has = |standing| set.contains(&standing);
        let only = |standing| set.iter().all(|&s| s == standing);
        if only(Standing::Delivered) {
            return Verdict::Delivered;
        }
        if only(Standing::Refused) {
            return match refused {
                WhenRefused::Reply => Verdict::PassRefusal,
                WhenRefused::Report => Verdict::Store,
            };
        }
        if !has(Standing::Delivered) && !has(Standing::Uncertain) {
            return match deferred {
                WhenDeferred::Queue => Verdict::Store,
                WhenDeferred::Pass => Verdict::PassDeferral,
            };
        }
        Verdict::Store
    }

    /// All sequences of one to four recipients.
    fn combinations() -> Vec<Vec<Standing>> {
        let mut all: Vec<Vec<Standing>> = vec![Vec::new()];
        let mut begin = 0;
        for _ in 0..4 {
            let end = all.len();
            for position in begin..end {
                for standing in STANDINGS {
                    let mut longer = all[position].clone();
                    longer.push(standing);
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
                    let tally = set.iter().copied().collect();
                    assert_eq!(
                        verdict(tally, deferred, refused),
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
        use Standing::{Deferred, Delivered, Refused, Uncertain};
        use Verdict::{PassDeferral, PassRefusal, Store};
        // Outcomes, policy `queue`, policy `pass`; with `when_refused: reply`.
        let rows: &[(&[Standing], Verdict, Verdict)] = &[
            (&[Delivered], Verdict::Delivered, Verdict::Delivered),
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
            let tally: Tally = set.iter().copied().collect();
            let given = |policy| verdict(tally, policy, WhenRefused::Reply);
            assert_eq!(given(WhenDeferred::Queue), *queue, "{set:?}");
            assert_eq!(given(WhenDeferred::Pass), *pass, "{set:?}");
        }
    }

    /// No 2xx while somebody does not have it, and no 5xx while a repetition may help somebody.
    #[test]
    fn what_passed_is_said_as_it_is() {
        use Standing::{Deferred, Delivered, Refused, Uncertain};
        for set in combinations() {
            let has = |standing| set.contains(&standing);
            let can_repeat = has(Deferred) || has(Uncertain);
            let expected = match (has(Delivered), can_repeat, has(Refused)) {
                (true, false, false) => Passed::Delivered,
                (true, true, _) => Passed::PartlyDeferred,
                (true, false, true) => Passed::PartlyRefused,
                (false, true, _) => Passed::Deferral,
                (false, false, _) => Passed::Refusal,
            };
            assert_eq!(passed(set.iter().copied().collect()), expected, "{set:?}");
        }
    }

    #[test]
    fn a_failed_store_never_loses_and_never_refuses_for_good() {
        use AfterFailedStore::{AwaitDots, FailureReason, PartialFailure};
        for (delivered, unanswered, expected) in [
            (false, false, FailureReason),
            (true, false, PartialFailure),
            (false, true, AwaitDots),
            (true, true, AwaitDots),
        ] {
            assert_eq!(after_failed_store(delivered, unanswered), expected);
        }
    }
}
