//! Where a service of ours listens: a TCP port of a host, or a unix socket.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Written `host:port`, `[2001:db8::1]:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServiceAddress {
    /// A TCP port.
    Tcp {
        /// A name, or an address without brackets.
        host: Arc<str>,
        /// The port.
        port: u16,
    },
    /// A unix socket, by its whole path.
    Unix(PathBuf),
}

const SHAPE: &str = "a service is written host:port or unix:/path/of/its/socket";

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for ServiceAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let is_path = path.starts_with('/') && !path.chars().any(char::is_control);
            return is_path
                .then(|| Self::Unix(path.into()))
                .ok_or_else(|| SHAPE.to_owned());
        }
        match strict_host_and_port(text) {
            Some((host, Some(port))) => Ok(Self::Tcp { host, port }),
            _ => Err(SHAPE.to_owned()),
        }
    }
}

/// A host in lower case and its port where one is written: `host`, `host:25` or `[2001:db8::1]:25`. None when
/// it is no such text.
pub(super) fn host_and_port(text: &str) -> Option<(Arc<str>, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port {
        "" => None,
        _ => Some(
            port.strip_prefix(':')?
                .parse()
                .ok()
                .filter(|port| *port > 0)?,
        ),
    };
    let is_name = (1..=253).contains(&host.len())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let is_host = is_name || host.parse::<IpAddr>().is_ok();
    is_host.then(|| (host.to_ascii_lowercase().into(), port))
}

/// The same where only an address stands in brackets.
pub(super) fn strict_host_and_port(text: &str) -> Option<(Arc<str>, Option<u16>)> {
    host_and_port(text).filter(|(host, _)| !text.starts_with('[') || host.parse::<IpAddr>().is_ok())
}

impl Serialize for ServiceAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServiceAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for ServiceAddress {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A service, written host:port or unix:/path"))
            .examples(["127.0.0.1:3310", "unix:/run/clamav/clamd.ctl"])
            .into()
    }
}

impl ToSchema for ServiceAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_their_text() {
        for text in [
            "127.0.0.1:3310",
            "clamd.example.net:3310",
            "[2001:db8::1]:11333",
            "unix:/run/clamav/clamd.ctl",
        ] {
            let address: ServiceAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "clamd",
            "clamd:0",
            "clamd:x",
            "clamd:70000",
            "2001:db8::1:3310",
            "[clamd]:3310",
            "a b:1",
            "unix:",
            "unix:run/x",
            "smtp://a:25",
        ] {
            assert!(text.parse::<ServiceAddress>().is_err(), "{text}");
        }
    }
}
