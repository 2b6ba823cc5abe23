//! What a text among the settings may be: how it is read from a form, and checked.

use std::net::SocketAddr;

use reqwest::Url;

use crate::limits;
use crate::settings::conditions::{
    attribute_problem, filter_problem, is_field_name, pattern_of, read_milter,
};
use crate::settings::directory_url::DirectoryUrl;
use crate::settings::document::{is_domain, is_next_hop_name};
use crate::settings::names;
use crate::settings::next_hop::ServerAddress;
use crate::settings::service_address::ServiceAddress;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// Anything; what it means depends on other fields of its entry.
    Any,
    /// A domain in lower case; with a leading dot all domains below it.
    Domain,
    /// A next hop's server.
    Server,
    /// The name of a next hop.
    NextHopName,
    /// The address of a DNS server.
    DnsServer,
    /// A network; a single address is one, too.
    Network,
    /// The address and port of a listener.
    ListenerAddress,
    /// Where a service listens.
    Service,
    /// Where a milter listens.
    Milter,
    /// An LDAP directory.
    Directory,
    /// The name of an entry of a directory.
    DistinguishedName,
    /// The name of the entry below which a directory is searched.
    BaseName,
    /// A filter by which a directory is asked.
    Filter,
    /// The name of an attribute of a directory's entries.
    Attribute,
    /// A regular expression.
    Pattern,
    /// The name of a header field.
    FieldName,
    /// A file by its whole path.
    File,
    /// The same; one that is stored already may be relative to the working directory.
    NewFile,
    /// An address of the web.
    WebAddress,
}

impl TextKind {
    /// Reads what was typed, completing what people leave out.
    pub(super) fn read(self, typed: &str) -> Result<String, String> {
        match self {
            Self::Domain => {
                let domain = typed.trim_end_matches('.').to_lowercase();
                names::domain_problem(&domain).map_or(Ok(domain), Err)
            }
            Self::Server => {
                let server = read_server(typed)?;
                names::server_problem(&server).map_or(Ok(server.to_string()), Err)
            }
            Self::DnsServer => {
                let server = names::read_dns_server(typed)?;
                names::address_problem(server.ip()).map_or(Ok(server.to_string()), Err)
            }
            Self::Network => {
                let network = names::read_network(typed)?;
                names::network_problem(&network).map_or(Ok(network.to_string()), Err)
            }
            Self::ListenerAddress => {
                let address: Result<SocketAddr, _> = typed.parse();
                address
                    .map(|address| address.to_string())
                    .map_err(|_| "is written like 0.0.0.0:2525, with the port".to_owned())
            }
            Self::Service => Ok(typed.parse::<ServiceAddress>()?.to_string()),
            Self::Milter => read_milter(typed)
                .map(|milter| milter.to_string())
                .map_err(|problem| format!("“{typed}”: {problem}")),
            Self::Directory => Ok(typed.parse::<DirectoryUrl>()?.to_string()),
            Self::Pattern => match pattern_of(typed) {
                Ok(_) => Ok(typed.to_owned()),
                Err(problem) => Err(format!("this {problem}")),
            },
            Self::NewFile => Self::File.problem(typed).map_or(Ok(typed.to_owned()), Err),
            Self::FieldName if !is_field_name(typed) => {
                Err(format!("“{typed}” is no name of a header field"))
            }
            Self::Any
            | Self::NextHopName
            | Self::DistinguishedName
            | Self::BaseName
            | Self::Filter
            | Self::Attribute
            | Self::FieldName
            | Self::File
            | Self::WebAddress => Ok(typed.to_owned()),
        }
    }

    /// What is wrong with a text among the settings; none when nothing is. Settings that are
    /// stored already must go on to hold: what only new ones must hold is asked where they are read, and by
    /// [`crate::administration`].
    pub(super) fn problem(self, text: &str) -> Option<String> {
        match self {
            Self::Domain => {
                (!is_domain(text)).then(|| format!("“{text}” is not a domain in lower case"))
            }
            Self::NextHopName => (!is_next_hop_name(text))
                .then(|| format!("“{text}” is not the name of a next hop in lower case")),
            Self::DistinguishedName => (!is_entry_name(text)).then(|| NO_ENTRY_NAME.to_owned()),
            Self::BaseName if !is_entry_name(text) => Some(NO_ENTRY_NAME.to_owned()),
            Self::BaseName => (!text.contains('='))
                .then(|| "is the name of an entry, like dc=example,dc=org".to_owned()),
            Self::Filter => filter_problem(text),
            Self::Attribute => attribute_problem(text),
            Self::File => (!text.starts_with('/'))
                .then(|| "must be a whole path, beginning with /".to_owned()),
            Self::WebAddress => web_address_problem(text).map(str::to_owned),
            // Their types read them, or the entry that they are part of.
            Self::Any
            | Self::Server
            | Self::DnsServer
            | Self::Network
            | Self::ListenerAddress
            | Self::Service
            | Self::Milter
            | Self::Directory
            | Self::Pattern
            | Self::NewFile
            | Self::FieldName => None,
        }
    }

    /// What it is, in words for a description.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Any => "text",
            Self::Domain => "domain",
            Self::Server => "smtp://host:port or lmtp://host:port",
            Self::NextHopName => "name of a next hop: host:port, or a domain",
            Self::DnsServer => "address:port; without a port 53 is meant",
            Self::Network => "network, like 192.0.2.0/24 or 2001:db8::/32",
            Self::ListenerAddress => "address:port",
            Self::Service => "host:port or unix:/path",
            Self::Milter => "host:port, unix:/path, or as Postfix writes it",
            Self::Directory => "ldap://host:port or ldaps://host:port",
            Self::DistinguishedName | Self::BaseName => "distinguished name",
            Self::Filter => "LDAP filter with %s, %u or %d",
            Self::Attribute => "name of an attribute",
            Self::Pattern => "regular expression",
            Self::FieldName => "name of a header field",
            Self::File | Self::NewFile => "absolute path of a file",
            Self::WebAddress => "URL",
        }
    }
}

const NO_ENTRY_NAME: &str = "is not the name of an entry";

/// Reads a next hop's server; `smtp://` may be left out.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn read_server(text: &str) -> Result<ServerAddress, String> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("smtp://{text}")
    };
    full.parse()
        .map_err(|_| format!("“{text}” is not a server: write it like smtp://mail.example.net:25"))
}

fn is_entry_name(text: &str) -> bool {
    (1..=limits::DIRECTORY_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn web_address_problem(text: &str) -> Option<&'static str> {
    if text.len() > limits::WEBHOOK_URL_BYTES {
        return Some("is too long");
    }
    let Ok(url) = Url::parse(text) else {
        return Some("is not an address such as https://alerts.example.net/fastpath");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some("must begin with https:// or http://");
    }
    let has_login = !url.username().is_empty() || url.password().is_some();
    // The URL is shown to all who may see the settings.
    has_login.then_some("must not contain a user or a password; use the secret instead")
}
