//! What we say of a next hop in its place, in the form of a reply, with the enhanced codes of RFC 3463.

use std::fmt::Display;

use super::reply::Reply;

impl Reply {
    /// The destination takes no messages for now (RFC 3463 §3.4).
    pub const NEXT_HOP_PAUSED: Reply =
        Reply::fixed("451 4.3.2 the operator has paused the next hop");
    /// The breaker is open.
    pub const NEXT_HOP_SUSPENDED: Reply =
        Reply::fixed("451 4.4.1 the next hop is suspended after repeated failures");
    /// No connection has become free in time.
    pub const NEXT_HOP_BUSY: Reply =
        Reply::fixed("451 4.4.5 all connections to the next hop are busy");
    /// There is no address to connect to.
    pub const NEXT_HOP_WITHOUT_ADDRESS: Reply =
        Reply::fixed("451 4.4.4 the next hop has no address");
    /// The next hop is a listener of ours.
    pub const NEXT_HOP_IS_OURSELVES: Reply =
        Reply::fixed("451 4.4.6 the next hop is this server itself");
    /// No transaction was begun in the time there is.
    pub const NEXT_HOP_NOT_IN_TIME: Reply =
        Reply::fixed("451 4.4.1 the next hop did not answer in time");
    /// The client of a message on the fast path went away, or took it back.
    pub const WITHDRAWN: Reply = Reply::fixed("451 4.4.2 withdrawn before the end of data");
    /// The client of a message that goes straight through went away.
    pub const CLIENT_LEFT: Reply = Reply::fixed("451 4.4.2 the client left before the end of data");

    /// The DNS does not say where mail goes, or not now; `why` is a sentence.
    pub fn not_resolved(why: String) -> Reply {
        Reply::new(451, (4, 4, 3), why)
    }

    /// RFC 7505: the domain has a null MX.
    pub fn takes_no_mail(domain: &str) -> Reply {
        Reply::new(556, (5, 1, 10), format!("{domain} takes no mail"))
    }

    /// None of the domain's mail exchangers has an address.
    pub fn exchangers_without_address(domain: &str) -> Reply {
        let words = format!("no mail exchanger of {domain} has an address");
        Reply::new(550, (5, 4, 4), words)
    }

    /// RFC 5321 §5.1: no better exchanger is left to give the message to.
    pub fn best_exchanger_is_ourselves(domain: &str) -> Reply {
        let words = format!("the best mail exchanger of {domain} is this server itself");
        Reply::new(554, (5, 4, 6), words)
    }

    /// The domain does not exist.
    pub fn no_such_domain(domain: &str) -> Reply {
        let words = format!("the domain {domain} does not exist");
        Reply::new(550, (5, 1, 2), words)
    }

    /// The server takes addresses and header fields in ASCII only.
    pub const NEXT_HOP_WITHOUT_SMTPUTF8: Reply = Reply::fixed(
        "550 5.6.7 the next hop does not take internationalised addresses or header fields",
    );

    /// The server takes messages up to `limit` bytes.
    pub fn too_large_for_next_hop(limit: u64) -> Reply {
        let words = format!("the next hop takes messages up to {limit} bytes");
        Reply::new(552, (5, 3, 4), words)
    }

    /// The message has to be converted first.
    pub const AWAITS_CONVERSION: Reply = Reply::fixed(
        "451 4.6.3 the next hop takes 7-bit content only: the message waits for conversion",
    );

    /// RFC 6152 §3: a message that cannot be converted is returned.
    pub fn unconvertible(why: impl Display) -> Reply {
        let words = format!("the next hop takes 7-bit content only, and {why}");
        Reply::new(554, (5, 6, 3), words)
    }

    /// After the end of data the next hop did not say whether it has the message.
    pub fn uncertain(why: impl Display) -> Reply {
        Reply::new(451, (4, 4, 2), format!("after the end of data {why}"))
    }

    /// The same where the administrator takes silence for a yes.
    pub fn assumed_delivered(why: impl Display) -> Reply {
        let words = format!("assumed delivered: after the end of data {why}");
        Reply::new(250, (2, 0, 0), words)
    }
}
