//! How many connections there may be to the web address: a bound for each client and for all, and some kept
//! for this machine, whose health checks must get in however many strangers come.

use std::collections::VecDeque;
use std::future::Future as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use crate::clients::{ClientLimit, ClientPermit, Network};
use crate::limits;

/// The limit, which gives permits away.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    places: Arc<ClientLimit<Network>>,
    /// Those of this machine beyond the places, the oldest first. Cancelled: given back, or revoked.
    kept: VecDeque<CancellationToken>,
}

/// The right to have a connection, given back when dropped.
#[derive(Debug)]
pub(super) enum ConnectionPermit {
    /// One of those for everybody.
    Shared { _place: ClientPermit<Network> },
    /// One of those kept for this machine.
    Kept {
        revoked: Pin<Box<WaitForCancellationFutureOwned>>,
        _free: DropGuard,
    },
}

impl ConnectionLimit {
    /// With [`limits::WEB_CONNECTIONS`].
    pub(super) fn new() -> Self {
        let (total, per_client) = (limits::WEB_CONNECTIONS, limits::WEB_CONNECTIONS_PER_CLIENT);
        Self {
            places: Arc::new(ClientLimit::new(total, per_client)),
            kept: VecDeque::new(),
        }
    }

    /// A permit for a client at this address; none when there is none for it. A listed proxy brings many
    /// clients: only the total bounds it. This machine always gets one, if need be the one that it got
    /// before all others that it still has.
    pub(super) fn take(
        &mut self,
        address: IpAddr,
        is_listed_proxy: bool,
    ) -> Option<ConnectionPermit> {
        let client = (!is_listed_proxy).then(|| Network::of(address));
        if let Some(place) = self.places.take(client) {
            return Some(ConnectionPermit::Shared { _place: place });
        }
        let is_this_machine = address.to_canonical().is_loopback();
        is_this_machine.then(|| self.take_kept())
    }

    fn take_kept(&mut self) -> ConnectionPermit {
        self.kept.retain(|permit| !permit.is_cancelled());
        if self.kept.len() >= limits::WEB_CONNECTIONS_KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            oldest.cancel();
        }
        let permit = CancellationToken::new();
        self.kept.push_back(permit.clone());
        ConnectionPermit::Kept {
            revoked: Box::pin(permit.clone().cancelled_owned()),
            _free: permit.drop_guard(),
        }
    }
}

impl ConnectionPermit {
    /// Ready when the connection has to end, because another one has its place now.
    pub(super) fn poll_revoked(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Shared { .. } => Poll::Pending,
            Self::Kept { revoked, .. } => revoked.as_mut().poll(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_client_leaves_room_for_others() {
        let mut limit = ConnectionLimit::new();
        let mut taken = Vec::new();
        let mut host = 0_u16;
        while let Some(permit) = {
            host += 1;
            let client = format!("2001:db8::{host:x}");
            limit.take(address(&client), false)
        } {
            taken.push(permit);
        }
        assert_eq!(taken.len(), limits::WEB_CONNECTIONS_PER_CLIENT);
        assert!(limit.take(address("2001:db8:0:1::1"), false).is_some());
        taken.pop();
        assert!(limit.take(address("2001:db8::1"), false).is_some());
    }

    #[test]
    fn a_listed_proxy_may_take_all_but_those_of_this_machine() {
        let mut limit = ConnectionLimit::new();
        let proxy = address("10.0.0.1");
        let taken: Vec<ConnectionPermit> = std::iter::from_fn(|| limit.take(proxy, true)).collect();
        assert_eq!(taken.len(), limits::WEB_CONNECTIONS);
        assert!(limit.take(address("192.0.2.1"), false).is_none());
        for text in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(limit.take(address(text), false).is_some(), "{text}");
        }
    }

    #[test]
    fn this_machine_always_gets_in() {
        let mut limit = ConnectionLimit::new();
        let here = address("127.0.0.1");
        let mut context = Context::from_waker(Waker::noop());
        let count = limits::WEB_CONNECTIONS_PER_CLIENT + limits::WEB_CONNECTIONS_KEPT;
        let mut take = || limit.take(here, false).expect("a permit");
        let mut taken: Vec<ConnectionPermit> = (0..count).map(|_| take()).collect();
        let mut is_revoked =
            |permit: &mut ConnectionPermit| permit.poll_revoked(&mut context).is_ready();
        assert!(!taken.iter_mut().any(&mut is_revoked));
        let mut late = take();
        let first_kept = limits::WEB_CONNECTIONS_PER_CLIENT;
        for (number, permit) in taken.iter_mut().enumerate() {
            assert_eq!(is_revoked(permit), number == first_kept, "{number}");
        }
        // One that is free is taken before one that is not.
        taken.pop();
        let mut later = take();
        assert!(!is_revoked(&mut later) && !is_revoked(&mut late));
        assert!(!is_revoked(&mut taken[first_kept + 1]));
        assert_eq!(limit.kept.len(), limits::WEB_CONNECTIONS_KEPT);
    }
}
