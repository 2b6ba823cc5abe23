//! clamav-milter, a milter that refuses what a clamd finds infected, and marks the rest as scanned.

use std::fs;

use tokio::process::Command;

use super::clamd::Clamd;
use super::{Door, Service, place, write};
use crate::support::peers::{ReservedPort, program};
use crate::support::wait::{self, PATIENCE};

pub(crate) struct ClamavMilter {
    service: Service,
}

impl ClamavMilter {
    /// Starts one on a port; it asks this clamd, which must outlive it to be of use.
    pub(crate) async fn start(clamd: &Clamd) -> ClamavMilter {
        let port = ReservedPort::take();
        let address = port.address();
        let scanner = clamd.address();
        let place = place("clamav-milter");
        let configuration = format!(
            "Foreground yes\n\
             MilterSocket inet:{port}@{host}\n\
             ClamdSocket tcp:{scanner}\n\
             OnInfected Reject\n\
             AddHeader Add\n\
             TemporaryDirectory {directory}\n\
             LogFile {directory}/milter.log\n\
             LogVerbose yes\n",
            port = address.port(),
            host = address.ip(),
            directory = place.path().display(),
        );
        let configuration = write(&place, "clamav-milter.conf", configuration);
        let mut command = Command::new(program("clamav-milter"));
        command.arg("--config-file").arg(configuration);
        let door = Door::Port(address);
        let log = place.path().join("milter.log");
        let service = Service::start("clamav-milter", place, &mut command, door).await;
        // Its door opens before it has found its scanner, and until then it defers everything.
        wait::until_true("clamav-milter to find clamd", PATIENCE, || async {
            let log = fs::read_to_string(&log).unwrap_or_default();
            log.contains("Probe for slot 1 returned: success")
        })
        .await;
        ClamavMilter { service }
    }

    /// Where it speaks the milter protocol.
    pub(crate) fn door(&self) -> &Door {
        &self.service.door
    }
}
