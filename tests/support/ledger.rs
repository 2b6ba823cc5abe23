//! The ledger of a load: which messages got their 250, so that each can be asked for at its
//! destination afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::client::Client;
use super::messages;
use super::raw_sink::RawSink;

/// One delivery that was promised by a 250: which message, to whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Promise {
    pub(crate) subject: String,
    pub(crate) recipient: String,
}

/// What was sent, and which of it was promised.
#[derive(Default)]
pub(crate) struct Ledger {
    number: AtomicU64,
    promises: Mutex<BTreeSet<Promise>>,
}

/// What the ledger found at the destination.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) promised: usize,
    pub(crate) lost: Vec<Promise>,
    /// Copies beyond the first of what was promised.
    pub(crate) duplicates: usize,
}

impl Ledger {
    /// How many deliveries have been promised so far.
    pub(crate) fn promised(&self) -> usize {
        self.promises.lock().unwrap().len()
    }

    fn record(&self, subject: &str, recipients: &[String]) {
        let mut promises = self.promises.lock().unwrap();
        promises.extend(recipients.iter().map(|recipient| Promise {
            subject: subject.to_owned(),
            recipient: recipient.clone(),
        }));
    }

    /// Compares the promises with what `sink` said 250 to.
    pub(crate) fn account(&self, sink: &RawSink) -> Account {
        let mut copies: BTreeMap<Promise, usize> = BTreeMap::new();
        for message in sink.accepted() {
            let subject = messages::header(&message.content, "Subject").unwrap_or_default();
            for recipient in message.recipient_addresses() {
                *copies
                    .entry(Promise {
                        subject: subject.clone(),
                        recipient,
                    })
                    .or_default() += 1;
            }
        }
        let promises = self.promises.lock().unwrap();
        let count = |promise: &Promise| copies.get(promise).copied().unwrap_or(0);
        Account {
            promised: promises.len(),
            lost: promises
                .iter()
                .filter(|promise| count(promise) == 0)
                .cloned()
                .collect(),
            duplicates: promises
                .iter()
                .map(|promise| count(promise).saturating_sub(1))
                .sum(),
        }
    }
}

/// Clients that send messages of mixed sizes, one after another, until told to stop or until the
/// appliance is gone.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

/// Most mail is small; some is larger than the threshold, a little larger than what is stored inline.
const SIZES: [usize; 6] = [600, 2_000, 4_096, 12_000, 40_000, 160_000];

impl Load {
    /// Starts `clients` clients; each draws its messages from `seed`.
    pub(crate) fn start(
        address: SocketAddr,
        clients: u64,
        seed: u64,
        ledger: &Arc<Ledger>,
    ) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let random = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(client));
            tasks.spawn(send_until(stop.clone(), address, random, ledger.clone()));
        }
        Load {
            stop,
            clients: tasks,
        }
    }

    /// Lets every client finish the message it is at, and waits for them.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
    }
}

async fn send_until(
    stop: Arc<AtomicBool>,
    address: SocketAddr,
    mut random: StdRng,
    ledger: Arc<Ledger>,
) {
    while !stop.load(Ordering::Relaxed) {
        // The connection ends when the appliance is killed or says 421; both end this load.
        let Ok(mut client) = Client::try_greeted(address).await else {
            return;
        };
        let messages_on_this_connection = random.random_range(1..40);
        for _ in 0..messages_on_this_connection {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let subject = format!("load-{}", ledger.number.fetch_add(1, Ordering::Relaxed));
            let recipients: Vec<String> = (0..random.random_range(1..=3))
                .map(|number| format!("r{number}@example.net"))
                .collect();
            let content = messages::of_size(&subject, SIZES[random.random_range(0..SIZES.len())]);
            match client
                .try_message("sender@example.org", &recipients, &content)
                .await
            {
                Ok(reply) if reply.code == 250 => ledger.record(&subject, &recipients),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}
