//! The settings as the database and the API have them.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::conditions::{
    Antispam, Antivirus, BlackholeLists, ContentFilter, Directory, Encryption, LdapMasquerading,
    LdapRelaying, Milter, OwnCondition, ReceivedFor, SenderCheck,
};
use super::listener::ListenerEntry;
use super::next_hop::{NextHopEntry, NextHopPolicy, ServerAddress};
use super::patch::FieldErrors;
use super::{catalogue, names};
use crate::boot::Secret;
use crate::limits;
use crate::smtp::end_of_data::LineEnds;
use crate::tls::CertificateFiles;

/// Every setting, under the name that it has everywhere. What is missing has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Written)]
pub struct SettingsDocument {
    /// Bytes of one message that may be held in memory [0026]; 0: all to disk.
    pub memory_threshold_bytes: u64,
    /// What happens beyond the threshold.
    pub over_threshold: OverThreshold,
    /// Which way messages take.
    pub path: PathChoice,
    /// How often cut-through tries to connect to a next hop before its recipient is answered 451.
    pub cut_through_tries: u32,
    /// From the end of data to the reply, at the latest.
    pub ack_deadline_seconds: u64,
    /// Who keeps a message that every next hop deferred.
    pub when_deferred: WhenDeferred,
    /// Who learns that every recipient was refused.
    pub when_refused: WhenRefused,
    /// Waits between attempts; the last one repeats.
    pub retry_schedule_seconds: Vec<u64>,
    /// Retries after which a recipient fails [0029]; 0: only the expiry counts.
    pub retries_max: u32,
    /// Age at which a recipient fails.
    pub expire_after_seconds: u64,
    /// The trail is kept.
    pub keep_trail: bool,
    /// Age at which the trail is pruned.
    pub trail_retention_seconds: u64,
    /// Size at which the trail is pruned.
    pub trail_retention_bytes: u64,
    /// Bytes that all bodies together may hold in memory; 0: a quarter of the machine's or the
    /// container's memory.
    pub memory_budget_bytes: u64,
    /// The largest message that is taken.
    pub message_size_max_bytes: u64,
    /// What is done about bare CR, bare LF and NUL in data.
    pub line_ends: LineEnds,
    /// More recipients than this in the queue are an alert; here and below: none, no such alert.
    pub alert_queue_recipients: Option<u64>,
    /// An older message than this in the queue is an alert.
    pub alert_queue_age_seconds: Option<u64>,
    /// A next hop that is suspended for this long is an alert.
    pub alert_breaker_seconds: Option<u64>,
    /// A smaller free share of the data directory's file system is an alert.
    pub alert_disk_free_percent: Option<u64>,
    /// Fewer free bytes of the data directory's file system are an alert.
    pub alert_disk_free_bytes: Option<u64>,
    /// A larger share of the memory budget, held for a minute, is an alert.
    pub alert_memory_percent: Option<u64>,
    /// So long without a delivery while mail was there to deliver is an alert.
    pub alert_no_delivery_seconds: Option<u64>,
    /// It is one even when there was nothing to deliver.
    pub alert_no_delivery_when_idle: bool,
    /// The URL that alerts are sent to; none: they are not sent.
    pub alert_webhook_url: Option<String>,
    /// What signs the words to the webhook, so that its server knows whose they are.
    #[schema(value_type = Option<String>, examples("(set)"))]
    pub alert_webhook_secret: Option<Secret>,
    /// What is particular to single listeners.
    pub listeners: Vec<ListenerEntry>,
    /// Clients that may relay to anywhere.
    #[serde(deserialize_with = "names::networks")]
    #[schema(value_type = Vec<String>, examples(json!(["192.0.2.0/24"])))]
    pub trusted_networks: Vec<IpNet>,
    /// Domains that every client may send to; with a leading dot all domains below.
    pub relay_domains: Vec<String>,
    /// Where mail goes that no entry is for; none: MX look-up.
    pub default_next_hop: Option<ServerAddress>,
    /// The policy of next hops without an entry of their own.
    pub next_hop_defaults: NextHopPolicy,
    /// Where mail for single domains goes.
    pub next_hops: Vec<NextHopEntry>,
    /// Next hops, by their names on pages, that nothing is sent to until they are resumed.
    pub paused_next_hops: Vec<String>,
    /// DNS servers that are asked, `address:port`; without a port 53 is meant. Empty: the system's.
    #[serde(deserialize_with = "dns_servers")]
    #[schema(value_type = Vec<String>)]
    pub dns_servers: Vec<SocketAddr>,
    /// A PEM file with the certificate chain for STARTTLS and HTTPS; none: our own.
    #[schema(value_type = Option<String>)]
    pub tls_certificate_file: Option<PathBuf>,
    /// The PEM file with its key.
    #[schema(value_type = Option<String>)]
    pub tls_key_file: Option<PathBuf>,
    /// Whether pages and API are only for HTTPS, which is spoken in any case.
    pub web_https: WebHttps,
    /// Proxies before the web address: what they say of their clients is believed.
    #[serde(deserialize_with = "names::networks")]
    #[schema(value_type = Vec<String>, examples(json!(["192.0.2.80/32"])))]
    pub web_proxies: Vec<IpNet>,
    /// The LDAP directory that conditions ask.
    pub directory: Directory,
    /// The condition “LDAP relaying disabled”.
    pub ldap_relaying: LdapRelaying,
    /// The condition “sender check”.
    pub sender_check: SenderCheck,
    /// The condition “blackhole lists”.
    pub blackhole_lists: BlackholeLists,
    /// The condition “content filter”.
    pub content_filter: ContentFilter,
    /// The condition “antivirus”.
    pub antivirus: Antivirus,
    /// The condition “antispam”.
    pub antispam: Antispam,
    /// The condition “encryption”.
    pub encryption: Encryption,
    /// The condition “LDAP sender masquerading”.
    pub ldap_masquerading: LdapMasquerading,
    /// The condition “milter”.
    pub milter: Milter,
    /// The condition “Received-for header”.
    pub received_for: ReceivedFor,
    /// Conditions of the administrator's own.
    pub own_conditions: Vec<OwnCondition>,
}

fn dns_servers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    let texts: Vec<String> = Deserialize::deserialize(deserializer)?;
    let read = texts.iter().map(|text| names::read_dns_server(text));
    read.collect::<Result<_, _>>().map_err(Error::custom)
}

/// What happens to a message that exceeds the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverThreshold {
    /// The head stays in memory, the rest goes to disk (Figure 3).
    Split,
    /// All goes to disk and the message takes the standard path (Figure 6).
    DiskOnly,
}

/// Which way messages take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathChoice {
    /// The fast path, unless a message has a reason not to.
    Fast,
    /// The standard path for everything.
    Standard,
    /// Cut-through, unless a condition has to see the content first: then as if it were fast.
    CutThrough,
}

/// Who keeps a message that every next hop deferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenDeferred {
    /// Our queue.
    Queue,
    /// The sender's: the 4xx is passed on.
    Pass,
}

/// Who learns that every recipient was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenRefused {
    /// The client, by the 5xx.
    Reply,
    /// The sender, by a report; the client gets 250 (the patent's steps 315–317).
    Report,
}

/// Whether pages and API are only for HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebHttps {
    /// As soon as a certificate is given.
    WithCertificate,
    /// Always; until a certificate is given, with our own.
    Always,
    /// Plain HTTP is taken as well.
    Optional,
}

impl Default for SettingsDocument {
    fn default() -> Self {
        Self {
            memory_threshold_bytes: 32_768,
            over_threshold: OverThreshold::Split,
            path: PathChoice::Fast,
            cut_through_tries: 2,
            ack_deadline_seconds: 10,
            when_deferred: WhenDeferred::Queue,
            when_refused: WhenRefused::Reply,
            retry_schedule_seconds: vec![60, 300, 900, 1_800, 3_600, 7_200, 14_400],
            retries_max: 0,
            expire_after_seconds: 432_000,
            keep_trail: true,
            trail_retention_seconds: 7 * 86_400,
            trail_retention_bytes: 2 << 30,
            memory_budget_bytes: 0,
            message_size_max_bytes: 25 << 20,
            line_ends: LineEnds::Normalise,
            alert_queue_recipients: Some(10_000),
            alert_queue_age_seconds: Some(4 * 3_600),
            alert_breaker_seconds: Some(300),
            alert_disk_free_percent: Some(10),
            alert_disk_free_bytes: Some(1 << 30),
            alert_memory_percent: Some(90),
            alert_no_delivery_seconds: None,
            alert_no_delivery_when_idle: false,
            alert_webhook_url: None,
            alert_webhook_secret: None,
            listeners: Vec::new(),
            trusted_networks: vec![
                IpNet::new_assert([127, 0, 0, 0].into(), 8),
                IpNet::new_assert(std::net::Ipv6Addr::LOCALHOST.into(), 128),
            ],
            relay_domains: Vec::new(),
            default_next_hop: None,
            next_hop_defaults: NextHopPolicy::default(),
            next_hops: Vec::new(),
            paused_next_hops: Vec::new(),
            dns_servers: Vec::new(),
            tls_certificate_file: None,
            tls_key_file: None,
            web_https: WebHttps::WithCertificate,
            web_proxies: Vec::new(),
            directory: Directory::default(),
            ldap_relaying: LdapRelaying::default(),
            sender_check: SenderCheck::default(),
            blackhole_lists: BlackholeLists::default(),
            content_filter: ContentFilter::default(),
            antivirus: Antivirus::default(),
            antispam: Antispam::default(),
            encryption: Encryption::default(),
            ldap_masquerading: LdapMasquerading::default(),
            milter: Milter::default(),
            received_for: ReceivedFor::default(),
            own_conditions: Vec::new(),
        }
    }
}

impl SettingsDocument {
    /// The certificate for STARTTLS that the administrator gave; none: our own.
    #[must_use]
    pub fn certificate_files(&self) -> Option<CertificateFiles> {
        Some(CertificateFiles {
            certificate: self.tls_certificate_file.clone()?,
            key: self.tls_key_file.clone()?,
        })
    }

    /// Notes every field that does not hold.
    pub(super) fn validate(&self, errors: &mut FieldErrors) {
        catalogue::check(self, errors);
        self.validate_listeners(errors);
        self.validate_paused(errors);
        self.validate_conditions(errors);
        if self.tls_certificate_file.is_some() != self.tls_key_file.is_some() {
            errors.add(
                "tls_key_file",
                "a certificate and its key are given together",
            );
        }
    }

    fn validate_paused(&self, errors: &mut FieldErrors) {
        let mut earlier = HashSet::new();
        let mut paused = self.paused_next_hops.iter();
        if let Some(name) = paused.find(|name| !earlier.insert(*name)) {
            errors.add("paused_next_hops", format!("“{name}” stands twice"));
        }
    }
}

/// A next hop's name as pages show it: `host:port`, or a domain; in lower case.
pub(super) fn is_next_hop_name(text: &str) -> bool {
    (1..=limits::NEXT_HOP_NAME_BYTES).contains(&text.len())
        && !text
            .chars()
            .any(|c| c.is_ascii_uppercase() || c.is_whitespace() || c.is_control())
}

/// A domain in lower case, perhaps with a leading dot; non-ASCII letters are allowed (RFC 6531).
#[must_use]
pub fn is_domain(text: &str) -> bool {
    let name = text.strip_prefix('.').unwrap_or(text);
    !name.is_empty()
        && name.len() <= limits::DOMAIN_BYTES
        && !name.bytes().any(|byte| byte.is_ascii_uppercase())
        && name.split('.').all(|label| {
            !label.is_empty()
                && label
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_told_in_units() {
        let document = SettingsDocument {
            message_size_max_bytes: 1,
            expire_after_seconds: 0,
            ..SettingsDocument::default()
        };
        let mut errors = FieldErrors::default();
        document.validate(&mut errors);
        assert_eq!(
            errors.0["message_size_max_bytes"],
            "must be from 1 KiB to 1 GiB"
        );
        assert_eq!(
            errors.0["expire_after_seconds"],
            "must be from 1 s to 365 days"
        );
    }
}
