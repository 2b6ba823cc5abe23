//! Who hears of the end of data: one reply for all, or one for each recipient (LMTP, PRDR).

use super::answering::Answering;
use super::connection::End;
use super::context::Peer;
use super::conversation::Conversation;
use super::envelope::Addressed;
use super::stream::Transport;
use crate::limits;
use crate::smtp::Protocol;
use crate::smtp::reply::Reply;

/// For whom the replies to content are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// One reply for everybody.
    All,
    /// LMTP, RFC 2033 §4.2: a reply for each of so many recipients, in their order.
    Each(usize),
    /// PRDR, draft-hall-prdr: where replies differ there is one for each of so many recipients, between
    /// a 353 and one for the whole.
    EachWithinOne(usize),
}

impl Audience {
    /// Commands that are no end of data have one reply.
    pub(super) const ONE: Self = Self::All;

    /// Whether each recipient's own reply is of use.
    pub(super) fn hears_each(self) -> bool {
        match self {
            Self::All => false,
            Self::Each(recipients) | Self::EachWithinOne(recipients) => recipients > 1,
        }
    }
}

impl Addressed {
    /// For whom the replies to its content are.
    pub(super) fn audience(&self, peer: &Peer) -> Audience {
        match peer.protocol {
            Protocol::Lmtp => Audience::Each(self.recipients()),
            Protocol::Smtp if self.opened.mail.prdr => Audience::EachWithinOne(self.recipients()),
            Protocol::Smtp => Audience::All,
        }
    }
}

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// Replies to content in the same words for everybody.
    pub(super) async fn conclude_for(
        &mut self,
        audience: Audience,
        reply: &Reply,
    ) -> Result<(), End> {
        self.conclude_each(audience, reply, &[]).await
    }

    /// Replies to content: `each` has a reply for each recipient, or none where `reply` is for all.
    pub(super) async fn conclude_each(
        &mut self,
        audience: Audience,
        reply: &Reply,
        each: &[Reply],
    ) -> Result<(), End> {
        match audience {
            Audience::All => self.write(reply),
            Audience::Each(recipients) => {
                for recipient in 0..recipients {
                    self.write_one_of_many(each.get(recipient).unwrap_or(reply))
                        .await?;
                }
            }
            Audience::EachWithinOne(recipients) => {
                if each.len() == recipients && each.iter().any(|one| one.code != reply.code) {
                    self.write(&Reply::replies_follow());
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
    async fn write_one_of_many(&mut self, reply: &Reply) -> Result<(), End> {
        self.write(reply);
        if self.connection.output.len() >= limits::REPLIES_BYTES {
            self.connection.flush().await?;
        }
        Ok(())
    }
}
