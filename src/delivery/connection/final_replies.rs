//! The replies to the end of data, and what shows that they are answers to it.

use tokio::time::Instant;

use super::ServerConnection;
use crate::delivery::conversation_error::ConversationError;
use crate::delivery::stream;
use crate::delivery::verdicts::{self, SmtpStage};
use crate::limits;
use crate::smtp::Protocol;
use crate::smtp::reply::Reply;
use crate::sock_diag::Ends;

impl ServerConnection {
    /// The replies to the end of data, one for each recipient that was accepted: over LMTP the server has
    /// one for each (RFC 2033 §4.2), over SMTP one for all.
    ///
    /// # Errors
    /// Why it is not known what the server says of anybody.
    pub(in crate::delivery) async fn final_replies(
        &mut self,
        accepted: usize,
    ) -> Result<Vec<Reply>, ConversationError> {
        let accepted = accepted.max(1);
        let owed = match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => accepted,
        };
        let mut replies = Vec::with_capacity(accepted);
        let deadline = Instant::now() + limits::AFTER_DOT_WAIT;
        for _ in 0..owed {
            let end_of_data = self.owed(SmtpStage::EndOfData);
            let left = deadline.saturating_duration_since(Instant::now());
            match self.reply(end_of_data, left).await {
                Ok(reply) => replies.push(reply),
                // Over LMTP those before are in doubt, too: which one is missing is not known.
                Err(trouble) => return Err(self.broken_reply(trouble, &replies)),
            }
        }
        self.sent = self.asked;
        self.can_be_answers(&replies)?;
        self.content_bytes = 0;
        self.is_last_word(&replies)?;
        if let (Protocol::Smtp, Some(reply)) = (self.protocol, replies.first()) {
            replies.resize(accepted, reply.clone());
        }
        Ok(replies)
    }

    /// A server that said a part of its replies was not silent.
    fn broken_reply(&self, trouble: ConversationError, before: &[Reply]) -> ConversationError {
        match before.is_empty() && !self.replies.is_within(&self.received) {
            true => trouble,
            false => ConversationError::HalfSaid(Box::new(trouble)),
        }
    }

    /// A server that takes content has it: a reply that says so while some of it has not reached the server's
    /// machine answers something else. Little content finds room there even when nobody reads it.
    fn can_be_answers(&mut self, replies: &[Reply]) -> Result<(), ConversationError> {
        let taken = replies.iter().find(|reply| reply.is_positive());
        let Some(taken) = taken.filter(|_| self.content_bytes > limits::CONTENT_IN_FLIGHT_BYTES)
        else {
            return Ok(());
        };
        // A kernel that does not say is no reason to doubt.
        let ends = stream::ends(&self.stream);
        if ends.and_then(Ends::has_everything).unwrap_or(true) {
            return Ok(());
        }
        self.out_of_step = true;
        Err(ConversationError::Unasked(Some(taken.clone())))
    }

    /// A server that was early says behind it what it makes of the content in truth.
    fn is_last_word(&mut self, replies: &[Reply]) -> Result<(), ConversationError> {
        let Err(ConversationError::Unasked(behind)) = self.is_quiet() else {
            return Ok(());
        };
        let takes_nothing_back = behind.as_ref().is_some_and(|behind| match self.protocol {
            Protocol::Smtp => verdicts::is_closing(behind) || behind.is_positive(),
            // One reply too many, and each may be another recipient's.
            Protocol::Lmtp => verdicts::is_closing(behind),
        });
        let is_taken = replies.iter().any(Reply::is_positive);
        match is_taken && !takes_nothing_back {
            true => Err(ConversationError::Unasked(behind)),
            false => Ok(()),
        }
    }
}
