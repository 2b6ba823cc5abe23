//! From a next hop to the addresses of its servers, in the order in which they are tried.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::mx::{self, Exchangers};
use super::verdicts;
use crate::dns::{Dns, Exchanger, Host, Records};
use crate::limits;
use crate::message::Outcome;
use crate::settings::NextHopTarget;
use crate::settings::next_hop::ServerAddress;
use crate::smtp::Protocol;
use crate::smtp::reply::Reply;

/// The port of mail exchangers, RFC 5321 §4.5.4.2.
const SMTP_PORT: u16 = 25;

/// One address of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MailServer {
    /// The name it is known by, for TLS; an address as text when it has none.
    pub(super) host: Arc<str>,
    pub(super) address: SocketAddr,
    pub(super) protocol: Protocol,
    /// Of its MX record; 0 where there is none.
    pub(super) preference: u16,
}

/// There is no server now: the DNS did not answer, or not what it must. `why` is a sentence.
fn later(why: impl Into<String>) -> Outcome {
    verdicts::deferred(Reply::not_resolved(why.into()))
}

/// Finds servers by what the DNS says.
#[derive(Debug)]
pub(super) struct Resolver {
    hostname: Arc<str>,
    dns: Arc<Dns>,
}

impl Resolver {
    /// `hostname` is our own name, which must not be found among the exchangers.
    pub(super) fn new(hostname: Arc<str>) -> Self {
        Self {
            hostname,
            dns: Arc::default(),
        }
    }

    pub(super) fn dns(&self) -> &Arc<Dns> {
        &self.dns
    }

    /// The servers of a target, best first: at most [`limits::ADDRESSES_KNOWN`], those of every exchanger
    /// among them. `dns_servers` empty: those of the system.
    pub(super) async fn servers(
        &self,
        target: &NextHopTarget,
        dns_servers: &[SocketAddr],
    ) -> Result<Vec<MailServer>, Outcome> {
        if let Some(server) = literal(target) {
            return Ok(vec![server]);
        }
        let dns = Asked {
            dns: &self.dns,
            servers: dns_servers,
        };
        match target {
            NextHopTarget::Fixed(address) => dns.own_server(address).await,
            NextHopTarget::Mx(domain) => self.exchangers(dns, domain).await,
        }
    }

    /// Nobody answers at any of these servers: the next attempt asks where they are.
    pub(super) fn forget(&self, target: &NextHopTarget, servers: &[MailServer]) {
        if let NextHopTarget::Mx(domain) = target {
            self.dns.forget_exchangers(domain);
        }
        for server in servers {
            let host = match target {
                NextHopTarget::Fixed(address) => Host::Own(&address.host),
                NextHopTarget::Mx(_) => Host::OfDns(&server.host),
            };
            self.dns.forget_addresses(host, server.address.ip());
        }
    }

    /// RFC 5321 §5.1: the domain's MX, or the domain itself when it has none.
    async fn exchangers(&self, dns: Asked<'_>, domain: &str) -> Result<Vec<MailServer>, Outcome> {
        let records = match dns.dns.exchangers(dns.servers, domain).await {
            Records::Found(records) => records,
            Records::NoRecord => vec![Exchanger {
                preference: 0,
                host: domain.to_owned(),
            }],
            Records::NoName => return Err(Outcome::Refused(Reply::no_such_domain(domain))),
            Records::Failure(why) => return Err(later(why)),
        };
        let exchangers = mx::order(records, &self.hostname, &mut rand::rng());
        match exchangers {
            Exchangers::Hosts(hosts) => dns.addresses(domain, hosts).await,
            Exchangers::Null => Err(Outcome::Refused(Reply::takes_no_mail(domain))),
            Exchangers::Ourselves => Err(ourselves(domain)),
        }
    }
}

/// The DNS, and which of its servers are asked.
#[derive(Clone, Copy)]
struct Asked<'a> {
    dns: &'a Dns,
    servers: &'a [SocketAddr],
}

impl Asked<'_> {
    /// The addresses of a server that the administrator named. Whatever the DNS says, it can be repaired, so
    /// that nothing is refused.
    async fn own_server(self, server: &ServerAddress) -> Result<Vec<MailServer>, Outcome> {
        let host = &server.host;
        let why = match self.dns.addresses(self.servers, Host::Own(host)).await {
            Records::Found(found) => {
                let servers = servers_at(host, server.port, server.protocol, 0, found);
                return Ok(servers.take(limits::ADDRESSES_KNOWN).collect());
            }
            Records::NoRecord => format!("the name {host} has no address"),
            Records::NoName => format!("the name {host} does not exist"),
            Records::Failure(why) => why,
        };
        Err(later(why))
    }

    /// The addresses of exchangers in their order. Some may lack; an error only when there is none at all.
    async fn addresses(
        self,
        domain: &str,
        exchangers: Vec<Exchanger>,
    ) -> Result<Vec<MailServer>, Outcome> {
        let known = exchangers.len();
        let considered = mx::choose(exchangers, &mut rand::rng());
        let mut answers = self.of_each(&considered).await;
        answers.sort_by_key(|(place, _)| *place);
        let mut of_each = Vec::with_capacity(answers.len());
        let mut failure = None;
        for (place, answer) in answers {
            let Exchanger { preference, host } = &considered[place];
            match answer {
                Records::Found(found) => {
                    let servers = servers_at(host, SMTP_PORT, Protocol::Smtp, *preference, found);
                    of_each.push(servers.collect());
                }
                Records::NoRecord | Records::NoName => {}
                Records::Failure(why) => failure = Some(later(why)),
            }
        }
        if !of_each.is_empty() {
            return Ok(spread(of_each));
        }
        // What was not asked may have one.
        if failure.is_none() && considered.len() < known {
            let why = format!("{domain} has too many mail exchangers");
            failure = Some(later(why));
        }
        Err(failure.unwrap_or_else(|| Outcome::Refused(Reply::exchangers_without_address(domain))))
    }

    /// What the DNS says of each, with its place. Once one has addresses, those of which nothing is heard for
    /// a moment are left out.
    async fn of_each(self, exchangers: &[Exchanger]) -> Vec<(usize, Records<IpAddr>)> {
        let ask = |(place, exchanger)| {
            let Exchanger { host, .. }: &Exchanger = exchanger;
            let host = Host::OfDns(host);
            async move { (place, self.dns.addresses(self.servers, host).await) }
        };
        let asked = exchangers.iter().enumerate().map(ask);
        let mut asked: FuturesUnordered<_> = asked.collect();
        let mut answers = Vec::with_capacity(exchangers.len());
        while let Some(answer) = asked.next().await {
            let is_found = matches!(answer.1, Records::Found(_));
            answers.push(answer);
            if is_found {
                break;
            }
        }
        let others = async {
            while let Some(answer) = asked.next().await {
                answers.push(answer);
            }
        };
        // Those that came stay, in time or not.
        let _ = timeout(limits::DNS_EXCHANGERS_WAIT, others).await;
        answers
    }
}

/// The best mail exchanger of a domain is ourselves.
pub(super) fn ourselves(domain: &str) -> Outcome {
    Outcome::Refused(Reply::best_exchanger_is_ourselves(domain))
}

/// A target that needs no DNS: an address, or the address literal of RFC 5321 §4.1.3.
fn literal(target: &NextHopTarget) -> Option<MailServer> {
    let (text, port, protocol) = match target {
        NextHopTarget::Fixed(address) => (&*address.host, address.port, address.protocol),
        NextHopTarget::Mx(domain) => {
            let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
            let text = match inner.split_at_checked("IPv6:".len()) {
                Some((tag, rest)) if tag.eq_ignore_ascii_case("IPv6:") => rest,
                _ => inner,
            };
            (text, SMTP_PORT, Protocol::Smtp)
        }
    };
    let address: IpAddr = text.parse().ok()?;
    Some(MailServer {
        host: text.into(),
        address: SocketAddr::new(address, port),
        protocol,
        preference: 0,
    })
}

/// Some addresses of every exchanger before the rest of any: one with many dead addresses does not keep
/// those behind it from being tried.
fn spread(of_each: Vec<Vec<MailServer>>) -> Vec<MailServer> {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for mut servers in of_each {
        let count = servers.len().min(limits::ADDRESSES_OF_EXCHANGER_FIRST);
        rest.extend(servers.split_off(count));
        first.extend(servers);
    }
    first.extend(rest);
    first.truncate(limits::ADDRESSES_KNOWN);
    first
}

/// A server at each of these addresses.
fn servers_at(
    host: &str,
    port: u16,
    protocol: Protocol,
    preference: u16,
    addresses: Vec<IpAddr>,
) -> impl Iterator<Item = MailServer> + use<> {
    let host: Arc<str> = host.into();
    addresses.into_iter().map(move |address| MailServer {
        host: Arc::clone(&host),
        address: SocketAddr::new(address, port),
        protocol,
        preference,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exchanger_has_a_turn_before_any_has_all() {
        let of_each = [10, 1, 4].into_iter().enumerate().map(|(number, count)| {
            let addresses = (1..=count).map(|last| IpAddr::from([10, 0, number as u8, last]));
            let name = format!("mx{number}");
            servers_at(&name, SMTP_PORT, Protocol::Smtp, 0, addresses.collect()).collect()
        });
        let spread = spread(of_each.collect());
        let hosts: Vec<_> = spread.iter().map(|server| &*server.host).collect();
        assert_eq!(hosts[..3], ["mx0"; 3]);
        assert_eq!(hosts[3], "mx1");
        assert_eq!(hosts[4..7], ["mx2"; 3]);
        assert_eq!(hosts[7..14], ["mx0"; 7]);
        assert_eq!(hosts[14..], ["mx2"]);
    }
}
