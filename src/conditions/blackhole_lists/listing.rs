//! What one list says of one address. Pure.

use std::net::{IpAddr, Ipv4Addr};

use crate::settings::conditions::BlackholeZone;

/// What one list says of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It is listed, by these answers.
    Listed(Vec<Ipv4Addr>),
    /// It is not.
    NotListed,
    /// There are answers, and none counts; why, in words that follow the zone.
    NotCounted(String),
    /// It could not be found out; why, in a sentence that names the zone.
    Unknown(String),
}

/// RFC 5782 §2.1 and §2.4: the name under which a zone would list an address: its octets or nibbles,
/// the last first.
pub(super) fn name_of(address: IpAddr, zone: &str) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.{zone}")
        }
        IpAddr::V6(address) => {
            let mut name = String::with_capacity(64 + zone.len());
            for octet in address.octets().iter().rev() {
                name.push_str(&format!("{:x}.{:x}.", octet & 0xf, octet >> 4));
            }
            name.push_str(zone);
            name
        }
    }
}

/// What a zone's answers mean, of which there is at least one.
pub(super) fn read(zone: &BlackholeZone, answers: &[Ipv4Addr]) -> Listing {
    let name = &zone.zone;
    // Lists whose answer is an error use 127.255.255.0/24: they do not serve whoever asked. Taken for
    // listings, they would have all mail refused.
    if let Some(error) = answers
        .iter()
        .find(|answer| answer.octets()[..3] == [127, 255, 255])
    {
        return Listing::Unknown(format!("{name} does not serve our DNS server ({error})"));
    }
    // RFC 5782 §2.1. A domain that is parked answers everything with its web server.
    let (inside, outside): (Vec<Ipv4Addr>, Vec<Ipv4Addr>) =
        answers.iter().partition(|answer| answer.is_loopback());
    if let Some(outside) = outside.first()
        && inside.is_empty()
    {
        return Listing::NotCounted(format!(
            "answers {outside}, outside 127.0.0.0/8: not counted"
        ));
    }
    let counted: Vec<Ipv4Addr> = inside
        .iter()
        .copied()
        .filter(|answer| zone.counts(*answer))
        .collect();
    match inside.first() {
        Some(first) if counted.is_empty() => {
            Listing::NotCounted(format!("answers {first}, which does not count"))
        }
        _ => Listing::Listed(counted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_turned_round() {
        for (address, expected) in [
            ("192.0.2.99", "99.2.0.192.zen.example"),
            ("::ffff:192.0.2.99", "99.2.0.192.zen.example"),
            (
                "2001:db8:1:2:3:4:567:89ab",
                "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.zen.example",
            ),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(name_of(address, "zen.example"), expected);
        }
    }

    #[test]
    fn answers_are_read() {
        let zone = |answers: &[&str]| BlackholeZone {
            zone: "zen.example".into(),
            answers: answers
                .iter()
                .map(|text| text.parse().expect("a network"))
                .collect(),
            ..BlackholeZone::default()
        };
        let addresses = |texts: &[&str]| -> Vec<Ipv4Addr> {
            let texts = texts.iter();
            texts
                .map(|text| text.parse().expect("an address"))
                .collect()
        };
        let listed = |texts: &[&str]| Listing::Listed(addresses(texts));
        let not_counted = |words: &str| Listing::NotCounted(words.to_owned());
        for (counting, answers, expected) in [
            (&[][..], &["127.0.0.2"][..], listed(&["127.0.0.2"])),
            (
                &[],
                &["127.0.0.2", "127.0.0.4"],
                listed(&["127.0.0.2", "127.0.0.4"]),
            ),
            (
                &["127.0.0.4/32"],
                &["127.0.0.2", "127.0.0.4"],
                listed(&["127.0.0.4"]),
            ),
            (
                &["127.0.0.4/32"],
                &["127.0.0.2"],
                not_counted("answers 127.0.0.2, which does not count"),
            ),
            (
                &[],
                &["203.0.113.5"],
                not_counted("answers 203.0.113.5, outside 127.0.0.0/8: not counted"),
            ),
            (&[], &["203.0.113.5", "127.0.0.2"], listed(&["127.0.0.2"])),
            (
                &[],
                &["127.255.255.254"],
                Listing::Unknown(
                    "zen.example does not serve our DNS server (127.255.255.254)".into(),
                ),
            ),
        ] {
            let found = read(&zone(counting), &addresses(answers));
            assert_eq!(found, expected, "{counting:?} {answers:?}");
        }
    }
}
