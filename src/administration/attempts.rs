//! How often somebody may try to get in: bounded for each client address and for each name, and in
//! memory however many addresses and names there are.
//!
//! What strangers try with a name must not keep out whose name it is: an address from which they got in
//! of late is bounded by its own tries only.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use jiff::Timestamp;
use moka::sync::Cache;
use tokio::time::Instant;

use super::login::is_over;
use crate::accounts::AccountId;
use crate::clients::Network;
use crate::limits;

/// The limits on tries.
#[derive(Debug)]
pub(super) struct Attempts {
    addresses: Buckets,
    names: Buckets,
    codes: Buckets,
    /// Where somebody of a name got in, and when last. Strangers cannot fill it.
    known: Cache<(String, Network), Timestamp>,
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
            known: Cache::builder()
                .max_capacity(limits::KNOWN_ADDRESSES)
                .time_to_live(limits::KNOWN_ADDRESS_LIFE)
                .build(),
        }
    }

    /// Whether a client at this address may try a password for this name now. It counts as a try. What
    /// an address may not try does not count against the name, and neither does what a known one tries.
    pub(super) fn may_try(&self, address: IpAddr, name: &str, now: Timestamp) -> bool {
        let (network, name) = (Network::of(address), folded(name));
        self.addresses.take(network)
            && (self.knows(&(name.clone(), network), now) || self.names.take(name))
    }

    /// Somebody of this name got in from this address.
    pub(super) fn got_in(&self, address: IpAddr, name: &str, at: Timestamp) {
        self.known.insert((folded(name), Network::of(address)), at);
    }

    fn knows(&self, client: &(String, Network), now: Timestamp) -> bool {
        let last = self.known.get(client);
        last.is_some_and(|last| !is_over(last, limits::KNOWN_ADDRESS_LIFE, now))
    }

    /// Whether a client at this address may try a one-time code for this account now.
    pub(super) fn may_try_code(&self, address: IpAddr, account: AccountId) -> bool {
        self.addresses.take(Network::of(address)) && self.codes.take(account)
    }
}

/// A name as it is counted, however it is typed.
fn folded(name: &str) -> String {
    name.trim().to_ascii_lowercase()
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_tried_so_often_from_everywhere() {
        let attempts = Attempts::new();
        let tries = |name: &str| {
            let may = |client: u8| attempts.may_try(address(client), name, at(0));
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
            let may = |name: u32| attempts.may_try(address, &format!("name{name}"), at(0));
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
    async fn strangers_do_not_keep_out_whose_name_it_is() {
        let attempts = Attempts::new();
        let home: IpAddr = "2001:db8:1::7".parse().expect("an address");
        attempts.got_in(home, "Anna", at(0));
        while attempts.may_try([198, 51, 100, rand::random()].into(), "anna", at(1)) {
            tokio::task::yield_now().await;
        }
        let neighbour = "2001:db8:1::8".parse().expect("an address");
        let life = i64::try_from(limits::KNOWN_ADDRESS_LIFE.as_secs()).expect("days");
        for (address, name, second, expected) in [
            (home, "anna", 1, true),
            (neighbour, " ANNA ", life - 1, true),
            (home, "anna", life, false),
            (address(1), "anna", 1, false),
            (home, "bob", 1, true),
        ] {
            let may = attempts.may_try(address, name, at(second));
            assert_eq!(may, expected, "{name} at {address}, {second}");
        }
        // What is tried at home counts against it all the same.
        let tries = (0..1_000).filter(|_| attempts.may_try(home, "anna", at(1)));
        assert_eq!(tries.count() + 4, limits::ATTEMPTS_PER_ADDRESS as usize);
        assert!(!attempts.may_try(home, "bob", at(1)));
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
