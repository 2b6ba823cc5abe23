//! Lists and texts of the settings.

use super::DOMAIN_BYTES;

/// Entries for single listeners.
pub const LISTENERS: usize = 64;
/// A next hop's name: a domain or an address in brackets, with a port, and for LMTP with its scheme.
pub const NEXT_HOP_NAME_BYTES: usize = DOMAIN_BYTES + 8 + "lmtp://".len();
/// Next hops for single domains: a change has all of them checked, compared and stored. With as many domains as
/// [`DOMAINS`] allows, the start takes well under two seconds.
pub const NEXT_HOP_ENTRIES: usize = 20_000;
/// Domains of one list, for the same reason.
pub const DOMAINS: usize = 100_000;
/// Networks that are trusted, looked up by halving the list: more than a large provider announces.
pub const TRUSTED_NETWORKS: usize = 100_000;
/// Networks of proxies of one kind: each client is compared with all of them.
pub const PROXY_NETWORKS: usize = 1_000;
/// Networks that blackhole lists are not asked about: each client is compared with all of them, some 20 µs.
pub const EXEMPT_NETWORKS: usize = 10_000;
/// Networks of one of the administrator's own conditions: each message is compared with those of all.
pub const OWN_CONDITION_NETWORKS: usize = 1_000;
/// DNS servers that are asked, one after the other: each that does not answer costs [`DNS_TRY_WAIT`](super::DNS_TRY_WAIT).
pub const DNS_SERVERS: usize = 16;
/// Waits of the retry schedule: the last one repeats.
pub const RETRY_WAITS: usize = 100;
/// IPv4 addresses that one list may trust unconfirmed: a 256th of all, more than all but a few organisations had.
pub const TRUSTED_IPV4_ADDRESSES: u128 = 1 << 24;
/// The same for IPv6, of which only an eighth is given out, and in smaller shares: a /16.
pub const TRUSTED_IPV6_ADDRESSES: u128 = 1 << 112;
/// Networks and domains that a sentence names; the others are counted.
pub const NETWORKS_NAMED: usize = 10;
/// Entries up to which the audit shows a whole list; of a longer one only what was added and removed.
pub const AUDITED_ENTRIES: usize = 100;
/// The body of a change of settings, which only administrators may send: lists as long as they may be.
pub const SETTINGS_BODY_BYTES: usize = 16 << 20;
/// A settings file beyond this is none: as much as the API takes.
pub const SETTINGS_FILE_BYTES: u64 = SETTINGS_BODY_BYTES as u64;
