//! What counts as one client, how many places each may take, and how often each may do something.

mod buckets;
mod fair_semaphore;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

pub use buckets::{Bucket, Buckets, TooManyTries};
pub use fair_semaphore::{FairPermit, FairSemaphore};

/// Where a client is, for counting: an IPv4 address, or the /64 of an IPv6 address, which is the least that a site gets
/// (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address; an IPv4-mapped IPv6 address is IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
            canonical => canonical,
        })
    }
}

/// A client for fair shares: a login, wherever it comes from, else a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientId {
    /// The login.
    Login(Arc<str>),
    /// The network.
    Network(Network),
    /// The appliance itself, or an administrator who tries something out.
    Ourselves,
}

impl ClientId {
    /// The client with this address (none: ourselves), and perhaps a login.
    #[must_use]
    pub fn of(address: Option<IpAddr>, login: Option<&Arc<str>>) -> Self {
        match (login, address) {
            (Some(login), _) => Self::Login(Arc::clone(login)),
            (None, Some(address)) => Self::Network(Network::of(address)),
            (None, None) => Self::Ourselves,
        }
    }
}

/// A limit on what clients hold at one time: in all, and for one `Client`.
#[derive(Debug)]
pub struct ClientLimit<Client> {
    total: usize,
    /// Of them those that no client that is bounded gets.
    kept: usize,
    per_client: usize,
    taken: Mutex<InUse<Client>>,
}

#[derive(Debug)]
struct InUse<Client> {
    total: usize,
    /// Of clients that are bounded: in all, and of each.
    bounded: usize,
    by_client: HashMap<Client, usize>,
}

/// One place, free again when dropped.
#[derive(Debug)]
pub struct ClientPermit<Client: Eq + Hash> {
    places: Arc<ClientLimit<Client>>,
    counted: Option<Client>,
}

impl<Client: Clone + Eq + Hash> ClientLimit<Client> {
    /// `total` places, of which a client that is bounded gets `per_client`.
    #[must_use]
    pub fn new(total: usize, per_client: usize) -> Self {
        Self {
            total,
            kept: 0,
            per_client,
            taken: Mutex::new(InUse {
                total: 0,
                bounded: 0,
                by_client: HashMap::new(),
            }),
        }
    }

    /// The same, with so many of them kept for clients that only the total bounds.
    #[must_use]
    pub fn keeping(self, kept: usize) -> Self {
        Self { kept, ..self }
    }

    /// A place for `client`, or for one that only the total bounds; none when all are taken, or all of
    /// this client.
    #[must_use]
    pub fn take(self: &Arc<Self>, client: Option<Client>) -> Option<ClientPermit<Client>> {
        let mut taken = self.taken.lock();
        if taken.total >= self.total {
            return None;
        }
        if let Some(client) = &client {
            if taken.bounded >= self.total - self.kept {
                return None;
            }
            let places = taken.by_client.entry(client.clone()).or_default();
            if *places >= self.per_client {
                return None;
            }
            *places += 1;
            taken.bounded += 1;
        }
        taken.total += 1;
        Some(ClientPermit {
            places: Arc::clone(self),
            counted: client,
        })
    }
}

impl<Client: Eq + Hash> Drop for ClientPermit<Client> {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.total -= 1;
        let Some(client) = self.counted.take() else {
            return;
        };
        taken.bounded -= 1;
        if let Entry::Occupied(mut places) = taken.by_client.entry(client) {
            *places.get_mut() -= 1;
            if *places.get() == 0 {
                places.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().expect("an address"))
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
    }

    #[test]
    fn a_party_is_its_login_or_else_its_network() {
        let address = |text: &str| Some(text.parse().expect("an address"));
        let login: Arc<str> = "printer".into();
        let of_login = ClientId::of(address("192.0.2.1"), Some(&login));
        assert_eq!(of_login, ClientId::of(address("2001:db8::1"), Some(&login)));
        let of_network = ClientId::of(address("2001:db8::1"), None);
        assert_eq!(of_network, ClientId::of(address("2001:db8::2"), None));
        assert_ne!(of_network, ClientId::of(address("192.0.2.1"), None));
        assert_eq!(ClientId::of(None, None), ClientId::Ourselves);
    }

    #[test]
    fn a_place_is_given_back() {
        let places = Arc::new(ClientLimit::new(3, 2));
        let (one, two) = (network("2001:db8::1"), network("192.0.2.2"));
        let first = places.take(Some(one));
        let second = places.take(Some(network("2001:db8::2")));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(Some(one)).is_none());
        let third = places.take(Some(two));
        assert!(third.is_some());
        assert!(places.take(None).is_none());
        drop((first, second, third));
        let taken = places.taken.lock();
        let left = (taken.total, taken.bounded, taken.by_client.len());
        assert_eq!(left, (0, 0, 0));
    }

    #[test]
    fn some_places_are_kept_for_those_who_are_not_bounded() {
        let places = Arc::new(ClientLimit::new(4, 4).keeping(2));
        let strangers = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(network);
        let first = places.take(Some(strangers[0]));
        let second = places.take(Some(strangers[1]));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(Some(strangers[2])).is_none());
        let third = places.take(None);
        let fourth = places.take(None);
        assert!(third.is_some() && fourth.is_some());
        assert!(places.take(None).is_none());
        drop(first);
        // What strangers do not take is for everybody.
        let fifth = places.take(None);
        assert!(fifth.is_some());
        assert!(places.take(Some(strangers[2])).is_none());
        drop(fifth);
        assert!(places.take(Some(strangers[2])).is_some());
    }
}
