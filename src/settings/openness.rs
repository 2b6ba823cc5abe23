//! Settings that give nearly the whole Internet what is meant for few, list by list and each as a whole.

use std::collections::HashSet;

use ipnet::IpNet;

use super::SettingsDocument;
use super::names::compared;
use super::networks::{NetworkList, in_a_row};
use crate::limits;

/// A right that nearly every client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Openness {
    /// The setting that gives it.
    pub field: &'static str,
    /// What that means, in words.
    pub words: String,
}

/// Clients that may send through the appliance without being named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenTo {
    /// Trusted networks that are nearly the whole Internet, the widest of them.
    pub networks: Vec<String>,
    /// Relay domains that are public suffixes, the first of them.
    pub domains: Vec<String>,
    /// Networks of proxies that are nearly the whole Internet: a client there may name a trusted one as
    /// itself.
    pub proxies: Vec<String>,
}

impl OpenTo {
    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl SettingsDocument {
    /// Clients that may send through us without being named.
    #[must_use]
    pub fn open_to(&self) -> OpenTo {
        let widest = |networks: &[IpNet]| {
            let opening = NetworkList::of(networks).opened();
            opening
                .map(|opening| opening.networks())
                .unwrap_or_default()
        };
        let domains = public_suffixes(&self.relay_domains).cloned();
        let proxies = self.listeners.iter().flat_map(|entry| {
            let mut widest_proxies = widest(&entry.proxy_networks);
            widest_proxies.extend(widest(&entry.xclient_networks));
            widest_proxies
        });
        OpenTo {
            networks: widest(&self.trusted_networks),
            domains: domains.take(limits::NETWORKS_NAMED).collect(),
            proxies: proxies.take(limits::NETWORKS_NAMED).collect(),
        }
    }

    /// What these settings give to nearly every client, and `already` did not.
    #[must_use]
    pub fn opened_beyond(&self, already: &Self) -> Vec<Openness> {
        let mut found = Vec::new();
        let mut note = |field, words: Option<String>| {
            found.extend(words.map(|words| Openness { field, words }));
        };
        let networks = opened(&self.trusted_networks, &already.trusted_networks);
        let words =
            networks.map(|networks| format!("this would be an open relay because of {networks}"));
        note("trusted_networks", words);
        let new = new_public_suffixes(&self.relay_domains, &already.relay_domains);
        let words = (!new.is_empty()).then(|| {
            let domains = first_of(new);
            format!("everybody could send through this appliance to all of {domains}")
        });
        note("relay_domains", words);
        for entry in &self.listeners {
            let before = already.listeners.iter();
            let before = before
                .clone()
                .find(|before| before.address == entry.address);
            let (proxies, clients) = before.map_or((&[][..], &[][..]), |before| {
                (&before.proxy_networks[..], &before.xclient_networks[..])
            });
            let networks = opened(&entry.proxy_networks, proxies)
                .or_else(|| opened(&entry.xclient_networks, clients));
            let words = networks.map(|networks| {
                let address = entry.address;
                format!("{address} would believe {networks}, nearly everybody, to speak for others")
            });
            note("listeners", words);
        }
        let networks = opened(&self.web_proxies, &already.web_proxies);
        let words = networks
            .map(|networks| format!("{networks}, nearly everybody, could say who they are"));
        note("web_proxies", words);
        let (allowed, before) = (&self.blackhole_lists, &already.blackhole_lists);
        let networks = opened(&allowed.allowed_networks, &before.allowed_networks);
        let words = networks
            .map(|networks| format!("{networks}, nearly everybody, would never be looked up"));
        note("blackhole_lists.allowed_networks", words);
        found
    }
}

fn opened(networks: &[IpNet], already: &[IpNet]) -> Option<String> {
    // Most changes are of something else.
    if networks == already {
        return None;
    }
    let opening = NetworkList::of(networks).opened_beyond(&NetworkList::of(already));
    opening.map(|opening| opening.to_string())
}

/// Labels below a country's domain that make a public suffix, as in `co.uk`.
const KINDS: [&str; 14] = [
    "ac", "co", "com", "edu", "gob", "gov", "gv", "ltd", "ne", "net", "nom", "or", "org", "plc",
];

/// Domains of one label, with all below them or not, and everything below what a country has for one kind of
/// organisation: they are no mail domains.
fn public_suffixes(domains: &[String]) -> impl Iterator<Item = &String> {
    domains.iter().filter(|domain| {
        let (name, has_all_below) = match domain.strip_prefix('.') {
            Some(name) => (name, true),
            None => (domain.as_str(), false),
        };
        match name.split_once('.') {
            None => true,
            Some((kind, country)) => {
                let is_country = country.len() == 2;
                has_all_below && is_country && KINDS.contains(&&*kind.to_ascii_lowercase())
            }
        }
    })
}

fn new_public_suffixes<'a>(domains: &'a [String], already: &'a [String]) -> Vec<&'a String> {
    let known: HashSet<_> = public_suffixes(already)
        .map(|domain| compared(domain))
        .collect();
    let new = public_suffixes(domains);
    new.filter(|domain| !known.contains(&compared(domain)))
        .collect()
}

/// Some of them by name, and how many more there are.
fn first_of(domains: Vec<&String>) -> String {
    let more = domains.len().saturating_sub(limits::NETWORKS_NAMED);
    let named = domains.into_iter().take(limits::NETWORKS_NAMED);
    let mut names: Vec<String> = named.map(|domain| format!("“{domain}”")).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    in_a_row(&names)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(before: Value, after: Value, expected: &[(&str, &str)]) {
        let read = |settings: &Value| -> SettingsDocument {
            serde_json::from_value(settings.clone()).expect("settings")
        };
        let found = read(&after).opened_beyond(&read(&before));
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|opened| (opened.field, opened.words.as_str()))
            .collect();
        assert_eq!(found, expected, "{before} to {after}");
    }

    #[test]
    fn every_list_that_gives_trust_is_judged() {
        check(json!({}), json!({}), &[]);
        check(json!({}), json!({"trusted_networks": ["10.0.0.0/8"]}), &[]);
        let pieces = json!(["1.0.0.0/8", "3.0.0.0/8"]);
        let named = "1.0.0.0/8 and 3.0.0.0/8 together";
        let relay = format!("this would be an open relay because of {named}");
        let trusted = json!({"trusted_networks": pieces});
        check(json!({}), trusted.clone(), &[("trusted_networks", &relay)]);
        check(trusted.clone(), trusted, &[]);

        let speak =
            format!("127.0.0.1:25 would believe {named}, nearly everybody, to speak for others");
        for list in ["proxy_networks", "xclient_networks"] {
            let listener = |networks: &Value| json!({"listeners": [{"address": "127.0.0.1:25", list: networks}]});
            check(json!({}), listener(&pieces), &[("listeners", &speak)]);
            check(listener(&pieces), listener(&pieces), &[]);
            let one = listener(&json!(["1.0.0.0/8"]));
            check(json!({}), one.clone(), &[]);
            check(one, listener(&pieces), &[("listeners", &speak)]);
        }
        let say = format!("{named}, nearly everybody, could say who they are");
        check(
            json!({}),
            json!({"web_proxies": pieces}),
            &[("web_proxies", &say)],
        );
        let exempt = format!("{named}, nearly everybody, would never be looked up");
        check(
            json!({}),
            json!({"blackhole_lists": {"allowed_networks": pieces}}),
            &[("blackhole_lists.allowed_networks", &exempt)],
        );
    }

    #[test]
    fn a_relay_domain_that_is_everybody_s_is_noticed() {
        const ALL_OF: &str = "everybody could send through this appliance to all of ";
        for (before, after, expected) in [
            (json!([]), json!(["example.net", ".example.com"]), None),
            (json!([]), json!(["com"]), Some("“com”")),
            (json!([]), json!([".com", "example.net"]), Some("“.com”")),
            (json!(["com"]), json!(["com", ".com"]), Some("“.com”")),
            (json!([".com"]), json!([".com"]), None),
            (json!([]), json!([".рф"]), Some("“.рф”")),
            (json!([".рф"]), json!([".xn--p1ai"]), None),
            (json!([]), json!([".co.uk"]), Some("“.co.uk”")),
            (json!([]), json!([".COM.au", "co.uk"]), Some("“.COM.au”")),
            (json!([]), json!([".co.example", ".acme.uk"]), None),
            (json!([]), json!(["a", "b", "c"]), Some("“a”, “b” and “c”")),
        ] {
            let words = expected.map(|domains| format!("{ALL_OF}{domains}"));
            let expected = words.as_deref().map(|words| ("relay_domains", words));
            check(
                json!({"relay_domains": before}),
                json!({"relay_domains": after}),
                expected.as_slice(),
            );
        }
    }
}
