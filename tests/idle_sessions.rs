//! Ten thousand idle sessions: taken, kept, and cheap.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::appliance::Plan;
use crate::support::messages;
use crate::support::raw_sink::{RawSink, Script};
use crate::support::turn;
use crate::support::wait;

/// With the one that does something they are as many as there may be.
const SESSIONS: usize = 9_999;
/// Sessions that are being opened at one time.
const OPENING: usize = 100;
const RESIDENT_LIMIT: u64 = 250 * 1_000_000;
const ALL_OPEN_WAIT: Duration = Duration::from_secs(120);
/// How the client process is told where to go.
const ADDRESS: &str = "FASTPATH_SCENE_ADDRESS";
/// What the client process says when all its sessions are open.
const ALL_OPEN: &str = "all sessions are open";

/// The client side, in a process of its own: a process may have twenty thousand descriptors, and
/// the server needs its share. It ends when its standard input does.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a scene: the client process of the one below"]
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
    let address: SocketAddr = std::env::var(ADDRESS)
        .expect("the scene says where")
        .parse()
        .unwrap();
    let mut sessions = Vec::new();
    while sessions.len() < SESSIONS {
        let next = OPENING.min(SESSIONS - sessions.len());
        let opening = (0..next).map(|_| tokio::spawn(open(address)));
        for session in opening.collect::<Vec<_>>() {
            sessions.push(session.await.unwrap());
        }
    }
    println!("\n{ALL_OPEN}");
    let mut thrown_away = Vec::new();
    tokio::io::stdin()
        .read_to_end(&mut thrown_away)
        .await
        .unwrap();
}

/// One session that has said EHLO and says no more.
async fn open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    read_reply(&mut stream, "220 ").await;
    stream
        .write_all(b"EHLO idle.example.org\r\n")
        .await
        .unwrap();
    read_reply(&mut stream, "250 ").await;
    stream
}

async fn read_reply(stream: &mut TcpStream, last_line: &str) {
    let mut reply = String::new();
    let mut piece = [0; 1_024];
    while !reply.lines().any(|line| line.starts_with(last_line)) || !reply.ends_with("\r\n") {
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "the session ended behind {reply:?}");
        reply.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
}

/// Starts [`client_process`] and waits until it has all its sessions.
async fn start_clients(address: SocketAddr) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "idle_sessions::client_process",
            "--nocapture",
        ])
        .env(ADDRESS, address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let opened = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line == ALL_OPEN {
                return;
            }
        }
        panic!("the client process ended before all sessions were open");
    };
    wait::within("all sessions to be open", ALL_OPEN_WAIT, opened).await;
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_sessions_are_cheap() {
    let _turn = turn::take().await;
    let sink = RawSink::start(Script::accepting()).await;
    let appliance = Plan::new().next_hop(sink.address()).start().await;
    let _clients = start_clients(appliance.smtp()).await;

    let resident = appliance.process().resident_bytes();
    println!(
        "{SESSIONS} idle sessions: {} MB resident",
        resident / 1_000_000
    );
    assert!(resident < RESIDENT_LIMIT, "{resident} bytes");

    // Mail still passes, as quickly as ever.
    let mut client = appliance.client().await;
    let reply = client
        .message(
            "<a@example.org>",
            &["<b@example.net>"],
            &messages::small("one"),
        )
        .await;
    assert!(
        reply.code == 250 && reply.text().contains("Delivered"),
        "{reply}"
    );
}
