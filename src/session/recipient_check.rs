//! RCPT where the directory or a next hop knows the recipients: it is answered when they have answered.

use std::sync::Arc;

use super::connection::SessionEnd;
use super::context::PeerLogin;
use super::conversation::Conversation;
use super::state::SessionState;
use super::stream::Transport;
use crate::clients::ClientId;
use crate::message::Recipient;
use crate::path::{Answering, DeliveryMode, RecipientCheck};
use crate::settings::Settings;
use crate::smtp::reply::Reply;

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// Asks about a recipient that this client may send to, and replies. Commands behind it wait in the
    /// input, so that replies keep their order (RFC 2920 §3.2).
    pub(super) async fn check_recipient(
        &mut self,
        mut state: SessionState,
        recipient: Recipient,
        settings: &Arc<Settings>,
    ) -> Result<SessionState, SessionEnd> {
        // What was answered before is not kept waiting.
        self.connection.flush().await?;
        let mut elsewhere = DeliveryMode::default();
        let (mode, start) = match state.opened_mut() {
            Some(opened) => {
                let is_undecided = matches!(opened.mode, DeliveryMode::Undecided);
                let start = is_undecided.then(|| opened.transaction.cut_through_start(&self.peer));
                (&mut opened.mode, start)
            }
            None => (&mut elsewhere, None),
        };
        let check = RecipientCheck {
            recipient: &recipient,
            party: ClientId::of(
                Some(self.peer.address),
                self.peer.login.as_ref().map(PeerLogin::name),
            ),
            settings,
            mode,
            start,
        };
        let answer = tokio::select! {
            biased;
            answer = self.context.paths.check_recipient(check) => answer,
            () = self.shutdown.cancelled() => return Err(SessionEnd::Say(Reply::SHUTTING_DOWN)),
        };
        let (state, reply) = state.settle(answer.map(|()| recipient));
        // A client that may send to all addresses does not guess them: a list may hold many that are gone. And
        // an address that may be taken later was no wrong guess.
        let is_trusted = self.peer.login.is_some() || settings.trusts(self.peer.address);
        if is_trusted || reply.is_transient() {
            self.write(&reply);
        } else {
            self.say(&reply)?;
        }
        Ok(state)
    }
}
