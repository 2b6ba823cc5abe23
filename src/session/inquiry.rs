//! RCPT where somebody else knows the recipients: it is answered when they have said what they know.

use std::sync::Arc;

use super::answering::Answering;
use super::connection::End;
use super::conversation::Conversation;
use super::rights::PeerLogin;
use super::state::State;
use super::stream::Transport;
use crate::clients::ClientId;
use crate::message::Recipient;
use crate::path::{Inquiry, Way};
use crate::settings::Settings;
use crate::smtp::reply::Reply;

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// Asks about a recipient that this client may send to, and replies. Commands behind it wait in the
    /// input, so that replies keep their order (RFC 2920 §3.2).
    pub(super) async fn inquire(
        &mut self,
        mut state: State,
        recipient: Recipient,
        settings: &Arc<Settings>,
    ) -> Result<State, End> {
        // What was answered before is not kept waiting.
        self.connection.flush().await?;
        let mut elsewhere = Way::default();
        let (way, opening) = match state.opened_mut() {
            Some(opened) => {
                let opening =
                    matches!(opened.way, Way::Undecided).then(|| opened.opening(&self.peer));
                (&mut opened.way, opening)
            }
            None => (&mut elsewhere, None),
        };
        let inquiry = Inquiry {
            recipient: &recipient,
            party: ClientId::of(
                Some(self.peer.address),
                self.peer.login.as_ref().map(PeerLogin::name),
            ),
            settings,
            way,
            opening,
        };
        let answer = tokio::select! {
            biased;
            answer = self.context.paths.recipient(inquiry) => answer,
            () = self.shutdown.cancelled() => return Err(End::Say(Reply::shutting_down())),
        };
        let (state, reply) = state.settle(answer.map(|()| recipient));
        // Who may send to everybody does not guess addresses: a list may hold many that are gone. And what
        // may be taken later is nobody's guess.
        let is_trusted = self.peer.login.is_some() || settings.trusts(self.peer.address);
        if is_trusted || reply.is_transient() {
            self.write(&reply);
        } else {
            self.say(&reply)?;
        }
        Ok(state)
    }
}
