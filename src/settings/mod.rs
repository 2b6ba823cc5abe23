//! What the administrator sets: one immutable, validated value, published through a watch channel.
//!
//! Two steps: [`SettingsDocument`] is what the database and the API have, field for field;
//! [`Settings`] is what the program runs on, with what is looked up for every message prepared.
//! Each transaction takes one snapshot at MAIL, so that a change never cuts through a message.

pub mod catalogue;
pub mod conditions;
pub mod directory_url;
mod document;
mod domains;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod listener;
pub mod names;
pub mod networks;
pub mod next_hop;
mod openness;
mod patch;
mod published;
pub mod quantity;
pub mod reading;
mod secrets;
pub mod service_address;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use crate::limits;
use names::compared;

pub use crate::boot::{SHOWN, Secret};
pub use document::{
    OverThreshold, PathChoice, SettingsDocument, WebHttps, WhenDeferred, WhenRefused, is_domain,
};
pub use domains::DomainList;
pub use listener::ListenerEntry;
pub use networks::NetworkList;
pub use next_hop::{NextHop, NextHopTarget, TlsPolicy, UncertainPolicy};
pub use openness::{OpenTo, Openness};
pub use patch::FieldErrors;
pub use published::{Current, Publisher};
pub use secrets::{part, part_mut};

/// The settings as the program runs on them.
#[derive(Debug)]
pub struct Settings {
    document: SettingsDocument,
    default_next_hop: Option<Arc<NextHop>>,
    /// By their domains as the DNS has them.
    next_hops: HashMap<String, Arc<NextHop>>,
    trusted_networks: NetworkList,
    web_proxies: NetworkList,
    relay_domains: DomainList,
    paused: HashSet<String>,
    conditions: conditions::PreparedConditions,
}

impl Settings {
    /// Checks what is written as a whole and prepares it.
    ///
    /// # Errors
    /// Every field that does not hold, with a message for the administrator.
    pub fn new(document: SettingsDocument) -> Result<Self, FieldErrors> {
        Self::checked(document, FieldErrors::default())
    }

    /// The same where something was wrong already.
    fn checked(document: SettingsDocument, mut errors: FieldErrors) -> Result<Self, FieldErrors> {
        document.validate(&mut errors);
        // Once for the check and the use: domains outside ASCII are dear to compare.
        let next_hops = next_hops(&document, &mut errors);
        errors.into_result()?;
        let default_next_hop = document
            .default_next_hop
            .as_ref()
            .map(|address| Arc::new(document.next_hop_defaults.at(address)));
        let paused = document.paused_next_hops.iter().cloned().collect();
        Ok(Self {
            paused,
            trusted_networks: NetworkList::of(&document.trusted_networks),
            web_proxies: NetworkList::of(&document.web_proxies),
            relay_domains: DomainList::of(&document.relay_domains),
            conditions: conditions::PreparedConditions::of(&document),
            document,
            default_next_hop,
            next_hops,
        })
    }

    /// The settings with a subset of fields changed: what PATCH does.
    ///
    /// # Errors
    /// Every field that is unknown, of the wrong kind, or does not hold.
    pub fn patched(
        &self,
        patch: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, FieldErrors> {
        let (document, errors) = patch::apply(&self.document, patch)?;
        Self::checked(document, errors)
    }

    /// As the database has them.
    #[must_use]
    pub fn document(&self) -> &SettingsDocument {
        &self.document
    }

    /// What is looked at for every message.
    #[must_use]
    pub fn conditions(&self) -> &conditions::PreparedConditions {
        &self.conditions
    }

    /// Whether mail goes where it goes by `other`.
    #[must_use]
    pub fn routes_as(&self, other: &Self) -> bool {
        let (document, other) = (self.document(), other.document());
        document.default_next_hop == other.default_next_hop && document.next_hops == other.next_hops
    }

    /// Where mail for a domain goes: its own entry, the entry of the nearest parent written with a
    /// leading dot, the default, else MX look-up. `domain` is in lower case; the two forms of an
    /// internationalised one are the same.
    #[must_use]
    pub fn next_hop_for(&self, domain: &str) -> Arc<NextHop> {
        let domain = &*compared(domain);
        if !self.next_hops.is_empty() {
            if let Some(found) = self.next_hops.get(domain) {
                return Arc::clone(found);
            }
            let mut parents = domain.match_indices('.').map(|(dot, _)| &domain[dot..]);
            if let Some(found) = parents.find_map(|parent| self.next_hops.get(parent)) {
                return Arc::clone(found).for_domain(domain);
            }
        }
        match &self.default_next_hop {
            Some(next_hop) => Arc::clone(next_hop),
            None => Arc::new(self.document.next_hop_defaults.by_mx(domain)),
        }
    }

    /// What is particular to the listener at this address.
    #[must_use]
    pub fn listener(&self, address: SocketAddr) -> Option<&ListenerEntry> {
        let mut entries = self.document.listeners.iter();
        entries.find(|entry| entry.address == address)
    }

    /// Whether nothing is sent to the next hop of this name.
    #[must_use]
    pub fn is_paused(&self, next_hop_name: &str) -> bool {
        self.paused.contains(next_hop_name)
    }

    /// Whether clients of this address may relay to anywhere.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_networks.has(address)
    }

    /// Whether this is a proxy of ours before the web address, which speaks for its clients.
    #[must_use]
    pub fn is_web_proxy(&self, address: IpAddr) -> bool {
        self.web_proxies.has(address)
    }

    /// Whether pages and API are only for those who come by HTTPS.
    #[must_use]
    pub fn requires_https(&self) -> bool {
        match self.document.web_https {
            WebHttps::WithCertificate => self.document.certificate_files().is_some(),
            WebHttps::Always => true,
            WebHttps::Optional => false,
        }
    }

    /// Whether we relay for this domain, given in lower case; the two forms of an internationalised
    /// one are the same.
    #[must_use]
    pub fn relays_for(&self, domain: &str) -> bool {
        self.relay_domains.has(domain)
    }
}

/// By their domains as the DNS has them. Notes a domain that has two entries, in whatever forms.
fn next_hops(
    document: &SettingsDocument,
    errors: &mut FieldErrors,
) -> HashMap<String, Arc<NextHop>> {
    let entries = &document.next_hops;
    // Of a list that is too long nothing is looked at.
    let entries = entries.get(..limits::NEXT_HOP_ENTRIES).unwrap_or(entries);
    let mut next_hops = HashMap::with_capacity(entries.len());
    for entry in entries {
        match next_hops.entry(compared(&entry.domain).into_owned()) {
            Entry::Occupied(_) => {
                errors.add("next_hops", format!("“{}” stands twice", entry.domain))
            }
            Entry::Vacant(place) => {
                place.insert(Arc::new(entry.next_hop()));
            }
        }
    }
    next_hops
}

impl Deref for Settings {
    type Target = SettingsDocument;

    fn deref(&self) -> &SettingsDocument {
        &self.document
    }
}

#[cfg(test)]
mod tests {
    use super::testing::settings;
    use super::*;
    use serde_json::json;

    #[test]
    fn the_nearest_entry_decides_the_next_hop() {
        let settings = settings(json!({
            "default_next_hop": "smtp://127.0.0.1:2600",
            "next_hops": [
                {"domain": "example.net", "address": "smtp://mail.example.net:25"},
                {"domain": ".example.com"},
            ],
        }));
        let check = |domain: &str, expected: &str| {
            assert_eq!(
                &**settings.next_hop_for(domain).name(),
                expected,
                "{domain}"
            );
        };
        check("example.net", "mail.example.net:25");
        check("sub.example.net", "127.0.0.1:2600");
        check("a.b.example.com", "a.b.example.com");
        check("example.com", "127.0.0.1:2600");
    }

    #[test]
    fn both_forms_of_a_domain_are_the_same() {
        let settings = settings(json!({
            "next_hops": [
                {"domain": "münchen.example", "address": "smtp://mail.example.net:25"},
                {"domain": ".xn--bcher-kva.example", "address": "smtp://books.example.net:25"},
            ],
            "relay_domains": ["münchen.example", ".xn--bcher-kva.example"],
        }));
        for (domain, next_hop) in [
            ("münchen.example", "mail.example.net:25"),
            ("xn--mnchen-3ya.example", "mail.example.net:25"),
            ("a.bücher.example", "books.example.net:25"),
            ("a.xn--bcher-kva.example", "books.example.net:25"),
        ] {
            assert_eq!(&**settings.next_hop_for(domain).name(), next_hop);
            assert!(settings.relays_for(domain), "{domain}");
        }
        let other = settings.next_hop_for("köln.example");
        assert_eq!(&**other.name(), "xn--kln-sna.example");
        assert!(!settings.relays_for("köln.example"));
    }

    #[test]
    fn relay_domains_match_whole_labels() {
        let settings = settings(json!({"relay_domains": ["example.net", ".example.com"]}));
        for (domain, expected) in [
            ("example.net", true),
            ("a.example.net", false),
            ("a.example.com", true),
            ("example.com", false),
            ("badexample.com", false),
        ] {
            assert_eq!(settings.relays_for(domain), expected, "{domain}");
        }
    }

    #[test]
    fn loopback_is_trusted_by_default_in_all_its_forms() {
        let settings = settings(json!({}));
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(settings.trusts(address.parse().expect("an address")));
        }
        assert!(!settings.trusts("192.0.2.1".parse().expect("an address")));
    }

    /// The field at which a patch is refused, and why.
    fn refused(patch: serde_json::Value) -> Vec<(String, String)> {
        testing::refused(patch).into_iter().collect()
    }

    #[test]
    fn a_domain_has_one_entry_in_whatever_form() {
        for (one, other, is_same) in [
            ("example.net", "example.net", true),
            ("münchen.example", "xn--mnchen-3ya.example", true),
            (".münchen.example", ".xn--mnchen-3ya.example", true),
            ("münchen.example", ".münchen.example", false),
            ("example.net", "example.com", false),
        ] {
            let found = refused(json!({"next_hops": [{"domain": one}, {"domain": other}]}));
            let expected = format!("“{other}” stands twice");
            let expected = is_same.then(|| ("next_hops".to_owned(), expected));
            assert_eq!(found, Vec::from_iter(expected), "{one} and {other}");
        }
    }

    #[test]
    fn every_list_has_a_bound() {
        let domain = |number: usize| json!(format!("d{number}.example"));
        let network = |number: usize| {
            let [_, high, middle, low] = u32::try_from(number).expect("few").to_be_bytes();
            json!(format!("10.{high}.{middle}.{low}/32"))
        };
        let entry = |number: usize| json!({"domain": domain(number)});
        let dns_server = |number: usize| json!(format!("192.0.2.{number}:53"));
        let answer = |number: usize| json!(format!("127.0.{}.{}", number / 256, number % 256));
        let listener = |list: &str, networks: serde_json::Value| json!([{"address": "127.0.0.1:25", list: networks}]);
        type Entry<'a> = &'a dyn Fn(usize) -> serde_json::Value;
        type Wrap<'a> = &'a dyn Fn(serde_json::Value) -> serde_json::Value;
        let bare: Wrap<'_> = &|list| list;
        let cases: [(&str, usize, Entry<'_>, Wrap<'_>, &str); 12] = [
            (
                "next_hops",
                limits::NEXT_HOP_ENTRIES,
                &entry,
                bare,
                "next_hops",
            ),
            (
                "relay_domains",
                limits::DOMAINS,
                &domain,
                bare,
                "relay_domains",
            ),
            (
                "trusted_networks",
                limits::TRUSTED_NETWORKS,
                &network,
                bare,
                "trusted_networks",
            ),
            (
                "web_proxies",
                limits::PROXY_NETWORKS,
                &network,
                bare,
                "web_proxies",
            ),
            (
                "dns_servers",
                limits::DNS_SERVERS,
                &dns_server,
                bare,
                "dns_servers",
            ),
            (
                "paused_next_hops",
                limits::PAUSED_NEXT_HOPS,
                &domain,
                bare,
                "paused_next_hops",
            ),
            (
                "retry_schedule_seconds",
                limits::RETRY_WAITS,
                &|_| json!(60),
                bare,
                "retry_schedule_seconds",
            ),
            (
                "listeners",
                limits::PROXY_NETWORKS,
                &network,
                &|list| listener("proxy_networks", list),
                "listeners",
            ),
            (
                "listeners",
                limits::PROXY_NETWORKS,
                &network,
                &|list| listener("xclient_networks", list),
                "listeners",
            ),
            (
                "blackhole_lists",
                limits::EXEMPT_NETWORKS,
                &network,
                &|list| json!({"allowed_networks": list}),
                "blackhole_lists.allowed_networks",
            ),
            (
                "blackhole_lists",
                limits::BLACKHOLE_ANSWERS,
                &answer,
                &|list| json!({"zones": [{"zone": "zen.example", "answers": list}]}),
                "blackhole_lists.zones",
            ),
            (
                "ldap_relaying",
                limits::DOMAINS,
                &domain,
                &|list| json!({"domains": list}),
                "ldap_relaying.domains",
            ),
        ];
        for (setting, most, entry, wrap, field) in cases {
            let list = |length: usize| wrap((0..length).map(entry).collect());
            assert_eq!(refused(json!({setting: list(most)})), [], "{setting}");
            let found = refused(json!({setting: list(most + 1)}));
            assert_eq!(found.len(), 1, "{setting}");
            assert_eq!(found[0].0, field);
            assert!(
                found[0].1.contains("most") || found[0].1.contains("from 1 to"),
                "{found:?}"
            );
        }
        let own = |length: usize| {
            let networks: serde_json::Value = (0..length).map(network).collect();
            refused(json!({"own_conditions": [{"name": "a", "client_networks": networks}]}))
        };
        assert_eq!(own(limits::OWN_CONDITION_NETWORKS), []);
        assert!(
            own(limits::OWN_CONDITION_NETWORKS + 1)[0]
                .1
                .contains("at most 1,000")
        );
    }

    /// Each entry is looked at once, however many there are: with a look at all others for each it would
    /// take minutes.
    #[test]
    fn many_entries_take_a_moment() {
        let entries: Vec<_> = (0..10_000)
            .map(|number| json!({"domain": format!("ü{number}.example"), "address": "smtp://127.0.0.1:2600"}))
            .collect();
        let domains: Vec<_> = (0..50_000)
            .map(|number| format!("ö{number}.example"))
            .collect();
        let began = std::time::Instant::now();
        let settings = settings(json!({"next_hops": entries, "relay_domains": domains}));
        let text = serde_json::to_string(&settings.document().revealed()).expect("JSON");
        let again = serde_json::from_str(&text).expect("an object");
        let again = Settings::new(SettingsDocument::default())
            .expect("the defaults hold")
            .patched(&again);
        assert_eq!(again.expect("it holds").document(), settings.document());
        let hop = settings.next_hop_for(&compared("ü9999.example"));
        assert_eq!(&**hop.name(), "127.0.0.1:2600");
        assert!(settings.relays_for("ö49999.example"));
        assert!(
            began.elapsed() < std::time::Duration::from_secs(30),
            "{:?}",
            began.elapsed()
        );
    }
}
