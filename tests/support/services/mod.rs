//! The services that the conditions ask, as they really are: virus and spam scanners, milters, a
//! directory, OpenPGP. Each runs in the foreground on loopback, with a configuration and a directory
//! of the scene's own, and ends with the value that stands for it.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};

use super::process::Process;
use super::wait::{self, Looks, PATIENCE};

pub(crate) mod clamav_milter;
pub(crate) mod clamd;
pub(crate) mod dovecot;
pub(crate) mod gnupg;
pub(crate) mod opendkim;
pub(crate) mod rspamd;
pub(crate) mod scripted_clamd;
pub(crate) mod slapd;
pub(crate) mod spamd;

/// Where a service is spoken to.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// A port on loopback.
    Port(SocketAddr),
    /// A unix socket.
    Socket(PathBuf),
}

/// A connection to either kind of door.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Door {
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Wire>> {
        Ok(match self {
            Door::Port(address) => Box::new(TcpStream::connect(address).await?),
            Door::Socket(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

/// A running service. It is killed when this is dropped; when that happens in a panic, what it said
/// is printed.
pub(crate) struct Service {
    name: &'static str,
    child: Child,
    door: Door,
    /// Owns the configuration, the data and the log.
    place: TempDir,
}

/// The directory of one service.
fn place(name: &str) -> TempDir {
    let prefix = format!("fastpath-{name}-");
    tempfile::Builder::new().prefix(&prefix).tempdir().unwrap()
}

/// Writes a file into a service's directory and gives its path.
fn write(place: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = place.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

impl Service {
    /// Runs a command that stays in the foreground and waits until its door opens.
    async fn start(
        name: &'static str,
        place: TempDir,
        command: &mut Command,
        door: Door,
    ) -> Service {
        let log = File::create(log_of(&place)).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let mut service = Service {
            name,
            child,
            door,
            place,
        };
        let looks = Looks::at(&format!("{name} to open its door"), PATIENCE);
        while service.door.connect().await.is_err() {
            if let Some(status) = service.child.try_wait().unwrap() {
                panic!("{name} ended while starting: {status}");
            }
            looks.again().await;
        }
        service
    }

    /// Its directory.
    fn path(&self) -> &Path {
        self.place.path()
    }

    /// It stops with whatever it does, and takes what comes without a word.
    pub(crate) fn halt(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on after [`Service::halt`].
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let process = Process(self.child.id().expect("it has not been waited for"));
        process.signal(signal);
        for worker in process.children() {
            worker.try_signal(signal);
        }
    }

    /// Ends the service; from here on its door is closed.
    pub(crate) async fn stop(mut self) {
        let workers = self.kill();
        let ended = self.child.wait();
        wait::within(self.name, PATIENCE, ended).await.unwrap();
        let what = format!("the workers of {} to end", self.name);
        wait::until_true(&what, PATIENCE, || async {
            !workers.iter().any(|worker| worker.is_running())
        })
        .await;
    }

    /// SIGKILL to the process and to its workers, which it might not take along and which are given.
    fn kill(&mut self) -> Vec<Process> {
        // The workers can only be found while the process is there.
        let workers = self.child.id().map(|id| Process(id).children());
        let _ = self.child.start_kill();
        let workers = workers.unwrap_or_default();
        for worker in &workers {
            worker.try_signal(Signal::KILL);
        }
        workers
    }
}

fn log_of(place: &TempDir) -> PathBuf {
    place.path().join("log")
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = fs::read(log_of(&self.place)).unwrap_or_default();
            eprintln!(
                "---- {} said ----\n{}",
                self.name,
                String::from_utf8_lossy(&log)
            );
        }
    }
}

/// The text that every spam scanner takes for spam. It stands here in halves, so that no scanner
/// takes this file for it.
pub(crate) fn gtube() -> String {
    [
        "XJS*C4JDBQADN1.NSBN3*2IDNEN",
        "*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X",
    ]
    .concat()
}
