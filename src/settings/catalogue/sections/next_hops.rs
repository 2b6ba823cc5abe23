//! Where mail goes.

use crate::limits;
use crate::settings::catalogue::{
    EntryList, Setting, SettingKind as Kind, SettingSection, TextKind, ValueBounds, group, object,
    setting, value,
};
use crate::settings::next_hop::NextHopEntry;

/// Where mail goes, by default and for single domains.
#[rustfmt::skip]
pub const NEXT_HOPS: SettingSection = SettingSection {
    title: "Next hops",
    about: "",
    groups: &[
        group("", "All other mail", &[
            setting("default_next_hop", "Default next hop",
                "The server for all mail without an entry of its own, like smtp://mail.example.net:25, or lmtp://mail.example.net:24 for a mailbox server. Empty: the MX of each domain.",
                Kind::Text(TextKind::Server)),
        ]),
        group("next_hop_defaults", "", NEXT_HOP_POLICY),
        group("", "Look-ups", &[
            setting("dns_servers", "DNS servers",
                "One per line, like 192.0.2.53. Empty: those of this machine.",
                Kind::Lines(TextKind::DnsServer, limits::DNS_SERVERS)),
        ]),
    ],
    lists: &[EntryList {
        path: "next_hops",
        label: "Domains with a next hop of their own",
        hint: "Where mail for single domains goes.",
        most: limits::NEXT_HOP_ENTRIES,
        key: "domain",
        groups: &[
            group("", "Mail for one domain", &[
                setting("domain", "Domain",
                    "Like example.net. With a leading dot: all domains below it.",
                    Kind::Text(TextKind::Domain)),
                setting("address", "Server",
                    "Like smtp://mail.example.net:25, or lmtp://mail.example.net:24 for a mailbox server. Empty: the MX of the domain.",
                    Kind::Text(TextKind::Server)),
            ]),
            group("", "", NEXT_HOP_POLICY),
        ],
        // The policy that its domain has without it.
        new: |settings| {
            object(&NextHopEntry {
                domain: String::new(),
                address: None,
                policy: settings.next_hop_defaults.clone(),
            })
        },
    }],
    elsewhere: &[setting(
        "paused_next_hops",
        "Paused next hops",
        "Nothing is sent to them until they are resumed on the page of the queue.",
        Kind::Lines(TextKind::NextHopName, limits::PAUSED_NEXT_HOPS),
    )],
};

/// What may be particular to a next hop; also the defaults of all others.
#[rustfmt::skip]
const NEXT_HOP_POLICY: &[Setting] = &[
    setting("tls", "TLS", "", Kind::Choice(&[
        value("opportunistic", "Opportunistic", "Used when the server offers STARTTLS, with any certificate. Otherwise mail is sent unencrypted."),
        value("never", "Never", ""),
    ])),
    setting("connections_max", "Concurrent connections",
        "To one next hop. Further messages wait a moment and then go to the queue.",
        Kind::Number(ValueBounds::new(1, 1_000))),
    setting("uncertain", "If no reply follows the message", "", Kind::Choice(&[
        value("retry", "Retry", "It is delivered at least once, perhaps twice."),
        value("assume_delivered", "Assume delivered", "It is delivered at most once, perhaps never."),
    ])),
    setting("takes_eight_bit", "Without 8BITMIME", "", Kind::Choice(&[
        value("false", "Convert to 7-bit", "8-bit parts are encoded as quoted-printable or base64."),
        value("true", "Send 8-bit content", "For servers that accept it without saying so."),
    ])),
];
