//! The beginning and the end of content that goes straight through: it begins when the next hops are ready for
//! it (the patent's steps 504 to 508). All other content is spooled.

use std::sync::Arc;
use std::time::Instant;

use super::connection::SessionEnd;
use super::content::{CutThroughContent, IncomingContent};
use super::conversation::Conversation;
use super::envelope::CompleteEnvelope;
use super::reply_mode::ReplyMode;
use super::stream::Transport;
use crate::path::{Answering, ContentStart, CutThroughEnd, DeliveryMode, EndOfDataReply};
use crate::smtp::reply::Reply;

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// Where the content goes that is about to come; the reply in its place when no next hop takes it.
    pub(super) async fn begin_content(
        &mut self,
        envelope: &CompleteEnvelope,
        mode: DeliveryMode,
    ) -> Result<Result<IncomingContent, EndOfDataReply<A::Receipt>>, SessionEnd> {
        let id = self.context.ids.next(envelope.transaction.received_at);
        let settings = &envelope.transaction.settings;
        let standing = self.peer.standing(settings);
        self.connection.share.set_standing(standing);
        let spooled =
            |obstacle| IncomingContent::spooled(id, settings, &self.context, standing, obstacle);
        let mut transaction = match mode {
            DeliveryMode::CutThrough(transaction) => transaction,
            DeliveryMode::Spooled(obstacle) => return Ok(Ok(spooled(obstacle))),
            DeliveryMode::Undecided | DeliveryMode::Rejected(_) => return Ok(Ok(spooled(None))),
        };
        // What was answered before is not kept waiting.
        self.connection.flush().await?;
        let message = Arc::new(envelope.announced(id, &self.peer, &self.context));
        let started = tokio::select! {
            biased;
            started = transaction.start(&message) => started,
            () = self.shutdown.cancelled() => return Err(SessionEnd::Say(Reply::SHUTTING_DOWN)),
        };
        match started {
            ContentStart::Content => {
                let share = self.connection.share.another();
                let content = CutThroughContent::new(transaction, message, share);
                Ok(Ok(IncomingContent::cut_through(
                    content,
                    settings,
                    &self.context,
                )))
            }
            ContentStart::Spooled(why) => Ok(Ok(spooled(Some(why)))),
            ContentStart::Refused => {
                let end = CutThroughEnd {
                    transaction,
                    message,
                    has_content: false,
                    per_recipient: false,
                    ended_at: Instant::now(),
                };
                let paths = &self.context.paths;
                Ok(Err(paths.end_cut_through(end, &mut self.connection).await))
            }
        }
    }

    /// The content has come whole, and is with the next hops.
    pub(super) async fn end_cut_through(
        &mut self,
        content: CutThroughContent,
        ended_at: Instant,
        mode: ReplyMode,
    ) -> Result<(), SessionEnd> {
        if self.shutdown.is_cancelled() {
            // No next hop has it, and what they would say might come too late to be passed on.
            return Err(SessionEnd::Say(Reply::SHUTTING_DOWN));
        }
        self.context.counters.messages.increment();
        // Replies to what came before BDAT LAST are not kept waiting for a slow next hop.
        self.connection.flush().await?;
        let CutThroughContent {
            transaction,
            message,
            ..
        } = content;
        let end = CutThroughEnd {
            transaction,
            message,
            has_content: true,
            per_recipient: mode.is_per_recipient(),
            ended_at,
        };
        let paths = &self.context.paths;
        let reply = paths.end_cut_through(end, &mut self.connection).await;
        self.give(reply, mode).await
    }
}
