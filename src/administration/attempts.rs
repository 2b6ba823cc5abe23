//! How often somebody may try to get in: bounded for each client address and for each name, and in
//! memory however many addresses and names there are.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::accounts::AccountId;
use crate::limits;

/// The limits on tries.
#[derive(Debug)]
pub(super) struct Attempts {
    addresses: Buckets,
    names: Buckets,
    codes: Buckets,
}

impl Attempts {
    /// With nothing tried yet.
    pub(super) fn new() -> Self {
        Self {
            addresses: Buckets::new(
                limits::ATTEMPTS_PER_ADDRESS,
                limits::ATTEMPT_PER_ADDRESS_INTERVAL,
            ),
            names: Buckets::new(limits::ATTEMPTS_PER_NAME, limits::ATTEMPT_PER_NAME_INTERVAL),
            codes: Buckets::new(limits::CODES_PER_ACCOUNT, limits::CODE_PER_ACCOUNT_INTERVAL),
        }
    }

    /// Whether a client at this address may try a password for this name now. It counts as a try. What
    /// an address may not try does not count against the name.
    pub(super) fn may_try(&self, address: IpAddr, name: &str) -> bool {
        self.addresses.take(network(address)) && self.names.take(name.trim().to_ascii_lowercase())
    }

    /// Whether a client at this address may try a one-time code for this account now.
    pub(super) fn may_try_code(&self, address: IpAddr, account: AccountId) -> bool {
        self.addresses.take(network(address)) && self.codes.take(account)
    }
}

/// Who counts as one client: of IPv6 everybody gets at least a /64 (RFC 6177).
fn network(address: IpAddr) -> [u8; 8] {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            // No global address begins with zeros, so that the two kinds do not meet.
            [0, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h, ..] = address.octets();
            [a, b, c, d, e, f, g, h]
        }
    }
}

/// Keys share 65,536 buckets, at random for each start: memory is bounded, and nobody can choose
/// whose bucket they use up.
struct Buckets {
    limiter: RateLimiter<u16, HashMapStateStore<u16>, RunClock>,
    hasher: RandomState,
}

impl Buckets {
    fn new(burst: u32, interval: Duration) -> Self {
        let quota = Quota::with_period(interval)
            .zip(NonZeroU32::new(burst))
            .map(|(quota, burst)| quota.allow_burst(burst))
            .expect("the bounds are not zero");
        Self {
            limiter: RateLimiter::hashmap_with_clock(quota, RunClock),
            hasher: RandomState::new(),
        }
    }

    fn take(&self, key: impl Hash) -> bool {
        let [first, second, ..] = self.hasher.hash_one(key).to_ne_bytes();
        let bucket = u16::from_ne_bytes([first, second]);
        self.limiter.check_key(&bucket).is_ok()
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").finish_non_exhaustive()
    }
}

/// The runtime's clock, which tests can move.
#[derive(Clone, Debug)]
struct RunClock;

impl Clock for RunClock {
    type Instant = std::time::Instant;

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_tried_so_often_from_everywhere() {
        let attempts = Attempts::new();
        let tries = |name: &str| {
            let may = |client: u8| attempts.may_try(address(client), name);
            (0..=255).filter(|client| may(*client)).count()
        };
        let burst = limits::ATTEMPTS_PER_NAME as usize;
        assert_eq!(tries("anna"), burst);
        assert_eq!(tries(" ANNA "), 0, "it is the same name");
        tokio::time::advance(limits::ATTEMPT_PER_NAME_INTERVAL).await;
        assert_eq!(tries("anna"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_tries_so_many_names() {
        let attempts = Attempts::new();
        let tries = |address: IpAddr| {
            let may = |name: u32| attempts.may_try(address, &format!("name{name}"));
            (0..1_000).filter(|name| may(*name)).count()
        };
        let burst = limits::ATTEMPTS_PER_ADDRESS as usize;
        assert_eq!(tries(address(1)), burst);
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(tries(mapped), 0, "it is the same address");
        let v6 = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(tries(v6("2001:db8::1")), burst);
        assert_eq!(tries(v6("2001:db8::2")), 0, "it is the same network");
        tokio::time::advance(2 * limits::ATTEMPT_PER_ADDRESS_INTERVAL).await;
        assert_eq!(tries(address(1)), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn codes_have_a_limit_of_their_own() {
        let attempts = Attempts::new();
        let may = |client: u8| attempts.may_try_code(address(client), AccountId(1));
        let tried = (0..=255).filter(|client| may(*client)).count();
        assert_eq!(tried, limits::CODES_PER_ACCOUNT as usize);
        assert!(attempts.may_try_code(address(7), AccountId(2)));
    }
}
