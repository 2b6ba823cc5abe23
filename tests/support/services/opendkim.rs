//! OpenDKIM, a milter that signs what comes from loopback.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Door, Service, place, write};
use crate::support::peers::{ReservedPort, program};

/// The selector of its signatures.
pub(crate) const SELECTOR: &str = "scenes";

pub(crate) struct Opendkim {
    pub(crate) service: Service,
    key: KeyPair,
}

impl Opendkim {
    /// Starts one on a port that signs for this domain.
    pub(crate) async fn start(domain: &str) -> Opendkim {
        let port = ReservedPort::take();
        let address = port.address();
        let socket = format!("inet:{}@{}", address.port(), address.ip());
        Opendkim::listen(domain, place("opendkim"), &socket, Door::Port(address)).await
    }

    /// As [`Opendkim::start`], on a unix socket.
    pub(crate) async fn start_on_socket(domain: &str) -> Opendkim {
        let place = place("opendkim");
        let path = place.path().join("socket");
        let socket = format!("local:{}", path.display());
        Opendkim::listen(domain, place, &socket, Door::Socket(path)).await
    }

    async fn listen(domain: &str, place: TempDir, socket: &str, door: Door) -> Opendkim {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let key_file = write(&place, "key.pem", key.serialize_pem());
        // The key is in a directory below one that everybody may write to, which it calls unsafe.
        let configuration = format!(
            "Mode s\n\
             Domain {domain}\n\
             Selector {SELECTOR}\n\
             KeyFile {key_file}\n\
             RequireSafeKeys no\n\
             Canonicalization relaxed/relaxed\n\
             InternalHosts 127.0.0.1\n\
             Socket {socket}\n\
             Background no\n\
             AutoRestart no\n\
             Syslog no\n",
            key_file = key_file.display(),
        );
        let configuration = write(&place, "opendkim.conf", configuration);
        let mut command = Command::new(program("opendkim"));
        command.arg("-f").arg("-x").arg(configuration);
        let service = Service::start("opendkim", place, &mut command, door).await;
        Opendkim { service, key }
    }

    /// Where it speaks the milter protocol.
    pub(crate) fn door(&self) -> &Door {
        &self.service.door
    }

    /// What `scenes._domainkey` of its domain would say in the DNS, for whoever verifies a signature.
    pub(crate) fn dns_record(&self) -> String {
        let public_key = STANDARD.encode(self.key.subject_public_key_info());
        format!("v=DKIM1; k=rsa; p={public_key}")
    }
}
