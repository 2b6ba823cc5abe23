//! A service at the address that the settings name. What was learned of it at another address is forgotten.

use std::borrow::Borrow;
use std::sync::Arc;

use parking_lot::Mutex;

use super::service::{Service, ServiceFigures};

/// A service of one name, by the address at which it is reached.
#[derive(Debug)]
pub(super) struct ServiceByAccess<Address> {
    name: &'static str,
    /// By address and number of connections. The one that was asked last stands first; the one of before it is kept, because messages that are on
    /// their way when settings change go by the old ones.
    known: Mutex<Vec<(Address, u32, Arc<Service>)>>,
}

/// The service of the present settings, and the one of before.
const KEPT: usize = 2;

impl<Address> ServiceByAccess<Address> {
    /// A service that was never asked.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            known: Mutex::default(),
        }
    }

    /// The service at this address, with so many connections at one time.
    pub(super) fn at<Given>(&self, address: &Given, connections: u32) -> Arc<Service>
    where
        Address: Borrow<Given>,
        Given: PartialEq + ToOwned<Owned = Address> + ?Sized,
    {
        let mut known = self.known.lock();
        let is_same = |(at, places, _): &(Address, u32, Arc<Service>)| {
            *places == connections && at.borrow() == address
        };
        match known.iter().position(is_same) {
            Some(place) => known.swap(0, place),
            None => {
                let service = Arc::new(Service::new(self.name, connections));
                known.truncate(KEPT - 1);
                known.insert(0, (address.to_owned(), connections, service));
            }
        }
        Arc::clone(&known[0].2)
    }

    /// How the one fares that was asked last; none when none was.
    pub(super) fn figures(&self) -> Option<ServiceFigures> {
        let known = self.known.lock();
        known.first().and_then(|(.., service)| service.figures())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_access_is_another_service() {
        let clamd: ServiceByAccess<String> = ServiceByAccess::new("clamd");
        assert_eq!(clamd.figures(), None);
        let wrong = clamd.at("wrong:1", 10);
        assert!(Arc::ptr_eq(&wrong, &clamd.at("wrong:1", 10)));
        let right = clamd.at("right:1", 10);
        assert!(!Arc::ptr_eq(&wrong, &right));
        // A message on its way by the old settings changes nothing.
        assert!(Arc::ptr_eq(&wrong, &clamd.at("wrong:1", 10)));
        assert!(Arc::ptr_eq(&right, &clamd.at("right:1", 10)));
        let wider = clamd.at("right:1", 20);
        assert!(!Arc::ptr_eq(&right, &wider));
        assert!(!Arc::ptr_eq(&wrong, &clamd.at("wrong:1", 10)), "forgotten");
    }
}
