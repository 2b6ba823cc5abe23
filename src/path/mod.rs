//! The paths: which way a message takes, and what its sender is told at the end of data.
//!
//! [`verdict`] is the table of the design as a pure function. [`Answering::answer`] has the conditions look at
//! a message that has arrived whole, and gives it to the [`fast`] or the [`standard`] path; a message that
//! [`cut_through`] takes is with its next hops before it is whole. All three work with the parts of one
//! [`PathContext`].

mod answering;
mod client_presence;
pub mod context;
pub mod cut_through;
mod disposition;
mod fast;
mod fingerprints;
mod flight;
mod gate;
mod outbound;
mod per_recipient;
mod plan;
mod received;
mod reception;
mod recipient_group;
mod reply;
mod single_reply;
mod standard;
#[cfg(test)]
mod testing;
pub mod verdict;

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::conditions::{Accepted, CheckOutcome, CheckRun};
use crate::message::{DiskReason, Path, Recipient};
use crate::queue::{Failed, FailureReason};
use crate::settings::{OverThreshold, PathChoice};
use crate::smtp::reply::Reply;

pub use answering::Answering;
pub use client_presence::ClientPresence;
pub use context::PathContext;
pub use cut_through::{
    ContentStart, CutThroughEnd, CutThroughStart, CutThroughTransaction, DeliveryMode,
    RecipientCheck,
};
pub use fingerprints::Fingerprints;
pub use received::ReceivedMessage;
pub use reply::{EndOfDataReply, LateReply, Receipt};

use cut_through::CutThrough;
use disposition::Disposition;
use fast::FastPath;
use outbound::{Dispatch, OutboundMessage};
use reception::Reception;
use standard::StandardPath;

/// The three paths. Shared by all sessions.
#[derive(Debug)]
pub struct Paths {
    context: Arc<PathContext>,
    fast: FastPath,
    standard: StandardPath,
    cut_through: CutThrough,
}

impl Paths {
    /// The paths over these parts.
    #[must_use]
    pub fn new(context: PathContext) -> Self {
        let context = Arc::new(context);
        Self {
            fast: FastPath::new(Arc::clone(&context)),
            standard: StandardPath::new(Arc::clone(&context)),
            cut_through: CutThrough::new(Arc::clone(&context)),
            context,
        }
    }
}

impl Answering for Paths {
    type Receipt = Receipt;
    type Late = LateReply;

    async fn check_recipient(self: &Arc<Self>, check: RecipientCheck<'_>) -> Result<(), Reply> {
        self.cut_through.check_recipient(check).await
    }

    async fn end_cut_through<C: ClientPresence>(
        self: &Arc<Self>,
        end: CutThroughEnd,
        client: &mut C,
    ) -> EndOfDataReply {
        self.cut_through.end(end, client).await
    }

    async fn answer<C: ClientPresence>(
        self: &Arc<Self>,
        received: ReceivedMessage,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> EndOfDataReply {
        let context = &self.context;
        let deadline = received.deadline();
        let (known, recognised_by) = context.recognise(&received.message).await;
        let mut reception = Reception::of(&received);
        // What is settled for everybody is not looked into again: it is a repetition.
        let is_settled = !known.is_empty() && known.iter().all(|known| *known);
        let checked = match is_settled {
            true => None,
            false => self.check(&received, deadline, shutdown).await,
        };
        // Checks may have taken longer than the client would wait: then it will come again.
        let has_left = checked.is_some() && !client.still_there().await;
        let mut dispatch = Dispatch::of(&received, deadline);
        let disposition = match checked {
            _ if has_left => Disposition::client_gone(),
            None => match standard_path_reason(&received, None) {
                None => self.fast.deliver(&dispatch, &known, client, shutdown).await,
                Some(reason) => {
                    let outbound = [OutboundMessage {
                        message: Arc::clone(&received.message),
                        known,
                    }];
                    self.standard
                        .enqueue(&dispatch, &outbound, Vec::new(), reason)
                        .await
                }
            },
            Some(CheckOutcome { words, result }) => {
                reception.add_examined(&words);
                match result {
                    Err(reply) => Disposition::nothing(reply, Path::Standard),
                    Ok(mut accepted) => {
                        if let [only] = accepted.messages.as_slice() {
                            // Replies for each recipient are for those that the client has named.
                            dispatch.per_recipient &= reception.has_recipients_of(only);
                            dispatch.message = Arc::clone(only);
                        }
                        let outbound = reception.outbound(&accepted.messages, &known);
                        let reason = standard_path_reason(&received, accepted.standard_path.take());
                        self.take(&dispatch, &outbound, accepted, reason, client, shutdown)
                            .await
                    }
                }
            }
        };
        context
            .finish(reception, &dispatch.message, disposition, recognised_by)
            .await
    }

    fn written(receipt: Receipt) -> Option<LateReply> {
        receipt.written()
    }

    async fn not_written(receipt: Receipt) {
        receipt.not_written().await;
    }

    fn was_read(late: LateReply) {
        late.was_read();
    }
}

impl Paths {
    /// Figure 4, step 401; none when no condition can be present.
    async fn check(
        &self,
        received: &ReceivedMessage,
        deadline: Instant,
        shutdown: &CancellationToken,
    ) -> Option<CheckOutcome> {
        if !received.settings.conditions().any {
            return None;
        }
        let run = CheckRun {
            message: &received.message,
            declared_size: received.declared_size,
            settings: &received.settings,
            deadline: deadline.into(),
        };
        // Boxed: a message without conditions does not carry the room that checks take.
        let conditions = &self.context.conditions;
        Some(Box::pin(conditions.check(run, shutdown)).await)
    }

    /// Takes a message that may be taken.
    async fn take<C: ClientPresence>(
        &self,
        dispatch: &Dispatch,
        outbound: &[OutboundMessage],
        accepted: Accepted,
        reason: Option<DiskReason>,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> Disposition {
        let failed = accepted.refused.into_iter().map(refused).collect();
        if let Some(quarantine) = accepted.quarantine {
            return self
                .standard
                .quarantine(dispatch, outbound, failed, quarantine)
                .await;
        }
        match (outbound, reason) {
            ([only], None) => {
                self.fast
                    .deliver(dispatch, &only.known, client, shutdown)
                    .await
            }
            // Several messages go out all or none, which only the queue can promise.
            (_, reason) => {
                let reason = reason.unwrap_or(DiskReason::StandardPath);
                self.standard
                    .enqueue(dispatch, outbound, failed, reason)
                    .await
            }
        }
    }
}

/// A recipient that a condition refused by itself.
fn refused((recipient, reply): (Recipient, Reply)) -> Failed {
    Failed {
        recipient,
        failure: FailureReason::Refused,
        reply,
    }
}

/// Figure 4, steps 402 and 403, and Figure 6: why a message does not take the fast path.
fn standard_path_reason(
    received: &ReceivedMessage,
    condition: Option<DiskReason>,
) -> Option<DiskReason> {
    let settings = &received.settings;
    if received.path == PathChoice::Standard {
        return Some(DiskReason::StandardPath);
    }
    if condition.is_some() {
        return condition;
    }
    let over = received.reasons.contains(&DiskReason::OverThreshold);
    (over && settings.over_threshold == OverThreshold::DiskOnly)
        .then_some(DiskReason::OverThreshold)
}
