//! OpenLDAP's slapd, with the schemas that LDAP mail routing uses and the entries that a scene gives.

use std::net::SocketAddr;

use rcgen::generate_simple_self_signed;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Door, Service, place, write};
use crate::support::peers::{ReservedPort, directory, program, run};
use crate::support::wait::PATIENCE;

/// The entry that all others are below.
pub(crate) const SUFFIX: &str = "dc=example,dc=org";
/// Who may do everything, and the password.
pub(crate) const ADMINISTRATOR: &str = "cn=admin,dc=example,dc=org";
pub(crate) const PASSWORD: &str = "password-of-the-scenes";

/// The entry of the suffix itself.
const TOP: &str = "dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

";

pub(crate) struct Slapd {
    pub(crate) service: Service,
    address: SocketAddr,
    certificate: String,
}

impl Slapd {
    /// Starts one that has these entries, written as LDIF, below [`SUFFIX`], whose entry is there.
    /// Anybody may search it, in the clear or after StartTLS.
    pub(crate) async fn start(ldif: &str) -> Slapd {
        let port = ReservedPort::take();
        let address = port.address();
        let place = place("slapd");
        let own = generate_simple_self_signed(["localhost".to_owned(), address.ip().to_string()]);
        let own = own.unwrap();
        let certificate = own.cert.pem();
        write(&place, "certificate.pem", &certificate);
        write(&place, "key.pem", own.signing_key.serialize_pem());
        std::fs::create_dir(place.path().join("database")).unwrap();
        write(&place, "slapd.conf", configuration(&place));
        write(&place, "entries.ldif", format!("{TOP}{ldif}"));
        populate(&place).await;
        let mut command = Command::new(program("slapd"));
        // Any level of debugging keeps it in the foreground; this one (256) logs what it was asked.
        command
            .args(["-d", "256"])
            .arg("-f")
            .arg(place.path().join("slapd.conf"))
            .arg("-h")
            .arg(format!("ldap://{address}/"));
        let door = Door::Port(address);
        let service = Service::start("slapd", place, &mut command, door).await;
        Slapd {
            service,
            address,
            certificate,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate it shows after StartTLS, as PEM: for `localhost` and 127.0.0.1, signed by
    /// itself.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }
}

fn configuration(place: &TempDir) -> String {
    let schemas = ["core", "cosine", "inetorgperson", "misc"].map(|name| {
        let file = directory("etc/ldap/schema").join(format!("{name}.schema"));
        format!("include {}\n", file.display())
    });
    format!(
        "{schemas}\
         modulepath {modules}\n\
         moduleload back_mdb\n\
         pidfile {directory}/pid\n\
         TLSCertificateFile {directory}/certificate.pem\n\
         TLSCertificateKeyFile {directory}/key.pem\n\
         TLSVerifyClient never\n\
         database mdb\n\
         maxsize 16777216\n\
         suffix \"{SUFFIX}\"\n\
         rootdn \"{ADMINISTRATOR}\"\n\
         rootpw {PASSWORD}\n\
         directory {directory}/database\n\
         index objectClass,uid,mail,mailLocalAddress eq\n",
        schemas = schemas.concat(),
        modules = directory("usr/lib/ldap").display(),
        directory = place.path().display(),
    )
}

/// Fills the database before the service has it, as slapadd does, which is a name of slapd.
async fn populate(place: &TempDir) {
    let mut command = Command::new(program("slapd"));
    command
        .args(["-T", "add", "-q"])
        .arg("-f")
        .arg(place.path().join("slapd.conf"))
        .arg("-l")
        .arg(place.path().join("entries.ldif"));
    let output = run(&mut command, PATIENCE).await;
    assert!(
        output.status.success(),
        "slapadd: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
