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
use tokio::time::timeout;

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

/// A process that was killed.
pub(crate) struct Kill {
    /// Just before the signal was sent.
    pub(crate) sent_at: Instant,
    /// When the process had ended: until then it may have worked.
    pub(crate) ended_at: Instant,
}

/// What the ledger found at the destinations.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) promised: usize,
    pub(crate) lost: Vec<Promise>,
    /// Copies beyond the first of what was promised.
    pub(crate) duplicates: usize,
    /// Of them: the process was killed before the first copy's reply had left, so that nobody knew.
    pub(crate) not_answered: usize,
    /// Of them: how many were killed within each of [`WITHIN`] behind the reply, and not within an earlier one.
    pub(crate) answered_within: [usize; WITHIN.len()],
}

/// How long after a reply the process was killed: from what it takes to read one, to what nothing takes.
const WITHIN: [Duration; 5] = [
    Duration::from_millis(2),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
];

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
    pub(crate) fn account(&self, sinks: &[&RawSink], kills: &[Kill]) -> Account {
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
        // Behind the reply to the first copy; none: it had not left. What no kill explains counts as late.
        let wait_of = |[arrived, answered]: &[Instant; 2]| {
            let kill = kills.iter().find(|kill| kill.ended_at >= *arrived);
            kill.map_or(Some(Duration::MAX), |kill| {
                kill.sent_at.checked_duration_since(*answered)
            })
        };
        let waits: Vec<Option<Duration>> = firsts.iter().map(wait_of).collect();
        let within = |most: Duration| waits.iter().flatten().filter(|wait| **wait < most).count();
        let answered_within = std::array::from_fn(|place| {
            let earlier = place
                .checked_sub(1)
                .map_or(0, |before| within(WITHIN[before]));
            within(WITHIN[place]) - earlier
        });
        Account {
            promised: promises.len(),
            lost,
            duplicates: firsts.len(),
            not_answered: waits.iter().filter(|wait| wait.is_none()).count(),
            answered_within,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            promised,
            lost,
            duplicates,
            not_answered,
            answered_within,
        } = self;
        write!(
            f,
            "{promised} deliveries promised, {} lost, {duplicates} duplicates (killed before the first copy's reply: \
             {not_answered}",
            lost.len()
        )?;
        for (most, count) in WITHIN.iter().zip(answered_within) {
            write!(f, ", within {most:?} of it: {count}")?;
        }
        let later = duplicates - not_answered - answered_within.iter().sum::<usize>();
        write!(f, ", later: {later})")
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

/// An appliance that lives greets within this.
const GREETING_WAIT: Duration = Duration::from_secs(5);

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
        // The connection ends when the appliance is killed or says 421; both end this load. One that was being
        // made when it was killed may stand for ever.
        let greeted = timeout(GREETING_WAIT, Client::try_greeted(address)).await;
        let Ok(Ok(mut client)) = greeted else {
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
