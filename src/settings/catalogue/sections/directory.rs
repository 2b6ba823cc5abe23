//! The LDAP directory.

use super::DAY;
use crate::settings::catalogue::{
    SettingKind as Kind, SettingSection, TextKind, ValueBounds, group, setting, value,
};
use crate::settings::conditions::rows::{CONNECTIONS, TIMEOUT};

/// The LDAP directory that conditions ask.
#[rustfmt::skip]
pub const DIRECTORY: SettingSection = SettingSection::new("LDAP directory", &[
    group("directory", "Server", &[
        setting("url", "Server URL",
            "Like ldap://directory.example.net or ldaps://directory.example.net:636.",
            Kind::Text(TextKind::Directory)),
        setting("start_tls", "StartTLS", "", Kind::Choice(&[
            value("true", "Required", "TLS begins before the bind. A directory that does not offer it is not used."),
            value("false", "Off", "Everything is sent in plain text, the password too: only for a directory on this machine or a private network."),
        ])),
        setting("ca_file", "CA certificates",
            "The absolute path of a PEM file. Its certificate authorities are trusted in addition to those of this machine.",
            Kind::Text(TextKind::File)),
    ]),
    group("directory", "Login", &[
        setting("bind_dn", "Bind DN",
            "Like cn=relay,dc=example,dc=org. It only needs read access. Empty: anonymous bind.",
            Kind::Text(TextKind::DistinguishedName)),
        setting("bind_password", "Bind password",
            "It is never shown again.",
            Kind::Secret(ValueBounds::ANY)),
    ]),
    group("directory", "Look-ups", &[
        setting("base", "Base DN",
            "The entry below which the directory is searched, like ou=people,dc=example,dc=org.",
            Kind::Text(TextKind::BaseName)),
        TIMEOUT,
        CONNECTIONS,
        setting("cache_seconds", "Cache lifetime",
            "How long answers are cached, negative ones too. 0 s: no cache.",
            Kind::Time(ValueBounds::new(0, DAY))),
    ]),
]);
