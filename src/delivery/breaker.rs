//! The breaker of one next hop: stops attempts where nobody answers, and lets one through now and then.
//!
//! Pure: the caller brings the clock. Replies for single recipients never reach it.

use std::time::Duration;

use tokio::time::Instant;

use super::request::TimeoutProfile;
use crate::limits;

/// What the breaker learns from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakerEvent {
    /// No address connected and greeted.
    NoConnection,
    /// A server connected and greeted.
    Connected,
    /// It ended the transaction with 421.
    ServiceClosing,
    /// It conducted a whole transaction, whatever it said of the message.
    Served,
    /// It did not come to the end of one.
    Broken,
}

/// Whether an attempt may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes.
    Free,
    /// Yes, as the one probe.
    Probe,
    /// No; the next probe is due then.
    Suspended(Instant),
}

#[derive(Debug)]
pub(super) struct Breaker {
    state: BreakerState,
    /// What it did when it was tried last, and when that was.
    last: Option<(NextHopHealth, Instant)>,
}

/// What a next hop did when it was tried last, within [`limits::ANSWERED_OF_LATE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopHealth {
    /// It conducted a whole transaction, whatever it said of the message.
    Answers,
    /// Nobody has tried it of late.
    New,
    /// It did not connect, or not greet, or not come to the end of a transaction.
    Silent,
}

#[derive(Debug)]
enum BreakerState {
    Closed {
        no_connections: u32,
        service_closings: u32,
    },
    Open {
        probe_at: Instant,
        interval: Duration,
    },
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            state: BreakerState::CLEAR,
            last: None,
        }
    }

    pub(super) fn standing(&self, now: Instant) -> NextHopHealth {
        match self.last {
            Some((standing, at))
                if now.saturating_duration_since(at) < limits::ANSWERED_OF_LATE =>
            {
                standing
            }
            _ => NextHopHealth::New,
        }
    }

    /// When the next probe is due; none while it is closed.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        match self.state {
            BreakerState::Closed { .. } => None,
            BreakerState::Open { probe_at, .. } => Some(probe_at),
        }
    }

    /// Whether an attempt would be admitted, without taking the probe. The queue probes; where it has
    /// nothing to probe with (`when_deferred: pass`, a store that fails), the probe falls to a client's
    /// message a while later, or the next hop would stay suspended for ever.
    pub(super) fn suspended(&self, timeouts: TimeoutProfile, now: Instant) -> Option<Instant> {
        let grace = match timeouts {
            TimeoutProfile::Queue => Duration::ZERO,
            TimeoutProfile::Fast => limits::BREAKER_QUEUE_FIRST,
        };
        self.probe_at().filter(|&probe_at| now < probe_at + grace)
    }

    pub(super) fn admit(&mut self, timeouts: TimeoutProfile, now: Instant) -> Admission {
        if let Some(probe_at) = self.suspended(timeouts, now) {
            return Admission::Suspended(probe_at);
        }
        match &mut self.state {
            BreakerState::Closed { .. } => Admission::Free,
            BreakerState::Open { probe_at, interval } => {
                // Set for the case that this probe never comes back with an answer.
                *probe_at = now + *interval;
                Admission::Probe
            }
        }
    }

    /// Lets the next attempt of the queue probe at once.
    pub(super) fn probe_now(&mut self, now: Instant) {
        if let BreakerState::Open { probe_at, .. } = &mut self.state {
            *probe_at = now;
        }
    }

    /// Learns what came of an attempt that was admitted as `admission`.
    pub(super) fn learn(&mut self, event: BreakerEvent, admission: Admission, now: Instant) {
        match event {
            BreakerEvent::Served => self.state = BreakerState::CLEAR,
            BreakerEvent::Connected => {
                if let BreakerState::Closed { no_connections, .. } = &mut self.state {
                    *no_connections = 0;
                }
            }
            BreakerEvent::NoConnection | BreakerEvent::ServiceClosing => {
                self.fail(event, admission, now)
            }
            BreakerEvent::Broken => {}
        }
        let standing = match event {
            BreakerEvent::Served => NextHopHealth::Answers,
            BreakerEvent::NoConnection | BreakerEvent::ServiceClosing | BreakerEvent::Broken => {
                NextHopHealth::Silent
            }
            // That is only a start.
            BreakerEvent::Connected => return,
        };
        self.last = Some((standing, now));
    }

    fn fail(&mut self, event: BreakerEvent, admission: Admission, now: Instant) {
        match &mut self.state {
            BreakerState::Closed {
                no_connections,
                service_closings,
            } => {
                let run = match event {
                    BreakerEvent::NoConnection => no_connections,
                    _ => service_closings,
                };
                *run += 1;
                if *run >= limits::BREAKER_FAILURES {
                    self.open(limits::BREAKER_PROBE_FIRST, now);
                }
            }
            // Attempts that began before it opened say nothing new.
            BreakerState::Open { interval, .. } if admission == Admission::Probe => {
                let doubled = (*interval * 2).min(limits::BREAKER_PROBE_LAST);
                self.open(doubled, now);
            }
            BreakerState::Open { .. } => {}
        }
    }

    fn open(&mut self, interval: Duration, now: Instant) {
        self.state = BreakerState::Open {
            probe_at: now + interval,
            interval,
        };
    }
}

impl BreakerState {
    /// Nothing is wrong.
    const CLEAR: Self = Self::Closed {
        no_connections: 0,
        service_closings: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::BreakerEvent::{Broken, Connected, NoConnection, Served, ServiceClosing};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn after(events: &[BreakerEvent], now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        for &event in events {
            breaker.learn(event, Admission::Free, now);
        }
        breaker
    }

    #[test]
    fn it_opens_after_a_run_of_failures() {
        let now = Instant::now();
        for (events, open) in [
            (&[NoConnection, NoConnection][..], false),
            (&[NoConnection, NoConnection, NoConnection], true),
            (
                &[NoConnection, NoConnection, Connected, NoConnection],
                false,
            ),
            (&[NoConnection, NoConnection, Served, NoConnection], false),
            (&[ServiceClosing, ServiceClosing, ServiceClosing], true),
            // A server that answers the telephone to hang up again stays in its run.
            (
                &[
                    Connected,
                    ServiceClosing,
                    Connected,
                    ServiceClosing,
                    Connected,
                    ServiceClosing,
                ],
                true,
            ),
            (
                &[ServiceClosing, ServiceClosing, Served, ServiceClosing],
                false,
            ),
            (&[NoConnection, ServiceClosing, NoConnection], false),
        ] {
            let breaker = after(events, now);
            assert_eq!(breaker.probe_at().is_some(), open, "{events:?}");
        }
    }

    #[test]
    fn only_the_queue_probes_and_one_at_a_time() {
        let start = Instant::now();
        let mut breaker = after(&[NoConnection; 3], start);
        let due = start + limits::BREAKER_PROBE_FIRST;
        let early = due - SECOND;
        assert_eq!(
            breaker.admit(TimeoutProfile::Queue, early),
            Admission::Suspended(due)
        );
        assert_eq!(
            breaker.admit(TimeoutProfile::Fast, due),
            Admission::Suspended(due)
        );
        assert_eq!(breaker.admit(TimeoutProfile::Queue, due), Admission::Probe);
        let next = due + limits::BREAKER_PROBE_FIRST;
        assert_eq!(
            breaker.admit(TimeoutProfile::Queue, due),
            Admission::Suspended(next)
        );
    }

    #[test]
    fn a_probe_can_be_had_at_once() {
        let now = Instant::now();
        let mut breaker = after(&[NoConnection; 3], now);
        breaker.probe_now(now);
        assert!(breaker.suspended(TimeoutProfile::Fast, now).is_some());
        assert_eq!(breaker.admit(TimeoutProfile::Queue, now), Admission::Probe);
        breaker.learn(Served, Admission::Probe, now);
        breaker.probe_now(now);
        assert_eq!(breaker.probe_at(), None, "a closed one stays closed");
    }

    #[test]
    fn probes_double_up_to_the_last_interval() {
        let mut now = Instant::now();
        let mut breaker = after(&[NoConnection; 3], now);
        for expected in [30, 60, 120, 240, 300, 300] {
            let probe_at = breaker.probe_at().expect("it is open");
            assert_eq!((probe_at - now).as_secs(), expected);
            now = probe_at;
            let admission = breaker.admit(TimeoutProfile::Queue, now);
            breaker.learn(NoConnection, Admission::Free, now);
            breaker.learn(NoConnection, admission, now);
        }
    }

    #[test]
    fn what_it_did_last_counts_for_a_while() {
        let now = Instant::now();
        for (events, standing) in [
            (&[][..], NextHopHealth::New),
            (&[Connected], NextHopHealth::New),
            (&[Connected, Served], NextHopHealth::Answers),
            (&[Served, Connected], NextHopHealth::Answers),
            // Who greets and stalls has answered nothing.
            (&[Connected, Broken], NextHopHealth::Silent),
            (&[Served, Connected, Broken], NextHopHealth::Silent),
            (&[Served, NoConnection], NextHopHealth::Silent),
            (&[Served, ServiceClosing], NextHopHealth::Silent),
            (
                &[NoConnection, NoConnection, NoConnection, Served],
                NextHopHealth::Answers,
            ),
        ] {
            let breaker = after(events, now);
            assert_eq!(breaker.standing(now), standing, "{events:?}");
            let later = now + limits::ANSWERED_OF_LATE;
            assert_eq!(breaker.standing(later), NextHopHealth::New, "{events:?}");
        }
        let broken = after(&[Broken; 9], now);
        assert_eq!(
            broken.probe_at(),
            None,
            "that is no reason to leave it alone"
        );
    }

    #[test]
    fn a_served_probe_closes_it() {
        let now = Instant::now();
        let mut breaker = after(&[ServiceClosing; 3], now);
        breaker.learn(Connected, Admission::Probe, now);
        assert!(breaker.probe_at().is_some(), "it may hang up again");
        breaker.learn(Served, Admission::Probe, now);
        assert_eq!(breaker.admit(TimeoutProfile::Fast, now), Admission::Free);
    }
}
