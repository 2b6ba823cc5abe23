//! Seats at the web address, one for each connection: bounded for each client, and some kept for this
//! machine, whose health checks must get in however many strangers come.

use std::collections::VecDeque;
use std::future::Future as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use crate::clients::{ClientLimit, ClientPermit, Network};
use crate::limits;

/// All seats, as the door gives them away.
#[derive(Debug)]
pub(super) struct Seats {
    places: Arc<ClientLimit<Network>>,
    /// Those of this machine beyond the places, the oldest first. Cancelled: nobody sits there.
    kept: VecDeque<CancellationToken>,
}

/// A connection's seat, free again when dropped.
#[derive(Debug)]
pub(super) enum Seat {
    /// One of those for everybody.
    Shared { _place: ClientPermit<Network> },
    /// One of those kept for this machine.
    Kept {
        taken_back: Pin<Box<WaitForCancellationFutureOwned>>,
        _free: DropGuard,
    },
}

impl Seats {
    /// With [`limits::WEB_CONNECTIONS`].
    pub(super) fn new() -> Self {
        let (total, per_client) = (limits::WEB_CONNECTIONS, limits::WEB_CONNECTIONS_PER_CLIENT);
        Self {
            places: Arc::new(ClientLimit::new(total, per_client)),
            kept: VecDeque::new(),
        }
    }

    /// A seat for a client at this address; none when there is none for it. A listed proxy brings many
    /// clients: only the total bounds it. This machine always gets one, if need be the one that it got
    /// before all others that it still has.
    pub(super) fn take(&mut self, address: IpAddr, is_listed_proxy: bool) -> Option<Seat> {
        let client = (!is_listed_proxy).then(|| Network::of(address));
        if let Some(place) = self.places.take(client) {
            return Some(Seat::Shared { _place: place });
        }
        let is_this_machine = address.to_canonical().is_loopback();
        is_this_machine.then(|| self.take_kept())
    }

    fn take_kept(&mut self) -> Seat {
        self.kept.retain(|seat| !seat.is_cancelled());
        if self.kept.len() >= limits::WEB_CONNECTIONS_KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            oldest.cancel();
        }
        let seat = CancellationToken::new();
        self.kept.push_back(seat.clone());
        Seat::Kept {
            taken_back: Box::pin(seat.clone().cancelled_owned()),
            _free: seat.drop_guard(),
        }
    }
}

impl Seat {
    /// Whether the connection has to go, because another one sits here now. If not, the task is woken
    /// when it has to.
    pub(super) fn is_taken_back(&mut self, context: &mut Context<'_>) -> bool {
        match self {
            Self::Shared { .. } => false,
            Self::Kept { taken_back, .. } => taken_back.as_mut().poll(context).is_ready(),
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
        let mut seats = Seats::new();
        let mut taken = Vec::new();
        let mut host = 0_u16;
        while let Some(seat) = {
            host += 1;
            let client = format!("2001:db8::{host:x}");
            seats.take(address(&client), false)
        } {
            taken.push(seat);
        }
        assert_eq!(taken.len(), limits::WEB_CONNECTIONS_PER_CLIENT);
        assert!(seats.take(address("2001:db8:0:1::1"), false).is_some());
        taken.pop();
        assert!(seats.take(address("2001:db8::1"), false).is_some());
    }

    #[test]
    fn a_listed_proxy_may_take_all_but_those_of_this_machine() {
        let mut seats = Seats::new();
        let proxy = address("10.0.0.1");
        let taken: Vec<Seat> = std::iter::from_fn(|| seats.take(proxy, true)).collect();
        assert_eq!(taken.len(), limits::WEB_CONNECTIONS);
        assert!(seats.take(address("192.0.2.1"), false).is_none());
        for text in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(seats.take(address(text), false).is_some(), "{text}");
        }
    }

    #[test]
    fn this_machine_always_gets_in() {
        let mut seats = Seats::new();
        let here = address("127.0.0.1");
        let mut context = Context::from_waker(Waker::noop());
        let count = limits::WEB_CONNECTIONS_PER_CLIENT + limits::WEB_CONNECTIONS_KEPT;
        let mut take = || seats.take(here, false).expect("a seat");
        let mut taken: Vec<Seat> = (0..count).map(|_| take()).collect();
        let mut is_taken_back = |seat: &mut Seat| seat.is_taken_back(&mut context);
        assert!(!taken.iter_mut().any(&mut is_taken_back));
        let mut late = take();
        let first_kept = limits::WEB_CONNECTIONS_PER_CLIENT;
        for (number, seat) in taken.iter_mut().enumerate() {
            assert_eq!(is_taken_back(seat), number == first_kept, "{number}");
        }
        // One that is free is taken before one that is not.
        taken.pop();
        let mut later = take();
        assert!(!is_taken_back(&mut later) && !is_taken_back(&mut late));
        assert!(!is_taken_back(&mut taken[first_kept + 1]));
        assert_eq!(seats.kept.len(), limits::WEB_CONNECTIONS_KEPT);
    }
}
