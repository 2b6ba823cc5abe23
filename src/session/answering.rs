//! The seam between a session and the paths, so that a session can be tried without them.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::path::{
    Answer, ClientPresence, EndedPassage, Inquiry, LateReply, Paths, Receipt, Transaction,
};
use crate::smtp::reply::Reply;

/// Who answers for a message that has arrived whole.
pub trait Answering: Send + Sync + Sized + 'static {
    /// To be told what became of the reply.
    type Receipt: Send;
    /// A reply that was written late and waits for the proof that it was read.
    type Late: Send;

    /// Whether this recipient is taken, where that has to be asked before RCPT is answered; the reply when
    /// it is not. Bounded by itself.
    fn recipient(
        self: &Arc<Self>,
        inquiry: Inquiry<'_>,
    ) -> impl Future<Output = Result<(), Reply>> + Send;

    /// Takes the message and says what the client is told. Bounded by itself.
    fn answer<C: ClientPresence>(
        self: &Arc<Self>,
        transaction: Transaction,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = Answered<Self::Receipt>> + Send;

    /// Ends a message that went straight through, and says what the client is told. Bounded by itself.
    fn end_passage<C: ClientPresence>(
        self: &Arc<Self>,
        ended: EndedPassage,
        client: &mut C,
    ) -> impl Future<Output = Answered<Self::Receipt>> + Send;

    /// The reply was given to the socket.
    fn written(receipt: Self::Receipt) -> Option<Self::Late>;

    /// The reply could not be written, or the client had gone before it was. Bounded by itself.
    fn not_written(receipt: Self::Receipt) -> impl Future<Output = ()> + Send;

    /// A command came that the client can only have sent after it read the late reply.
    fn was_read(late: Self::Late);
}

/// What the client is told about its message.
#[derive(Debug)]
pub struct Answered<R> {
    /// The reply to the end of data.
    pub reply: Reply,
    /// A reply for each recipient; empty where `reply` is for all of them.
    pub each: Vec<Reply>,
    /// To be told what became of the reply.
    pub receipt: R,
    /// The session closes after the reply.
    pub close: bool,
}

impl From<Answer> for Answered<Receipt> {
    fn from(answer: Answer) -> Self {
        let Answer {
            reply,
            each,
            receipt,
            close,
        } = answer;
        Self {
            reply,
            each,
            receipt,
            close,
        }
    }
}

impl Answering for Paths {
    type Receipt = Receipt;
    type Late = LateReply;

    async fn recipient(self: &Arc<Self>, inquiry: Inquiry<'_>) -> Result<(), Reply> {
        Paths::recipient(self, inquiry).await
    }

    async fn answer<C: ClientPresence>(
        self: &Arc<Self>,
        transaction: Transaction,
        client: &mut C,
        shutdown: &CancellationToken,
    ) -> Answered<Receipt> {
        Paths::answer(self, transaction, client, shutdown)
            .await
            .into()
    }

    async fn end_passage<C: ClientPresence>(
        self: &Arc<Self>,
        ended: EndedPassage,
        client: &mut C,
    ) -> Answered<Receipt> {
        Paths::end_passage(self, ended, client).await.into()
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
