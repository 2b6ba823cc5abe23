//! Where an LDAP directory listens.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::service_address::{ServiceAddress, strict_host_and_port};

/// Written `ldap://host:389`, or `ldaps://host:636` when TLS is spoken from the first byte; without a
/// port the usual one is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirectoryUrl {
    /// TLS is spoken from the first byte.
    pub tls: bool,
    /// A name, or an address without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

const SHAPE: &str = "a directory is written ldap://host:389 or ldaps://host:636";
const LDAP_PORT: u16 = 389;
const LDAPS_PORT: u16 = 636;

impl DirectoryUrl {
    /// Where it is connected to.
    #[must_use]
    pub fn server(&self) -> ServiceAddress {
        ServiceAddress::Tcp {
            host: Arc::clone(&self.host),
            port: self.port,
        }
    }
}

impl fmt::Display for DirectoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "ldaps" } else { "ldap" };
        write!(f, "{scheme}://{}", self.server())
    }
}

impl FromStr for DirectoryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tls, usual, rest) = match text.split_once("://").ok_or(SHAPE)? {
            ("ldap", rest) => (false, LDAP_PORT, rest),
            ("ldaps", rest) => (true, LDAPS_PORT, rest),
            _ => return Err(SHAPE.to_owned()),
        };
        let place = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = strict_host_and_port(place).ok_or(SHAPE)?;
        let port = port.unwrap_or(usual);
        Ok(Self { tls, host, port })
    }
}

impl Serialize for DirectoryUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DirectoryUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for DirectoryUrl {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "An LDAP directory, written ldap://host:389 or ldaps://host:636",
            ))
            .examples(["ldap://127.0.0.1:389"])
            .into()
    }
}

impl ToSchema for DirectoryUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_completed() {
        for (text, expected) in [
            ("ldap://127.0.0.1:1389", "ldap://127.0.0.1:1389"),
            (
                "ldap://Directory.example.net",
                "ldap://directory.example.net:389",
            ),
            (
                "ldaps://directory.example.net/",
                "ldaps://directory.example.net:636",
            ),
            ("ldap://[2001:db8::1]", "ldap://[2001:db8::1]:389"),
            ("ldaps://[2001:db8::1]:3636", "ldaps://[2001:db8::1]:3636"),
        ] {
            let url: DirectoryUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), expected);
            assert_eq!(expected.parse(), Ok(url));
        }
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        for text in [
            "",
            "directory.example.net",
            "http://directory.example.net",
            "ldap://",
            "ldap://a b",
            "ldap://a:0",
            "ldap://a:x",
            "ldap://a/dc=example",
            "ldap://unix:/run/ldapi",
            "ldapi:///run/ldapi",
        ] {
            assert!(text.parse::<DirectoryUrl>().is_err(), "{text}");
        }
    }
}
