//! The DNS.

use std::time::Duration;

/// A DNS question with all its retries.
pub const DNS_WAIT: Duration = Duration::from_secs(5);
/// A server whose addresses of one family are known waits so long for those of the other.
pub const DNS_FAMILY_WAIT: Duration = Duration::from_millis(250);
/// And exchangers whose addresses are known wait so long for those of others.
pub const DNS_EXCHANGERS_WAIT: Duration = Duration::from_secs(1);
/// Answers of the DNS that are kept, in bytes: some ten thousand names.
pub const DNS_KEPT_BYTES: u64 = 16 * 1_048_576;
/// Records that the DNS lets be kept for longer are asked for again after this.
pub const DNS_FOUND_AGE: Duration = Duration::from_secs(3_600);
/// That there are none is asked again after this, whatever its zone allows: until then all its mail would be refused.
pub const DNS_ABSENT_AGE: Duration = Duration::from_secs(300);
/// An administrator's own server is asked for again after this: it moves with its container.
pub const DNS_OWN_AGE: Duration = Duration::from_secs(60);
/// One that is not known is asked for again after this: it may be starting, and its name with it.
pub const DNS_OWN_ABSENT_AGE: Duration = Duration::from_secs(5);
/// Addresses of one family that did not come in time are not waited for again so soon.
pub const DNS_LATE_AGE: Duration = Duration::from_secs(30);
/// The system's resolv.conf and hosts are looked at this often.
pub const DNS_SYSTEM_INTERVAL: Duration = Duration::from_secs(30);
/// A question with EDNS that is not answered by then is asked without it as well.
pub const DNS_EDNS_WAIT: Duration = Duration::from_millis(1_500);
/// Servers that answered only without EDNS are asked without it for so long.
pub const DNS_PLAIN_HOLD: Duration = Duration::from_secs(600);
/// Of the aliases of a name, the resolver follows eight at a time, and so many times.
pub const DNS_ALIAS_ROUNDS: usize = 3;
/// Questions at one time to one DNS server; the resolver's own 32 fails under load.
pub const DNS_QUESTIONS: usize = 1_024;
/// One try of a DNS question, so that a second one fits into [`DNS_WAIT`].
pub const DNS_TRY_WAIT: Duration = Duration::from_secs(2);
