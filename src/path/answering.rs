//! The seam between a session and the paths, so that a session can be tried without them.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::path::{
    ClientPresence, CutThroughEnd, EndOfDataReply, LateReply, Paths, Receipt, ReceivedMessage,
    RecipientCheck,
};
use crate::smtp::reply::Reply;

/// What answers for a message: the paths, or a stand-in in tests.
pub trait Answering: Send + Sync + Sized + 'static {
    /// Takes what became of the reply.
    type Receipt: Send;
    /// A reply that was written late and waits for the proof that it was read.
    type Late: Send;

    /// Whether this recipient is taken, where that has to be asked before RCPT is answered; the reply when
    /// it is not. Bounded by itself.
    fn check_recipient(
        self: &Arc<Self>,
        check: RecipientCheck<'_>,
    ) -> impl Future<Output = Result<(), Reply>> + Send;

    /// Takes the message and gives the reply. Bounded by itself.
    fn answer<C: ClientPresence>(
        self: &Arc<Self>,
        received: ReceivedMessage,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = EndOfDataReply<Self::Receipt>> + Send;

    /// Ends a message that went straight through, and gives the reply. Bounded by itself.
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

impl Answering for Paths {
    type Receipt = Receipt;
    type Late = LateReply;

    async fn check_recipient(self: &Arc<Self>, check: RecipientCheck<'_>) -> Result<(), Reply> {
        Paths::check_recipient(self, check).await
    }

    async fn answer<C: ClientPresence>(
        self: &Arc<Self>,
        received: ReceivedMessage,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> EndOfDataReply {
        Paths::answer(self, received, client, shutdown).await
    }

    async fn end_cut_through<C: ClientPresence>(
        self: &Arc<Self>,
        end: CutThroughEnd,
        client: &mut C,
    ) -> EndOfDataReply {
        Paths::end_cut_through(self, end, client).await
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
