//! The DNS: who is asked, and what the answers mean.
//!
//! Delivery and the conditions ask the same resolver. It keeps answers for as long as they are valid:
//! records by their TTL, their absence by the SOA (RFC 2308); a failure is never kept.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};

use crate::limits;
use crate::settings::names::ascii_domain;

/// Asks DNS servers, and keeps what they said.
#[derive(Debug, Default)]
pub struct Dns {
    /// The resolver for these DNS servers; made anew when the setting changes.
    current: Mutex<Option<(Vec<SocketAddr>, TokioResolver)>>,
}

/// What the DNS says when it is asked for the records of one kind that a name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records<T> {
    /// These; at least one.
    Found(Vec<T>),
    /// None: the name is there without them.
    NoRecord,
    /// The name does not exist.
    NoName,
    /// It does not say, or not now; why, in a sentence that names the name.
    Failure(String),
}

/// Questions come with the DNS servers that are set, which may be none: then those of the system are
/// asked. A name is a domain in either of its forms, without a dot at its end. Who asks bounds the wait.
impl Dns {
    /// The IPv4 addresses of a name.
    pub async fn ipv4(&self, servers: &[SocketAddr], name: &str) -> Records<Ipv4Addr> {
        self.ask(servers, name, RecordType::A, ipv4).await
    }

    /// The same, whatever was said before: nothing that is kept is looked at, and nothing is kept.
    pub async fn ipv4_anew(&self, servers: &[SocketAddr], name: &str) -> Records<Ipv4Addr> {
        ask(build(servers, 0), name, RecordType::A, ipv4).await
    }

    /// Whether the servers answer at all: they are asked for the servers of the root, which every one that
    /// looks names up for others knows. Nothing that is kept is looked at.
    ///
    /// # Errors
    /// Why they do not.
    pub async fn answers(&self, servers: &[SocketAddr]) -> Result<(), String> {
        match ask(build(servers, 0), ".", RecordType::NS, |_| Some(())).await {
            Records::Failure(why) => Err(why),
            Records::Found(_) | Records::NoRecord | Records::NoName => Ok(()),
        }
    }

    /// The IPv6 addresses of a name.
    pub async fn ipv6(&self, servers: &[SocketAddr], name: &str) -> Records<Ipv6Addr> {
        self.ask(servers, name, RecordType::AAAA, |data| match data {
            RData::AAAA(address) => Some(address.0),
            _ => None,
        })
        .await
    }

    /// The mail exchangers of a domain, in no order; that of a null MX (RFC 7505) is `""`.
    pub async fn exchangers(&self, servers: &[SocketAddr], domain: &str) -> Records<String> {
        self.ask(servers, domain, RecordType::MX, |data| match data {
            RData::MX(mx) => Some(mx.exchange.to_ascii().trim_end_matches('.').to_owned()),
            _ => None,
        })
        .await
    }

    /// The texts of a name, each with its strings joined; whatever its owner wrote.
    pub async fn texts(&self, servers: &[SocketAddr], name: &str) -> Records<String> {
        self.ask(servers, name, RecordType::TXT, |data| match data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        })
        .await
    }

    async fn ask<T>(
        &self,
        servers: &[SocketAddr],
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Records<T> {
        ask(self.resolver(servers), name, kind, read).await
    }

    /// The resolver for these servers; those of the system when there are none.
    ///
    /// # Errors
    /// When the system's cannot be found out.
    pub(super) fn resolver(&self, servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, resolver)) = &*current
            && known == servers
        {
            return Ok(resolver.clone());
        }
        let resolver = build(servers, limits::DNS_CACHE_ANSWERS)?;
        *current = Some((servers.to_vec(), resolver.clone()));
        Ok(resolver)
    }
}

async fn ask<T>(
    resolver: Result<TokioResolver, NetError>,
    name: &str,
    kind: RecordType,
    read: impl Fn(&RData) -> Option<T>,
) -> Records<T> {
    // What the DNS cannot hold does not exist in it.
    let Some(absolute) = absolute(name) else {
        return Records::NoName;
    };
    let looked_up = match resolver {
        Ok(resolver) => resolver.lookup(absolute, kind).await,
        Err(error) => Err(error),
    };
    match looked_up {
        Ok(lookup) => {
            let answers = lookup.answers().iter();
            let records: Vec<T> = answers.filter_map(|record| read(&record.data)).collect();
            if records.is_empty() {
                return Records::NoRecord;
            }
            Records::Found(records)
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => absence(name, &none),
        Err(error) => failure(name, error),
    }
}

fn ipv4(data: &RData) -> Option<Ipv4Addr> {
    match data {
        RData::A(address) => Some(address.0),
        _ => None,
    }
}

/// What it means that there are no records.
fn absence<T>(name: &str, none: &NoRecords) -> Records<T> {
    match none.response_code {
        ResponseCode::NXDomain => Records::NoName,
        // RFC 2308 §2.2: name servers without an SOA are a referral. Whoever we asked does not look up
        // names for others, and has said nothing of this one.
        _ if none.soa.is_none() && none.ns.is_some() => {
            failure(name, "the DNS server only names other servers")
        }
        _ => Records::NoRecord,
    }
}

fn failure<T>(name: &str, why: impl std::fmt::Display) -> Records<T> {
    Records::Failure(format!("the DNS look-up of {name} failed: {why}"))
}

/// A name that no search list completes; none when the DNS cannot hold it.
fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(&*ascii_domain(name)?).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// A resolver for these servers that keeps so many answers.
fn build(servers: &[SocketAddr], kept: u64) -> Result<TokioResolver, NetError> {
    let mut builder: ResolverBuilder<TokioRuntimeProvider> = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            config
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = limits::DNS_TRY_WAIT;
    options.cache_size = kept;
    options.max_active_requests = limits::DNS_QUESTIONS;
    builder.build()
}
