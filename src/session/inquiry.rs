//! RCPT where somebody else knows the recipients: it is answered when they have said what they know.

use super::answering::Answering;
use super::connection::End;
use super::conversation::Conversation;
use super::state::State;
use super::stream::Transport;
use crate::message::Recipient;
use crate::settings::Settings;
use crate::smtp::reply::Reply;

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// Asks about a recipient that this client may send to, and replies. Commands behind it wait in the
    /// input, so that replies keep their order (RFC 2920 §3.2).
    pub(super) async fn inquire(
        &mut self,
        state: State,
        recipient: Recipient,
        settings: &Settings,
    ) -> Result<State, End> {
        // What was answered before is not kept waiting.
        self.connection.flush().await?;
        let answer = tokio::select! {
            biased;
            answer = self.context.paths.recipient(&recipient.address, settings) => answer,
            () = self.shutdown.cancelled() => return Err(End::Say(Reply::shutting_down())),
        };
        let (state, reply) = state.settle(answer.map(|()| recipient));
        self.say(&reply)?;
        Ok(state)
    }
}
