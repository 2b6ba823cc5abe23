//! Addresses that failed lately are tried last.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio::time::Instant;

use super::resolve::Server;
use crate::limits;

/// The addresses under a penalty, and its end. Pure: the caller brings the clock.
#[derive(Debug, Default)]
pub(super) struct Penalties {
    until: HashMap<SocketAddr, Instant>,
}

impl Penalties {
    /// The address failed.
    pub(super) fn punish(&mut self, address: SocketAddr, now: Instant) {
        if self.until.len() >= limits::ADDRESS_PENALTIES {
            self.until.retain(|_, until| now < *until);
        }
        // Beyond the bound an address is merely tried in its usual place.
        if self.until.len() < limits::ADDRESS_PENALTIES {
            self.until.insert(address, now + limits::ADDRESS_PENALTY);
        }
    }

    /// The address works.
    pub(super) fn forgive(&mut self, address: SocketAddr) {
        self.until.remove(&address);
    }

    /// Puts the servers under a penalty behind the others; the order is kept otherwise.
    pub(super) fn order(&self, servers: &mut [Server], now: Instant) {
        servers.sort_by_key(|server| {
            self.until
                .get(&server.address)
                .is_some_and(|&until| now < until)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(last: u8) -> Server {
        Server {
            host: "mail.example.net".into(),
            address: SocketAddr::from(([192, 0, 2, last], 25)),
            protocol: crate::smtp::Protocol::Smtp,
        }
    }

    fn order(penalties: &Penalties, now: Instant) -> Vec<u16> {
        let mut servers = [1, 2, 3].map(server);
        penalties.order(&mut servers, now);
        let last = |server: &Server| match server.address {
            SocketAddr::V4(address) => u16::from(address.ip().octets()[3]),
            SocketAddr::V6(_) => 0,
        };
        servers.iter().map(last).collect()
    }

    #[test]
    fn a_failed_address_goes_last_for_a_while() {
        let now = Instant::now();
        let mut penalties = Penalties::default();
        penalties.punish(server(1).address, now);
        penalties.punish(server(2).address, now);
        penalties.forgive(server(2).address);
        assert_eq!(order(&penalties, now), [2, 3, 1]);
        assert_eq!(order(&penalties, now + limits::ADDRESS_PENALTY), [1, 2, 3]);
    }
}
