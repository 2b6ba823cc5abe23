//! Whether names and addresses in new settings can be what they are meant to be, and lead anywhere but
//! back to the appliance itself.
//!
//! Only what is new is looked at: settings from before are not refused for what they always had.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::boot::Addresses;
use crate::listener;
use crate::settings::names::{
    address_problem, compared, domain_problem, network_problem, server_problem,
};
use crate::settings::next_hop::{NextHopEntry, ServerAddress};
use crate::settings::{FieldErrors, SettingsDocument};

/// Where the appliance itself is.
#[derive(Clone, Debug, Default)]
pub struct OwnAddresses {
    hostname: Option<Arc<str>>,
    addresses: Vec<SocketAddr>,
}

impl OwnAddresses {
    /// Listening at `addresses` under this name. Without a name only addresses are recognised.
    #[must_use]
    pub fn at(addresses: &Addresses, hostname: Option<Arc<str>>) -> Self {
        let smtp = addresses.smtp.iter().copied();
        Self {
            hostname,
            addresses: smtp.chain([addresses.web]).collect(),
        }
    }

    /// Whether who connects to this server meets us.
    fn are_met_at(&self, server: &ServerAddress) -> bool {
        let listeners = self.addresses.iter();
        let mut listeners = listeners.filter(|listener| listener.port() == server.port);
        listeners.any(|listener| match server.host.parse::<IpAddr>() {
            Ok(address) => is_met(listener.ip(), address.to_canonical()),
            Err(_) if &*server.host == "localhost" => {
                listener.ip().is_unspecified() || listener.ip().is_loopback()
            }
            Err(_) => {
                let hostname = self.hostname.as_deref();
                hostname.is_some_and(|hostname| hostname.eq_ignore_ascii_case(&server.host))
            }
        })
    }
}

fn is_met(listener: IpAddr, address: IpAddr) -> bool {
    listener == address || listener.is_unspecified() && listener::is_of_this_machine(address)
}

/// Notes what is wrong with names and addresses of `after` that `before` did not have.
pub(super) fn check(
    before: &SettingsDocument,
    after: &SettingsDocument,
    ourselves: &OwnAddresses,
    errors: &mut FieldErrors,
) {
    let mut note = |field: &str, problem: Option<String>| {
        if let Some(problem) = problem {
            errors.add(field, problem);
        }
    };
    let server = |server: &ServerAddress| {
        server_problem(server).or_else(|| {
            let is_us = ourselves.are_met_at(server);
            is_us.then(|| format!("{server} is the appliance itself"))
        })
    };
    // The system is asked about an address: not again for each of the domains that go there.
    let mut servers: HashMap<&ServerAddress, Option<String>> = HashMap::new();
    for domain in new(&after.relay_domains, &before.relay_domains) {
        note("relay_domains", domain_problem(domain));
    }
    if let Some(default) = &after.default_next_hop
        && before.default_next_hop.as_ref() != Some(default)
    {
        note("default_next_hop", server(default));
    }
    let mut new_entries = new(&after.next_hops, &before.next_hops).peekable();
    let is_any_new = new_entries.peek().is_some();
    let known = before.next_hops.iter().filter(|_| is_any_new);
    let known: HashMap<Cow<'_, str>, &NextHopEntry> = known
        .map(|known| (compared(&known.domain), known))
        .collect();
    for entry in new_entries {
        let known = known.get(&compared(&entry.domain));
        if known.is_none() {
            note("next_hops", domain_problem(&entry.domain));
        }
        if let Some(address) = &entry.address
            && known.is_none_or(|known| known.address != entry.address)
        {
            let problem = servers.entry(address).or_insert_with(|| server(address));
            note("next_hops", problem.clone());
        }
    }
    for (field, after, before) in [
        (
            "trusted_networks",
            &after.trusted_networks,
            &before.trusted_networks,
        ),
        ("web_proxies", &after.web_proxies, &before.web_proxies),
    ] {
        for network in new(after, before) {
            note(field, network_problem(network));
        }
    }
    for dns_server in new(&after.dns_servers, &before.dns_servers) {
        note("dns_servers", address_problem(dns_server.ip()));
    }
}

fn new<'a, T: Eq + Hash>(after: &'a [T], before: &'a [T]) -> impl Iterator<Item = &'a T> {
    // Most changes are of something else.
    let after = if after == before { &[] } else { after };
    let known: HashSet<&T> = before.iter().filter(|_| !after.is_empty()).collect();
    after.iter().filter(move |item| !known.contains(item))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(json: Value) -> SettingsDocument {
        serde_json::from_value(json).expect("settings")
    }

    fn ourselves(smtp: &str) -> OwnAddresses {
        let addresses = Addresses {
            smtp: vec![smtp.parse().expect("an address")],
            web: "127.0.0.1:8025".parse().expect("an address"),
        };
        OwnAddresses::at(&addresses, Some("relay.example.net".into()))
    }

    fn found(before: Value, after: Value, smtp: &str) -> FieldErrors {
        let mut errors = FieldErrors::default();
        let (before, after) = (written(before), written(after));
        check(&before, &after, &ourselves(smtp), &mut errors);
        errors
    }

    #[test]
    fn what_is_new_is_looked_at() {
        let wrong = json!({
            "relay_domains": ["127.0.0.1"],
            "default_next_hop": "smtp://0.0.0.0:25",
            "next_hops": [{"domain": "xn--.example"}, {"domain": "a.example", "address": "smtp://-x:25"}],
            "trusted_networks": ["10.0.0.1/8"],
            "web_proxies": ["192.0.2.80/24"],
            "dns_servers": ["0.0.0.0:53"],
        });
        let errors = found(json!({}), wrong.clone(), "192.0.2.1:25");
        let fields: Vec<&str> = errors.0.keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "default_next_hop",
                "dns_servers",
                "next_hops",
                "relay_domains",
                "trusted_networks",
                "web_proxies"
            ]
        );
        assert!(errors.0["trusted_networks"].contains("10.0.0.0/8"));
        let mut more = wrong.clone();
        more["next_hops"][1]["tls"] = json!("never");
        assert_eq!(found(wrong, more, "192.0.2.1:25"), FieldErrors::default());
    }

    #[test]
    fn no_next_hop_leads_back_to_us() {
        for (listens_at, server, expected) in [
            ("192.0.2.1:25", "smtp://192.0.2.1:25", true),
            ("192.0.2.1:25", "smtp://192.0.2.1:26", false),
            ("192.0.2.1:25", "smtp://198.51.100.9:25", false),
            ("192.0.2.1:25", "smtp://127.0.0.1:25", false),
            ("192.0.2.1:25", "smtp://localhost:25", false),
            ("192.0.2.1:25", "smtp://Relay.Example.NET:25", true),
            ("192.0.2.1:25", "smtp://relay.example.net:26", false),
            ("192.0.2.1:25", "smtp://mail.example.net:25", false),
            ("192.0.2.1:25", "smtp://127.0.0.1:8025", true),
            ("0.0.0.0:25", "smtp://127.0.0.1:25", true),
            ("0.0.0.0:25", "smtp://127.0.0.2:25", true),
            ("0.0.0.0:25", "smtp://[::ffff:127.0.0.1]:25", true),
            ("0.0.0.0:25", "smtp://localhost:25", true),
            ("0.0.0.0:25", "smtp://198.51.100.9:25", false),
            ("127.0.0.1:25", "smtp://localhost:25", true),
            ("127.0.0.1:25", "smtp://127.0.0.2:25", false),
        ] {
            for settings in [
                json!({"default_next_hop": server}),
                json!({"next_hops": [{"domain": "a.example", "address": server}]}),
            ] {
                let errors = found(json!({}), settings, listens_at);
                let is_refused = errors.to_string().contains("the appliance itself");
                assert_eq!(is_refused, expected, "{listens_at}, {server}: {errors}");
            }
        }
    }

    #[test]
    fn many_entries_are_each_compared_once() {
        let entries = |address: &str| -> Value {
            let entry =
                |number| json!({"domain": format!("ü{number}.example"), "address": address});
            json!({"next_hops": (0..5_000).map(entry).collect::<Vec<_>>()})
        };
        let began = std::time::Instant::now();
        let (one, other) = (
            entries("smtp://127.0.0.1:2600"),
            entries("smtp://127.0.0.1:2601"),
        );
        assert_eq!(
            found(one.clone(), one.clone(), "0.0.0.0:25"),
            FieldErrors::default()
        );
        assert_eq!(found(one, other, "0.0.0.0:25"), FieldErrors::default());
        assert!(
            began.elapsed() < std::time::Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
    }
}
