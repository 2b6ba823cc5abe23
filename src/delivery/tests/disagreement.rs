//! Servers whose replies are too many, too few, in parts, late or early, in conversations made at random:
//! whatever such a server did not take is never said to be delivered, and what it said of one message
//! never refuses another.
//!
//! What nobody can see is left out: a server that says 250 when the whole content has reached it has
//! answered, whatever it says later; and one that adds replies and leaves out others in one transaction
//! says what it likes. `FASTPATH_DIALOGUES` asks for more conversations than `make test` holds, and
//! `FASTPATH_DIALOGUE_SEED` for others.

use std::cell::Cell;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::scene::{delivery, message, request};
use crate::delivery::{
    AttemptResult, CommitPoint, Delivery, MailTransactionStart, StartError, TimeoutProfile,
};
use crate::message::{Message, Outcome};
use crate::settings::next_hop::NextHopPolicy;
use crate::settings::{NextHop, TlsPolicy, UncertainPolicy};
use crate::smtp::Protocol;

/// Transactions that `make test` holds.
const DIALOGUES: u64 = 100_000;
/// Transactions with one server, many of them on one connection.
const DIALOGUES_PER_SERVER: u64 = 50;
/// They mostly wait.
const THREADS: u64 = 4;
/// Content that does not leave in one write with its end.
const LARGE_BYTES: usize = 80_000;
/// Looks in a row that see nobody stir, after which everybody waits.
const LOOKS: u32 = 5;
/// Between two of them.
const LOOK: Duration = Duration::from_micros(100);
/// The clock moves on by these while everybody waits: what a server waits for comes before what a client
/// does.
const TICKS: [Duration; 3] = [
    Duration::from_millis(25),
    Duration::from_millis(25),
    Duration::from_secs(12),
];
const LAST_TICK: Duration = Duration::from_secs(200);
/// A server's pause, which ends with the first tick.
const PAUSE: Duration = Duration::from_millis(20);
/// A client's pause, which ends with the second: a server has said meanwhile what it had to say.
const CLIENT_PAUSE: Duration = Duration::from_millis(40);
/// What a server has room for that reads when it likes.
const NARROW_BYTES: u32 = 4_096;
/// With more content than this to come, its end is in nobody's buffer but the client's.
const FAR_BYTES: usize = 40_000;

thread_local! {
    /// Counts what servers read and write.
    static STIRS: Cell<u64> = const { Cell::new(0) };
}

/// Moves a clock that stands still, the further the longer nobody stirs. Left alone, it would jump to the
/// next time-out while replies are under way.
async fn move_clock() {
    let mut ticks = TICKS.iter();
    loop {
        let before = STIRS.get();
        for _ in 0..LOOKS {
            tokio::task::yield_now().await;
            if STIRS.get() != before {
                ticks = TICKS.iter();
                break;
            }
            // For the kernel, which may be late with what was sent.
            std::thread::park_timeout(LOOK);
        }
        if STIRS.get() == before {
            tokio::time::advance(*ticks.next().unwrap_or(&LAST_TICK)).await;
        }
    }
}

/// What is wrong with the replies to one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Added,
    LeftOut,
    Early,
    InParts,
    Late,
}

impl Fault {
    fn random(random: &mut StdRng) -> Self {
        const ALL: [Fault; 8] = [
            Fault::None,
            Fault::Added,
            Fault::Added,
            Fault::Added,
            Fault::LeftOut,
            Fault::Early,
            Fault::InParts,
            Fault::Late,
        ];
        ALL[random.random_range(0..ALL.len())]
    }
}

/// In replies that belong to no message any more.
const LEFT_OVER: &str = "left over";

/// What the server has taken: each message's mark with each of its recipients.
type Taken = Arc<Mutex<HashSet<(String, String)>>>;

/// What a server is like.
#[derive(Clone, Copy, Debug)]
struct Nature {
    protocol: Protocol,
    pipelining: bool,
    tls: bool,
    /// It has little room for what it has not read.
    narrow: bool,
}

struct MailServer<S> {
    stream: S,
    nature: Nature,
    random: StdRng,
    taken: Taken,
    received: Vec<u8>,
    fault: Fault,
    /// The replies to the next commands were given early.
    given: usize,
    /// A reply was added on this connection.
    has_added: bool,
    accepted: Vec<String>,
}

/// Why a conversation ended: the client left, or what it said made no sense any more.
struct Ended;

impl<S: AsyncRead + AsyncWrite + Unpin> MailServer<S> {
    fn new(stream: S, nature: Nature, random: StdRng, taken: Taken) -> Self {
        Self {
            stream,
            nature,
            random,
            taken,
            received: Vec::new(),
            fault: Fault::None,
            given: 0,
            has_added: false,
            accepted: Vec::new(),
        }
    }

    /// Answers commands until the client leaves, or asks for TLS.
    async fn serve(&mut self) -> Result<(), Ended> {
        loop {
            let line = self.line().await?;
            let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match word.as_str() {
                "EHLO" | "LHLO" => self.introduce().await?,
                "STAR" => {
                    self.write("220 go ahead\r\n").await?;
                    return Ok(());
                }
                "RSET" => self.answer("250 reset").await?,
                "MAIL" => {
                    self.fault = Fault::random(&mut self.random);
                    if self.fault == Fault::LeftOut && self.has_added {
                        self.fault = Fault::None;
                    }
                    self.accepted.clear();
                    self.answer("250 sender ok").await?;
                }
                "RCPT" => self.recipient(&line).await?,
                "DATA" if self.accepted.is_empty() => self.answer("503 nobody").await?,
                "DATA" => self.content().await?,
                "QUIT" => return Err(Ended),
                _ => self.answer("500 what?").await?,
            }
        }
    }

    async fn introduce(&mut self) -> Result<(), Ended> {
        let mut lines = vec!["8BITMIME", "SIZE 10000000", "CHUNKING"];
        if self.nature.pipelining {
            lines.push("PIPELINING");
        }
        if self.nature.tls {
            lines.push("STARTTLS");
        }
        let lines: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
        self.write(&format!("250-server\r\n{lines}250 HELP\r\n"))
            .await
    }

    async fn recipient(&mut self, line: &str) -> Result<(), Ended> {
        if self.random.random_bool(0.3) {
            return self.answer("550 5.1.1 nobody").await;
        }
        let from = line.find('<').ok_or(Ended)?;
        let to = line.find('>').ok_or(Ended)?;
        self.accepted.push(line[from + 1..to].to_owned());
        self.answer("250 recipient ok").await
    }

    /// DATA, for somebody who was accepted.
    async fn content(&mut self) -> Result<(), Ended> {
        if self.random.random_bool(0.1) {
            self.accepted.clear();
            return self.answer("451 4.3.0 not now").await;
        }
        self.answer("354 go on").await?;
        let mut content = Vec::new();
        while let Some(line) = self.content_line().await? {
            content.extend_from_slice(&line);
        }
        let content = String::from_utf8(content).map_err(|_| Ended)?;
        let mark = content.lines().find_map(|line| line.strip_prefix("Mark: "));
        let mark = mark.ok_or(Ended)?.to_owned();
        let judged = match self.nature.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => self.accepted.len(),
        };
        let takes: Vec<bool> = (0..judged).map(|_| self.random.random_bool(0.6)).collect();
        for (number, recipient) in self.accepted.drain(..).enumerate() {
            if takes[number.min(judged - 1)] && self.given == 0 {
                let mut taken = self.taken.lock().expect("nobody panicked");
                taken.insert((mark.clone(), recipient));
            }
        }
        self.judge(&takes).await
    }

    /// The replies to the end of data. What is added to them comes with them.
    async fn judge(&mut self, takes: &[bool]) -> Result<(), Ended> {
        if self.given > 0 {
            self.given -= 1;
            return Ok(());
        }
        let mut replies = String::new();
        for take in takes {
            if self.is_faulty(Fault::LeftOut) {
                continue;
            }
            if self.is_faulty(Fault::Added) {
                replies.push_str(self.stray());
            }
            replies.push_str(match take {
                true => "250 2.0.0 taken\r\n",
                false => "554 5.6.0 not this\r\n",
            });
        }
        if self.is_faulty(Fault::Late) {
            self.pause().await;
        }
        self.write(&replies).await?;
        if self.is_faulty(Fault::Added) && self.nature.protocol == Protocol::Smtp {
            // It is there when the connection is used again, or comes a moment later.
            self.pause().await;
            let stray = self.stray().replace("stray", LEFT_OVER);
            self.write(&stray).await?;
        }
        Ok(())
    }

    /// One reply, with what is wrong about it.
    async fn answer(&mut self, reply: &str) -> Result<(), Ended> {
        if self.given > 0 {
            self.given -= 1;
            return Ok(());
        }
        let reply = format!("{reply}\r\n");
        if !self.is_faulty(self.fault) {
            return self.write(&reply).await;
        }
        match self.fault {
            Fault::None => self.write(&reply).await,
            Fault::LeftOut => Ok(()),
            Fault::Added => self.answer_with_more(&reply).await,
            Fault::Early => self.answer_early(&reply).await,
            Fault::InParts => {
                let (front, back) = reply.split_at(self.random.random_range(1..reply.len()));
                self.write(front).await?;
                self.pause().await;
                self.write(back).await
            }
            Fault::Late => {
                self.pause().await;
                self.write(&reply).await
            }
        }
    }

    async fn answer_with_more(&mut self, reply: &str) -> Result<(), Ended> {
        let before = self.random.random_bool(0.5);
        let apart = self.random.random_bool(0.5);
        let is_first = !std::mem::replace(&mut self.has_added, true);
        // A second 354 is one thing, and one that is behind other strays another: that server could say
        // whatever is waited for.
        let stray = match reply.starts_with("354") {
            true if is_first && self.random.random_bool(0.5) => "354 go on\r\n",
            _ => self.stray(),
        };
        let (first, second) = match before {
            true => (stray, reply),
            false => (reply, stray),
        };
        if !apart {
            return self.write(&format!("{first}{second}")).await;
        }
        self.write(first).await?;
        self.pause().await;
        // Behind the end of the content it would be the answer to it.
        if second == stray && reply.starts_with("354") && self.has_the_end().await {
            return Ok(());
        }
        self.write(second).await
    }

    /// The reply, and the one to what comes next: that one is the same for all that this server says.
    async fn answer_early(&mut self, reply: &str) -> Result<(), Ended> {
        if !reply.starts_with("354") {
            return self.write(reply).await;
        }
        self.write(reply).await?;
        if self.random.random_bool(0.5) {
            self.pause().await;
        }
        let may_have_the_end = match self.nature.narrow && self.random.random_bool(0.5) {
            true => !self.is_far_from_the_end().await?,
            false => self.has_the_end().await,
        };
        if may_have_the_end {
            return Ok(());
        }
        self.given += 1;
        self.write("250 2.0.0 taken\r\n").await?;
        // It reads on when the client knows.
        sleep(PAUSE).await;
        Ok(())
    }

    /// Reads as little as tells how much is to come.
    async fn is_far_from_the_end(&mut self) -> Result<bool, Ended> {
        while !self.received.windows(4).any(|window| window == b"\r\n\r\n") {
            self.read().await?;
        }
        let head = String::from_utf8_lossy(&self.received);
        let bytes = head.lines().find_map(|line| line.strip_prefix("Bytes: "));
        let bytes: usize = bytes.ok_or(Ended)?.parse().map_err(|_| Ended)?;
        Ok(bytes > self.received.len() + FAR_BYTES)
    }

    fn stray(&mut self) -> &'static str {
        const STRAYS: [&str; 6] = [
            "250 stray\r\n",
            "250 stray\r\n",
            "250-stray\r\n250 of two lines\r\n",
            "220 stray\r\n",
            "451 4.0.0 stray\r\n",
            "550 5.0.0 stray\r\n",
        ];
        self.has_added = true;
        STRAYS[self.random.random_range(0..STRAYS.len())]
    }

    fn is_faulty(&mut self, fault: Fault) -> bool {
        fault == self.fault && self.random.random_bool(0.4)
    }

    /// Long enough for the client to go on, and sometimes for longer than it waits.
    async fn pause(&mut self) {
        match self.random.random_range(0..10) {
            0..5 => tokio::task::yield_now().await,
            5..9 => sleep(PAUSE).await,
            _ => sleep(Duration::from_secs(11)).await,
        }
    }

    async fn write(&mut self, text: &str) -> Result<(), Ended> {
        STIRS.with(|stirs| stirs.set(stirs.get() + 1));
        let written = self.stream.write_all(text.as_bytes()).await;
        written.map_err(|_| Ended)?;
        self.stream.flush().await.map_err(|_| Ended)
    }

    /// Whether the end of the content has come by now.
    async fn has_the_end(&mut self) -> bool {
        let all = async { while self.read().await.is_ok() {} };
        // What is there is read before the clock moves, and what the client sends when it has moved.
        let _ = tokio::time::timeout(Duration::from_nanos(1), all).await;
        let mut looks = 0;
        while looks < LOOKS {
            tokio::task::yield_now().await;
            looks = match self.read().now_or_never() {
                Some(Ok(())) => 0,
                _ => looks + 1,
            };
        }
        let content = &self.received;
        content.starts_with(b".\r\n") || content.windows(5).any(|window| window == b"\r\n.\r\n")
    }

    async fn content_line(&mut self) -> Result<Option<Vec<u8>>, Ended> {
        let line = self.bytes_of_line().await?;
        Ok((line != b".\r\n").then_some(line))
    }

    async fn line(&mut self) -> Result<String, Ended> {
        let line = self.bytes_of_line().await?;
        String::from_utf8(line).map_err(|_| Ended)
    }

    async fn bytes_of_line(&mut self) -> Result<Vec<u8>, Ended> {
        loop {
            let end = self.received.iter().position(|&byte| byte == b'\n');
            if let Some(end) = end {
                return Ok(self.received.drain(..=end).collect());
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Ended> {
        STIRS.with(|stirs| stirs.set(stirs.get() + 1));
        match self.stream.read_buf(&mut self.received).await {
            Ok(0) | Err(_) => Err(Ended),
            Ok(_) => Ok(()),
        }
    }
}

/// One connection from its greeting on.
async fn hold(
    socket: TcpStream,
    nature: Nature,
    random: StdRng,
    taken: Taken,
    acceptor: TlsAcceptor,
) -> Result<(), Ended> {
    let mut plain = MailServer::new(socket, nature, random, taken);
    plain.write("220 server ready\r\n").await?;
    plain.serve().await?;
    let MailServer {
        stream,
        random,
        taken,
        ..
    } = plain;
    let secured = acceptor.accept(stream).await.map_err(|_| Ended)?;
    let nature = Nature {
        tls: false,
        ..nature
    };
    MailServer::new(secured, nature, random, taken)
        .serve()
        .await
}

async fn listen(nature: Nature, mut random: StdRng, taken: Taken) -> SocketAddr {
    let socket = TcpSocket::new_v4().expect("a socket");
    if nature.narrow {
        let narrowed = socket.set_recv_buffer_size(NARROW_BYTES);
        narrowed.expect("a new socket");
    }
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(anywhere).expect("a free port");
    let listener = socket.listen(16).expect("it is bound");
    let address = listener.local_addr().expect("it is bound");
    let acceptor = super::secured::acceptor();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // What is said in parts is not to be held together by the kernel.
            socket.set_nodelay(true).expect("an open socket");
            let random = StdRng::seed_from_u64(random.random());
            let (taken, acceptor) = (Arc::clone(&taken), acceptor.clone());
            tokio::spawn(hold(socket, nature, random, taken, acceptor));
        }
    });
    address
}

fn content(random: &mut StdRng, mark: &str) -> String {
    let lines = match random.random_bool(0.1) {
        true => LARGE_BYTES / 100,
        false => 1,
    };
    let text = format!("{}\r\n", "x".repeat(98)).repeat(lines);
    format!("Mark: {mark}\r\nBytes: {}\r\n\r\n{text}", text.len())
}

/// A client that takes its time now and then.
struct Hesitant(Mutex<StdRng>);

impl Hesitant {
    fn new(random: &mut StdRng) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(random.random())))
    }

    async fn hesitate(&self) {
        let hesitates = self.0.lock().expect("nobody panicked").random_bool(0.2);
        if hesitates {
            sleep(CLIENT_PAUSE).await;
        }
    }
}

impl CommitPoint for Hesitant {
    async fn may_commit(&self) -> bool {
        self.hesitate().await;
        true
    }

    fn handed_over(&self) {}
}

/// A message straight through, as a session sends it.
async fn straight_through(
    delivery: &Arc<Delivery>,
    next_hop: &Arc<NextHop>,
    message: &Message,
    client: &Hesitant,
) -> Vec<(usize, Outcome)> {
    let recipients = &message.envelope.recipients;
    let start = MailTransactionStart {
        next_hop,
        envelope: &message.envelope,
        declared_size: None,
        recipient: &recipients[0],
        tries: 1,
        busy_wait: Duration::ZERO,
    };
    let mut transaction = match delivery.begin(start).await {
        Ok(transaction) => transaction,
        Err(StartError::Answered(outcome, _)) => return vec![(0, outcome)],
        Err(_) => return Vec::new(),
    };
    let mut accepted = vec![0];
    let mut outcomes = Vec::new();
    for (position, recipient) in recipients.iter().enumerate().skip(1) {
        client.hesitate().await;
        match transaction.add(recipient).await {
            Ok(()) => accepted.push(position),
            Err(outcome) => outcomes.push((position, outcome)),
        }
    }
    client.hesitate().await;
    if transaction.start_content().await.is_err() {
        return outcomes;
    }
    let body: Vec<&[u8]> = message.head().collect();
    let (last, before) = body.split_last().expect("it is not empty");
    for block in before.iter().flat_map(|block| block.chunks(20_000)) {
        if transaction.send(&[block]).await.is_err() {
            return outcomes;
        }
        client.hesitate().await;
    }
    client.hesitate().await;
    if transaction.send_end(&[last]).await.is_ok() {
        outcomes.extend(transaction.conclude(&accepted).await.outcomes);
    }
    outcomes
}

/// Transactions with one server, and how many of them were delivered to whom it took them for.
async fn with_one_server(seed: u64) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let nature = Nature {
        protocol: match random.random_bool(0.2) {
            true => Protocol::Lmtp,
            false => Protocol::Smtp,
        },
        pipelining: random.random_bool(0.7),
        tls: random.random_bool(0.2),
        narrow: random.random_bool(0.3),
    };
    let taken = Taken::default();
    let server = listen(
        nature,
        StdRng::seed_from_u64(random.random()),
        Arc::clone(&taken),
    );
    let scheme = match nature.protocol {
        Protocol::Smtp => "smtp",
        Protocol::Lmtp => "lmtp",
    };
    let address = format!("{scheme}://{}", server.await).parse();
    let next_hop = NextHopPolicy {
        tls: TlsPolicy::Opportunistic,
        connections_max: 1,
        ..NextHopPolicy::default()
    }
    .at(&address.expect("an address"));
    assert_eq!(next_hop.uncertain, UncertainPolicy::Retry);
    let next_hop = Arc::new(next_hop);
    let delivery = delivery();
    let client = Hesitant::new(&mut random);
    let mut delivered = 0;
    for number in 0..DIALOGUES_PER_SERVER {
        let mark = format!("{seed}-{number}");
        let recipients = random.random_range(1..4);
        let message = message(recipients, &content(&mut random, &mark));
        let kind = random.random_range(0..3);
        let envelope = message.envelope.clone();
        let outcomes = match kind {
            0 => straight_through(&delivery, &next_hop, &message, &client).await,
            _ => {
                let mut request = request(message, (*next_hop).clone());
                if kind == 1 {
                    request.timeouts = TimeoutProfile::Queue;
                }
                let report: AttemptResult = delivery.attempt(request, &client).await;
                report.outcomes
            }
        };
        delivery.probe_now(next_hop.name());
        let taken = taken.lock().expect("nobody panicked");
        for (position, outcome) in outcomes {
            assert!(
                !matches!(&outcome, Outcome::Refused(reply) if reply.text.contains(LEFT_OVER)),
                "FASTPATH_DIALOGUE_SEED={seed}: {nature:?}: message {number} is refused for another"
            );
            if let Outcome::Delivered(reply) = outcome {
                let recipient = envelope.recipients[position].address.to_string();
                assert!(
                    taken.contains(&(mark.clone(), recipient.clone())),
                    "FASTPATH_DIALOGUE_SEED={seed}: {nature:?}: message {number} is not at {recipient}, \
                     and yet: {reply}"
                );
                delivered += 1;
            }
        }
    }
    delivered
}

fn from_environment(name: &str) -> Option<u64> {
    let given = std::env::var(name).ok()?;
    Some(given.parse().expect("a number"))
}

/// Servers of these seeds, in a runtime whose clock moves when everybody waits.
fn hold_with(seeds: impl Iterator<Item = u64>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.spawn(move_clock());
    seeds
        .map(|seed| runtime.block_on(with_one_server(seed)))
        .sum()
}

#[test]
fn what_a_server_did_not_take_is_never_delivered() {
    let dialogues = from_environment("FASTPATH_DIALOGUES").unwrap_or(DIALOGUES);
    let seed = from_environment("FASTPATH_DIALOGUE_SEED").unwrap_or(0);
    let end = seed + dialogues.div_ceil(DIALOGUES_PER_SERVER);
    let threads = (0..THREADS).map(|first| {
        let seeds = (seed + first..end).step_by(THREADS as usize);
        std::thread::spawn(move || hold_with(seeds))
    });
    // All are started before the first is waited for.
    let threads: Vec<_> = threads.collect();
    let delivered: usize = threads
        .into_iter()
        .map(|thread| thread.join().expect("a server said what it did not take"))
        .sum();
    // The conversations are about something.
    assert!(
        delivered as u64 > dialogues / 10,
        "{delivered} deliveries in {dialogues} transactions"
    );
}
