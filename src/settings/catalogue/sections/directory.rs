//! The LDAP directory.

use super::DAY;
use crate::settings::catalogue::{
    SettingKind as Kind, SettingSection, TextKind, ValueBounds, group, setting, value,
};
use crate::settings::conditions::rows::{CONNECTIONS, TIMEOUT};

/// The LDAP directory that conditions ask.
pub const DIRECTORY: SettingSection = SettingSection::new(
    "LDAP directory",
    &[
        group(
            "directory",
            "Server",
            &[
                setting(
                    "url",
                    "Address",
                    "Like ldap://directory.example.net or ldaps://directory.example.net:636.",
                    Kind::Text(TextKind::Directory),
                ),
                setting(
                    "start_tls",
                    "A connection to ldap://",
                    "",
                    Kind::Choice(&[
                        value(
                            "true",
                            "is secured with StartTLS",
                            "Before anything else is said. A directory that does not offer it is not asked.",
                        ),
                        value(
                            "false",
                            "is in the clear",
                            "The password, too: for a directory on this machine, or a network of its own.",
                        ),
                    ]),
                ),
                setting(
                    "ca_file",
                    "Authorities",
                    "A PEM file with the authority of the directory’s certificate, by its whole path. Empty: those that this machine trusts are enough.",
                    Kind::Text(TextKind::File),
                ),
            ],
        ),
        group(
            "directory",
            "Login",
            &[
                setting(
                    "bind_dn",
                    "Name",
                    "Like cn=relay,dc=example,dc=org; it only needs to read. Empty: anonymous.",
                    Kind::Text(TextKind::DistinguishedName),
                ),
                setting(
                    "bind_password",
                    "Password",
                    "It is never shown again.",
                    Kind::Secret(ValueBounds::ANY),
                ),
            ],
        ),
        group(
            "directory",
            "Look-ups",
            &[
                setting(
                    "base",
                    "Below",
                    "The entry below which everything is looked up, like ou=people,dc=example,dc=org.",
                    Kind::Text(TextKind::BaseName),
                ),
                TIMEOUT,
                CONNECTIONS,
                setting(
                    "cache_seconds",
                    "An answer is remembered for",
                    "Also that there is no entry. 0 s: every message asks anew.",
                    Kind::Time(ValueBounds::new(0, DAY)),
                ),
            ],
        ),
    ],
);
