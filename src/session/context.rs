//! What every session is given: the rest of the appliance as a session sees it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::BytesMut;

use super::counters::ReceivingCounters;
use crate::accounts::{Logins, ShownLogin};
use crate::message::{MemoryBudget, MessageIds, Spool, TrustLevel};
use crate::own_mark::OwnMark;
use crate::path::Paths;
use crate::settings::{Current, Settings};
use crate::smtp::Protocol;
use crate::tls::ServerTls;

/// Shared by all sessions of all listeners. `A` answers for messages: [`Paths`], or a stand-in in tests.
pub struct SessionContext<A = Paths> {
    /// Our name in the greeting, in EHLO and in the Received field.
    pub hostname: Arc<str>,
    /// Stands in our greeting, so that delivery knows it when it is led back to us.
    pub own_mark: OwnMark,
    /// What the administrator sets; each transaction takes a snapshot at MAIL.
    pub settings: Current,
    /// Who answers for a message that has arrived whole.
    pub paths: Arc<A>,
    /// Names for messages.
    pub ids: Arc<MessageIds>,
    /// Where bodies go that do not stay in memory.
    pub spool: Arc<Spool>,
    /// What all bodies together may hold in memory.
    pub budget: Arc<MemoryBudget>,
    /// What sessions count.
    pub counters: Arc<ReceivingCounters>,
    /// Who may log in.
    pub logins: Arc<Logins>,
    /// Our certificate; none: STARTTLS is not offered.
    pub tls: Option<Arc<ServerTls>>,
    /// Whether mail is taken at all: false while the store is not healthy, and MAIL gets 452.
    pub takes_mail: Box<dyn Fn() -> bool + Send + Sync>,
}

impl<A> fmt::Debug for SessionContext<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionContext")
            .field("hostname", &self.hostname)
            .finish_non_exhaustive()
    }
}

/// How a client came in.
#[derive(Clone, Debug)]
pub struct ClientOrigin {
    /// Where it connected from, or a proxy says that it did.
    pub client: IpAddr,
    /// The proxy that says so.
    pub proxy: Option<IpAddr>,
    /// The listener that it came to.
    pub listener: SocketAddr,
    /// What it has said already.
    pub said: BytesMut,
}

/// The client at the other end, as the connection shows it and as it has proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Where it connected from, or a proxy says that it did; an IPv4 address in IPv6 clothes is shown as
    /// IPv4.
    pub(super) address: IpAddr,
    /// The listener that it came to.
    pub(super) listener: SocketAddr,
    /// What is spoken there.
    pub(super) protocol: Protocol,
    /// DSN is offered there.
    pub(super) dsn: bool,
    /// TLS is spoken.
    pub(super) tls: bool,
    /// The login it has authenticated as, while that holds.
    pub(super) login: Option<PeerLogin>,
    /// It had one that holds no more, and has not begun anew since.
    pub(super) has_lost_login: bool,
    /// The proxies that say where it connected from.
    pub(super) vouchers: Vec<Voucher>,
    /// The generation of the settings in which they were believed.
    pub(super) looked_at_in: u64,
}

impl Peer {
    /// A client that has just connected.
    pub(super) fn new(origin: &ClientOrigin, current: &Current) -> Self {
        let looked_at_in = current.generation();
        let settings = current.snapshot();
        let listener = settings.listener(origin.listener);
        Self {
            address: origin.client.to_canonical(),
            listener: origin.listener,
            protocol: listener.map_or(Protocol::Smtp, |entry| entry.protocol),
            dsn: listener.is_none_or(|entry| entry.dsn),
            tls: false,
            login: None,
            has_lost_login: false,
            vouchers: origin.proxy.map(Voucher::Header).into_iter().collect(),
            looked_at_in,
        }
    }

    /// For whom its memory is held.
    pub(super) fn standing(&self, settings: &Settings) -> TrustLevel {
        match self.login.is_some() || settings.trusts(self.address) {
            true => TrustLevel::Trusted,
            false => TrustLevel::Stranger,
        }
    }
}

/// As whom a client has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PeerLogin {
    /// Here.
    Shown(ShownLogin),
    /// At a proxy that is believed.
    Told(Arc<str>),
}

impl PeerLogin {
    /// Its name.
    pub(super) fn name(&self) -> &Arc<str> {
        match self {
            Self::Shown(shown) => shown.name(),
            Self::Told(name) => name,
        }
    }
}

/// A proxy that was believed whom it speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voucher {
    /// By a PROXY protocol header.
    Header(IpAddr),
    /// By XCLIENT.
    Xclient(IpAddr),
}
