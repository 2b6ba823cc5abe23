//! Where mail is taken and pages are shown, and who may relay.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use crate::limits;
use crate::settings::ListenerEntry;
use crate::settings::catalogue::{
    EntryList, SettingKind as Kind, SettingSection, TextKind, group, object, setting, value,
};
use crate::smtp::Protocol;

/// How mail is taken, and where.
pub const LISTENERS: SettingSection = SettingSection {
    title: "Listeners",
    about: "",
    groups: &[
        group(
            "",
            "Line ends",
            &[setting(
                "line_ends",
                "Messages with a bare CR or a bare LF",
                "No server may take them as they are: they are the way to smuggle one message inside another.",
                Kind::Choice(&[
                    value(
                        "normalise",
                        "are put right",
                        "A bare LF becomes CRLF, a bare CR a blank; NUL is refused.",
                    ),
                    value(
                        "reject",
                        "are refused",
                        "550 5.6.0, and the connection is closed.",
                    ),
                ]),
            )],
        ),
        group(
            "",
            "Certificate",
            &[
                setting(
                    "tls_certificate_file",
                    "Certificate file",
                    "PEM, the server’s own certificate first; for STARTTLS and HTTPS. Empty: the one that the appliance has made for itself. Read again every hour, so that a renewal needs nothing.",
                    Kind::Text(TextKind::NewFile),
                ),
                setting(
                    "tls_key_file",
                    "Key file",
                    "PEM.",
                    Kind::Text(TextKind::NewFile),
                ),
            ],
        ),
        group(
            "",
            "Pages and API",
            &[
                setting(
                    "web_https",
                    "Only HTTPS",
                    "HTTPS is spoken at the web address in any case. Where it is the only one, plain pages are led to it, and everybody logs in anew.",
                    Kind::Choice(&[
                        value("with_certificate", "once a certificate is given", ""),
                        value(
                            "always",
                            "always",
                            "Without a certificate above with the appliance’s own, of which browsers warn.",
                        ),
                        value(
                            "optional",
                            "no: plain HTTP is taken too",
                            "For this machine alone, or a network that nobody else is in.",
                        ),
                    ]),
                ),
                setting(
                    "web_proxies",
                    "Proxies",
                    "Addresses of reverse proxies before the web address, one a line. Their X-Forwarded-For and X-Forwarded-Proto are believed, and they may speak plain HTTP.",
                    Kind::Lines(TextKind::Network, limits::PROXY_NETWORKS),
                ),
            ],
        ),
    ],
    lists: &[EntryList {
        path: "listeners",
        label: "Where mail is taken",
        hint: "What is particular to single listeners.",
        most: limits::LISTENERS,
        key: "address",
        groups: &[
            group(
                "",
                "The listener",
                &[
                    setting(
                        "address",
                        "Address",
                        "As it was given at the start, like 0.0.0.0:2525.",
                        Kind::Text(TextKind::ListenerAddress),
                    ),
                    setting(
                        "protocol",
                        "Protocol",
                        "",
                        Kind::Choice(&[
                            value("smtp", "SMTP", ""),
                            value(
                                "lmtp",
                                "LMTP",
                                "A reply for each recipient. Not on port 25.",
                            ),
                        ]),
                    ),
                    setting(
                        "path",
                        "Path",
                        "",
                        Kind::Choice(&[
                            value("", "As everywhere", ""),
                            value("fast", "Fast", ""),
                            value("standard", "Standard", ""),
                            value("cut_through", "Cut-through", ""),
                        ]),
                    ),
                ],
            ),
            group(
                "",
                "Extensions",
                &[setting(
                    "dsn",
                    "Delivery status notifications (DSN)",
                    "A client may ask for a report of success, to any address that it gives as the sender.",
                    Kind::Choice(&[
                        value(
                            "true",
                            "are offered",
                            "Who is not trusted gets few reports of success.",
                        ),
                        value(
                            "false",
                            "are not offered",
                            "NOTIFY, RET, ENVID and ORCPT are refused; failures are reported as ever.",
                        ),
                    ]),
                )],
            ),
            group(
                "",
                "Proxies before it",
                &[
                    setting(
                        "proxy_networks",
                        "PROXY protocol",
                        "Addresses of load balancers, one a line. Each of their connections has to begin with a header of version 1 or 2, and who it names is the client.",
                        Kind::Lines(TextKind::Network, limits::PROXY_NETWORKS),
                    ),
                    setting(
                        "xclient_networks",
                        "XCLIENT",
                        "Addresses of mail proxies, one a line. They are believed whom they speak for, and as whom that client has logged in.",
                        Kind::Lines(TextKind::Network, limits::PROXY_NETWORKS),
                    ),
                ],
            ),
        ],
        new: |_| new_listener(),
    }],
    elsewhere: &[],
};

/// Who may relay, and for which domains everybody may send to us.
pub const ACCESS: SettingSection = SettingSection::new(
    "Access",
    &[group(
        "",
        "Who may relay",
        &[
            setting(
                "trusted_networks",
                "Trusted networks",
                "Clients of these networks may send to anywhere. One a line, like 192.0.2.0/24 or 2001:db8::/32.",
                Kind::Lines(TextKind::Network, limits::TRUSTED_NETWORKS),
            ),
            setting(
                "relay_domains",
                "Relay domains",
                "Everybody may send to these domains. One a line; with a leading dot all domains below it.",
                Kind::Lines(TextKind::Domain, limits::DOMAINS),
            ),
        ],
    )],
);

fn new_listener() -> Map<String, Value> {
    let address = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut fields = object(&ListenerEntry {
        address,
        protocol: Protocol::Smtp,
        path: None,
        dsn: true,
        proxy_networks: Vec::new(),
        xclient_networks: Vec::new(),
    });
    fields.insert("address".to_owned(), "".into());
    fields
}
