//! What clients that are neither trusted nor logged in may hold open at next hops.
//!
//! A transaction that grows with its client's holds a connection for as long as the client takes, and a next
//! hop has few of them for us. The message of a client that has too many is spooled instead, which needs a
//! connection only when it is there whole.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clients::Network;
use crate::limits;
use crate::settings::NextHop;

/// The transactions of all strangers.
#[derive(Debug, Default)]
pub(in crate::path) struct Strangers(Mutex<StrangerCounts>);

#[derive(Debug, Default)]
struct StrangerCounts {
    by_client: HashMap<Network, u32>,
    by_next_hop: HashMap<Arc<str>, u32>,
}

/// One of them, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    strangers: Arc<Strangers>,
    client: Network,
    next_hop: Arc<str>,
}

impl Strangers {
    /// Counts a transaction of `client` at `next_hop`; none when the client has enough of them, or all
    /// strangers together have half of the next hop's connections.
    pub(super) fn take(self: &Arc<Self>, client: Network, next_hop: &NextHop) -> Option<Hold> {
        let mut held = self.0.lock();
        let of = |count: Option<&u32>| count.copied().unwrap_or(0);
        let by_client = of(held.by_client.get(&client));
        let by_next_hop = of(held.by_next_hop.get(next_hop.name()));
        let half = (next_hop.connections_max / 2).max(1);
        if by_client >= limits::CUT_THROUGH_PER_STRANGER || by_next_hop >= half {
            return None;
        }
        held.by_client.insert(client, by_client + 1);
        held.by_next_hop
            .insert(Arc::clone(next_hop.name()), by_next_hop + 1);
        Some(Hold {
            strangers: Arc::clone(self),
            client,
            next_hop: Arc::clone(next_hop.name()),
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.strangers.0.lock();
        give_back(&mut held.by_client, &self.client);
        give_back(&mut held.by_next_hop, &self.next_hop);
    }
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, SettingsDocument};

    fn client(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
    }

    #[test]
    fn strangers_leave_half_of_a_next_hop_to_others() {
        let settings = Settings::new(SettingsDocument::default()).expect("they hold");
        let next_hop = settings.next_hop_for("example.net");
        let other = settings.next_hop_for("example.com");
        let strangers = Arc::new(Strangers::default());
        let mut held = Vec::new();
        while let Some(hold) = strangers.take(client(1), &next_hop) {
            held.push(hold);
        }
        assert_eq!(held.len(), limits::CUT_THROUGH_PER_STRANGER as usize);
        assert!(strangers.take(client(1), &other).is_none());
        for last in 2..=255 {
            while let Some(hold) = strangers.take(client(last), &next_hop) {
                held.push(hold);
            }
        }
        assert_eq!(held.len(), next_hop.connections_max as usize / 2);
        held.push(strangers.take(client(200), &other).expect("it has its own"));
        drop(held);
        let held = strangers.0.lock();
        assert!(held.by_client.is_empty() && held.by_next_hop.is_empty());
    }
}
