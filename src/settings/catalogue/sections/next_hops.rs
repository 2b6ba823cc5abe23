//! Where mail goes.

use crate::limits;
use crate::settings::catalogue::{
    EntryList, Setting, SettingKind as Kind, SettingSection, TextKind, ValueBounds, group, object,
    setting, value,
};
use crate::settings::next_hop::NextHopEntry;

/// Where mail goes, by default and for single domains.
pub const NEXT_HOPS: SettingSection = SettingSection {
    title: "Next hops",
    about: "",
    groups: &[
        group(
            "",
            "All other mail",
            &[setting(
                "default_next_hop",
                "Default next hop",
                "Like smtp://mail.example.net:25, or lmtp://mail.example.net:24 for the server of the mailboxes. Empty: each domain’s own mail exchangers (MX).",
                Kind::Text(TextKind::Server),
            )],
        ),
        group("next_hop_defaults", "", NEXT_HOP_POLICY),
        group(
            "",
            "Look-ups",
            &[setting(
                "dns_servers",
                "DNS servers",
                "One a line, like 192.0.2.53. Empty: those of this machine.",
                Kind::Lines(TextKind::DnsServer, limits::DNS_SERVERS),
            )],
        ),
    ],
    lists: &[EntryList {
        path: "next_hops",
        label: "Domains with a next hop of their own",
        hint: "Where mail for single domains goes.",
        most: limits::NEXT_HOP_ENTRIES,
        key: "domain",
        groups: &[
            group(
                "",
                "Mail for one domain",
                &[
                    setting(
                        "domain",
                        "Domain",
                        "Like example.net; with a leading dot all domains below it.",
                        Kind::Text(TextKind::Domain),
                    ),
                    setting(
                        "address",
                        "Server",
                        "Like smtp://mail.example.net:25, or lmtp://mail.example.net:24 for the server of the mailboxes. Empty: the domain’s own mail exchangers (MX).",
                        Kind::Text(TextKind::Server),
                    ),
                ],
            ),
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
const NEXT_HOP_POLICY: &[Setting] = &[
    setting(
        "tls",
        "Encryption",
        "",
        Kind::Choice(&[
            value(
                "opportunistic",
                "When it is offered",
                "Any certificate is taken; without STARTTLS mail goes unencrypted.",
            ),
            value("never", "Never", ""),
        ]),
    ),
    setting(
        "connections_max",
        "Connections at one time",
        "To one next hop. Beyond it messages wait a moment, then go to the queue.",
        Kind::Number(ValueBounds::new(1, 1_000)),
    ),
    setting(
        "uncertain",
        "When a message was sent and no reply came",
        "",
        Kind::Choice(&[
            value(
                "retry",
                "Try again later",
                "It arrives at least once, perhaps twice.",
            ),
            value(
                "assume_delivered",
                "Take it as delivered",
                "It arrives at most once, perhaps never.",
            ),
        ]),
    ),
    setting(
        "takes_eight_bit",
        "When it does not offer 8BITMIME",
        "",
        Kind::Choice(&[
            value(
                "false",
                "It gets 7-bit content",
                "8-bit parts are encoded anew for it.",
            ),
            value(
                "true",
                "It takes 8-bit content all the same",
                "Nothing is changed for it.",
            ),
        ]),
    ),
];
