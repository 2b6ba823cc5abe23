//! Real programs that scripts/peers.sh brings in, and of the mail programs among them Postfix's
//! smtp-sink and smtp-source.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};

use super::wait::{self, PATIENCE};

/// Where scripts/peers.sh keeps what it brings in.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers");

/// The program of this name; a missing one fails the scene, because a scene that is left out in
/// silence proves nothing.
pub(crate) fn program(name: &str) -> PathBuf {
    let brought_in = Path::new(PEERS).join("bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    std::iter::once(brought_in)
        .chain(system.map(|directory| directory.join(name)))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run scripts/peers.sh (make test does)"))
}

/// The directory of this path below `/`, such as `etc/ldap/schema`, of a package that was brought in,
/// or else of the system.
pub(crate) fn directory(path: &str) -> PathBuf {
    let trees = [Path::new(PEERS).join("tree"), PathBuf::from("/")];
    trees
        .map(|tree| tree.join(path))
        .into_iter()
        .find(|directory| directory.is_dir())
        .unwrap_or_else(|| panic!("{path} is missing: run scripts/peers.sh (make test does)"))
}

/// A port on loopback for a program that cannot be given port 0. Until this is dropped nobody else is
/// given it, while the program, which says that it reuses addresses as all servers do, may bind it.
pub(crate) struct ReservedPort(TcpSocket);

impl ReservedPort {
    pub(crate) fn take() -> ReservedPort {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        ReservedPort(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

/// Postfix's smtp-sink, counting what it accepts.
pub(crate) struct SmtpSink {
    _child: Child,
    counts: NamedTempFile,
    address: SocketAddr,
}

impl SmtpSink {
    /// Starts one on a free port with these further flags.
    pub(crate) async fn start(flags: &[&str]) -> SmtpSink {
        let port = ReservedPort::take();
        let address = port.address();
        let counts = NamedTempFile::new().unwrap();
        let mut command = Command::new(program("smtp-sink"));
        if rustix::process::getuid().is_root() {
            command.args(["-u", "root"]);
        }
        let child = command
            .arg("-c")
            .args(flags)
            .args([&address.to_string(), "1024"])
            .stdout(File::create(counts.path()).unwrap())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        wait::until("smtp-sink to listen", PATIENCE, || async {
            TcpStream::connect(address).await.ok()
        })
        .await;
        SmtpSink {
            _child: child,
            counts,
            address,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Messages accepted so far; it writes a line of counters once in a while, each over the last.
    pub(crate) fn messages(&self) -> u64 {
        let text = fs::read(self.counts.path()).unwrap();
        let text = String::from_utf8_lossy(&text);
        let last = text
            .rsplit("mesg=")
            .next()
            .filter(|_| text.contains("mesg="));
        last.and_then(|rest| {
            rest.split(|character: char| !character.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
    }

    /// Waits until this many messages were accepted.
    pub(crate) async fn wait_for(&self, messages: u64) {
        let what = format!("{messages} messages at smtp-sink");
        wait::until_true(&what, PATIENCE, || async { self.messages() >= messages }).await;
    }
}

/// Drives Postfix's smtp-source at `address` until it has its last reply; every message must get 250.
pub(crate) async fn smtp_source(address: SocketAddr, connections: u32, messages: u32, bytes: u32) {
    let [connections, messages, bytes] =
        [connections, messages, bytes].map(|number| number.to_string());
    let output = run(
        Command::new(program("smtp-source"))
            .args(["-d", "-s", &connections, "-m", &messages, "-l", &bytes])
            .args(["-f", "sender@example.org", "-t", "recipient@example.net"])
            .arg(address.to_string()),
        Duration::from_secs(120),
    )
    .await;
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "smtp-source: {complaints}"
    );
}

/// Runs a program to its end within `patience`.
pub(crate) async fn run(command: &mut Command, patience: Duration) -> Output {
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    wait::within("a program's end", patience, command.output())
        .await
        .expect("the program can be started")
}
