//! GnuPG with a keyring of the scene's own.

use std::io::{Seek, Write};
use std::path::PathBuf;

use tokio::process::Command;

use super::{Door, Service, place};
use crate::support::peers::program;
use crate::support::wait::{self, PATIENCE};

/// A home directory with an agent that has its secret keys.
pub(crate) struct GnuPg {
    /// Held so that it runs.
    _agent: Service,
    home: PathBuf,
}

impl GnuPg {
    /// An empty keyring.
    pub(crate) async fn home() -> GnuPg {
        // Left to itself, gpg would start an agent that nobody ends. This one is the child of a program
        // that it starts, and is there as long as that is.
        let place = place("gnupg");
        let home = place.path().to_owned();
        let mut command = Command::new(program("gpg-agent"));
        command.arg("--homedir").arg(&home).args([
            "--disable-scdaemon",
            "--daemon",
            "sleep",
            "infinity",
        ]);
        let door = Door::Socket(home.join("S.gpg-agent"));
        let agent = Service::start("gpg-agent", place, &mut command, door).await;
        GnuPg {
            _agent: agent,
            home,
        }
    }

    /// Makes a key for an address, without a passphrase: one to sign, with one to encrypt below it.
    pub(crate) async fn generate_key(&self, address: &str) {
        let protection = ["--passphrase", "", "--pinentry-mode", "loopback"];
        let key = [
            "--quick-generate-key",
            address,
            "future-default",
            "default",
            "never",
        ];
        self.gpg(&[&protection[..], &key[..]].concat(), b"").await;
    }

    /// The public key of an address, armored.
    pub(crate) async fn public_key(&self, address: &str) -> String {
        let key = self.gpg(&["--armor", "--export", address], b"").await;
        String::from_utf8(key).unwrap()
    }

    /// Takes in a public key.
    pub(crate) async fn import(&self, public_key: &str) {
        self.gpg(&["--import"], public_key.as_bytes()).await;
    }

    /// Encrypts for an address whose public key is here; the result is armored.
    pub(crate) async fn encrypt(&self, address: &str, plain: &[u8]) -> Vec<u8> {
        let options = ["--trust-model", "always", "--armor"];
        let order = ["--encrypt", "--recipient", address];
        self.gpg(&[&options[..], &order[..]].concat(), plain).await
    }

    /// Decrypts what was encrypted for a key that was made here.
    pub(crate) async fn decrypt(&self, secret: &[u8]) -> Vec<u8> {
        self.gpg(&["--decrypt"], secret).await
    }

    /// Runs gpg, which must succeed, and gives what it wrote.
    async fn gpg(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        // A file, for what is written into a pipe is stuck when both sides have much to say.
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(input).unwrap();
        file.rewind().unwrap();
        let mut command = Command::new(program("gpg"));
        command
            .arg("--homedir")
            .arg(&self.home)
            .args(["--batch", "--no-autostart"])
            .args(arguments)
            .stdin(file)
            .kill_on_drop(true);
        let output = wait::within("gpg", PATIENCE, command.output())
            .await
            .unwrap();
        assert!(
            output.status.success(),
            "gpg {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}
