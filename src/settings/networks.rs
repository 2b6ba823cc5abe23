//! A list of networks, judged as a whole: which addresses are in it, and how much of the Internet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::limits;

/// Networks without overlaps, those of IPv4 first, in the order of their addresses: what is written in pieces
/// is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkList {
    networks: Vec<IpNet>,
}

impl NetworkList {
    /// The list that is written.
    #[must_use]
    pub fn of(written: &[IpNet]) -> Self {
        Self {
            networks: IpNet::aggregate(&written.to_vec()),
        }
    }

    /// Whether this address is in one of them. An IPv4 address in IPv6 clothes is IPv4.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.holds(&address.to_canonical().into())
    }

    /// Whether one of them holds a network as a whole.
    fn holds(&self, network: &IpNet) -> bool {
        let first = network.network();
        let behind = self.networks.partition_point(|one| one.network() <= first);
        let nearest = self.networks[..behind].last();
        nearest.is_some_and(|one| one.contains(network))
    }

    /// What of it is nearly the whole Internet: more of the Internet, all its networks together, than an
    /// organisation has for itself. What lies in `already` as a whole is no news. None when there is none.
    #[must_use]
    pub fn opened_beyond(&self, already: &Self) -> Option<OpenNetworks> {
        let v6_begins = self
            .networks
            .partition_point(|one| matches!(one, IpNet::V4(_)));
        let (v4, v6) = self.networks.split_at(v6_begins);
        let families = [
            (v4, limits::TRUSTED_IPV4_ADDRESSES),
            (v6, limits::TRUSTED_IPV6_ADDRESSES),
        ];
        let new = families
            .into_iter()
            .filter(|(networks, _)| !networks.iter().all(|one| already.holds(one)));
        let parts: Vec<OpenFamily> = new
            .filter_map(|(networks, most)| OpenFamily::of(networks, most))
            .collect();
        (!parts.is_empty()).then_some(OpenNetworks { parts })
    }

    /// The same where nothing was there before.
    #[must_use]
    pub fn opened(&self) -> Option<OpenNetworks> {
        self.opened_beyond(&Self::default())
    }
}

/// Whether an address is in one of a few networks as they are written. An IPv4 address in IPv6 clothes is IPv4.
#[must_use]
pub fn any_has(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// Networks that are nearly the whole Internet. Displayed in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenNetworks {
    parts: Vec<OpenFamily>,
}

/// Those of IPv4, or of IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OpenFamily {
    /// The widest.
    networks: Vec<String>,
    /// How many there are beside them.
    more: usize,
    /// None of them is too wide by itself.
    together: bool,
}

impl OpenNetworks {
    /// The widest of them.
    #[must_use]
    pub fn networks(&self) -> Vec<String> {
        let parts = self.parts.iter();
        parts.flat_map(|part| part.networks.clone()).collect()
    }
}

impl OpenFamily {
    /// Those that have more public addresses than so many; none when all together have at most so many.
    fn of(networks: &[IpNet], most: u128) -> Option<Self> {
        let mut networks: Vec<(u128, &IpNet)> = networks
            .iter()
            .map(|network| (public_addresses(network), network))
            .collect();
        let all = networks
            .iter()
            .fold(0_u128, |sum, (addresses, _)| sum.saturating_add(*addresses));
        if all <= most {
            return None;
        }
        networks.sort_by_key(|(addresses, _)| std::cmp::Reverse(*addresses));
        let together = networks.first().is_none_or(|(widest, _)| *widest <= most);
        networks.retain(|(addresses, _)| *addresses > if together { 0 } else { most });
        let more = networks.len().saturating_sub(limits::NETWORKS_NAMED);
        networks.truncate(limits::NETWORKS_NAMED);
        Some(Self {
            networks: networks
                .into_iter()
                .map(|(_, network)| network.to_string())
                .collect(),
            more,
            together,
        })
    }
}

impl fmt::Display for OpenNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().enumerate() {
            if place > 0 {
                f.write_str(" and ")?;
            }
            part.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for OpenFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.networks.clone();
        if self.more > 0 {
            names.push(format!("{} more", self.more));
        }
        f.write_str(&in_a_row(&names))?;
        if self.together {
            f.write_str(" together")?;
        }
        Ok(())
    }
}

/// “a”, “a and b”, “a, b and c”.
#[must_use]
pub fn in_a_row(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// Private networks: an address of a foreign one cannot reach us.
const PRIVATE: [IpNet; 9] = [
    v4([127, 0, 0, 0], 8),
    // RFC 1918.
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    // RFC 6598 and RFC 3927.
    v4([100, 64, 0, 0], 10),
    v4([169, 254, 0, 0], 16),
    // RFC 4193 and RFC 4291.
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
];

/// Networks in which everybody with an IPv4 address has a place, and as which power of two each address of them
/// counts, so that all together are as much of the Internet as a 256th of them is too much: RFC 6052 (NAT64), RFC
/// 3056 (6to4) and RFC 4380 (Teredo).
const TRANSLATED_V4: [(IpNet, u32); 3] = [
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), 88),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), 8),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), 24),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(a, b, c, d, e, f, g, h),
        prefix,
    ))
}

/// Addresses of a network that are not private; all of IPv6 is one less than it is.
fn public_addresses(network: &IpNet) -> u128 {
    let size = |network: &IpNet| {
        let bits = u32::from(network.max_prefix_len() - network.prefix_len());
        1_u128.checked_shl(bits).unwrap_or(u128::MAX)
    };
    if PRIVATE.iter().any(|private| private.contains(network)) {
        return 0;
    }
    let private = PRIVATE.iter().filter(|private| network.contains(*private));
    let public = size(network) - private.map(size).sum::<u128>();
    TRANSLATED_V4
        .iter()
        .filter(|(translated, _)| network.contains(translated) || translated.contains(network))
        .fold(public, |public, (translated, power)| {
            let shared = size(network).min(size(translated));
            public.saturating_add((shared << power) - shared)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks<T: AsRef<str>>(texts: &[T]) -> NetworkList {
        let read = texts.iter().map(|text| text.as_ref().parse::<IpNet>());
        let read: Vec<IpNet> = read.collect::<Result<_, _>>().expect("networks");
        NetworkList::of(&read)
    }

    #[test]
    fn one_network_may_be_for_everybody() {
        for (network, expected) in [
            ("0.0.0.0/0", true),
            ("128.0.0.0/1", true),
            ("12.0.0.0/7", true),
            ("12.0.0.0/8", false),
            ("10.0.0.0/8", false),
            ("192.0.2.0/24", false),
            ("10.0.0.0/7", false),
            ("8.0.0.0/6", true),
            ("::/0", true),
            ("2000::/3", true),
            ("2600::/12", true),
            ("2003::/16", false),
            ("2001::/16", true),
            ("2001:db8::/32", false),
            ("fc00::/7", false),
            ("fc00::/6", true),
            ("fe80::/10", false),
            // A form of IPv4 counts as IPv4 does.
            ("64:ff9b::/96", true),
            ("64:ff9b::/95", true),
            ("64:ff9b::100:0/104", false),
            ("64:ff9b::200:0/103", true),
            ("2002::/16", true),
            ("2002:100::/24", false),
            ("2002:200::/23", true),
            ("2001::/32", true),
            ("2001:db8::/31", false),
        ] {
            let opened = networks(&[network]).opened();
            assert_eq!(opened.is_some(), expected, "{network}");
        }
    }

    #[test]
    fn pieces_are_summed_up() {
        let pieces = |count: u32, prefix: u32| -> Vec<String> {
            (0..count)
                .map(|piece| {
                    let first = u64::from(piece) << (32 - prefix);
                    let first = u32::try_from(first).expect("an address");
                    format!("{}/{prefix}", Ipv4Addr::from_bits(first))
                })
                .collect()
        };
        for (list, expected) in [
            (pieces(256, 8), Some("0.0.0.0/0")),
            (pieces(512, 9), Some("0.0.0.0/0")),
            (pieces(65_536, 16), Some("0.0.0.0/0")),
            // All but one: still everybody, and none of them is wide by itself only in the first half.
            (
                pieces(255, 8),
                Some(
                    "0.0.0.0/1, 128.0.0.0/2, 192.0.0.0/3, 224.0.0.0/4, 240.0.0.0/5, 248.0.0.0/6 and 252.0.0.0/7",
                ),
            ),
        ] {
            let opened = networks(&list).opened().map(|opened| opened.to_string());
            assert_eq!(opened.as_deref(), expected);
        }
        for (list, expected) in [
            (&["1.0.0.0/8"][..], None),
            (&["1.0.0.0/9", "1.128.0.0/9"], None),
            (
                &["1.0.0.0/8", "9.0.0.0/8"],
                Some("1.0.0.0/8 and 9.0.0.0/8 together"),
            ),
            (
                &["9.0.0.0/24", "1.0.0.0/8"],
                Some("1.0.0.0/8 and 9.0.0.0/24 together"),
            ),
            // Ordinary networks of an organisation.
            (
                &[
                    "127.0.0.0/8",
                    "10.0.0.0/8",
                    "172.16.0.0/12",
                    "192.168.0.0/16",
                ],
                None,
            ),
            (
                &["127.0.0.0/8", "10.0.0.0/8", "12.0.0.0/8", "fd00::/8"],
                None,
            ),
            (&["2600::/17", "2600:8000::/17"], None),
            (
                &["2600::/16", "2602::/16"],
                Some("2600::/16 and 2602::/16 together"),
            ),
            (&["2600::/16", "2601::/16"], Some("2600::/15")),
            // Either kind counts for itself.
            (&["1.0.0.0/8", "2600::/16"], None),
            (
                &["1.0.0.0/8", "2.0.0.0/8", "::/0"],
                Some("1.0.0.0/8 and 2.0.0.0/8 together and ::/0"),
            ),
        ] {
            let opened = networks(list).opened().map(|opened| opened.to_string());
            assert_eq!(opened.as_deref(), expected, "{list:?}");
        }
    }

    #[test]
    fn many_pieces_are_counted_not_named() {
        let odd: Vec<String> = (0..100)
            .map(|number| format!("{}.0.0.0/9", 2 * number))
            .collect();
        let opened = networks(&odd).opened().expect("a fifth of all");
        assert_eq!(opened.networks().len(), limits::NETWORKS_NAMED);
        assert!(opened.to_string().ends_with(" more together"), "{opened}");
    }

    #[test]
    fn what_was_there_is_no_news() {
        for (list, already, expected) in [
            (&["0.0.0.0/0", "::/0"][..], &["0.0.0.0/0"][..], Some("::/0")),
            (&["128.0.0.0/1"], &["0.0.0.0/0"], None),
            (&["0.0.0.0/0"], &["0.0.0.0/1", "128.0.0.0/1"], None),
            (&["0.0.0.0/0"], &["128.0.0.0/1"], Some("0.0.0.0/0")),
            (
                &["1.0.0.0/8", "3.0.0.0/8"],
                &["1.0.0.0/8", "3.0.0.0/8"],
                None,
            ),
            // Piece after piece is more and more.
            (
                &["1.0.0.0/8", "3.0.0.0/8"],
                &["1.0.0.0/8"],
                Some("1.0.0.0/8 and 3.0.0.0/8 together"),
            ),
        ] {
            let opened = networks(list).opened_beyond(&networks(already));
            let opened = opened.map(|opened| opened.to_string());
            assert_eq!(opened.as_deref(), expected, "{already:?} to {list:?}");
        }
    }

    proptest! {
        #[test]
        fn the_whole_has_what_its_parts_have(
            written in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..20),
            wide in proptest::collection::vec((any::<u128>(), 0_u8..=128), 0..20),
            addresses in proptest::collection::vec(any::<u32>(), 20),
        ) {
            let v4 = written.iter().map(|(bits, prefix)| {
                IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(*bits), *prefix))
            });
            let v6 = wide.iter().map(|(bits, prefix)| {
                IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(*bits), *prefix))
            });
            let written: Vec<IpNet> = v4.chain(v6).collect();
            let list = NetworkList::of(&written);
            let inside = written.iter().map(IpNet::addr);
            let anywhere = addresses.iter().map(|bits| Ipv4Addr::from_bits(*bits).into());
            for address in inside.chain(anywhere) {
                let address = address.to_canonical();
                let expected = written.iter().any(|network| network.contains(&address));
                prop_assert_eq!(list.has(address), expected, "{}", address);
            }
        }
    }
}
