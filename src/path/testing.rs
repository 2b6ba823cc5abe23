//! What the tests of the paths share: the parts of the paths over a store of their own, and next hops
//! that follow a script.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use super::client_presence::ClientPresence;
use super::context::PathContext;
use super::outbound::Dispatch;
use crate::boot::Ballast;
use crate::conditions::{CheckResources, Conditions};
use crate::delivery::Delivery;
use crate::delivery::tests::scripted_server::{PIPELINING, ScriptedServer};
use crate::message::testing::{mailbox, message};
use crate::message::{MemoryBudget, Message, MessageIds, Recipient, Spool};
use crate::openpgp::Keyring;
use crate::own_mark::OwnMark;
use crate::queue::{Queue, QueueClock, QueueServices};
use crate::settings::testing::settings;
use crate::settings::{Publisher, Settings};
use crate::statistics::{Statistics, Trail};
use crate::store::{Store, Writers};

/// A message from a@example.org with a recipient at each of these servers.
pub(super) fn message_at(servers: &[SocketAddr]) -> Arc<Message> {
    let recipients = servers
        .iter()
        .enumerate()
        .map(|(number, server)| Recipient {
            mail_host: Some(format!("smtp://{server}").parse().expect("a server")),
            ..Recipient::plain(mailbox(&format!("r{number}@example.net")))
        });
    let mut message = message("a@example.org", &[], b"Subject: x\r\n\r\nbody\r\n");
    message.received_at = Timestamp::now();
    message.envelope.recipients = recipients.collect();
    Arc::new(message)
}

/// Everything around a path.
pub(super) struct Scene {
    pub(super) context: Arc<PathContext>,
    pub(super) settings: Arc<Settings>,
    pub(super) store: Store,
    _publisher: Publisher,
    _writers: Writers,
    directory: TempDir,
}

impl Scene {
    /// With these settings.
    pub(super) async fn new(patch: Value) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(directory.path().join("spool"), "test").expect("a spool");
        let opened = Store::open(directory.path(), &spool, Some(Timestamp::now())).await;
        let (store, writers) = opened.expect("a store");
        let publisher = Publisher::new(settings(patch));
        let hostname: Arc<str> = "relay.example.net".into();
        let statistics = Arc::new(Statistics::new(Timestamp::now()));
        let (trail, _) = Trail::new(publisher.current(), Arc::clone(&statistics));
        let budget = MemoryBudget::new(1 << 30);
        let delivery = Delivery::new(
            Arc::clone(&hostname),
            OwnMark::random(),
            publisher.current(),
        );
        let queue = Queue::new(QueueServices {
            clock: QueueClock::default(),
            store: store.queue.clone(),
            delivery: Arc::clone(&delivery),
            settings: publisher.current(),
            trail: trail.clone(),
            statistics: Arc::clone(&statistics),
            ids: Arc::new(MessageIds::after(None)),
            hostname: Arc::clone(&hostname),
            budget: Arc::clone(&budget),
        });
        let conditions = Conditions::new(CheckResources {
            hostname,
            ids: Arc::new(MessageIds::after(None)),
            spool,
            budget,
            keys: Publisher::new(Keyring::default()).current(),
            dns: delivery.dns(),
        });
        Self {
            context: Arc::new(PathContext {
                conditions: Arc::new(conditions),
                delivery,
                queue,
                fingerprints: Arc::default(),
                statistics,
                trail,
            }),
            settings: publisher.current().snapshot(),
            store,
            _publisher: publisher,
            _writers: writers,
            directory,
        }
    }

    /// A message on its way, whose client waits for ten seconds.
    pub(super) fn dispatch(&self, message: Arc<Message>, per_recipient: bool) -> Dispatch {
        Dispatch {
            message,
            settings: Arc::clone(&self.settings),
            per_recipient,
            deadline: Instant::now() + Duration::from_secs(10),
        }
    }

    /// No room is left on the disk, not even for what is owed.
    pub(super) fn fill_disk(&self) {
        let room = self.store.queue.room();
        Ballast::in_directory(self.directory.path()).look(room, 1 << 20);
        room.found_full();
    }

    /// Recipients that wait in the queue, those of reports among them.
    pub(super) async fn waiting(&self) -> u64 {
        let waiting = self.store.queue_view.waiting_recipients().await;
        waiting.expect("the queue can be read")
    }
}

/// A client that stays, or has left.
pub(super) struct TestClient {
    pub(super) is_there: bool,
}

impl ClientPresence for TestClient {
    async fn still_there(&mut self) -> bool {
        self.is_there
    }
}

/// What a next hop does with a message for one recipient.
pub(super) const TAKES: &str = "
    C: MAIL
    C: RCPT
    C: DATA
    S: 250 2.1.0 sender ok
    S: 250 2.1.5 recipient ok
    S: 354 go on
    content
    S: 250 2.0.0 taken
";
pub(super) const REFUSES: &str = "
    C: MAIL
    C: RCPT
    C: DATA
    S: 250 2.1.0 sender ok
    S: 550 5.1.1 unknown
    S: 503 5.5.1 no recipients
";
pub(super) const DEFERS: &str = "
    C: MAIL
    C: RCPT
    C: DATA
    S: 250 2.1.0 sender ok
    S: 450 4.2.0 later
    S: 503 5.5.1 no recipients
";
/// It has the message and says nothing more.
pub(super) const IS_SILENT: &str = "
    C: MAIL
    C: RCPT
    C: DATA
    S: 250 2.1.0 sender ok
    S: 250 2.1.5 recipient ok
    S: 354 go on
    content
    silence
";
/// It gets nothing of the content.
pub(super) const IS_LEFT: &str = "
    C: MAIL
    C: RCPT
    C: DATA
    S: 250 2.1.0 sender ok
    S: 250 2.1.5 recipient ok
    S: 354 go on
    client closes
";

/// A next hop that greets and does this.
pub(super) async fn next_hop(dialogue: &str) -> ScriptedServer {
    ScriptedServer::start([PIPELINING.to_owned() + dialogue]).await
}

/// One for each dialogue, with a message for all of them.
pub(super) async fn next_hops(dialogues: &[&str]) -> (Vec<ScriptedServer>, Arc<Message>) {
    let mut servers = Vec::new();
    for dialogue in dialogues {
        servers.push(next_hop(dialogue).await);
    }
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let message = message_at(&addresses);
    (servers, message)
}
