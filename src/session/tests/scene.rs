//! A session with everything at it, a stand-in that answers, and a client that speaks raw bytes.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::accounts::{LoginDirectory, Logins, Passwords, SmtpLogin};
use crate::message::{BodyReader, DiskReason, MemoryBudget, Message, MessageIds, Spool};
use crate::own_mark::OwnMark;
use crate::path::{
    Answering, ClientPresence, CutThroughEnd, EndOfDataReply, ReceivedMessage, RecipientCheck,
};
use crate::session::{self, ClientOrigin, ReceivingCounters, SessionContext, Transport};
use crate::settings::{Publisher, testing};
use crate::smtp::reply::Reply;

/// The listener that clients come to.
pub(crate) const LISTENER: &str = "127.0.0.1:2525";

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Written,
    NotWritten,
    WasRead,
}

/// How the stand-in answers one message.
pub(crate) struct Script {
    pub(crate) reply: Reply,
    pub(crate) close: bool,
    pub(crate) late: bool,
    /// Answer only after the client is gone.
    pub(crate) await_departure: bool,
    /// Answer only when this is notified.
    pub(crate) gate: Option<Arc<Notify>>,
}

impl Script {
    pub(crate) fn reply(reply: Reply) -> Self {
        Self {
            reply,
            close: false,
            late: false,
            await_departure: false,
            gate: None,
        }
    }
}

/// A message as it was given to the stand-in.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) message: Arc<Message>,
    pub(crate) reasons: Vec<DiskReason>,
    pub(crate) content: String,
}

/// The stand-in for the paths: keeps what it is given, and answers as scripted, else 250.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) taken: Mutex<Vec<Taken>>,
    pub(crate) scripts: Mutex<VecDeque<Script>>,
    pub(crate) fates: Mutex<Vec<Fate>>,
    pub(crate) asked: Notify,
    /// Recipients that are refused when they are asked about.
    pub(crate) refused: Mutex<Vec<(&'static str, Reply)>>,
    /// Whoever asks about a recipient waits for this.
    pub(crate) recipient_gate: Mutex<Option<Arc<Notify>>>,
}

pub(crate) struct DeskReceipt {
    desk: Arc<Desk>,
    late: bool,
}

impl Answering for Desk {
    type Receipt = DeskReceipt;
    type Late = Arc<Desk>;

    async fn check_recipient(self: &Arc<Self>, check: RecipientCheck<'_>) -> Result<(), Reply> {
        let address = &check.recipient.address;
        self.asked.notify_one();
        let gate = self.recipient_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let refused = self.refused.lock().unwrap();
        match refused
            .iter()
            .find(|(refused, _)| *refused == address.as_str())
        {
            Some((_, reply)) => Err(reply.clone()),
            None => Ok(()),
        }
    }

    async fn answer<C: ClientPresence>(
        self: &Arc<Self>,
        received: ReceivedMessage,
        client: &mut C,
        _shutdown: &CancellationToken,
    ) -> EndOfDataReply<DeskReceipt> {
        let mut reader = BodyReader::new(Arc::clone(&received.message));
        let mut content = Vec::new();
        while let Some(block) = reader.next().await.expect("the body can be read") {
            content.extend_from_slice(&block);
        }
        self.taken.lock().unwrap().push(Taken {
            message: received.message,
            reasons: received.reasons,
            content: String::from_utf8_lossy(&content).into_owned(),
        });
        self.asked.notify_one();
        let script = self.scripts.lock().unwrap().pop_front();
        let script =
            script.unwrap_or_else(|| Script::reply(Reply::new(250, (2, 0, 0), "Delivered")));
        if let Some(gate) = script.gate {
            gate.notified().await;
        }
        while script.await_departure && client.still_there().await {
            tokio::task::yield_now().await;
        }
        EndOfDataReply {
            reply: script.reply,
            per_recipient: Vec::new(),
            receipt: DeskReceipt {
                desk: Arc::clone(self),
                late: script.late,
            },
            close: script.close,
        }
    }

    async fn end_cut_through<C: ClientPresence>(
        self: &Arc<Self>,
        _: CutThroughEnd,
        _: &mut C,
    ) -> EndOfDataReply<DeskReceipt> {
        unreachable!("the desk leads nobody through")
    }

    fn written(receipt: DeskReceipt) -> Option<Arc<Desk>> {
        receipt.desk.fates.lock().unwrap().push(Fate::Written);
        receipt.late.then_some(receipt.desk)
    }

    async fn not_written(receipt: DeskReceipt) {
        receipt.desk.fates.lock().unwrap().push(Fate::NotWritten);
    }

    fn was_read(late: Arc<Desk>) {
        late.fates.lock().unwrap().push(Fate::WasRead);
    }
}

/// Everything at a session.
pub(crate) struct Scene {
    pub(crate) context: Arc<SessionContext<Desk>>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) healthy: Arc<AtomicBool>,
    pub(crate) directory: tempfile::TempDir,
    /// Where clients come from: trusted, unless a test says otherwise.
    pub(crate) address: &'static str,
    /// The proxy that says so.
    pub(crate) proxy: Option<IpAddr>,
    publisher: Publisher,
    passwords: Arc<Passwords>,
    roster: Publisher<LoginDirectory>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(json!({}))
    }

    /// With some settings.
    pub(crate) fn with(patch: serde_json::Value) -> Self {
        Self::build(patch, false)
    }

    pub(crate) fn with_tls() -> Self {
        Self::build(json!({}), true)
    }

    fn build(patch: serde_json::Value, tls: bool) -> Self {
        let publisher = Publisher::new(testing::settings(patch));
        let directory = tempfile::tempdir().expect("a temporary directory");
        let desk = Arc::new(Desk::default());
        let healthy = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&healthy);
        let tls = tls.then(|| {
            crate::tls::ServerTls::open(directory.path(), "relay.example.net")
                .expect("a certificate")
        });
        let passwords = Passwords::new();
        let roster = Publisher::new(LoginDirectory::default());
        let context = SessionContext {
            hostname: "relay.example.net".into(),
            own_mark: OwnMark::random(),
            settings: publisher.current(),
            paths: Arc::clone(&desk),
            ids: Arc::new(MessageIds::after(None)),
            spool: Spool::open(directory.path().join("spool"), "boot").expect("a spool"),
            budget: MemoryBudget::new(1 << 20),
            counters: Arc::new(ReceivingCounters::default()),
            logins: Logins::new(Arc::clone(&passwords), roster.current()),
            tls,
            takes_mail: Box::new(move || asked.load(Ordering::Relaxed)),
        };
        Self {
            context: Arc::new(context),
            desk,
            shutdown: CancellationToken::new(),
            healthy,
            directory,
            address: "127.0.0.1",
            proxy: None,
            publisher,
            passwords,
            roster,
        }
    }

    /// Adds an SMTP login.
    pub(crate) async fn add_login(&self, name: &str, password: &str) {
        let hash = self.passwords.hash(password.to_owned()).await;
        let login = SmtpLogin {
            name: name.into(),
            hash: hash.expect("a place"),
            note: String::new(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let roster = LoginDirectory::clone(&self.roster.current().snapshot());
        self.roster.publish(roster.with(login));
    }

    /// Removes an SMTP login.
    pub(crate) fn remove_login(&self, name: &str) {
        let roster = LoginDirectory::clone(&self.roster.current().snapshot());
        self.roster.publish(roster.without(name));
    }

    /// Publishes other settings.
    pub(crate) fn change(&self, patch: serde_json::Value) {
        let patch = testing::patch(patch);
        let settings = self.context.settings.snapshot().patched(&patch);
        self.publisher.publish(settings.expect("the patch holds"));
    }

    /// From an address that is not trusted.
    pub(crate) fn untrusted(mut self) -> Self {
        self.address = "192.0.2.7";
        self
    }

    /// How its clients come in.
    pub(crate) fn origin(&self) -> ClientOrigin {
        ClientOrigin {
            client: self.address.parse().expect("an address"),
            proxy: self.proxy,
            listener: LISTENER.parse().expect("an address"),
            said: bytes::BytesMut::new(),
        }
    }

    pub(crate) fn serve<T: Transport + 'static>(&self, transport: T) -> JoinHandle<()> {
        let origin = self.origin();
        let context = Arc::clone(&self.context);
        tokio::spawn(session::run(
            transport,
            origin,
            context,
            self.shutdown.clone(),
        ))
    }

    /// A client that has not read the greeting yet.
    pub(crate) fn connect(&self) -> Client<DuplexStream> {
        let (near, far) = duplex(1 << 20);
        self.serve(far);
        Client::new(near)
    }

    /// A client that has said EHLO.
    pub(crate) async fn client(&self) -> Client<DuplexStream> {
        let mut client = self.connect();
        client.expect("220").await;
        client.say("EHLO client.example.org", "250").await;
        client
    }

    /// A client that has an envelope open, from `a@example.org` to `b@example.net`.
    pub(crate) async fn addressed(&self) -> Client<DuplexStream> {
        let mut client = self.client().await;
        client.address().await;
        client
    }

    /// The content of every message that was taken.
    pub(crate) fn contents(&self) -> Vec<String> {
        let taken = self.desk.taken.lock().unwrap();
        taken.iter().map(|taken| taken.content.clone()).collect()
    }

    pub(crate) fn fates(&self) -> Vec<Fate> {
        self.desk.fates.lock().unwrap().clone()
    }

    pub(crate) fn script(&self, script: Script) {
        self.desk.scripts.lock().unwrap().push_back(script);
    }
}

/// A client that speaks raw bytes.
pub(crate) struct Client<T> {
    pub(crate) stream: T,
    input: Vec<u8>,
}

impl<T: Transport> Client<T> {
    pub(crate) fn new(stream: T) -> Self {
        Self {
            stream,
            input: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref()).await;
        sent.expect("the session takes it");
    }

    /// A command, and how its reply begins.
    pub(crate) async fn say(&mut self, line: &str, expected: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.expect(expected).await
    }

    /// The next reply, which begins with `expected`; all its lines.
    pub(crate) async fn expect(&mut self, expected: &str) -> String {
        let reply = self.reply().await.expect("the session has not closed");
        assert!(
            reply.starts_with(expected),
            "{reply:?} should begin with {expected:?}"
        );
        reply
    }

    /// Nothing more comes.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(self.reply().await, None);
    }

    pub(crate) async fn reply(&mut self) -> Option<String> {
        loop {
            if let Some(length) = whole_reply(&self.input) {
                let reply = self.input.drain(..length).collect();
                return Some(String::from_utf8(reply).expect("a reply is text"));
            }
            // Beyond every limit of a session, so that paused time reaches those first.
            let read = self.stream.read_buf(&mut self.input);
            let read = tokio::time::timeout(Duration::from_secs(2_000), read).await;
            if matches!(read.expect("no reply came"), Ok(0) | Err(_)) {
                assert_eq!(self.input, b"");
                return None;
            }
        }
    }

    pub(crate) async fn address(&mut self) {
        self.say("MAIL FROM:<a@example.org>", "250 2.1.0").await;
        self.say("RCPT TO:<b@example.net>", "250 2.1.5").await;
    }
}

/// How long the reply at the front of `input` is, if it is whole.
fn whole_reply(input: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let end = from + memchr::memchr(b'\n', &input[from..])? + 1;
        if input.get(from + 3) != Some(&b'-') {
            return Some(end);
        }
        from = end;
    }
}

/// Runs a dialogue: lines with `>` are said, lines with `<` say how the next reply begins, `< end` is
/// the end of the connection.
pub(crate) async fn check(scene: &Scene, dialogue: &str) {
    let mut client = scene.connect();
    for line in dialogue.lines().map(str::trim) {
        match line.split_at_checked(1) {
            Some((">", said)) => {
                let said = said.strip_prefix(' ').unwrap_or(said);
                client.send(format!("{said}\r\n")).await;
            }
            Some(("<", " end")) => client.expect_end().await,
            Some(("<", expected)) => drop(client.expect(expected.trim_start()).await),
            _ => assert_eq!(line, "", "a line of a dialogue begins with > or <"),
        }
    }
}
