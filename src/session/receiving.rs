//! DATA and BDAT: content is received, judged, and given to the paths; the client hears what they say.

use std::sync::Arc;

use tokio::time::Instant;

use super::answering::{Answered, Answering};
use super::audience::Audience;
use super::connection::End;
use super::content::{Content, Refused};
use super::conversation::Conversation;
use super::data;
use super::envelope::Addressed;
use super::state::Chunked;
use super::stream::Transport;
use crate::limits;
use crate::path::{ClientPresence, Transaction};
use crate::smtp::end_of_data::DataFindings;
use crate::smtp::reply::Reply;

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// DATA: RFC 5321 §4.1.1.4.
    pub(super) async fn data(&mut self, mut addressed: Addressed) -> Result<(), End> {
        let mut content = match self.begin_content(&mut addressed).await? {
            Ok(content) => content,
            // Nothing came yet, so there is one reply whatever is spoken.
            Err(answered) => return self.give(answered, Audience::ONE).await,
        };
        self.say(&Reply::start_data())?;
        self.connection.flush().await?;
        let findings =
            data::receive_data(&mut self.connection, &mut content, &self.shutdown).await?;
        self.end_of_data(addressed, content, findings).await
    }

    /// The first BDAT of a message.
    pub(super) async fn first_chunk(
        &mut self,
        mut addressed: Addressed,
        size: u64,
        last: bool,
    ) -> Result<Option<Box<Chunked>>, End> {
        bound_chunk(size)?;
        let audience = addressed.audience(&self.peer);
        match self.begin_content(&mut addressed).await? {
            Ok(content) => {
                let chunked = Chunked::begin(addressed, content);
                self.chunk(chunked, size, last).await
            }
            Err(answered) => {
                data::skip_chunk(&mut self.connection, size, &self.shutdown).await?;
                let audience = if last { audience } else { Audience::ONE };
                self.give(answered, audience).await?;
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
    ) -> Result<Option<Box<Chunked>>, End> {
        bound_chunk(size)?;
        data::receive_chunk(&mut self.connection, &mut chunked, size, &self.shutdown).await?;
        if let Some(reply) = chunked.content.refusal() {
            let audience = match last {
                true => chunked.addressed.audience(&self.peer),
                false => Audience::ONE,
            };
            self.conclude_for(audience, &reply).await?;
            return Ok(None);
        }
        if !last {
            let words = format!("{size} octets received");
            self.say(&Reply::new(250, (2, 0, 0), words))?;
            return Ok(Some(chunked));
        }
        let Chunked {
            addressed,
            mut content,
            normaliser,
            ..
        } = *chunked;
        let findings = normaliser.finish(&mut |bytes| content.put(bytes));
        content.take().await?;
        self.end_of_data(addressed, content, findings).await?;
        Ok(None)
    }

    /// A chunk that is refused before it is read.
    pub(super) async fn skip_chunk(
        &mut self,
        size: u64,
        reply: Reply,
        audience: Audience,
    ) -> Result<(), End> {
        bound_chunk(size)?;
        data::skip_chunk(&mut self.connection, size, &self.shutdown).await?;
        match audience {
            Audience::ONE => self.say(&reply),
            audience => self.conclude_for(audience, &reply).await,
        }
    }

    /// The content has arrived whole (the patent's step 305).
    async fn end_of_data(
        &mut self,
        mut addressed: Addressed,
        mut content: Content,
        findings: DataFindings,
    ) -> Result<(), End> {
        let ended_at = Instant::now().into_std();
        let id = content.id();
        let audience = addressed.audience(&self.peer);
        // It may have taken its time. Next hops that wait for its end are left without one.
        self.look_at_rights()?;
        if let Err(reply) = addressed.may_be_sent(&self.peer, &self.context) {
            drop(content);
            return self.conclude_for(audience, &reply).await;
        }
        match content.finish_through(&findings) {
            Ok(None) => {}
            Ok(Some(through)) => return self.end_passage(through, ended_at, audience).await,
            Err(refused) => return self.refuse(audience, &refused).await,
        }
        let arrived = match content.finish(findings).await {
            Ok(arrived) => arrived,
            Err(refused) => return self.refuse(audience, &refused).await,
        };
        let mut arrived = arrived;
        let reasons = std::mem::take(&mut arrived.reasons);
        let opened = &mut addressed.opened;
        let settings = Arc::clone(&opened.settings);
        let (declared_size, path) = (opened.mail.size, opened.path);
        let obstacle = std::mem::take(&mut opened.way).into_obstacle();
        let message = addressed.message(id, arrived, &self.peer, &self.context.hostname);
        self.context.counters.messages.increment();
        let transaction = Transaction {
            message: Arc::new(message),
            declared_size,
            settings,
            path,
            obstacle,
            each: audience.hears_each(),
            reasons,
            ended_at,
        };
        self.answer(transaction, audience).await
    }

    /// Content that has come whole and is not taken.
    async fn refuse(&mut self, audience: Audience, refused: &Refused) -> Result<(), End> {
        self.conclude_for(audience, &refused.reply).await?;
        match refused.close {
            true => Err(End::Close),
            false => Ok(()),
        }
    }

    /// Has the message answered.
    async fn answer(&mut self, transaction: Transaction, audience: Audience) -> Result<(), End> {
        // Replies to what came before BDAT LAST are not kept waiting for a slow next hop.
        self.connection.flush().await?;
        let context = Arc::clone(&self.context);
        let answered = context
            .paths
            .answer(transaction, &mut self.connection, &self.shutdown)
            .await;
        self.give(answered, audience).await
    }

    /// Gives an answer to content, and reports whether that could be said.
    pub(super) async fn give(
        &mut self,
        answered: Answered<A::Receipt>,
        audience: Audience,
    ) -> Result<(), End> {
        if answered.reply.is_positive() {
            self.errors = 0;
        }
        // A socket takes a reply also when the other side is closed already.
        let there = self.connection.still_there().await;
        let said = self
            .conclude_each(audience, &answered.reply, &answered.each)
            .await;
        let is_gone = self.connection.flush().await.is_err() || matches!(said, Err(End::Gone));
        if is_gone || !there {
            A::not_written(answered.receipt).await;
            return Err(End::Gone);
        }
        if let Some(late) = A::written(answered.receipt) {
            // What has come by now may have been sent before the reply was seen.
            self.connection.still_there().await;
            self.late = Some((late, self.connection.received()));
        }
        if answered.close {
            return Err(End::Close);
        }
        said
    }
}

/// No chunk that would take days to read past is begun.
fn bound_chunk(size: u64) -> Result<(), End> {
    if size > limits::READ_ON_BYTES {
        return Err(End::Say(Reply::message_too_big()));
    }
    Ok(())
}
