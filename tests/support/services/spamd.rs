//! SpamAssassin's spamd, with rules of the scenes' own and no others: it asks nobody.

use std::fmt::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use tokio::process::Command;

use super::{Door, Service, gtube, place, write};
use crate::support::peers::{ReservedPort, program};

/// The points from which on a message is spam.
pub(crate) const THRESHOLD: u32 = 5;
/// The most points that a subject can claim.
const MOST_POINTS: u32 = 20;

/// GTUBE is worth 1000 points, and a subject says what the message is worth: "worth 7 points".
fn rules() -> String {
    let gtube = gtube().replace('*', r"\*").replace('.', r"\.");
    let mut rules = format!(
        "loadplugin Mail::SpamAssassin::Plugin::Check\n\
         util_rb_tld com net org\n\
         required_score {THRESHOLD}\n\
         use_bayes 0\n\
         body GTUBE /{gtube}/\n\
         score GTUBE 1000\n"
    );
    for points in 1..=MOST_POINTS {
        let name = format!("SUBJECT_WORTH_{points}");
        writeln!(rules, "header {name} Subject =~ /\\bworth {points} points/").unwrap();
        writeln!(rules, "score {name} {points}").unwrap();
    }
    rules
}

pub(crate) struct Spamd {
    pub(crate) service: Service,
    address: SocketAddr,
}

impl Spamd {
    pub(crate) async fn start() -> Spamd {
        let port = ReservedPort::take();
        let address = port.address();
        let place = place("spamd");
        for directory in ["rules", "site"] {
            std::fs::create_dir(place.path().join(directory)).unwrap();
        }
        write(&place, "rules/scenes.cf", rules());
        let mut command = Command::new(program("spamd"));
        command
            .args(["--local", "--nouser-config", "--syslog=stderr"])
            .args(["--max-children=2", "--min-children=1"])
            .arg(format!("--listen={address}"))
            .arg("--configpath")
            .arg(place.path().join("rules"))
            .arg("--siteconfigpath")
            .arg(place.path().join("site"))
            .arg("--pidfile")
            .arg(place.path().join("pid"))
            .arg("--helper-home-dir")
            .arg(place.path());
        if rustix::process::getuid().is_root() {
            // It never scans as root.
            command.args(["--username", "nobody"]);
            std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let door = Door::Port(address);
        let service = Service::start("spamd", place, &mut command, door).await;
        Spamd { service, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
