//! The ledger of a load: which messages got their 250, so that each can be asked for at its
//! destination afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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

/// What the ledger found at the destinations.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) promised: usize,
    pub(crate) lost: Vec<Promise>,
    /// Copies beyond the first of what was promised.
    pub(crate) duplicates: usize,
    /// Of them: the process was killed between the first copy's end and the reply to it, or within
    /// [`MOMENT`] behind that, so that nothing could have been noted.
    pub(crate) killed_at_once: usize,
    /// Of them: it was killed within a second. A note of the delivery was under way.
    pub(crate) killed_in_a_second: usize,
}

/// Too short for a reply to be read, and what it means to be made durable.
const MOMENT: Duration = Duration::from_millis(20);

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

    /// Compares the promises with what the sinks said 250 to. `kills`: when the process was killed.
    pub(crate) fn account(&self, sinks: &[&RawSink], kills: &[Instant]) -> Account {
        let mut copies: BTreeMap<Promise, Vec<[Instant; 2]>> = BTreeMap::new();
        for message in sinks.iter().flat_map(|sink| sink.accepted()) {
            let subject = messages::header(&message.content, "Subject").unwrap_or_default();
            for recipient in message.recipient_addresses() {
                let subject = subject.clone();
                let promise = Promise { subject, recipient };
                copies.entry(promise).or_default().push(message.seen);
            }
        }
        let promises = self.promises.lock().unwrap();
        let lost = promises.iter();
        let lost = lost.filter(|promise| !copies.contains_key(promise));
        let lost = lost.cloned().collect();
        let of_promises = promises.iter().filter_map(|promise| copies.get(promise));
        let firsts: Vec<[Instant; 2]> = of_promises
            .flat_map(|copies| std::iter::repeat_n(copies[0], copies.len() - 1))
            .collect();
        let killed_within = |wait| {
            let is_followed = |[arrived, answered]: &&[Instant; 2]| {
                let fatal = *arrived..*answered + wait;
                kills.iter().any(|kill| fatal.contains(kill))
            };
            firsts.iter().filter(is_followed).count()
        };
        let killed_at_once = killed_within(MOMENT);
        Account {
            promised: promises.len(),
            lost,
            duplicates: firsts.len(),
            killed_at_once,
            killed_in_a_second: killed_within(Duration::from_secs(1)) - killed_at_once,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            promised,
            lost,
            duplicates,
            killed_at_once,
            killed_in_a_second,
        } = self;
        let others = duplicates - killed_at_once - killed_in_a_second;
        write!(
            f,
            "{promised} deliveries promised, {} lost, {duplicates} duplicates (killed before the reply was noted: \
             {killed_at_once}, within a second: {killed_in_a_second}, other: {others})",
            lost.len()
        )
    }
}

/// Clients that send messages of mixed sizes, one after another, until told to stop or until the
/// appliance is gone.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

/// Where a load goes that does not care.
pub(crate) const ONE_DOMAIN: &[&str] = &["example.net"];

/// Most mail is small; some is larger than the threshold, a little larger than what is stored inline.
const SIZES: [usize; 6] = [600, 2_000, 4_096, 12_000, 40_000, 160_000];

impl Load {
    /// Starts `clients` clients; each draws its messages from `seed`, for recipients in `domains`.
    pub(crate) fn start(
        address: SocketAddr,
        clients: u64,
        seed: u64,
        domains: &'static [&'static str],
        ledger: &Arc<Ledger>,
    ) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let random = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(client));
            tasks.spawn(send_until(
                stop.clone(),
                address,
                random,
                domains,
                ledger.clone(),
            ));
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
    domains: &[&str],
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
                .map(|number| {
                    let domain = domains[random.random_range(0..domains.len())];
                    format!("r{number}@{domain}")
                })
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
