//! A message in flight: its groups on their way to their next hops, until each has an outcome or
//! the time is up.
//!
//! The attempts run inside the session's own task, so that the ordinary message costs no hand-over
//! between threads; what is left at the deadline moves to the background.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::gate::{Gate, GroupPoint};
use super::verdict::{Standing, Tally};
use super::{ClientPresence, Paths, Transaction};
use crate::delivery::{Errand, Pace, Report};
use crate::limits;
use crate::message::{Message, Outcome};
use crate::queue::HandedOver;
use crate::settings::{NextHop, Settings, WhenDeferred};

/// Recipients of one message that go to one next hop in one transaction.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Where to.
    pub(super) next_hop: Arc<NextHop>,
    /// Positions in the envelope.
    pub(super) recipients: Vec<usize>,
}

/// The recipients that are not `known` to be settled, grouped by next hop, at most
/// [`limits::RECIPIENTS_PER_TRANSACTION`] a group.
pub(super) fn group_by_next_hop(
    message: &Message,
    settings: &Settings,
    known: &[bool],
) -> Vec<Group> {
    let positions = (0..message.envelope.recipients.len()).filter(|&at| !is_known(known, at));
    let mut groups: Vec<Group> = Vec::with_capacity(1);
    let mut open: HashMap<Arc<str>, usize> = HashMap::new();
    for position in positions {
        let next_hop = message.envelope.recipients[position].next_hop(settings);
        let full = message.recipients_per_transaction();
        let with_room = match groups.as_slice() {
            // The ordinary message has one recipient, or all at one next hop.
            [only] if only.next_hop.name() == next_hop.name() => Some(0),
            _ => open.get(next_hop.name()).copied(),
        };
        match with_room.filter(|&group| groups[group].recipients.len() < full) {
            Some(group) => groups[group].recipients.push(position),
            None => {
                open.insert(Arc::clone(next_hop.name()), groups.len());
                groups.push(Group {
                    next_hop,
                    recipients: vec![position],
                });
            }
        }
    }
    groups
}

fn is_known(known: &[bool], position: usize) -> bool {
    known.get(position).copied().unwrap_or(false)
}

/// What the next hops of groups that ended said.
pub(super) fn reported(
    ended: &[(Group, Report)],
) -> impl Iterator<Item = (&Arc<NextHop>, &Report)> {
    ended
        .iter()
        .map(|(group, report)| (&group.next_hop, report))
}

/// A group's attempt.
type Attempt = Pin<Box<dyn Future<Output = Report> + Send>>;

/// A group whose attempt has no outcome yet.
pub(super) struct Underway {
    /// The group.
    pub(super) group: Group,
    /// Its attempt; not polled yet when there were too many before it.
    pub(super) attempt: Attempt,
    /// Whether its dot was handed over.
    pub(super) handed_over: HandedOver,
    /// It was polled at least once.
    pub(super) begun: bool,
}

/// What one recipient's state in the flight is.
#[derive(Debug)]
pub(super) enum State {
    /// A fingerprint says that it is settled.
    Known,
    /// Its attempt has ended.
    Ended(Outcome),
    /// Its attempt has no outcome yet.
    Pending,
}

/// Why waiting for the groups ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Every group has its outcome.
    Ended,
    /// The deadline has passed, or we are shutting down.
    TimeUp,
    /// The gate found the client gone.
    ClientGone,
}

/// One message's groups.
pub(super) struct Flight {
    pub(super) message: Arc<Message>,
    pub(super) gate: Arc<Gate>,
    pub(super) states: Vec<State>,
    pub(super) underway: Vec<Underway>,
    /// Reports of groups that ended, for the trail.
    pub(super) ended: Vec<(Group, Report)>,
}

impl Flight {
    /// Prepares an attempt for each group of recipients that are not `known` already (step 310).
    pub(super) fn launch(paths: &Arc<Paths>, transaction: &Transaction, known: &[bool]) -> Self {
        let Transaction {
            message, settings, ..
        } = transaction;
        let recipients = message.envelope.recipients.len();
        let gate = Arc::new(Gate::default());
        let busy_wait = Duration::from_secs(settings.ack_deadline_seconds) / 4;
        // Where nothing is queued the queue cannot convert, and the client would come again for ever.
        let converts = settings.when_deferred == WhenDeferred::Pass;
        let underway = group_by_next_hop(message, settings, known)
            .into_iter()
            .map(|group| begin(paths, message, &gate, group, busy_wait, converts))
            .collect();
        let states = (0..recipients)
            .map(|at| {
                if is_known(known, at) {
                    State::Known
                } else {
                    State::Pending
                }
            })
            .collect();
        Self {
            message: Arc::clone(message),
            gate,
            states,
            underway,
            ended: Vec::new(),
        }
    }

    /// Runs the groups until all have ended or the time is up (steps 311 and 312).
    pub(super) async fn run<C: ClientPresence>(
        &mut self,
        client: &mut C,
        deadline: Instant,
        shutdown: &CancellationToken,
    ) -> Halt {
        let gate = Arc::clone(&self.gate);
        let time_up = tokio::time::sleep_until(deadline);
        let shutting_down = shutdown.cancelled();
        tokio::pin!(time_up, shutting_down);
        loop {
            tokio::select! {
                biased;
                () = self.all_ended() => return Halt::Ended,
                () = gate.asked(), if !gate.is_decided() => {
                    gate.decide(client.still_there().await);
                    if gate.is_shut() {
                        // Nobody has the message: every connection is closed without the dot.
                        self.underway.clear();
                        return Halt::ClientGone;
                    }
                }
                () = &mut time_up => return Halt::TimeUp,
                () = &mut shutting_down => return Halt::TimeUp,
            }
        }
    }

    /// Runs the groups that have begun while `other` is awaited; outcomes that arrive meanwhile are
    /// taken in. The gate stays as it is, and no further group begins: what is being stored of it
    /// says that it waits.
    pub(super) async fn run_beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        tokio::pin!(other);
        poll_fn(|context| {
            let _ = self.poll_groups(context, false);
            other.as_mut().poll(context)
        })
        .await
    }

    /// Waits until every group has ended.
    pub(super) async fn all_ended(&mut self) {
        poll_fn(|context| self.poll_groups(context, true)).await;
    }

    /// Polls the first groups; a group that ends makes room for one that waits, when new ones may begin.
    fn poll_groups(&mut self, context: &mut Context<'_>, may_begin: bool) -> Poll<()> {
        let mut position = 0;
        while position < self.underway.len().min(limits::GROUPS_AT_ONCE) {
            let group = &mut self.underway[position];
            if !group.begun && !may_begin {
                break;
            }
            group.begun = true;
            match group.attempt.as_mut().poll(context) {
                Poll::Pending => position += 1,
                Poll::Ready(report) => {
                    let ended = self.underway.remove(position);
                    self.end(ended.group, report);
                }
            }
        }
        if self.underway.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn end(&mut self, group: Group, report: Report) {
        for (position, outcome) in &report.outcomes {
            self.states[*position] = State::Ended(outcome.clone());
        }
        self.ended.push((group, report));
    }

    /// Drops the attempts whose dot was not handed over: nothing more is sent for them.
    pub(super) fn withdraw_unfinished(&mut self) {
        self.gate.decide(false);
        self.underway.retain(|group| group.handed_over.is_set());
    }

    /// Whether a dot was handed over and is unanswered.
    pub(super) fn has_unanswered_dot(&self) -> bool {
        self.underway.iter().any(|group| group.handed_over.is_set())
    }

    /// What counts for each recipient now.
    pub(super) fn standings(&self) -> Vec<Standing> {
        let mut standings: Vec<Standing> = self
            .states
            .iter()
            .map(|state| match state {
                State::Known | State::Ended(Outcome::Delivered(_)) => Standing::Delivered,
                State::Ended(Outcome::Refused(_)) => Standing::Refused,
                State::Ended(Outcome::Uncertain(_)) => Standing::Uncertain,
                State::Ended(Outcome::Deferred(..)) | State::Pending => Standing::Deferred,
            })
            .collect();
        for group in self
            .underway
            .iter()
            .filter(|group| group.handed_over.is_set())
        {
            for &position in &group.group.recipients {
                standings[position] = Standing::Uncertain;
            }
        }
        standings
    }

    /// The standings counted.
    pub(super) fn tally(&self) -> Tally {
        self.standings().into_iter().collect()
    }
}

fn begin(
    paths: &Arc<Paths>,
    message: &Arc<Message>,
    gate: &Arc<Gate>,
    group: Group,
    busy_wait: Duration,
    converts: bool,
) -> Underway {
    let handed_over = HandedOver::default();
    let point = GroupPoint {
        gate: Arc::clone(gate),
        handed_over: handed_over.clone(),
    };
    let errand = Errand {
        message: Arc::clone(message),
        recipients: group.recipients.clone(),
        next_hop: Arc::clone(&group.next_hop),
        pace: Pace::Fast,
        busy_wait,
        converts,
    };
    let delivery = Arc::clone(&paths.delivery);
    Underway {
        group,
        attempt: Box::pin(async move { delivery.attempt(errand, &point).await }),
        handed_over,
        begun: false,
    }
}
