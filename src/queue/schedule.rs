//! When a recipient is tried again, and when it fails: a pure function of what is known.
//!
//! Figure 3B, steps 318–320 of the patent: retry after a delay, at most a set number of times.

use std::time::Duration;

use jiff::Timestamp;

use crate::limits;
use crate::message::words::OutcomeKind;
use crate::message::{DiskReason, RowState};
use crate::settings::Settings;

/// What is known of a recipient when an attempt has ended.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Attempts so far, the one that just ended included.
    pub attempts: u32,
    /// When the attempt ended.
    pub now: Timestamp,
    /// When the recipient runs out of time.
    pub expires_at: Timestamp,
    /// A random number that spreads retries: 0 is the shortest wait, `u64::MAX` the longest.
    pub dice: u64,
}

/// What becomes of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// It has the message.
    Done,
    /// It is tried again.
    Again {
        /// Waiting or uncertain.
        state: RowState,
        /// When.
        at: Timestamp,
    },
    /// It fails; why.
    Fail(FailureReason),
}

/// Why a recipient fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// The next hop said never.
    Refused,
    /// It waited too long.
    Expired,
    /// It was tried too often.
    RetriesUsedUp,
    /// An operator returned it to its sender.
    Returned,
    /// What is stored of it is damaged.
    Lost,
}

/// What becomes of a recipient after an attempt.
#[must_use]
pub fn after_attempt(
    outcome: OutcomeKind,
    reason: Option<&DiskReason>,
    situation: Situation,
    settings: &Settings,
) -> NextStep {
    let waits_until = |at| NextStep::Again {
        state: RowState::Waiting,
        at,
    };
    match outcome {
        OutcomeKind::Delivered => NextStep::Done,
        OutcomeKind::Refused => NextStep::Fail(FailureReason::Refused),
        // The next hop is not asked until an operator resumes it: then there is at
        // least one attempt, however long that took.
        OutcomeKind::Deferred if reason == Some(&DiskReason::NextHopPaused) => {
            waits_until(situation.now + limits::PAUSED_WAIT)
        }
        // The queue converts as it sends: nothing has to be waited for.
        OutcomeKind::Deferred if reason == Some(&DiskReason::Conversion) => {
            waits_until(situation.now)
        }
        OutcomeKind::Deferred if was_not_tried(reason) => {
            // The next hop was not spoken to, so this was no attempt of the schedule: due soon, and
            // the runner leaves next hops alone that are busy or suspended.
            match situation.now >= situation.expires_at {
                true => NextStep::Fail(FailureReason::Expired),
                false => waits_until(situation.now + limits::UNTRIED_WAIT),
            }
        }
        OutcomeKind::Deferred => retry(RowState::Waiting, Duration::ZERO, situation, settings),
        OutcomeKind::Uncertain => retry(
            RowState::Uncertain,
            limits::UNCERTAIN_WAIT,
            situation,
            settings,
        ),
    }
}

/// Whether a deferral means that the next hop was never asked.
#[must_use]
pub fn was_not_tried(reason: Option<&DiskReason>) -> bool {
    matches!(
        reason,
        Some(
            DiskReason::DestinationBusy
                | DiskReason::DestinationSuspended
                | DiskReason::NextHopPaused
                | DiskReason::Conversion
        )
    )
}

fn retry(state: RowState, least: Duration, situation: Situation, settings: &Settings) -> NextStep {
    // `retries_max` counts retries; the first attempt is none.
    if settings.retries_max > 0 && situation.attempts > settings.retries_max {
        return NextStep::Fail(FailureReason::RetriesUsedUp);
    }
    if situation.now >= situation.expires_at {
        return NextStep::Fail(FailureReason::Expired);
    }
    let wait = wait_before(situation.attempts, settings, situation.dice).max(least);
    // The last attempt is made at the expiry, not after it; but never sooner than `least`.
    let earliest = situation.now + least;
    let at = (situation.now + wait)
        .min(situation.expires_at)
        .max(earliest);
    NextStep::Again { state, at }
}

/// The wait after attempt number `attempts` (1 is the first), with jitter.
fn wait_before(attempts: u32, settings: &Settings, dice: u64) -> Duration {
    let schedule = &settings.retry_schedule_seconds;
    let step = (attempts.max(1) as usize - 1).min(schedule.len() - 1);
    let seconds = schedule[step];
    // From −20 % to +20 %, so that a destination's messages do not all come back at once.
    let span_millis = u128::from(seconds) * 1_000 * u128::from(limits::RETRY_JITTER_PERCENT) / 100;
    let offset = 2 * span_millis * u128::from(dice) / u128::from(u64::MAX);
    let millis = u128::from(seconds) * 1_000 - span_millis + offset;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// The longest that a row waits for its next attempt.
#[must_use]
pub fn longest_wait(settings: &Settings) -> Duration {
    let longest = settings.retry_schedule_seconds.iter().max().copied();
    let seconds = longest.unwrap_or_default();
    let with_jitter = seconds + seconds * limits::RETRY_JITTER_PERCENT / 100;
    // Those that were not tried wait for as long as their next hop is left alone.
    let untried = limits::PAUSED_WAIT.max(limits::BREAKER_PROBE_FIRST);
    Duration::from_secs(with_jitter).max(untried) + Duration::from_secs(1)
}

/// When a recipient whose time counts from `kept_from` has run out of it.
#[must_use]
pub fn expiry(kept_from: Timestamp, settings: &Settings) -> Timestamp {
    kept_from + Duration::from_secs(settings.expire_after_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsDocument;

    const MIDDLE: u64 = u64::MAX / 2;

    fn settings(retries_max: u32) -> Settings {
        Settings::new(SettingsDocument {
            retries_max,
            ..SettingsDocument::default()
        })
        .expect("they hold")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn after(outcome: OutcomeKind, attempts: u32, now: i64, retries_max: u32) -> NextStep {
        let situation = Situation {
            attempts,
            now: at(now),
            expires_at: at(432_000),
            dice: MIDDLE,
        };
        after_attempt(outcome, None, situation, &settings(retries_max))
    }

    fn again_in(state: RowState, now: i64, seconds: i64) -> NextStep {
        NextStep::Again {
            state,
            at: at(now + seconds),
        }
    }

    /// The middle of the dice is a millisecond off, because it is no exact half.
    fn check(actual: &NextStep, expected: &NextStep) {
        match (actual, expected) {
            (
                NextStep::Again { state, at },
                NextStep::Again {
                    state: expected_state,
                    at: expected_at,
                },
            ) => {
                assert_eq!(state, expected_state);
                let off = at.as_millisecond() - expected_at.as_millisecond();
                assert!(off.abs() <= 1, "{at} is not {expected_at}");
            }
            _ => assert_eq!(actual, expected),
        }
    }

    #[test]
    fn the_schedule_is_followed_and_its_last_wait_repeats() {
        use OutcomeKind::{Deferred, Delivered, Refused, Uncertain};
        use RowState::{Uncertain as UncertainRow, Waiting};
        for (outcome, attempts, now, expected) in [
            (Delivered, 1, 0, NextStep::Done),
            (Refused, 1, 0, NextStep::Fail(FailureReason::Refused)),
            (Deferred, 1, 0, again_in(Waiting, 0, 60)),
            (Deferred, 2, 0, again_in(Waiting, 0, 300)),
            (Deferred, 7, 0, again_in(Waiting, 0, 14_400)),
            (Deferred, 99, 0, again_in(Waiting, 0, 14_400)),
            (Uncertain, 1, 0, again_in(UncertainRow, 0, 600)),
            (Uncertain, 3, 0, again_in(UncertainRow, 0, 900)),
            (Deferred, 9, 432_000, NextStep::Fail(FailureReason::Expired)),
            (Deferred, 9, 431_000, again_in(Waiting, 431_000, 1_000)),
        ] {
            check(&after(outcome, attempts, now, 0), &expected);
        }
    }

    #[test]
    fn retries_are_counted_without_the_first_attempt() {
        let deferred = |attempts| after(OutcomeKind::Deferred, attempts, 0, 2);
        assert!(matches!(deferred(1), NextStep::Again { .. }));
        assert!(matches!(deferred(2), NextStep::Again { .. }));
        assert_eq!(deferred(3), NextStep::Fail(FailureReason::RetriesUsedUp));
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let settings = settings(0);
        assert_eq!(wait_before(1, &settings, 0), Duration::from_secs(48));
        assert_eq!(wait_before(1, &settings, u64::MAX), Duration::from_secs(72));
    }

    #[test]
    fn a_next_hop_that_was_not_asked_costs_no_attempt() {
        let situation = Situation {
            attempts: 5,
            now: at(10),
            expires_at: at(432_000),
            dice: 0,
        };
        for reason in [
            DiskReason::DestinationBusy,
            DiskReason::DestinationSuspended,
        ] {
            let next = after_attempt(
                OutcomeKind::Deferred,
                Some(&reason),
                situation,
                &settings(1),
            );
            assert_eq!(next, again_in(RowState::Waiting, 10, 2));
        }
    }

    #[test]
    fn nobody_runs_out_of_time_while_the_next_hop_is_paused() {
        for now in [10, 432_001] {
            let situation = Situation {
                attempts: 5,
                now: at(now),
                expires_at: at(432_000),
                dice: 0,
            };
            let next = after_attempt(
                OutcomeKind::Deferred,
                Some(&DiskReason::NextHopPaused),
                situation,
                &settings(1),
            );
            assert_eq!(next, again_in(RowState::Waiting, now, 60));
        }
    }
}
