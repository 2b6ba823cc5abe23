//! `fastpath healthcheck`: asks a running appliance whether it is ready.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use clap::Args;

use super::environment::Environment;
use super::options::{self, DEFAULT_WEB_LISTEN, DataDirectoryArgs, WEB_LISTEN};
use super::{Exit, Failure};
use crate::boot::Addresses;
use crate::limits;

/// What the command line says.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct HealthcheckArgs {
    #[command(flatten)]
    place: DataDirectoryArgs,
    /// Address of its pages [FASTPATH_WEB_LISTEN; the one that it wrote to the data directory]
    #[arg(long, value_name = "ADDRESS:PORT")]
    web_listen: Option<String>,
}

impl HealthcheckArgs {
    /// The address to ask: the one that is given, the one that the appliance wrote, or the default.
    pub(super) fn check(&self, environment: &Environment) -> Result<SocketAddr, Failure> {
        let given = options::given(self.web_listen.as_deref(), WEB_LISTEN, environment)?
            .map(|given| given.parse(options::address))
            .transpose()?;
        // Port 0 says only that the appliance chose one.
        if let Some(given) = given.filter(|given| given.port() != 0) {
            return Ok(reachable(given));
        }
        let written = Addresses::read(&self.place.path(environment));
        Ok(written.map_or(DEFAULT_WEB_LISTEN, |addresses| reachable(addresses.web)))
    }
}

/// An appliance that listens on every address is asked on loopback.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let address = match listening.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, listening.port())
}

/// Says "ready", or fails with the reason why not.
pub(super) fn run(address: &SocketAddr) -> Result<(), Failure> {
    let not_ready = |problem: String| Failure::new(Exit::NotReady, problem);
    let answer = ask(*address).map_err(|error| {
        let problem = format!("not ready: http://{address}/readyz does not answer: {error}");
        not_ready(problem)
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        println!("ready");
        Ok(())
    } else {
        Err(not_ready(format!("not ready: {}", body.trim())))
    }
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, limits::HEALTHCHECK_WAIT)?;
    stream.set_read_timeout(Some(limits::HEALTHCHECK_WAIT))?;
    stream.set_write_timeout(Some(limits::HEALTHCHECK_WAIT))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream
        .take(limits::HEALTHCHECK_ANSWER_BYTES)
        .read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn check(answer: &'static str, expected: Result<(), &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 512];
            let _ = stream.read(&mut request).expect("a request");
            stream.write_all(answer.as_bytes()).expect("sent");
        });
        let result = run(&address).map_err(|failure| failure.to_string());
        server.join().expect("it served");
        assert_eq!(result, expected.map_err(str::to_owned));
    }

    #[test]
    fn the_answer_decides() {
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nready\n",
            Ok(()),
        );
        check(
            "HTTP/1.1 503 Service Unavailable\r\n\r\nthe database cannot be written\n",
            Err("not ready: the database cannot be written"),
        );
    }

    #[test]
    fn the_address_is_what_the_appliance_wrote() {
        let directory = tempfile::tempdir().expect("a directory");
        let written = HealthcheckArgs {
            place: DataDirectoryArgs {
                data_dir: Some(directory.path().to_owned()),
            },
            web_listen: None,
        };
        let nothing = Environment::default();
        let ask =
            |written: &HealthcheckArgs| written.check(&nothing).expect("it holds").to_string();
        assert_eq!(ask(&written), "127.0.0.1:8025");
        let text = r#"{"smtp":["127.0.0.1:25"],"web":"0.0.0.0:4567"}"#;
        std::fs::write(directory.path().join("addresses.json"), text).expect("written");
        assert_eq!(ask(&written), "127.0.0.1:4567");
        let given = HealthcheckArgs {
            web_listen: Some("127.0.0.1:99".to_owned()),
            ..written
        };
        assert_eq!(ask(&given), "127.0.0.1:99");
    }
}
