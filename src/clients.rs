//! Who counts as one client, how many places each may take, and how often each may do something.

mod buckets;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

pub use buckets::{Bucket, Buckets, UsedUp};

/// Where a client is, for counting: an IPv4 address, or of IPv6 the /64 that everybody gets at least
/// (RFC 6177), and has all addresses of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address; an IPv4 address in IPv6 clothes is IPv4.
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

/// Places of which there are so many in all, and so many for one `Client`.
#[derive(Debug)]
pub struct Places<Client> {
    total: usize,
    per_client: usize,
    taken: Mutex<Taken<Client>>,
}

#[derive(Debug)]
struct Taken<Client> {
    total: usize,
    /// Of clients that are bounded.
    by_client: HashMap<Client, usize>,
}

/// One place, free again when dropped.
#[derive(Debug)]
pub struct Place<Client: Eq + Hash> {
    places: Arc<Places<Client>>,
    counted: Option<Client>,
}

impl<Client: Clone + Eq + Hash> Places<Client> {
    /// `total` places, of which a client that is bounded gets `per_client`.
    #[must_use]
    pub fn new(total: usize, per_client: usize) -> Self {
        Self {
            total,
            per_client,
            taken: Mutex::new(Taken {
                total: 0,
                by_client: HashMap::new(),
            }),
        }
    }

    /// A place for `client`, or for one that only the total bounds; none when all are taken, or all of
    /// this client.
    #[must_use]
    pub fn take(self: &Arc<Self>, client: Option<Client>) -> Option<Place<Client>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.total >= self.total {
            return None;
        }
        if let Some(client) = &client {
            let places = taken.by_client.entry(client.clone()).or_default();
            if *places >= self.per_client {
                return None;
            }
            *places += 1;
        }
        taken.total += 1;
        Some(Place {
            places: Arc::clone(self),
            counted: client,
        })
    }
}

impl<Client: Eq + Hash> Drop for Place<Client> {
    fn drop(&mut self) {
        let taken = self.places.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(client) = self.counted.take()
            && let Entry::Occupied(mut places) = taken.by_client.entry(client)
        {
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
    fn a_place_is_given_back() {
        let places = Arc::new(Places::new(3, 2));
        let (one, two) = (network("2001:db8::1"), network("192.0.2.2"));
        let first = places.take(Some(one));
        let second = places.take(Some(network("2001:db8::2")));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(Some(one)).is_none());
        let third = places.take(Some(two));
        assert!(third.is_some());
        assert!(places.take(None).is_none());
        drop((first, second, third));
        let taken = places.taken.lock().expect("nobody panicked");
        assert_eq!((taken.total, taken.by_client.len()), (0, 0));
    }
}
