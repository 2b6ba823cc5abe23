//! Dovecot's LMTP server: mailboxes that take mail, one that is full, and one that is broken.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::process::Command as Blocking;

use tempfile::TempDir;
use tokio::process::Command;

use super::{Door, Service, place, write};
use crate::support::peers::{ReservedPort, directory, program};

/// Who delivers when we are root, which Dovecot does not do it as.
const NOBODY: u32 = 65_534;

/// The mailboxes: `full` takes no byte more, and `broken` is a file where a directory should be.
const USERS: &str = "good:::::/nonexistent::
second:::::/nonexistent::
full:::::/nonexistent::userdb_quota_rule=*:bytes=1
broken:::::/nonexistent::
";

pub(crate) struct Dovecot {
    service: Service,
    address: SocketAddr,
}

impl Dovecot {
    pub(crate) async fn start() -> Dovecot {
        let port = ReservedPort::take();
        let address = port.address();
        let place = place("dovecot");
        for name in ["run", "state", "mail"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        // Its services look for a module below their directory: see scripts/peers.sh.
        symlink(directory("usr"), place.path().join("run/usr")).unwrap();
        write(&place, "mail/broken", "");
        write(&place, "users", USERS);
        let deliverer = open_to_deliverer(&place);
        let configuration = configuration(&place, address, deliverer);
        let file = write(&place, "dovecot.conf", configuration);
        let mut command = Command::new(program("dovecot"));
        command.arg("-F").arg("-c").arg(file);
        let door = Door::Port(address);
        let service = Service::start("dovecot", place, &mut command, door).await;
        Dovecot { service, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The messages in a mailbox, as they stand there.
    pub(crate) fn mailbox(&self, user: &str) -> Vec<Vec<u8>> {
        let new = self.mail().join(user).join("new");
        let entries = fs::read_dir(new).into_iter().flatten();
        entries
            .map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect()
    }

    /// Puts the broken mailbox right.
    pub(crate) fn repair(&self) {
        fs::remove_file(self.mail().join("broken")).unwrap();
    }

    fn mail(&self) -> PathBuf {
        self.service.path().join("mail")
    }
}

/// Lets whoever delivers into the place, and says who that is.
fn open_to_deliverer(place: &TempDir) -> (u32, u32) {
    let ours = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    if ours.0 != 0 {
        return ours;
    }
    let mail = place.path().join("mail");
    chown(&mail, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).unwrap();
    (NOBODY, NOBODY)
}

/// Our name, or our group's.
fn name_of(flags: &str) -> String {
    let output = Blocking::new("id").arg(flags).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn configuration(place: &TempDir, address: SocketAddr, (uid, gid): (u32, u32)) -> String {
    let at = place.path().display();
    let library = directory("usr/lib/dovecot");
    let library = library.display();
    let (user, group) = (name_of("-un"), name_of("-gn"));
    let port = address.port();
    format!(
        "protocols = lmtp
base_dir = {at}/run
state_dir = {at}/state
libexec_dir = {library}
mail_plugin_dir = {library}/modules
import_environment = $import_environment LD_LIBRARY_PATH
log_path = /dev/stderr
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
ssl = no
mail_uid = {uid}
mail_gid = {gid}
mail_location = maildir:{at}/mail/%n
mail_plugins = quota
plugin {{
  quota = maildir
}}
passdb {{
  driver = passwd-file
  args = username_format=%n {at}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {at}/users
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
first_valid_uid = 0
first_valid_gid = 0
"
    )
}
