//! The replies to content as they are written: one for all recipients, or one for each.

use super::connection::SessionEnd;
use super::conversation::Conversation;
use super::reply_mode::ReplyMode;
use super::stream::Transport;
use crate::limits;
use crate::path::Answering;
use crate::smtp::reply::Reply;

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// Replies to content, which is said in any case: one error too many gets its 421 behind that. `each` has a
    /// reply for each recipient, or none where `reply` is for all.
    pub(super) async fn conclude(
        &mut self,
        mode: ReplyMode,
        reply: &Reply,
        each: &[Reply],
    ) -> Result<(), SessionEnd> {
        match mode {
            ReplyMode::Single => self.write(reply),
            ReplyMode::PerRecipient(recipients) => {
                for recipient in 0..recipients {
                    self.write_one_of_many(each.get(recipient).unwrap_or(reply))
                        .await?;
                }
            }
            ReplyMode::Prdr(recipients) => {
                if each.len() == recipients && each.iter().any(|one| one.code != reply.code) {
                    self.write(&Reply::REPLIES_FOLLOW);
                    for one in each {
                        self.write_one_of_many(one).await?;
                    }
                }
                self.write(reply);
            }
        }
        self.count_error(reply)
    }

    /// A thousand replies do not wait in memory for a client that does not read them.
    async fn write_one_of_many(&mut self, reply: &Reply) -> Result<(), SessionEnd> {
        self.write(reply);
        if self.connection.output.len() >= limits::REPLIES_BYTES {
            self.connection.flush().await?;
        }
        Ok(())
    }
}
