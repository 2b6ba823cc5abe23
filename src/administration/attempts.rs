//! How often a log-in may be tried: bounded for each client address and for each name, and in
//! memory however many addresses and names there are.
//!
//! What strangers try with a name must not lock its owner out: an address from which a log-in succeeded
//! of late is bounded by its own tries only.

use std::net::IpAddr;

use jiff::Timestamp;
use moka::sync::Cache;

use super::login::is_over;
use crate::accounts::{AccountId, bounded_cache};
use crate::clients::{Bucket, Buckets, Network, TooManyTries};
use crate::limits;

/// The limits on tries.
#[derive(Debug)]
pub(super) struct Attempts {
    addresses: Buckets,
    names: Buckets,
    codes: Buckets,
    /// Where log-ins of a name succeeded, and when last. Strangers cannot fill it.
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
            known: bounded_cache(limits::KNOWN_ADDRESSES, limits::KNOWN_ADDRESS_LIFE),
        }
    }

    /// Whether a client at this address may try a password for this name now. It counts as a try. What
    /// an address may not try does not count against the name, and neither does what a known one tries.
    pub(super) fn may_try(
        &self,
        address: IpAddr,
        name: &str,
        now: Timestamp,
    ) -> Result<(), TooManyTries> {
        let client = (folded(name), Network::of(address));
        self.addresses.take(client.1)?;
        if !self.knows(&client, now) {
            self.names.take(&client.0)?;
        }
        Ok(())
    }

    /// A log-in of this name succeeded from this address.
    pub(super) fn got_in(&self, address: IpAddr, name: &str, at: Timestamp) {
        self.known.insert((folded(name), Network::of(address)), at);
    }

    fn knows(&self, client: &(String, Network), now: Timestamp) -> bool {
        let last = self.known.get(client);
        last.is_some_and(|last| !is_over(last, limits::KNOWN_ADDRESS_LIFE, now))
    }

    /// Whether a client at this address may try a one-time code for this account now. It counts as a try
    /// until [`Self::code_was_right`].
    pub(super) fn may_try_code(
        &self,
        address: IpAddr,
        account: AccountId,
    ) -> Result<CodeTry, TooManyTries> {
        Ok(CodeTry {
            address: self.addresses.take(Network::of(address))?,
            code: self.codes.take(account)?,
        })
    }

    /// A right code uses up no try: frequent log-ins are not guesses.
    pub(super) fn code_was_right(&self, tried: CodeTry) {
        self.addresses.give_back(tried.address);
        self.codes.give_back(tried.code);
    }
}

/// A name as it is counted, however it is typed.
fn folded(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

/// A try of a one-time code.
#[derive(Debug)]
#[must_use]
pub(super) struct CodeTry {
    address: Bucket,
    code: Bucket,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            let may = |client: u8| attempts.may_try(address(client), name, at(0)).is_ok();
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
            let may = |name: u32| {
                attempts
                    .may_try(address, &format!("name{name}"), at(0))
                    .is_ok()
            };
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
        let stranger = || [198, 51, 100, rand::random()].into();
        while attempts.may_try(stranger(), "anna", at(1)).is_ok() {
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
            assert_eq!(may.is_ok(), expected, "{name} at {address}, {second}");
        }
        // What is tried at home counts against it all the same.
        let may = |name: &str| attempts.may_try(home, name, at(1)).is_ok();
        let tries = (0..1_000).filter(|_| may("anna"));
        assert_eq!(tries.count() + 4, limits::ATTEMPTS_PER_ADDRESS as usize);
        assert!(!may("bob"));
    }

    #[tokio::test(start_paused = true)]
    async fn codes_have_a_limit_of_their_own() {
        let attempts = Attempts::new();
        let may = |client: u8| attempts.may_try_code(address(client), AccountId(1)).is_ok();
        let tried = (0..=255).filter(|client| may(*client)).count();
        assert_eq!(tried, limits::CODES_PER_ACCOUNT as usize);
        assert!(attempts.may_try_code(address(7), AccountId(2)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn right_codes_use_up_no_tries() {
        let attempts = Attempts::new();
        let may = || attempts.may_try_code(address(1), AccountId(1));
        for _ in 0..2 * limits::ATTEMPTS_PER_ADDRESS {
            attempts.code_was_right(may().expect("it was always right"));
        }
        let wrong = (0..100).filter(|_| may().is_ok()).count();
        assert_eq!(wrong, limits::CODES_PER_ACCOUNT as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_is_until_the_next_try() {
        let attempts = Attempts::new();
        let code = || attempts.may_try_code(address(1), AccountId(1)).map(drop);
        while code().is_ok() {}
        let wait = limits::CODE_PER_ACCOUNT_INTERVAL;
        assert_eq!(code(), Err(TooManyTries { wait }));
        tokio::time::advance(wait - Duration::from_secs(20)).await;
        let refused = code().expect_err("not yet");
        assert_eq!(
            refused.to_string(),
            "too many tries; try again in 20 seconds"
        );
        assert_eq!(refused.seconds(), 20);
        tokio::time::advance(refused.wait).await;
        assert_eq!(code(), Ok(()));
    }
}
