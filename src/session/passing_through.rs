//! Content that goes straight through: it is begun when the next hops are ready for it (the patent's steps
//! 504 to 508), and held in all other cases.

use std::sync::Arc;
use std::time::Instant;

use super::answering::{Answered, Answering};
use super::audience::Audience;
use super::connection::End;
use super::content::{Content, Through};
use super::conversation::Conversation;
use super::envelope::Addressed;
use super::stream::Transport;
use crate::path::{EndedPassage, Start, Way};
use crate::smtp::reply::Reply;

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// Where the content goes that is about to come; an answer in its place when nobody takes it.
    pub(super) async fn begin_content(
        &mut self,
        addressed: &mut Addressed,
    ) -> Result<Result<Content, Answered<A::Receipt>>, End> {
        let id = addressed.next_id(&self.context);
        let settings = Arc::clone(&addressed.opened.settings);
        let standing = self.peer.standing(&settings);
        self.connection.share.set_standing(standing);
        let way = std::mem::take(&mut addressed.opened.way);
        let Way::Through(mut passage) = way else {
            addressed.opened.way = way;
            let content = Content::held(id, &settings, &self.context, standing);
            return Ok(Ok(content));
        };
        // What was answered before is not kept waiting.
        self.connection.flush().await?;
        let message = Arc::new(addressed.announced(id, &self.peer, &self.context));
        let started = tokio::select! {
            biased;
            started = passage.start(&message) => started,
            () = self.shutdown.cancelled() => return Err(End::Say(Reply::shutting_down())),
        };
        match started {
            Start::Content => {
                let through = Through::new(passage, message, self.connection.share.another());
                Ok(Ok(Content::through(through, &settings, &self.context)))
            }
            Start::Held(why) => {
                addressed.opened.way = Way::Held(Some(why));
                let content = Content::held(id, &settings, &self.context, standing);
                Ok(Ok(content))
            }
            Start::Refused => {
                let paths = Arc::clone(&self.context.paths);
                let client = &mut self.connection;
                let ended = EndedPassage {
                    passage,
                    message,
                    has_content: false,
                    each: false,
                    ended_at: Instant::now(),
                };
                Ok(Err(paths.end_passage(ended, client).await))
            }
        }
    }

    /// The content has come whole, and is with the next hops.
    pub(super) async fn end_passage(
        &mut self,
        through: Through,
        ended_at: Instant,
        audience: Audience,
    ) -> Result<(), End> {
        if self.shutdown.is_cancelled() {
            // Nobody has it, and what they would say might come too late to be passed on.
            return Err(End::Say(Reply::shutting_down()));
        }
        self.context.counters.messages.increment();
        // Replies to what came before BDAT LAST are not kept waiting for a slow next hop.
        self.connection.flush().await?;
        let paths = Arc::clone(&self.context.paths);
        let Through {
            passage, message, ..
        } = through;
        let client = &mut self.connection;
        let ended = EndedPassage {
            passage,
            message,
            has_content: true,
            each: audience.hears_each(),
            ended_at,
        };
        let answered = paths.end_passage(ended, client).await;
        self.give(answered, audience).await
    }
}
