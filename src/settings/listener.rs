//! How a listener takes mail, where that differs from the others.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::{PathChoice, SettingsDocument};
use super::names;
use super::networks::any_has;
use super::patch::FieldErrors;
use crate::smtp::Protocol;

const FIELD: &str = "listeners";

/// The port that SMTP alone may have (RFC 2033 §5).
const SMTP_PORT: u16 = 25;

/// One listener; what is not said is as everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerEntry {
    /// Where it listens, as it was given at the start: `address:port`.
    #[schema(value_type = String, examples("0.0.0.0:2525"))]
    pub address: SocketAddr,
    /// What is spoken there.
    #[serde(default)]
    pub protocol: Protocol,
    /// Which way messages take; none: as everywhere.
    #[serde(default)]
    pub path: Option<PathChoice>,
    /// DSN is offered (RFC 3461): clients may ask for reports of delivery, or for none.
    #[serde(default = "is_offered")]
    pub dsn: bool,
    /// Clients in these networks are proxies: they begin with a PROXY protocol header.
    #[serde(default, deserialize_with = "names::networks")]
    #[schema(value_type = Vec<String>, examples(json!(["192.0.2.80/32"])))]
    pub proxy_networks: Vec<IpNet>,
    /// Clients in these networks are believed what they say of others with XCLIENT.
    #[serde(default, deserialize_with = "names::networks")]
    #[schema(value_type = Vec<String>, examples(json!(["192.0.2.80/32"])))]
    pub xclient_networks: Vec<IpNet>,
}

fn is_offered() -> bool {
    true
}

impl ListenerEntry {
    /// Whether a client of this address begins with a PROXY protocol header.
    #[must_use]
    pub fn awaits_proxy_header(&self, client: IpAddr) -> bool {
        any_has(&self.proxy_networks, client)
    }

    /// Whether a client of this address may say XCLIENT.
    #[must_use]
    pub fn believes(&self, client: IpAddr) -> bool {
        any_has(&self.xclient_networks, client)
    }
}

impl SettingsDocument {
    pub(super) fn validate_listeners(&self, errors: &mut FieldErrors) {
        let mut earlier = HashSet::new();
        for entry in &self.listeners {
            let address = entry.address;
            if !earlier.insert(address) {
                errors.add(FIELD, format!("{address} stands twice"));
            } else if entry.protocol == Protocol::Lmtp && address.port() == SMTP_PORT {
                let problem = "is the port of SMTP: LMTP must have another";
                errors.add(FIELD, format!("{address} {problem}"));
            }
        }
    }
}
