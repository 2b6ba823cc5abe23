//! Domains, servers and networks as administrators write them: what is wrong with one, in a sentence,
//! and the form in which they are compared.
//!
//! What is found here has never worked: it is refused where it is written, but settings that were
//! stored with it are still read.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::rr::Name;
use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::next_hop::ServerAddress;
use crate::smtp::domain::ascii_domain;

/// A domain as it is compared, in whatever form it is written; what can be none is equal only to itself.
#[must_use]
pub fn compared(domain: &str) -> Cow<'_, str> {
    ascii_domain(domain).unwrap_or(Cow::Borrowed(domain))
}

/// What keeps a text from being a domain, perhaps with a leading dot; none when nothing does.
#[must_use]
pub fn domain_problem(text: &str) -> Option<String> {
    let name = text.strip_prefix('.').unwrap_or(text);
    if name.parse::<IpAddr>().is_ok() {
        return Some(format!("“{text}” is an address, not a domain"));
    }
    let is_name = ascii_domain(name).is_some_and(|ascii| is_host_name(&ascii));
    // A label with xn-- must be decodable. What is not ASCII was decoded just now.
    let can_be_decoded = || !name.is_ascii() || Name::from_utf8(name).is_ok();
    (!is_name || !can_be_decoded())
        .then(|| format!("“{text}” is not a domain: it has a part that no name can have"))
}

/// What keeps mail from being sent to a server; none when nothing does.
#[must_use]
pub fn server_problem(server: &ServerAddress) -> Option<String> {
    let host = &server.host;
    match host.parse() {
        Ok(address) => address_problem(address),
        // A dot at the end: no search list is to complete it.
        Err(_) if is_host_name(host.strip_suffix('.').unwrap_or(host)) => None,
        Err(_) => Some(format!("“{host}” is not the name of a server")),
    }
}

/// What keeps an address from being a server's; none when nothing does.
#[must_use]
pub fn address_problem(address: IpAddr) -> Option<String> {
    let is_one_host = match address {
        IpAddr::V4(address) => !address.is_unspecified() && !address.is_broadcast(),
        IpAddr::V6(address) => !address.is_unspecified(),
    };
    (!is_one_host || address.is_multicast()).then(|| format!("{address} is no server’s address"))
}

/// What a network with an address inside it may mean; none when it is written as a network.
#[must_use]
pub fn network_problem(network: &IpNet) -> Option<String> {
    let whole = network.trunc();
    let one = IpNet::from(network.addr());
    (whole != *network).then(|| {
        format!(
            "“{network}” lies within a network: {whole} is the whole of it, {one} the one address"
        )
    })
}

/// Reads a network; a single address is one, too.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn read_network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().ok();
    network
        .or_else(|| Some(IpNet::from(text.parse::<IpAddr>().ok()?)))
        .ok_or_else(|| format!("“{text}” is not a network like 192.0.2.0/24 or 2001:db8::/32"))
}

/// Deserializes a list of networks.
///
/// # Errors
/// What is wrong with the first that is none, in a sentence.
pub fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts: Vec<String> = Deserialize::deserialize(deserializer)?;
    let read = texts.iter().map(|text| read_network(text));
    read.collect::<Result<_, _>>().map_err(Error::custom)
}

/// Reads the address of a DNS server; without a port it is port 53.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn read_dns_server(text: &str) -> Result<SocketAddr, String> {
    const DNS_PORT: u16 = 53;
    let address = text.parse().ok();
    address
        .or_else(|| Some(SocketAddr::new(text.parse().ok()?, DNS_PORT)))
        .ok_or_else(|| {
            format!("“{text}” is not an address and port like 192.0.2.53:53 or [2001:db8::53]:53")
        })
}

/// A name of the DNS in ASCII, in lower case: RFC 1123 §2.1, and underscores, which some have.
fn is_host_name(name: &str) -> bool {
    let labels = || name.split('.');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits only is how an address looks that is none.
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= 253 && labels().all(is_label) && !labels().next_back().is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_domain_is_said() {
        for domain in [
            "example.net",
            ".example.net",
            "localhost",
            "münchen.example",
            "xn--mnchen-3ya.example",
            "_spf.example.net",
            "4.example",
        ] {
            assert_eq!(domain_problem(domain), None, "{domain}");
        }
        for domain in [
            "127.0.0.1",
            ".127.0.0.1",
            "::1",
            "300.1.2.3",
            "xn--.example",
            "-x.example",
            "x-.example",
            "a..b",
            "",
            ".",
            "a b",
            "mün chen.example",
        ] {
            assert!(domain_problem(domain).is_some(), "{domain}");
        }
    }

    #[test]
    fn what_is_no_server_is_said() {
        for (server, is_one) in [
            ("smtp://127.0.0.1:25", true),
            ("smtp://[2001:db8::1]:25", true),
            ("smtp://mail:25", true),
            ("smtp://mail_1.example.net:25", true),
            ("smtp://0.0.0.0:25", false),
            ("smtp://[::]:25", false),
            ("smtp://255.255.255.255:25", false),
            ("smtp://224.0.0.1:25", false),
            ("smtp://-x:25", false),
            ("smtp://x.:25", true),
            ("smtp://..:25", false),
            ("smtp://1.2.3:25", false),
        ] {
            let parsed = server.parse().expect(server);
            assert_eq!(server_problem(&parsed).is_none(), is_one, "{server}");
        }
    }

    #[test]
    fn networks_are_whole_ones() {
        for (network, expected) in [
            ("10.0.0.0/8", None),
            ("192.0.2.7", None),
            ("2001:db8::/32", None),
            (
                "10.0.0.1/8",
                Some(
                    "“10.0.0.1/8” lies within a network: 10.0.0.0/8 is the whole of it, 10.0.0.1/32 the one address",
                ),
            ),
        ] {
            let read = read_network(network).expect(network);
            assert_eq!(network_problem(&read).as_deref(), expected);
        }
        assert!(read_network("10.0.0.0/33").is_err());
    }

    #[test]
    fn dns_servers_have_a_port() {
        for (text, expected) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("192.0.2.53:5353", Some("192.0.2.53:5353")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("ns.example.net", None),
        ] {
            let read = read_dns_server(text).map(|address| address.to_string());
            assert_eq!(read.ok().as_deref(), expected, "{text}");
        }
    }
}
