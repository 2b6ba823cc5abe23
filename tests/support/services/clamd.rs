//! clamd, with one signature: that of the EICAR test string.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;

use super::{Door, Service, place, write};
use crate::support::peers::{ReservedPort, program};

/// What clamd calls the EICAR test string; it marks signatures that are not ClamAV's own.
pub(crate) const EICAR: &str = "Fastpath.Eicar.UNOFFICIAL";

/// The text that every virus scanner takes for a virus. It stands here in halves, so that no scanner
/// takes this file for it.
pub(crate) fn eicar() -> String {
    [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR",
        "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat()
}

pub(crate) struct Clamd {
    pub(crate) service: Service,
    address: SocketAddr,
}

impl Clamd {
    pub(crate) async fn start() -> Clamd {
        Clamd::start_with("").await
    }

    /// Starts one with these further lines of `clamd.conf`.
    pub(crate) async fn start_with(further: &str) -> Clamd {
        let port = ReservedPort::take();
        let address = port.address();
        let place = place("clamd");
        let database = place.path().join("database");
        std::fs::create_dir(&database).unwrap();
        let mut bytes = String::new();
        for byte in eicar().bytes() {
            write!(bytes, "{byte:02x}").unwrap();
        }
        // Of any type of file (0), at any offset (*).
        let signature = format!("Fastpath.Eicar:0:*:{bytes}\n");
        std::fs::write(database.join("scenes.ndb"), signature).unwrap();
        let configuration = format!(
            "Foreground yes\n\
             LocalSocket {directory}/socket\n\
             TCPAddr {host}\n\
             TCPSocket {port}\n\
             DatabaseDirectory {directory}/database\n\
             TemporaryDirectory {directory}\n\
             MaxThreads 4\n\
             {further}\n",
            directory = place.path().display(),
            host = address.ip(),
            port = address.port(),
        );
        let configuration = write(&place, "clamd.conf", configuration);
        let mut command = Command::new(program("clamd"));
        command.arg("--config-file").arg(configuration);
        // The socket is the last that it opens.
        let door = Door::Socket(place.path().join("socket"));
        let service = Service::start("clamd", place, &mut command, door).await;
        Clamd { service, address }
    }

    /// Where it listens on loopback.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its unix socket.
    pub(crate) fn socket(&self) -> &Path {
        match &self.service.door {
            Door::Socket(path) => path,
            Door::Port(_) => unreachable!("its door is the socket"),
        }
    }
}
