//! Addresses that failed lately are tried last.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::resolve::MailServer;
use crate::limits;

/// The addresses under a penalty. Pure: the caller brings the clock.
#[derive(Debug, Default)]
pub(super) struct Penalties {
    of: HashMap<SocketAddr, Penalty>,
}

/// It doubles with each failure in a row, so that those behind many dead addresses have their turn as well.
#[derive(Clone, Copy, Debug)]
struct Penalty {
    lasts: Duration,
    until: Instant,
}

impl Penalties {
    pub(super) fn punish(&mut self, address: SocketAddr, now: Instant) {
        if self.of.len() >= limits::ADDRESS_PENALTIES {
            self.of.retain(|_, penalty| now < penalty.until);
        }
        let before = self.of.get(&address);
        let lasts = before.map_or(limits::ADDRESS_PENALTY, |penalty| {
            (2 * penalty.lasts).min(limits::ADDRESS_PENALTY_LAST)
        });
        let until = now + lasts;
        // Beyond the bound an address is merely tried in its usual place.
        if before.is_some() || self.of.len() < limits::ADDRESS_PENALTIES {
            self.of.insert(address, Penalty { lasts, until });
        }
    }

    pub(super) fn forgive(&mut self, address: SocketAddr) {
        self.of.remove(&address);
    }

    /// Puts the servers under a penalty behind the others; the order is kept otherwise.
    pub(super) fn order(&self, servers: &mut [MailServer], now: Instant) {
        servers.sort_by_key(|server| {
            let penalty = self.of.get(&server.address);
            penalty.is_some_and(|penalty| now < penalty.until)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(last: u8) -> MailServer {
        MailServer {
            host: "mail.example.net".into(),
            address: SocketAddr::from(([192, 0, 2, last], 25)),
            protocol: crate::smtp::Protocol::Smtp,
            preference: 0,
        }
    }

    fn order(penalties: &Penalties, now: Instant) -> Vec<u16> {
        let mut servers = [1, 2, 3].map(server);
        penalties.order(&mut servers, now);
        let last = |server: &MailServer| match server.address {
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

    #[test]
    fn failures_in_a_row_count_double() {
        let mut now = Instant::now();
        let mut penalties = Penalties::default();
        let mut expected = limits::ADDRESS_PENALTY;
        for _ in 0..10 {
            penalties.punish(server(1).address, now);
            let almost = now + expected - Duration::from_secs(1);
            assert_eq!(order(&penalties, almost), [2, 3, 1], "{expected:?}");
            now += expected;
            assert_eq!(order(&penalties, now), [1, 2, 3], "{expected:?}");
            expected = (2 * expected).min(limits::ADDRESS_PENALTY_LAST);
        }
        penalties.forgive(server(1).address);
        penalties.punish(server(1).address, now);
        let past = now + limits::ADDRESS_PENALTY;
        assert_eq!(order(&penalties, past), [1, 2, 3]);
    }
}
