//! From a next hop to the addresses of its servers, in the order in which they are tried.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData};
use tokio::time::timeout;

use super::dns::Dns;
use super::mx::{self, Exchanger, Exchangers};
use crate::limits;
use crate::message::{DiskReason, Outcome};
use crate::settings::Target;
use crate::settings::next_hop::ServerAddress;
use crate::smtp::Protocol;
use crate::smtp::reply::Reply;

/// The port of mail exchangers, RFC 5321 §4.5.4.2.
const SMTP_PORT: u16 = 25;

/// One address of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// The name it is known by, for TLS; an address as text when it has none.
    pub(super) host: Arc<str>,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// What it speaks.
    pub(super) protocol: Protocol,
    /// Of its MX record; 0 where there is none.
    pub(super) preference: u16,
}

/// Why there is no server to try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// There never will be one: the domain does not exist, takes no mail, or is ourselves.
    Never(Reply),
    /// The DNS did not answer, or not now.
    Later(Reply),
}

impl Unresolved {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Never(reply) => Outcome::Refused(reply.clone()),
            Self::Later(reply) => Outcome::Deferred(DiskReason::Deferred, reply.clone()),
        }
    }

    fn later(name: &str, why: impl std::fmt::Display) -> Self {
        let words = format!("the DNS look-up of {name} failed: {why}");
        Self::Later(Reply::new(451, (4, 4, 3), words))
    }
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

    /// What it asks.
    pub(super) fn dns(&self) -> &Arc<Dns> {
        &self.dns
    }

    /// The servers of a target, best first: at most [`limits::ADDRESSES_TRIED`], among them some of every
    /// exchanger. `dns_servers` empty: those of the system.
    pub(super) async fn servers(
        &self,
        target: &Target,
        dns_servers: &[SocketAddr],
    ) -> Result<Vec<Server>, Unresolved> {
        let name = match target {
            Target::Fixed(address) => &address.host,
            Target::Mx(domain) => domain,
        };
        if let Some(server) = literal(target) {
            return Ok(vec![server]);
        }
        let dns = self
            .dns
            .resolver(dns_servers)
            .map_err(|error| Unresolved::later(name, error))?;
        let look_up = async {
            match target {
                Target::Fixed(address) => fixed(&dns, address).await,
                Target::Mx(domain) => self.exchangers(&dns, domain).await,
            }
        };
        timeout(limits::RESOLVE_WAIT, look_up)
            .await
            .unwrap_or_else(|_| Err(Unresolved::later(name, "no answer in time")))
    }

    /// RFC 5321 §5.1: the domain's MX, or the domain itself when it has none.
    async fn exchangers(
        &self,
        dns: &TokioResolver,
        domain: &str,
    ) -> Result<Vec<Server>, Unresolved> {
        let domain = &ascii(domain)?;
        if domain.eq_ignore_ascii_case(&self.hostname) {
            return Err(ourselves(domain));
        }
        let records = match dns.mx_lookup(absolute(domain)).await {
            Ok(lookup) => lookup
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::MX(mx) => Some(Exchanger {
                        preference: mx.preference,
                        host: mx.exchange.to_ascii().trim_end_matches('.').to_owned(),
                    }),
                    _ => None,
                })
                .collect(),
            Err(error) if error.is_nx_domain() => return Err(no_domain(domain)),
            Err(error) if error.is_no_records_found() => Vec::new(),
            Err(error) => return Err(Unresolved::later(domain, error)),
        };
        if records.is_empty() {
            let itself = Exchanger {
                preference: 0,
                host: domain.to_owned(),
            };
            return addresses(dns, domain, vec![itself]).await;
        }
        let exchangers = mx::order(records, &self.hostname, &mut rand::rng());
        match exchangers {
            Exchangers::Hosts(hosts) => addresses(dns, domain, hosts).await,
            Exchangers::Null => {
                let words = format!("{domain} takes no mail");
                Err(Unresolved::Never(Reply::new(556, (5, 1, 10), words)))
            }
            Exchangers::Ourselves => Err(ourselves(domain)),
        }
    }
}

/// RFC 5321 §5.1: nobody is left to give the message to.
pub(super) fn ourselves(domain: &str) -> Unresolved {
    let words = format!("the best mail exchanger of {domain} is this server itself");
    Unresolved::Never(Reply::new(554, (5, 4, 6), words))
}

/// A target that needs no DNS: an address, or the address literal of RFC 5321 §4.1.3.
fn literal(target: &Target) -> Option<Server> {
    let (text, port, protocol) = match target {
        Target::Fixed(address) => (&*address.host, address.port, address.protocol),
        Target::Mx(domain) => {
            let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
            let tagged = inner
                .get(..5)
                .is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
            let text = if tagged { &inner[5..] } else { inner };
            (text, SMTP_PORT, Protocol::Smtp)
        }
    };
    let address: IpAddr = text.parse().ok()?;
    Some(Server {
        host: text.into(),
        address: SocketAddr::new(address, port),
        protocol,
        preference: 0,
    })
}

/// An internationalised domain as the DNS and TLS know it (RFC 5890); who has labels that the DNS
/// cannot hold does not exist.
fn ascii(domain: &str) -> Result<String, Unresolved> {
    Name::from_utf8(domain)
        .map(|name| name.to_ascii())
        .map_err(|_| no_domain(domain))
}

/// A name that no search list completes.
fn absolute(name: &str) -> String {
    format!("{name}.")
}

fn no_domain(domain: &str) -> Unresolved {
    let words = format!("the domain {domain} does not exist");
    Unresolved::Never(Reply::new(550, (5, 1, 2), words))
}

/// The addresses of a server that the administrator named: unlike names from the DNS it may be a short
/// one, completed by the search list, or stand in the hosts file.
async fn fixed(dns: &TokioResolver, server: &ServerAddress) -> Result<Vec<Server>, Unresolved> {
    let found = dns
        .lookup_ip(&*server.host)
        .await
        // Whatever the DNS says: the administrator can repair it, so nothing is refused.
        .map_err(|error| Unresolved::later(&server.host, error))?;
    let servers = servers_at(&server.host, server.port, found.iter());
    let spoken = servers.map(|found| Server {
        protocol: server.protocol,
        ..found
    });
    Ok(spoken.take(limits::ADDRESSES_TRIED).collect())
}

/// The addresses of exchangers in their order. Some may lack; an error only when there is none at all.
async fn addresses(
    dns: &TokioResolver,
    domain: &str,
    exchangers: Vec<Exchanger>,
) -> Result<Vec<Server>, Unresolved> {
    let considered = &exchangers[..exchangers.len().min(limits::EXCHANGERS)];
    let looked_up = considered.iter();
    let looked_up = looked_up.map(|exchanger| dns.lookup_ip(absolute(&exchanger.host)));
    let mut of_each = Vec::with_capacity(considered.len());
    let mut failure = None;
    for (exchanger, answer) in considered.iter().zip(join_all(looked_up).await) {
        let Exchanger { preference, host } = exchanger;
        match answer {
            Ok(found) => {
                let servers = servers_at(host, SMTP_PORT, found.iter());
                let preference = *preference;
                let preferred = servers.map(|server| Server {
                    preference,
                    ..server
                });
                of_each.push(preferred.collect());
            }
            Err(error) if error.is_no_records_found() => {}
            Err(error) => failure = Some(Unresolved::later(host, error)),
        }
    }
    if !of_each.is_empty() {
        return Ok(spread(of_each));
    }
    // What was not asked may have one.
    if failure.is_none() && considered.len() < exchangers.len() {
        failure = Some(Unresolved::later(domain, "it has too many mail exchangers"));
    }
    Err(failure.unwrap_or_else(|| {
        let words = format!("no mail exchanger of {domain} has an address");
        Unresolved::Never(Reply::new(550, (5, 4, 4), words))
    }))
}

/// Some addresses of every exchanger before the rest of any: one with many dead addresses does not keep
/// those behind it from being tried.
fn spread(of_each: Vec<Vec<Server>>) -> Vec<Server> {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for mut servers in of_each {
        let count = servers.len().min(limits::ADDRESSES_OF_EXCHANGER_FIRST);
        rest.extend(servers.split_off(count));
        first.extend(servers);
    }
    first.extend(rest);
    first.truncate(limits::ADDRESSES_TRIED);
    first
}

/// IPv4 first: where IPv6 is configured and does not work, which is common in containers, each try
/// would cost the client its patience.
fn servers_at(
    host: &str,
    port: u16,
    addresses: impl Iterator<Item = IpAddr>,
) -> impl Iterator<Item = Server> {
    let host: Arc<str> = host.into();
    let mut addresses: Vec<IpAddr> = addresses.collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.into_iter().map(move |address| Server {
        host: Arc::clone(&host),
        address: SocketAddr::new(address, port),
        protocol: Protocol::Smtp,
        preference: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exchanger_has_a_turn_before_any_has_all() {
        let of_each = [10, 1, 4].into_iter().enumerate().map(|(number, count)| {
            let addresses = (1..=count).map(|last| IpAddr::from([10, 0, number as u8, last]));
            servers_at(&format!("mx{number}"), SMTP_PORT, addresses).collect()
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
