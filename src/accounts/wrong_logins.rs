//! Wrong logins, counted by client and by name, so that guesses are few.
//!
//! Only wrong ones count, so that a client with many sessions, or many clients behind one address, are
//! never kept out for being right. A count is forgotten [`limits::WRONG_LOGIN_WINDOW`] after it began;
//! what is refused meanwhile does not make it longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use moka::sync::Cache;
use tokio::sync::{Mutex, MutexGuard};

use super::bounded_cache;
use crate::clients::Network;
use crate::limits;

/// One client: its count, and its turn.
#[derive(Debug, Default)]
pub(super) struct ClientFailures {
    wrong: AtomicU32,
    /// One password of a client is checked at a time: the next one knows what became of it, and no client
    /// takes all places at once.
    turn: Mutex<()>,
}

impl ClientFailures {
    /// Waits for its turn. The caller bounds the wait.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

/// All that are counted.
#[derive(Debug)]
pub(super) struct WrongLogins {
    clients: Cache<Network, Arc<ClientFailures>>,
    /// In lower case.
    names: Cache<String, Arc<AtomicU32>>,
    /// Where a login was right of late.
    known: Cache<(String, Network), ()>,
}

impl WrongLogins {
    pub(super) fn new() -> Self {
        Self {
            clients: bounded_cache(limits::WRONG_LOGIN_COUNTS, limits::WRONG_LOGIN_WINDOW),
            names: bounded_cache(limits::WRONG_LOGIN_COUNTS, limits::WRONG_LOGIN_WINDOW),
            known: bounded_cache(limits::KNOWN_CLIENTS, limits::KNOWN_CLIENT_LIFE),
        }
    }

    /// The client at `origin`.
    pub(super) fn guesser(&self, origin: Network) -> Arc<ClientFailures> {
        self.clients.get_with(origin, Arc::default)
    }

    /// Whether this client may try this name now. What strangers guess does not count for a client
    /// that is known to the name.
    pub(super) fn may_try(&self, guesser: &ClientFailures, name: &str, origin: Network) -> bool {
        let name = name.to_ascii_lowercase();
        let wrong_for_name = self
            .names
            .get(&name)
            .map_or(0, |count| count.load(Ordering::Relaxed));
        guesser.wrong.load(Ordering::Relaxed) < limits::WRONG_LOGINS_PER_CLIENT
            && (wrong_for_name < limits::WRONG_LOGINS_PER_NAME
                || self.known.contains_key(&(name, origin)))
    }

    /// It was wrong. Names that no login can have are not counted: they would only take the room.
    pub(super) fn was_wrong(&self, guesser: &ClientFailures, name: &str) {
        guesser.wrong.fetch_add(1, Ordering::Relaxed);
        if name.len() <= limits::SMTP_LOGIN_NAME_BYTES {
            let count = self.names.get_with(name.to_ascii_lowercase(), Arc::default);
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It was right.
    pub(super) fn was_right(&self, name: &str, origin: Network) {
        self.known.insert((name.to_ascii_lowercase(), origin), ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Network {
        Network::of(address.parse().expect("an address"))
    }

    #[test]
    fn a_client_has_few_guesses_whatever_the_name() {
        let wrong = WrongLogins::new();
        let (here, there) = (origin("192.0.2.1"), origin("192.0.2.2"));
        let guesser = wrong.guesser(here);
        for number in 0..limits::WRONG_LOGINS_PER_CLIENT {
            assert!(wrong.may_try(&guesser, "robot", here), "{number}");
            wrong.was_wrong(&guesser, &format!("name{number}"));
        }
        assert!(!wrong.may_try(&guesser, "robot", here));
        assert!(!wrong.may_try(&wrong.guesser(here), "robot", here));
        assert!(wrong.may_try(&wrong.guesser(there), "robot", there));
    }

    #[test]
    fn a_name_has_few_guesses_wherever_they_come_from_but_known_clients_go_on() {
        let wrong = WrongLogins::new();
        let home = origin("198.51.100.1");
        wrong.was_right("robot", home);
        for number in 0..limits::WRONG_LOGINS_PER_NAME {
            let stranger = origin(&format!("192.0.2.{number}"));
            wrong.was_wrong(&wrong.guesser(stranger), "Robot");
        }
        let stranger = origin("203.0.113.1");
        let guesser = wrong.guesser(stranger);
        assert!(!wrong.may_try(&guesser, "ROBOT", stranger));
        assert!(wrong.may_try(&guesser, "printer", stranger));
        assert!(wrong.may_try(&wrong.guesser(home), "ROBOT", home));
    }
}
