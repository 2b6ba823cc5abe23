//! Ten thousand strangers who begin a message and say no more, in a container of 256 MiB: the relay lives,
//! tells most of them to come another time, and a client that it trusts goes on sending.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::appliance::{Appliance, Plan};
use crate::support::memory_group::MemoryGroup;
use crate::support::messages;
use crate::support::raw_sink::{RawSink, Script};
use crate::support::turn;
use crate::support::wait;

const STRANGERS: usize = 10_000;
const MEMORY_BYTES: u64 = 256 << 20;
/// What the process itself may hold of them; the rest is the kernel's, and the cache of files.
const RESIDENT_LIMIT: u64 = 230 << 20;
/// Fewer than an address may have.
const SESSIONS_PER_ADDRESS: usize = 40;
/// Strangers who come at one time.
const COMING: usize = 100;
const ALL_CAME_WAIT: Duration = Duration::from_secs(180);
/// Messages of the trusted client while strangers come, and then.
const MESSAGES: usize = 300;
/// Far more than it takes, for a build that is not optimised on a loaded machine.
const P99_LIMIT: Duration = Duration::from_secs(2);
/// What one session may hold that has sent 100 KB of a message and says no more.
const SESSION_LIMIT: u64 = 100_000;
/// How the client process is told where to go, and how many are to come.
const ADDRESS: &str = "FASTPATH_SCENE_ADDRESS";
const COUNT: &str = "FASTPATH_SCENE_COUNT";
/// What the client process says when all have come: how many were let in.
const LET_IN: &str = "let in: ";

/// The strangers, in a process of their own: they have descriptors of their own then, and their memory is
/// not the relay's. It ends when its standard input does.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a scene: the client process of those below"]
async fn client_process() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .unwrap();
    let told = |name| std::env::var(name).expect("the scene says");
    let address: SocketAddr = told(ADDRESS).parse().unwrap();
    let count: usize = told(COUNT).parse().unwrap();
    let mut sessions = Vec::new();
    for first in (0..count).step_by(COMING) {
        let next = first..count.min(first + COMING);
        let coming: Vec<_> = next
            .map(|number| tokio::spawn(come(address, number)))
            .collect();
        for session in coming {
            sessions.extend(session.await.unwrap());
        }
    }
    println!("\n{LET_IN}{}", sessions.len());
    let mut thrown_away = Vec::new();
    tokio::io::stdin()
        .read_to_end(&mut thrown_away)
        .await
        .unwrap();
}

/// A stranger: its session, if it was let in.
async fn come(address: SocketAddr, number: usize) -> Option<TcpStream> {
    let network = u32::try_from(number / SESSIONS_PER_ADDRESS).unwrap();
    let source = Ipv4Addr::from_bits(Ipv4Addr::new(127, 9, 0, 1).to_bits() + network);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    match reply(&mut stream).await {
        220 => {}
        421 => return None,
        other => panic!("{other} is no greeting"),
    }
    let line = format!("{}\r\n", "y".repeat(70));
    let begun: &[(&str, &[u16])] = &[
        ("EHLO stranger\r\n", &[250]),
        ("MAIL FROM:<a@example.com>\r\n", &[250]),
        ("RCPT TO:<b@example.net>\r\n", &[250]),
        // Where there is no memory for it, it stays for nothing.
        ("DATA\r\n", &[354, 452]),
    ];
    let mut last = 0;
    for (said, expected) in begun {
        stream.write_all(said.as_bytes()).await.unwrap();
        last = reply(&mut stream).await;
        assert!(expected.contains(&last), "{last} to {said}");
    }
    if last == 354 {
        let content = line.repeat(100_000 / line.len());
        stream.write_all(content.as_bytes()).await.unwrap();
    }
    Some(stream)
}

/// The code of the next reply; 421 as well when there is none, since a connection that is closed over what
/// its client sends is reset.
async fn reply(stream: &mut TcpStream) -> u16 {
    let mut text = Vec::new();
    loop {
        let last = text.split(|byte| *byte == b'\n').rev().nth(1);
        if let Some([code @ .., b'\r']) = last
            && let Some((code, b" ")) = code.get(..4).map(|front| front.split_at(3))
        {
            return std::str::from_utf8(code).unwrap().parse().unwrap();
        }
        if !matches!(stream.read_buf(&mut text).await, Ok(1..)) {
            return 421;
        }
    }
}

/// Strangers who have come, as far as they were let in. They go when this is dropped.
struct Strangers {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Strangers {
    fn come(address: SocketAddr, count: usize) -> Strangers {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "strangers::client_process",
                "--nocapture",
            ])
            .env(ADDRESS, address.to_string())
            .env(COUNT, count.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = process.stdout.take().expect("it is piped");
        Strangers {
            process,
            lines: BufReader::new(output).lines(),
        }
    }

    /// How many of them were let in, when all have come.
    async fn let_in(&mut self) -> usize {
        let all_came = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(count) = line.strip_prefix(LET_IN) {
                    return count.parse().unwrap();
                }
            }
            let ended = self.process.wait().await;
            panic!("the strangers ended before all had come: {ended:?}");
        };
        wait::within("all strangers to come", ALL_CAME_WAIT, all_came).await
    }
}

/// Trusts this machine's own address alone, and relays for one domain.
async fn start(plan: Plan) -> (Appliance, RawSink) {
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = plan.next_hop(sink.address()).start().await;
    let settings = json!({
        "trusted_networks": ["127.0.0.1/32"],
        "relay_domains": ["example.net"],
    });
    appliance.set(settings).await;
    (appliance, sink)
}

/// Has a trusted client send one message on a new connection; says how long that took.
async fn send(appliance: &Appliance, number: usize) -> Duration {
    let began = Instant::now();
    let mut client = appliance.client().await;
    let content = messages::small(&number.to_string());
    let reply = client
        .message("<a@example.org>", &["<c@example.com>"], &content)
        .await;
    assert!(
        reply.code == 250 && reply.text().contains("Delivered"),
        "{reply}"
    );
    client.command("QUIT", 221).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_strangers_in_a_small_container() {
    let Some(group) = MemoryGroup::limited_to(MEMORY_BYTES) else {
        return;
    };
    let _turn = turn::take().await;
    let (mut appliance, sink) = start(Plan::new().under(group.command())).await;
    let mut strangers = Strangers::come(appliance.smtp(), STRANGERS);
    let mut took = Vec::new();
    for number in 0..MESSAGES {
        took.push(send(&appliance, number).await);
    }
    let let_in = strangers.let_in().await;
    for number in MESSAGES..2 * MESSAGES {
        took.push(send(&appliance, number).await);
    }
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    let resident = appliance.process().resident_bytes();
    println!(
        "{let_in} of {STRANGERS} strangers let in, {} MB resident; a trusted client's p99: {} ms",
        resident / 1_000_000,
        p99.as_millis()
    );
    assert!(appliance.is_running());
    assert_eq!(group.kills(), 0);
    assert!(resident < RESIDENT_LIMIT, "{resident} bytes");
    assert!((500..5_000).contains(&let_in), "{let_in} were let in");
    assert!(p99 < P99_LIMIT, "{p99:?}");
    assert_eq!(sink.accepted().len(), 2 * MESSAGES);
    drop(strangers);
    appliance.terminate(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_stops_within_data_is_cheap() {
    const SESSIONS: usize = 500;
    let _turn = turn::take().await;
    let (appliance, _sink) = start(Plan::new()).await;
    send(&appliance, 0).await;
    let before = appliance.process().resident_bytes();
    let mut strangers = Strangers::come(appliance.smtp(), SESSIONS);
    assert_eq!(strangers.let_in().await, SESSIONS);
    let each = || {
        let resident = appliance.process().resident_bytes();
        resident.saturating_sub(before) / SESSIONS as u64
    };
    let looks = wait::Looks::at("the memory of silent sessions to go back", wait::PATIENCE);
    while each() >= SESSION_LIMIT {
        looks.again().await;
    }
    println!("{} KB a session that stopped within data", each() / 1_000);
}
