//! Where mail for a domain goes: a fixed server or the domain's MX, with TLS policy and bounds.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::smtp::Protocol;

/// A next hop as delivery uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    name: Arc<str>,
    /// Which servers.
    pub target: Target,
    /// What TLS.
    pub tls: TlsPolicy,
    /// Connections at one time.
    pub connections_max: u32,
    /// What an uncertain outcome means.
    pub uncertain: UncertainPolicy,
    /// It takes 8-bit content though it does not say so.
    pub takes_eight_bit: bool,
}

impl NextHop {
    /// The name on pages, in the queue and in the statistics: `host:port`, or the domain of an MX look-up.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The same policy for the MX of `domain`; a fixed server stays what it is.
    #[must_use]
    pub fn for_domain(self: Arc<Self>, domain: &str) -> Arc<Self> {
        match self.target {
            Target::Fixed(_) => self,
            Target::Mx(_) => Arc::new(Self {
                name: domain.into(),
                target: Target::Mx(domain.into()),
                ..(*self).clone()
            }),
        }
    }
}

/// Which servers a next hop is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One server by name or address.
    Fixed(ServerAddress),
    /// The mail exchangers of a domain (or its address literal).
    Mx(Arc<str>),
}

/// A server's host and port, written `smtp://host:port`, or `lmtp://host:port` for one that speaks LMTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// What it speaks.
    pub protocol: Protocol,
    /// A name, or an address without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

impl ServerAddress {
    /// What a next hop at this address is called.
    fn name(&self) -> String {
        match self.protocol {
            Protocol::Smtp => self.host_and_port(),
            // Over SMTP the same address may be another server.
            Protocol::Lmtp => self.to_string(),
        }
    }

    fn host_and_port(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.protocol.scheme();
        write!(f, "{scheme}://{}", self.host_and_port())
    }
}

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "a next hop is written smtp://host:port, or lmtp://host:port";
        let (scheme, rest) = text.split_once("://").ok_or(SHAPE)?;
        let mut protocols = [Protocol::Smtp, Protocol::Lmtp].into_iter();
        let protocol = protocols.find(|protocol| protocol.scheme() == scheme);
        let protocol = protocol.ok_or(SHAPE)?;
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').ok_or(SHAPE)?,
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match port {
            "" => protocol.port(),
            _ => port
                .strip_prefix(':')
                .and_then(|digits| digits.parse().ok())
                .filter(|&port| port > 0)
                .ok_or(SHAPE)?,
        };
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_name = !host.is_empty()
            && host.len() <= 253
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !is_address && !is_name {
            return Err(SHAPE.to_owned());
        }
        Ok(Self {
            protocol,
            host: host.to_ascii_lowercase().into(),
            port,
        })
    }
}

impl PartialSchema for ServerAddress {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A server, written smtp://host:port, or lmtp://host:port for LMTP; without a port 25 or 24 is meant",
            ))
            .examples(["smtp://mail.example.net:25"])
            .into()
    }
}

impl ToSchema for ServerAddress {}

impl Serialize for ServerAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServerAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What TLS is spoken with a next hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsPolicy {
    /// When it is offered; the certificate is not checked (RFC 7435).
    #[default]
    Opportunistic,
    /// Not at all.
    Never,
}

/// What it means when our final dot was sent and no reply came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UncertainPolicy {
    /// Try again later: at least once.
    #[default]
    Retry,
    /// Take it as delivered: at most once.
    AssumeDelivered,
}

/// The policy of next hops without an entry of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NextHopDefaults {
    /// What TLS.
    pub tls: TlsPolicy,
    /// Connections at one time to one next hop.
    pub connections_max: u32,
    /// What an uncertain outcome means.
    pub uncertain: UncertainPolicy,
    /// They take 8-bit content though they do not say so: nothing is converted for them.
    pub takes_eight_bit: bool,
}

impl Default for NextHopDefaults {
    fn default() -> Self {
        Self {
            tls: TlsPolicy::default(),
            connections_max: default_connections_max(),
            uncertain: UncertainPolicy::default(),
            takes_eight_bit: false,
        }
    }
}

impl NextHopDefaults {
    /// A fixed server with this policy.
    #[must_use]
    pub fn at(&self, address: &ServerAddress) -> NextHop {
        self.with(address.name().into(), Target::Fixed(address.clone()))
    }

    /// The MX of a domain with this policy.
    #[must_use]
    pub fn by_mx(&self, domain: &str) -> NextHop {
        let name: Arc<str> = domain.into();
        self.with(Arc::clone(&name), Target::Mx(name))
    }

    fn with(&self, name: Arc<str>, target: Target) -> NextHop {
        NextHop {
            name,
            target,
            tls: self.tls,
            connections_max: self.connections_max,
            uncertain: self.uncertain,
            takes_eight_bit: self.takes_eight_bit,
        }
    }
}

/// One domain's entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NextHopEntry {
    /// The domain; with a leading dot all domains below it.
    pub domain: String,
    /// The server; none: the domain's MX.
    #[serde(default)]
    pub address: Option<ServerAddress>,
    /// What TLS.
    #[serde(default)]
    pub tls: TlsPolicy,
    /// Connections at one time.
    #[serde(default = "default_connections_max")]
    pub connections_max: u32,
    /// What an uncertain outcome means.
    #[serde(default)]
    pub uncertain: UncertainPolicy,
    /// It takes 8-bit content though it does not say so: nothing is converted for it.
    #[serde(default)]
    pub takes_eight_bit: bool,
}

/// Connections at one time that a next hop may be given.
pub const CONNECTIONS: std::ops::RangeInclusive<u32> = 1..=1_000;

const fn default_connections_max() -> u32 {
    20
}

impl NextHopEntry {
    /// The entry as delivery uses it.
    #[must_use]
    pub fn next_hop(&self) -> NextHop {
        let policy = NextHopDefaults {
            tls: self.tls,
            connections_max: self.connections_max,
            uncertain: self.uncertain,
            takes_eight_bit: self.takes_eight_bit,
        };
        match &self.address {
            Some(address) => policy.at(address),
            None => policy.by_mx(self.domain.trim_start_matches('.')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, expected) in [
            ("smtp://127.0.0.1:2600", Some("smtp://127.0.0.1:2600")),
            (
                "smtp://Mail.Example.net",
                Some("smtp://mail.example.net:25"),
            ),
            ("smtp://[2001:db8::1]:26", Some("smtp://[2001:db8::1]:26")),
            ("smtp://[2001:db8::1]", Some("smtp://[2001:db8::1]:25")),
            (
                "lmtp://mail.example.net",
                Some("lmtp://mail.example.net:24"),
            ),
            ("lmtp://[::1]:2400", Some("lmtp://[::1]:2400")),
            ("http://mail.example.net", None),
            ("127.0.0.1:2600", None),
            ("smtp://", None),
            ("smtp://host:0", None),
            ("smtp://host:99999", None),
            ("smtp://ho st:25", None),
            ("smtp://host:25/path", None),
        ] {
            let parsed = text.parse::<ServerAddress>().ok();
            assert_eq!(
                parsed.map(|address| address.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
