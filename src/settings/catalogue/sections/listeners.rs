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
#[rustfmt::skip]
pub const LISTENERS: SettingSection = SettingSection {
    title: "Listeners",
    about: "",
    groups: &[
        group("", "Line ends", &[
            setting("line_ends", "Bare CR and LF",
                "They are never passed on as they are: SMTP smuggling relies on them.",
                Kind::Choice(&[
                    value("normalise", "Normalize", "A bare LF becomes CRLF, a bare CR a space. NUL is rejected."),
                    value("reject", "Reject", "550 5.6.0, and the connection is closed."),
                ])),
        ]),
        group("", "Certificate", &[
            setting("tls_certificate_file", "TLS certificate file",
                "A PEM file with the certificate chain for STARTTLS and HTTPS, the server’s own certificate first. Empty: a self-signed one. The file is read again every hour.",
                Kind::Text(TextKind::NewFile)),
            setting("tls_key_file", "TLS key file",
                "The PEM file with the private key.",
                Kind::Text(TextKind::NewFile)),
        ]),
        group("", "Pages and API", &[
            setting("web_https", "Require HTTPS",
                "The web address always accepts HTTPS. When it is required, plain HTTP is redirected, and users have to log in again.",
                Kind::Choice(&[
                    value("with_certificate", "With a certificate", ""),
                    value("always", "Always", "Without a certificate of your own browsers show a warning."),
                    value("optional", "Never", "Plain HTTP is accepted too: only for this machine or a private network."),
                ])),
            setting("web_proxies", "Reverse proxies",
                "Addresses of reverse proxies in front of the web address, one per line. Their X-Forwarded-For and X-Forwarded-Proto are trusted, and they may use plain HTTP.",
                Kind::Lines(TextKind::Network, limits::PROXY_NETWORKS)),
        ]),
    ],
    lists: &[EntryList {
        path: "listeners",
        label: "Where mail is taken",
        hint: "What is particular to single listeners.",
        most: limits::LISTENERS,
        key: "address",
        groups: &[
            group("", "The listener", &[
                setting("address", "Address",
                    "As given at the start, like 0.0.0.0:2525.",
                    Kind::Text(TextKind::ListenerAddress)),
                setting("protocol", "Protocol", "", Kind::Choice(&[
                    value("smtp", "SMTP", ""),
                    value("lmtp", "LMTP", "One reply for each recipient. Not allowed on port 25."),
                ])),
                setting("path", "Path", "", Kind::Choice(&[
                    value("", "As for all listeners", ""),
                    value("fast", "Fast", ""),
                    value("standard", "Standard", ""),
                    value("cut_through", "Cut-through", ""),
                ])),
            ]),
            group("", "Extensions", &[
                setting("dsn", "Delivery status notifications (DSN)",
                    "Clients may ask for reports of delivery to any address that they give as the sender.",
                    Kind::Choice(&[
                        value("true", "Offered", "Clients that are not trusted get a limited number of success reports."),
                        value("false", "Not offered", "NOTIFY, RET, ENVID and ORCPT are rejected. Failures are still reported."),
                    ])),
            ]),
            group("", "Proxies before it", &[
                setting("proxy_networks", "PROXY protocol",
                    "Addresses of load balancers, one per line. Their connections must begin with a PROXY header of version 1 or 2, which names the client.",
                    Kind::Lines(TextKind::Network, limits::PROXY_NETWORKS)),
                setting("xclient_networks", "XCLIENT",
                    "Addresses of mail proxies, one per line. What they say with XCLIENT about a client and its login is trusted.",
                    Kind::Lines(TextKind::Network, limits::PROXY_NETWORKS)),
            ]),
        ],
        new: |_| new_listener(),
    }],
    elsewhere: &[],
};

/// Who may relay, and the domains that every client may send to.
#[rustfmt::skip]
pub const ACCESS: SettingSection = SettingSection::new("Access", &[
    group("", "Who may relay", &[
        setting("trusted_networks", "Trusted networks",
            "Clients in these networks may relay to any domain. One per line, like 192.0.2.0/24 or 2001:db8::/32.",
            Kind::Lines(TextKind::Network, limits::TRUSTED_NETWORKS)),
        setting("relay_domains", "Relay domains",
            "Every client may send to these domains. One per line. With a leading dot: all domains below it.",
            Kind::Lines(TextKind::Domain, limits::DOMAINS)),
    ]),
]);

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
