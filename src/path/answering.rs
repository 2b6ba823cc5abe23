//! The seam between a session and the paths, so that a session can be tried without them.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::client_presence::ClientPresence;
use super::cut_through::{CutThroughEnd, RecipientCheck};
use super::received::ReceivedMessage;
use super::reply::EndOfDataReply;
use crate::smtp::reply::Reply;

/// What answers for a message: the paths, or a stand-in in tests.
pub trait Answering: Send + Sync + Sized + 'static {
    /// Takes what became of the reply.
    type Receipt: Send;
    /// A reply that was written late and waits for the proof that it was read.
    type Late: Send;

    /// Whether this recipient is taken, where that has to be asked before RCPT is answered: by what the
    /// directory knows, and for cut-through by what its next hop says. Bounded by the time-outs of both.
    ///
    /// # Errors
    /// The reply to a recipient that is not taken.
    fn check_recipient(
        self: &Arc<Self>,
        check: RecipientCheck<'_>,
    ) -> impl Future<Output = Result<(), Reply>> + Send;

    /// Takes the message the way it has to go, and gives the reply to its end of data. When that is a 250,
    /// every recipient is delivered, durable in the queue, or its failure report is. Bounded by itself.
    fn answer<C: ClientPresence>(
        self: &Arc<Self>,
        received: ReceivedMessage,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = EndOfDataReply<Self::Receipt>> + Send;

    /// Ends a message that went straight through, and says what its recipients said. Bounded by itself.
    fn end_cut_through<C: ClientPresence>(
        self: &Arc<Self>,
        end: CutThroughEnd,
        client: &mut C,
    ) -> impl Future<Output = EndOfDataReply<Self::Receipt>> + Send;

    /// The reply was given to the socket.
    fn written(receipt: Self::Receipt) -> Option<Self::Late>;

    /// The reply could not be written, or the client had gone before it was. Bounded by itself.
    fn not_written(receipt: Self::Receipt) -> impl Future<Output = ()> + Send;

    /// A command came that the client can only have sent after it read the late reply.
    fn was_read(late: Self::Late);
}
