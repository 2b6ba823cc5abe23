//! What a client may do, looked at again where it is used: its login or its proxy may not hold any more.
//!
//! Two numbers grow with every change, one of the settings and one of the logins. While they are what they
//! were, nothing is looked at again.

use std::sync::Arc;

use super::connection::SessionEnd;
use super::context::{Peer, PeerLogin, SessionContext, Voucher};
use super::conversation::Conversation;
use super::envelope::MailTransaction;
use super::stream::Transport;
use crate::limits;
use crate::message::Recipient;
use crate::path::Answering;
use crate::settings::Settings;
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;

impl Peer {
    /// Whether it may send to this address through us.
    pub(super) fn may_send_to(&self, address: &Mailbox, settings: &Settings) -> bool {
        self.login.is_some()
            || settings.trusts(self.address)
            || settings.relays_for(&address.lookup_domain())
    }

    /// Whether it may still send to all recipients that were accepted.
    ///
    /// # Errors
    /// The reply when it may not.
    pub(super) fn may_send<A>(
        &self,
        transaction: &MailTransaction,
        recipients: &[Recipient],
        context: &SessionContext<A>,
    ) -> Result<(), Reply> {
        if self.has_lost_login {
            return Err(Reply::LOGIN_DOES_NOT_HOLD);
        }
        // A client that has logged in may send to any address; and else nothing was changed.
        if self.login.is_some() || transaction.generation == context.settings.generation() {
            return Ok(());
        }
        let settings = context.settings.snapshot();
        let postmaster = format!("postmaster@{}", context.hostname);
        let mut addresses = recipients.iter().map(|recipient| &recipient.address);
        let may = |address: &Mailbox| {
            address.as_str().eq_ignore_ascii_case(&postmaster)
                || self.may_send_to(address, &settings)
        };
        match addresses.all(may) {
            true => Ok(()),
            false => Err(Reply::RELAY_DENIED),
        }
    }

    /// Notes who says where it connected from. False when too many have said something.
    pub(super) fn is_told_by(&mut self, voucher: Voucher) -> bool {
        if !self.vouchers.contains(&voucher) {
            self.vouchers.push(voucher);
        }
        self.vouchers.len() <= limits::PROXIES_IN_A_ROW
    }

    /// Whether everybody is still believed who said whose connection this is.
    fn is_vouched_for(&self, settings: &Settings) -> bool {
        let listener = settings.listener(self.listener);
        self.vouchers.iter().all(|voucher| {
            listener.is_some_and(|entry| match voucher {
                Voucher::Header(proxy) => entry.awaits_proxy_header(*proxy),
                Voucher::Xclient(proxy) => entry.believes(*proxy),
            })
        })
    }
}

impl<A: Answering, T: Transport> Conversation<A, T> {
    /// Looks at what the client may do when that may have changed.
    pub(super) fn look_at_rights(&mut self) -> Result<(), SessionEnd> {
        if let Some(PeerLogin::Shown(shown)) = &mut self.peer.login
            && !self.context.logins.holds(shown)
        {
            let login = Arc::clone(shown.name());
            tracing::info!(client = %self.peer.address, %login, "a login was changed or removed: its session is over");
            self.peer.login = None;
            self.peer.has_lost_login = true;
        }
        let generation = self.context.settings.generation();
        if self.peer.looked_at_in != generation {
            let settings = self.context.settings.snapshot();
            if !self.peer.is_vouched_for(&settings) {
                return Err(SessionEnd::Say(Reply::PROXY_NOT_BELIEVED));
            }
            self.peer.looked_at_in = generation;
        }
        Ok(())
    }
}
