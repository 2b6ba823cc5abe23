//! A message in flight: its groups on their way to their next hops, until each has an outcome or
//! the time is up.
//!
//! The attempts run inside the session's own task, so that the ordinary message costs no hand-over
//! between threads; what is left at the deadline moves to the background.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client_presence::ClientPresence;
use super::gate::{Gate, GroupPoint};
use super::outbound::Dispatch;
use super::recipient_group::{RecipientGroup, group_by_next_hop, is_known};
use super::verdict::OutcomeCounts;
use crate::delivery::{AttemptResult, Delivery, DeliveryRequest, TimeoutProfile};
use crate::limits;
use crate::message::words::OutcomeKind;
use crate::message::{Message, Outcome};
use crate::queue::HandedOver;
use crate::settings::{NextHop, WhenDeferred};

/// What the next hops of groups that ended said.
pub(super) fn results(
    ended: &[(RecipientGroup, AttemptResult)],
) -> impl Iterator<Item = (&Arc<NextHop>, &AttemptResult)> + Clone {
    ended
        .iter()
        .map(|(group, result)| (&group.next_hop, result))
}

/// A group whose attempt has no outcome yet.
pub(super) struct Underway {
    /// The group.
    pub(super) group: RecipientGroup,
    /// Its attempt; not polled yet when there were too many before it.
    pub(super) attempt: Pin<Box<dyn Future<Output = AttemptResult> + Send>>,
    /// Whether its dot was handed over.
    pub(super) handed_over: HandedOver,
    /// It was polled at least once.
    pub(super) begun: bool,
}

/// What one recipient's state in the flight is.
#[derive(Debug)]
pub(super) enum RecipientState {
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
    pub(super) states: Vec<RecipientState>,
    pub(super) underway: Vec<Underway>,
    /// What the attempts of the groups that ended came to, for the trail.
    pub(super) ended: Vec<(RecipientGroup, AttemptResult)>,
}

impl Flight {
    /// Prepares an attempt for each group of recipients that are not `known` already (step 310).
    pub(super) fn launch(delivery: &Arc<Delivery>, dispatch: &Dispatch, known: &[bool]) -> Self {
        let Dispatch {
            message, settings, ..
        } = dispatch;
        let recipients = message.envelope.recipients.len();
        let gate = Arc::new(Gate::default());
        let busy_wait = Duration::from_secs(settings.ack_deadline_seconds) / 4;
        // Where nothing is queued the queue cannot convert, and the client would come again for ever.
        let converts = settings.when_deferred == WhenDeferred::Pass;
        let underway = group_by_next_hop(message, settings, known)
            .into_iter()
            .map(|group| begin(delivery, message, &gate, group, busy_wait, converts))
            .collect();
        let states = (0..recipients)
            .map(|at| {
                if is_known(known, at) {
                    RecipientState::Known
                } else {
                    RecipientState::Pending
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
                        // No recipient has the message: every connection is closed without the dot.
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
                Poll::Ready(result) => {
                    let ended = self.underway.remove(position);
                    self.end(ended.group, result);
                }
            }
        }
        if self.underway.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn end(&mut self, group: RecipientGroup, result: AttemptResult) {
        for (position, outcome) in &result.outcomes {
            self.states[*position] = RecipientState::Ended(outcome.clone());
        }
        self.ended.push((group, result));
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
    pub(super) fn outcomes(&self) -> Vec<OutcomeKind> {
        let mut outcomes: Vec<OutcomeKind> = self
            .states
            .iter()
            .map(|state| match state {
                RecipientState::Known => OutcomeKind::Delivered,
                RecipientState::Ended(outcome) => outcome.kind(),
                RecipientState::Pending => OutcomeKind::Deferred,
            })
            .collect();
        for group in self
            .underway
            .iter()
            .filter(|group| group.handed_over.is_set())
        {
            for &position in &group.group.recipients {
                outcomes[position] = OutcomeKind::Uncertain;
            }
        }
        outcomes
    }

    /// The outcomes counted.
    pub(super) fn counts(&self) -> OutcomeCounts {
        self.outcomes().into_iter().collect()
    }
}

fn begin(
    delivery: &Arc<Delivery>,
    message: &Arc<Message>,
    gate: &Arc<Gate>,
    group: RecipientGroup,
    busy_wait: Duration,
    converts: bool,
) -> Underway {
    let handed_over = HandedOver::default();
    let point = GroupPoint {
        gate: Arc::clone(gate),
        handed_over: handed_over.clone(),
    };
    let request = DeliveryRequest {
        message: Arc::clone(message),
        recipients: group.recipients.clone(),
        next_hop: Arc::clone(&group.next_hop),
        timeouts: TimeoutProfile::Fast,
        busy_wait,
        converts,
    };
    let delivery = Arc::clone(delivery);
    Underway {
        group,
        attempt: Box::pin(async move { delivery.attempt(request, &point).await }),
        handed_over,
        begun: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::path::testing::{DEFERS, IS_SILENT, Scene, TAKES, TestClient, next_hops};

    const A_MOMENT: Duration = Duration::from_millis(300);

    /// At the deadline a recipient is deferred, unless its dot was handed over: then nobody can know.
    #[tokio::test]
    async fn at_the_deadline_an_unanswered_dot_is_uncertain() {
        let scene = Scene::new(json!({})).await;
        let (servers, message) = next_hops(&[TAKES, DEFERS, IS_SILENT]).await;
        let dispatch = scene.dispatch(message, false);
        let mut flight = Flight::launch(&scene.context.delivery, &dispatch, &[]);
        let mut client = TestClient { is_there: true };
        let shutdown = CancellationToken::new();
        while !flight.has_unanswered_dot() || flight.ended.len() < 2 {
            let halt = flight.run(&mut client, Instant::now() + A_MOMENT, &shutdown);
            assert_eq!(halt.await, Halt::TimeUp);
        }
        use OutcomeKind::{Deferred, Delivered, Uncertain};
        assert_eq!(flight.outcomes(), [Delivered, Deferred, Uncertain]);
        assert!(matches!(flight.states[2], RecipientState::Pending));
        flight.withdraw_unfinished();
        assert_eq!(flight.underway.len(), 1, "a dot cannot be taken back");
        assert!(!flight.gate.is_shut(), "the first decision counts");
        drop(flight);
        scene.context.delivery.close().await;
        for server in servers {
            server.finish().await;
        }
    }

    #[tokio::test]
    async fn what_has_not_begun_is_withdrawn() {
        let scene = Scene::new(json!({})).await;
        let (_servers, message) = next_hops(&[TAKES, TAKES]).await;
        let dispatch = scene.dispatch(message, false);
        let mut flight = Flight::launch(&scene.context.delivery, &dispatch, &[true, false]);
        assert_eq!(flight.underway.len(), 1, "one has it already");
        assert_eq!(
            flight.outcomes(),
            [OutcomeKind::Delivered, OutcomeKind::Deferred]
        );
        flight.withdraw_unfinished();
        assert!(flight.underway.is_empty() && flight.gate.is_shut());
        let shutdown = CancellationToken::new();
        let mut client = TestClient { is_there: true };
        let halt = flight.run(&mut client, Instant::now() + A_MOMENT, &shutdown);
        assert_eq!(halt.await, Halt::Ended);
    }
}
