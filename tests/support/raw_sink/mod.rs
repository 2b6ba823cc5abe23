//! A destination inside the test: it keeps the exact bytes of what arrives, and does what its script
//! says at every stage.

mod script;
mod session;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use script::{Answer, Gate, Script};

use super::wait;

/// Messages a sink keeps; the next one fails the scene, which should have asked for less.
const KEPT_MESSAGES: usize = 1_000_000;

/// How the content came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Data,
    Chunks,
}

/// One message whose end was seen, and what was said to it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The sender's path and parameters, as they stood behind `MAIL FROM:`.
    pub(crate) sender: String,
    /// The accepted recipients' paths and parameters, as they stood behind `RCPT TO:`.
    pub(crate) recipients: Vec<String>,
    /// The content, dots unstuffed; only its front when the script keeps less.
    pub(crate) content: Vec<u8>,
    /// The content as it was on the wire, with stuffed dots and the final dot (DATA only).
    pub(crate) wire: Vec<u8>,
    pub(crate) transport: Transport,
    /// It came under TLS.
    pub(crate) secured: bool,
    /// The code of the reply to the end of data; `None` when none was sent.
    pub(crate) answered: Option<u16>,
    /// When it had come whole, and then when it was answered.
    pub(crate) seen: [Instant; 2],
}

impl Arrival {
    /// The recipients' addresses without brackets and parameters.
    pub(crate) fn recipient_addresses(&self) -> Vec<String> {
        self.recipients
            .iter()
            .map(|recipient| address_of(recipient).to_owned())
            .collect()
    }
}

/// The address between the brackets of a path.
fn address_of(path: &str) -> &str {
    path.trim_start_matches('<')
        .split('>')
        .next()
        .unwrap_or_default()
}

/// What the sink has seen; its numbers go through a watch channel so that a scene can wait for them.
#[derive(Default)]
struct Record {
    arrivals: Vec<Arrival>,
    connections: usize,
    /// Commands in the order in which they came, over all connections, verbs and arguments.
    commands: Vec<String>,
}

struct Shared {
    script: Mutex<Script>,
    record: Mutex<Record>,
    changes: watch::Sender<u64>,
    /// Each change of the number ends the connections that were there before it.
    generation: watch::Sender<u64>,
}

impl Shared {
    fn script(&self) -> Script {
        self.script.lock().unwrap().clone()
    }

    fn note(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.record.lock().unwrap());
        self.changes.send_modify(|number| *number += 1);
    }
}

/// A running sink; it ends when this is dropped.
pub(crate) struct RawSink {
    address: SocketAddr,
    shared: Arc<Shared>,
    _sessions: JoinSet<()>,
}

impl RawSink {
    /// A sink on a free port of loopback.
    pub(crate) async fn start(script: Script) -> RawSink {
        RawSink::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    /// A sink at this address, which may have been another's a moment ago.
    pub(crate) async fn start_at(address: SocketAddr, script: Script) -> RawSink {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(1_024).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            record: Mutex::default(),
            changes: watch::Sender::new(0),
            generation: watch::Sender::new(0),
        });
        let mut sessions = JoinSet::new();
        sessions.spawn(accept(listener, shared.clone()));
        RawSink {
            address,
            shared,
            _sessions: sessions,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the script; sessions under way notice at their next stage.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script.lock().unwrap());
    }

    /// From now on everything is accepted.
    pub(crate) fn heal(&self) {
        self.change(Script::heal);
    }

    /// Closes every connection there is; new ones are welcome.
    pub(crate) fn end_connections(&self) {
        self.shared.generation.send_modify(|number| *number += 1);
    }

    /// Every message whose end was seen, whatever was said to it.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.shared.record.lock().unwrap().arrivals.clone()
    }

    /// The messages that were answered with a 2xx.
    pub(crate) fn accepted(&self) -> Vec<Arrival> {
        let accepted = |arrival: &Arrival| arrival.answered.is_some_and(|code| code / 100 == 2);
        self.arrivals().into_iter().filter(accepted).collect()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.record.lock().unwrap().connections
    }

    /// Every command so far, over all connections.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.shared.record.lock().unwrap().commands.clone()
    }

    /// Waits until this many messages have been accepted, and returns all that were.
    pub(crate) async fn wait_for_accepted(&self, messages: usize) -> Vec<Arrival> {
        self.wait_for(&format!("{messages} messages at the sink"), || {
            self.accepted().len() >= messages
        })
        .await;
        self.accepted()
    }

    /// Waits until the condition, which looks at this sink, holds.
    pub(crate) async fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        self.wait_within(what, wait::PATIENCE, condition).await;
    }

    /// As [`RawSink::wait_for`] with an own deadline.
    pub(crate) async fn wait_within(
        &self,
        what: &str,
        within: Duration,
        condition: impl Fn() -> bool,
    ) {
        let mut changes = self.shared.changes.subscribe();
        wait::within(what, within, changes.wait_for(|_| condition()))
            .await
            .unwrap();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        while sessions.try_join_next().is_some() {}
        shared.note(|record| record.connections += 1);
        sessions.spawn(session::run(stream, shared.clone()));
    }
}
