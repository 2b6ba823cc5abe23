//! DATA and BDAT: content is received, judged, and given to the paths; the client gets their reply.

use std::sync::Arc;

use tokio::time::Instant;

use super::chunked::Chunked;
use super::connection::SessionEnd;
use super::content::{FinishedContent, IncomingContent, Refused};
use super::conversation::Conversation;
use super::data;
use super::envelope::{Addressed, CompleteEnvelope};
use super::reply_mode::ReplyMode;
use super::stream::Transport;
use crate::limits;
use crate::path::{Answering, ClientPresence, EndOfDataReply, ReceivedMessage};
use crate::smtp::end_of_data::DataFindings;
use crate::smtp::reply::Reply;

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// DATA: RFC 5321 §4.1.1.4.
    pub(super) async fn data(&mut self, addressed: Addressed) -> Result<(), SessionEnd> {
        let (envelope, mode) = addressed.complete();
        let mut content = match self.begin_content(&envelope, mode).await? {
            Ok(content) => content,
            // Nothing came yet, so there is one reply whatever is spoken.
            Err(reply) => return self.give(reply, ReplyMode::Single).await,
        };
        self.say(&Reply::START_DATA)?;
        self.connection.flush().await?;
        let findings =
            data::receive_data(&mut self.connection, &mut content, &self.shutdown).await?;
        self.end_of_data(envelope, content, findings).await
    }

    /// The first BDAT of a message.
    pub(super) async fn first_chunk(
        &mut self,
        addressed: Addressed,
        size: u64,
        last: bool,
    ) -> Result<Option<Box<Chunked>>, SessionEnd> {
        bound_chunk(size)?;
        let (envelope, mode) = addressed.complete();
        match self.begin_content(&envelope, mode).await? {
            Ok(content) => {
                let chunked = Chunked::begin(envelope, content);
                self.chunk(chunked, size, last).await
            }
            Err(reply) => {
                data::skip_chunk(&mut self.connection, size, &self.shutdown).await?;
                let mode = envelope.reply_mode(&self.peer).to_chunk(last);
                self.give(reply, mode).await?;
                Ok(None)
            }
        }
    }

    /// BDAT: RFC 3030 §2. Gives the envelope back while more chunks are expected.
    pub(super) async fn chunk(
        &mut self,
        mut chunked: Box<Chunked>,
        size: u64,
        last: bool,
    ) -> Result<Option<Box<Chunked>>, SessionEnd> {
        bound_chunk(size)?;
        data::receive_chunk(&mut self.connection, &mut chunked, size, &self.shutdown).await?;
        if let Some(reply) = chunked.content.refusal() {
            let mode = chunked.envelope.reply_mode(&self.peer).to_chunk(last);
            self.conclude(mode, &reply, &[]).await?;
            return Ok(None);
        }
        if !last {
            self.say(&Reply::chunk_received(size))?;
            return Ok(Some(chunked));
        }
        let Chunked {
            envelope,
            mut content,
            decoder,
            ..
        } = *chunked;
        let findings = decoder.finish(&mut |bytes| content.put(bytes));
        content.take().await?;
        self.end_of_data(envelope, content, findings).await?;
        Ok(None)
    }

    /// A chunk that is refused before it is read.
    pub(super) async fn skip_chunk(
        &mut self,
        size: u64,
        reply: Reply,
        mode: ReplyMode,
    ) -> Result<(), SessionEnd> {
        bound_chunk(size)?;
        data::skip_chunk(&mut self.connection, size, &self.shutdown).await?;
        match mode {
            ReplyMode::Single => self.say(&reply),
            mode => self.conclude(mode, &reply, &[]).await,
        }
    }

    /// The content has arrived whole (the patent's step 305).
    async fn end_of_data(
        &mut self,
        envelope: CompleteEnvelope,
        content: IncomingContent,
        findings: DataFindings,
    ) -> Result<(), SessionEnd> {
        let ended_at = Instant::now().into_std();
        let id = content.id;
        let mode = envelope.reply_mode(&self.peer);
        // It may have taken its time. Next hops that wait for its end are left without one.
        self.look_at_rights()?;
        let (transaction, recipients) = (&envelope.transaction, envelope.recipients());
        let may_send = self.peer.may_send(transaction, recipients, &self.context);
        if let Err(reply) = may_send {
            drop(content);
            return self.conclude(mode, &reply, &[]).await;
        }
        let mut content = match content.finish(findings).await {
            Ok(FinishedContent::Spooled(content)) => content,
            Ok(FinishedContent::CutThrough(content)) => {
                return self.end_cut_through(content, ended_at, mode).await;
            }
            Err(refused) => return self.refuse(mode, &refused).await,
        };
        let reasons = std::mem::take(&mut content.reasons);
        let obstacle = content.obstacle.take();
        let settings = Arc::clone(&transaction.settings);
        let (declared_size, path) = (transaction.mail.size, transaction.path);
        let message = envelope.message(id, content, &self.peer, &self.context.hostname);
        self.context.counters.messages.increment();
        let received = ReceivedMessage {
            message: Arc::new(message),
            declared_size,
            settings,
            path,
            obstacle,
            per_recipient: mode.is_per_recipient(),
            reasons,
            ended_at,
        };
        // Replies to what came before BDAT LAST are not kept waiting for a slow next hop.
        self.connection.flush().await?;
        let paths = &self.context.paths;
        let reply = paths
            .answer(received, &mut self.connection, &self.shutdown)
            .await;
        self.give(reply, mode).await
    }

    /// Content that has come whole and is not taken.
    async fn refuse(&mut self, mode: ReplyMode, refused: &Refused) -> Result<(), SessionEnd> {
        self.conclude(mode, &refused.reply, &[]).await?;
        match refused.close {
            true => Err(SessionEnd::Close),
            false => Ok(()),
        }
    }

    /// Gives the reply to content, and reports whether that could be said.
    pub(super) async fn give(
        &mut self,
        given: EndOfDataReply<A::Receipt>,
        mode: ReplyMode,
    ) -> Result<(), SessionEnd> {
        if given.reply.is_positive() {
            self.errors = 0;
        }
        // A socket takes a reply also when the other side is closed already.
        let there = self.connection.still_there().await;
        let said = self
            .conclude(mode, &given.reply, &given.per_recipient)
            .await;
        let is_gone =
            self.connection.flush().await.is_err() || matches!(said, Err(SessionEnd::Gone));
        if is_gone || !there {
            A::not_written(given.receipt).await;
            return Err(SessionEnd::Gone);
        }
        if let Some(late) = A::written(given.receipt) {
            // What has come by now may have been sent before the reply was seen.
            self.connection.still_there().await;
            self.late = Some((late, self.connection.received));
        }
        if given.close {
            return Err(SessionEnd::Close);
        }
        said
    }
}

/// No chunk that would take days to read past is begun.
fn bound_chunk(size: u64) -> Result<(), SessionEnd> {
    if size > limits::READ_ON_BYTES {
        return Err(SessionEnd::Say(Reply::MESSAGE_TOO_BIG));
    }
    Ok(())
}
