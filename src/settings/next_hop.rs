//! Where mail for a domain goes: a fixed server or the domain's MX, with TLS policy and bounds.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOf, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::reading;
use super::service_address::host_and_port;

use crate::smtp::Protocol;

/// A next hop as delivery uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    name: Arc<str>,
    /// Which servers.
    pub target: NextHopTarget,
    /// How mail is handed to them.
    pub policy: NextHopPolicy,
}

impl Deref for NextHop {
    type Target = NextHopPolicy;

    fn deref(&self) -> &NextHopPolicy {
        &self.policy
    }
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
            NextHopTarget::Fixed(_) => self,
            NextHopTarget::Mx(_) => Arc::new(Self {
                name: domain.into(),
                target: NextHopTarget::Mx(domain.into()),
                ..(*self).clone()
            }),
        }
    }
}

/// Which servers a next hop is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NextHopTarget {
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
        let (host, port) = host_and_port(rest).ok_or(SHAPE)?;
        let port = port.unwrap_or(protocol.port());
        Ok(Self {
            protocol,
            host,
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
        text.parse().map_err(D::Error::custom)
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

/// How mail is handed to a next hop: what may be particular to one, and the defaults of all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NextHopDefaults)]
pub struct NextHopPolicy {
    /// What TLS.
    pub tls: TlsPolicy,
    /// Connections at one time to one next hop.
    pub connections_max: u32,
    /// What an uncertain outcome means.
    pub uncertain: UncertainPolicy,
    /// It takes 8-bit content though it does not say so: nothing is converted for it.
    pub takes_eight_bit: bool,
}

impl Default for NextHopPolicy {
    fn default() -> Self {
        Self {
            tls: TlsPolicy::default(),
            connections_max: 20,
            uncertain: UncertainPolicy::default(),
            takes_eight_bit: false,
        }
    }
}

impl NextHopPolicy {
    /// A fixed server with this policy.
    #[must_use]
    pub fn at(&self, address: &ServerAddress) -> NextHop {
        self.with(address.name().into(), NextHopTarget::Fixed(address.clone()))
    }

    /// The MX of a domain with this policy.
    #[must_use]
    pub fn by_mx(&self, domain: &str) -> NextHop {
        let name: Arc<str> = domain.into();
        self.with(Arc::clone(&name), NextHopTarget::Mx(name))
    }

    fn with(&self, name: Arc<str>, target: NextHopTarget) -> NextHop {
        NextHop {
            name,
            target,
            policy: self.clone(),
        }
    }
}

/// One domain's entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct NextHopEntry {
    /// The domain; with a leading dot all domains below it.
    pub domain: String,
    /// The server; none: the domain's MX.
    pub address: Option<ServerAddress>,
    /// What is particular to it.
    #[serde(flatten)]
    pub policy: NextHopPolicy,
}

impl NextHopEntry {
    /// The entry as delivery uses it.
    #[must_use]
    pub fn next_hop(&self) -> NextHop {
        match &self.address {
            Some(address) => self.policy.at(address),
            None => self.policy.by_mx(self.domain.trim_start_matches('.')),
        }
    }
}

impl<'de> Deserialize<'de> for NextHopEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// All fields that are not its own are the policy's, which says when it does not know one.
        #[derive(Deserialize)]
        struct EntryFields {
            domain: String,
            #[serde(default)]
            address: Option<ServerAddress>,
            #[serde(flatten)]
            policy: Map<String, Value>,
        }
        let fields = EntryFields::deserialize(deserializer)?;
        let policy = reading::read(Value::Object(fields.policy));
        Ok(Self {
            domain: fields.domain,
            address: fields.address,
            policy: policy.map_err(D::Error::custom)?,
        })
    }
}

impl PartialSchema for NextHopEntry {
    fn schema() -> RefOr<Schema> {
        let mut schema = NextHopPolicy::schema();
        if let RefOr::T(Schema::Object(entry)) = &mut schema {
            let address = OneOf::builder()
                .item(Object::with_type(Type::Null))
                .item(Ref::from_schema_name(<ServerAddress as ToSchema>::name()));
            let properties = [
                ("domain", Object::with_type(Type::String).into()),
                ("address", address.into()),
            ];
            for (name, property) in properties {
                entry.properties.insert(name.to_owned(), property);
            }
            entry.required.push("domain".to_owned());
        }
        schema
    }
}

impl ToSchema for NextHopEntry {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        NextHopPolicy::schemas(schemas);
        schemas.push((
            <ServerAddress as ToSchema>::name().into(),
            ServerAddress::schema(),
        ));
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
