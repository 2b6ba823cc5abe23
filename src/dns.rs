//! The DNS: the servers that are asked, what their answers mean, and how long they are cached.
//!
//! Delivery, the conditions and the pages that try something ask here and nowhere else. What is not a
//! clear answer is a failure, which is never kept; and each question has a deadline of its own, so that one that
//! is not answered does not delay others.

mod cache;
#[cfg(test)]
pub(crate) mod scripted;
mod servers;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limits;
use crate::smtp::domain::ascii_domain;
use cache::{CachePolicy, DnsCache, LookupAnswer, RecordKey};
use servers::{NameServers, Servers};

/// Asks DNS servers, and caches their answers.
#[derive(Debug, Default)]
pub struct Dns {
    name_servers: NameServers,
    kept: Arc<DnsCache>,
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

/// One MX record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanger {
    /// The lowest is the best.
    pub preference: u16,
    /// The host without its last dot, "" for the root.
    pub host: String,
}

/// A host whose addresses are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A name as the DNS has it.
    OfDns(&'a str),
    /// An administrator's own server: the name may be a short one, completed by the search list, and the answer
    /// is not believed for long.
    Own(&'a str),
}

/// Questions come with the DNS servers that are set, which may be none: then those of the system are
/// asked. A name is a domain in either of its forms, without a dot at its end. An answer takes no longer than
/// [`limits::DNS_WAIT`] for each question that it needs.
impl Dns {
    /// The IPv4 addresses of a name.
    pub async fn ipv4(&self, servers: &[SocketAddr], name: &str) -> Records<Ipv4Addr> {
        let answer = self.of_dns(servers, name, RecordType::A, CachePolicy::Usual);
        read(name, answer.await, ipv4)
    }

    /// The same, whatever was said before.
    pub async fn ipv4_anew(&self, servers: &[SocketAddr], name: &str) -> Records<Ipv4Addr> {
        let answer = self.of_dns(servers, name, RecordType::A, CachePolicy::Anew);
        read(name, answer.await, ipv4)
    }

    /// Whether the servers answer at all: they are asked for the servers of the root, which every one that
    /// looks names up for others knows. Nothing that is kept is looked at.
    ///
    /// # Errors
    /// Why they do not.
    pub async fn answers(&self, servers: &[SocketAddr]) -> Result<(), String> {
        let asked = self.answer(servers, Name::root(), RecordType::NS, CachePolicy::Anew);
        asked.await.map(drop).map_err(|why| failure(".", why))
    }

    /// The IPv6 addresses of a name.
    pub async fn ipv6(&self, servers: &[SocketAddr], name: &str) -> Records<Ipv6Addr> {
        let answer = self.of_dns(servers, name, RecordType::AAAA, CachePolicy::Usual);
        read(name, answer.await, |data| match data {
            RData::AAAA(address) => Some(address.0),
            _ => None,
        })
    }

    /// The mail exchangers of a domain, in no order; that of a null MX (RFC 7505) is `""`.
    pub async fn exchangers(&self, servers: &[SocketAddr], domain: &str) -> Records<Exchanger> {
        let answer = self.of_dns(servers, domain, RecordType::MX, CachePolicy::Usual);
        read(domain, answer.await, |data| match data {
            RData::MX(mx) => Some(Exchanger {
                preference: mx.preference,
                host: mx.exchange.to_ascii().trim_end_matches('.').to_owned(),
            }),
            _ => None,
        })
    }

    /// The texts of a name, each with its strings joined; whatever its owner wrote.
    pub async fn texts(&self, servers: &[SocketAddr], name: &str) -> Records<String> {
        let answer = self.of_dns(servers, name, RecordType::TXT, CachePolicy::Usual);
        read(name, answer.await, |data| match data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        })
    }

    /// The addresses of a host, IPv4 first: where IPv6 is configured and does not work, which is common in
    /// containers, each try would cost the client its patience. What is known of one family does not wait long
    /// for the other, nor does it matter that there is no answer to that.
    pub async fn addresses(&self, servers: &[SocketAddr], host: Host<'_>) -> Records<IpAddr> {
        let (text, freshness) = match host {
            Host::OfDns(text) => (text, CachePolicy::Usual),
            Host::Own(text) => (text, CachePolicy::OwnServer),
        };
        let Some(name) = host.name() else {
            return Records::NoName;
        };
        let of_kind = async |kind| {
            let answer = self.answer(servers, name.clone(), kind, freshness).await;
            read(text, answer, address)
        };
        let (first, second) =
            both_families(of_kind(RecordType::A), of_kind(RecordType::AAAA)).await;
        for (other, kind) in [(&first, RecordType::A), (&second, RecordType::AAAA)] {
            if other.is_none() {
                let name = name.clone();
                let key = RecordKey { name, kind };
                self.kept
                    .keep(key, &LookupAnswer::NoRecord, limits::DNS_LATE_AGE);
            }
        }
        let late = || Records::NoRecord;
        join(first.unwrap_or_else(late), second.unwrap_or_else(late))
    }

    /// Forgets the addresses of a host that are of this one's family: no server answers there. Those of the other
    /// may have come late, and were not tried.
    pub fn forget_addresses(&self, host: Host<'_>, like: IpAddr) {
        let kind = match like {
            IpAddr::V4(_) => RecordType::A,
            IpAddr::V6(_) => RecordType::AAAA,
        };
        if let Some(name) = host.name() {
            self.kept.forget(&RecordKey { name, kind });
        }
    }

    /// Forgets the exchangers of a domain.
    pub fn forget_exchangers(&self, domain: &str) {
        if let Some(name) = absolute(domain) {
            let kind = RecordType::MX;
            self.kept.forget(&RecordKey { name, kind });
        }
    }

    /// Forgets everything: an administrator wants it asked anew.
    pub fn forget_all(&self) {
        self.kept.clear();
    }

    async fn of_dns(
        &self,
        servers: &[SocketAddr],
        name: &str,
        kind: RecordType,
        freshness: CachePolicy,
    ) -> Result<LookupAnswer, String> {
        // What the DNS cannot hold does not exist in it.
        let Some(name) = absolute(name) else {
            return Ok(LookupAnswer::NoName);
        };
        self.answer(servers, name, kind, freshness).await
    }

    /// What is known, or what is said now. An answer that comes too late for its caller is kept.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn answer(
        &self,
        servers: &[SocketAddr],
        name: Name,
        kind: RecordType,
        freshness: CachePolicy,
    ) -> Result<LookupAnswer, String> {
        let servers = self.name_servers.current(servers, || self.kept.clear());
        let servers = servers.map_err(|error| error.to_string())?;
        let key = RecordKey { name, kind };
        if let Some(answer) = self.kept.get(&key, freshness) {
            return Ok(answer);
        }
        let kept = Arc::clone(&self.kept);
        let (waiting, awaited) = oneshot::channel();
        tokio::spawn(async move {
            let asked = timeout(limits::DNS_WAIT, ask(&servers, &key)).await;
            let asked = asked.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            let answered = asked.map(|(answer, ttl)| {
                let ttl = match waiting.is_closed() {
                    true => ttl.max(limits::DNS_LATE_AGE),
                    false => ttl,
                };
                kept.keep(key, &answer, ttl);
                answer
            });
            let _ = waiting.send(answered);
        });
        let answered = awaited.await;
        answered.unwrap_or_else(|_| Err("the question was given up".to_owned()))
    }
}

impl Host<'_> {
    fn name(self) -> Option<Name> {
        match self {
            Self::OfDns(name) => absolute(name),
            Self::Own(name) => match name.strip_suffix('.') {
                Some(name) => absolute(name),
                None => named(name, false),
            },
        }
    }
}

/// Follows aliases to the answer, and says how long it may be kept.
///
/// # Errors
/// Why there is none.
async fn ask(servers: &Servers, key: &RecordKey) -> Result<(LookupAnswer, Duration), String> {
    let kind = key.kind;
    let mut name = key.name.clone();
    for _ in 0..limits::DNS_ALIAS_ROUNDS {
        let none = match servers.ask(&name, kind).await {
            Ok(found) => return Ok(found_records(&found, kind)),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => none,
            Err(error) => return Err(error.to_string()),
        };
        match alias_behind(servers, &none).await? {
            Some(next) => name = next,
            None => return absence(&none),
        }
    }
    Err("its aliases lead round, or too far".to_owned())
}

/// The resolver follows some aliases and then says that there is nothing. Where the last of them leads.
async fn alias_behind(servers: &Servers, none: &NoRecords) -> Result<Option<Name>, String> {
    // A server that has reached the end of the aliases names the zone that has no record (RFC 2308 §2.2).
    if none.response_code != ResponseCode::NoError || none.soa.is_some() {
        return Ok(None);
    }
    match servers.ask(none.query.name(), RecordType::CNAME).await {
        Ok(found) => Ok(found
            .answers()
            .iter()
            .find_map(|record| match &record.data {
                RData::CNAME(target) => Some(target.0.clone()),
                _ => None,
            })),
        Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn found_records(found: &Lookup, kind: RecordType) -> (LookupAnswer, Duration) {
    let answers = found.answers().iter();
    let of_kind = answers.filter(|record| record.record_type() == kind);
    let records: Vec<RData> = of_kind.map(|record| record.data.clone()).collect();
    let until = found.valid_until();
    let ttl = until.saturating_duration_since(std::time::Instant::now());
    let answer = match records.is_empty() {
        true => LookupAnswer::NoRecord,
        false => LookupAnswer::Records(records.into()),
    };
    (answer, ttl)
}

/// What it means that there are no records.
fn absence(none: &NoRecords) -> Result<(LookupAnswer, Duration), String> {
    let ttl = Duration::from_secs(none.negative_ttl.unwrap_or(0).into());
    match none.response_code {
        ResponseCode::NXDomain => Ok((LookupAnswer::NoName, ttl)),
        // RFC 2308 §2.2: name servers without an SOA are a referral. The server that we asked does not look up
        // names for others, and has said nothing of this one.
        _ if none.soa.is_none() && none.ns.is_some() => {
            Err("the DNS server only names other servers".to_owned())
        }
        ResponseCode::NoError => Ok((LookupAnswer::NoRecord, ttl)),
        code => Err(code.to_string()),
    }
}

/// Waits for both; once one of them has found something, for the other not long. None: it was late.
async fn both_families<T>(
    first: impl Future<Output = Records<T>>,
    second: impl Future<Output = Records<T>>,
) -> (Option<Records<T>>, Option<Records<T>>) {
    tokio::pin!(first);
    tokio::pin!(second);
    let patience = |found: &Records<T>| match found {
        Records::Found(_) => limits::DNS_FAMILY_WAIT,
        _ => limits::DNS_WAIT,
    };
    tokio::select! {
        found = &mut first => {
            let other = timeout(patience(&found), second).await;
            (Some(found), other.ok())
        }
        found = &mut second => {
            let other = timeout(patience(&found), first).await;
            (other.ok(), Some(found))
        }
    }
}

/// The addresses of both families, of which one is enough.
fn join(first: Records<IpAddr>, second: Records<IpAddr>) -> Records<IpAddr> {
    match (first, second) {
        (Records::Found(mut first), Records::Found(second)) => {
            first.extend(second);
            Records::Found(first)
        }
        (Records::Found(found), _) | (_, Records::Found(found)) => Records::Found(found),
        (Records::Failure(why), _) | (_, Records::Failure(why)) => Records::Failure(why),
        (Records::NoName, Records::NoName) => Records::NoName,
        _ => Records::NoRecord,
    }
}

fn read<T>(
    name: &str,
    answer: Result<LookupAnswer, String>,
    read: impl Fn(&RData) -> Option<T>,
) -> Records<T> {
    match answer {
        Ok(LookupAnswer::Records(records)) => {
            let records: Vec<T> = records.iter().filter_map(read).collect();
            match records.is_empty() {
                true => Records::NoRecord,
                false => Records::Found(records),
            }
        }
        Ok(LookupAnswer::NoRecord) => Records::NoRecord,
        Ok(LookupAnswer::NoName) => Records::NoName,
        Err(why) => Records::Failure(failure(name, why)),
    }
}

fn ipv4(data: &RData) -> Option<Ipv4Addr> {
    match data {
        RData::A(address) => Some(address.0),
        _ => None,
    }
}

/// Of either family.
fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}

fn failure(name: &str, why: impl std::fmt::Display) -> String {
    format!("the DNS look-up of {name} failed: {why}")
}

/// A name that no search list completes; none when the DNS cannot hold it.
fn absolute(name: &str) -> Option<Name> {
    named(name, true)
}

/// RFC 2181 §11: a label may hold any letters; only its length is bounded.
fn named(name: &str, is_absolute: bool) -> Option<Name> {
    let ascii = ascii_domain(name)?;
    let mut name = match ascii.contains('\\') {
        // As it was read from the DNS, with what would mean something else.
        true => Name::from_ascii(&*ascii).ok()?,
        false => Name::from_labels(ascii.split('.').map(str::as_bytes)).ok()?,
    };
    name.set_fqdn(is_absolute);
    Some(name)
}
