//! The settings of the LDAP directory that the LDAP conditions ask.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::settings::directory_url::DirectoryUrl;
use crate::settings::{FieldErrors, Secret};

/// An LDAP directory, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Directory {
    /// Its server; none: there is no directory.
    pub url: Option<DirectoryUrl>,
    /// TLS begins with StartTLS, before anything else is said.
    pub start_tls: bool,
    /// A PEM file with authorities that are trusted beside the system's.
    #[schema(value_type = Option<String>)]
    pub ca_file: Option<PathBuf>,
    /// Whom we log in as; none: anonymous.
    pub bind_dn: Option<String>,
    /// The password for that.
    #[schema(value_type = Option<String>, examples("(set)"))]
    pub bind_password: Option<Secret>,
    /// The entry below which everything is looked up.
    pub base: Option<String>,
    /// The longest wait for an answer.
    pub timeout_seconds: u64,
    /// Connections at one time.
    pub connections_max: u32,
    /// How long an answer is remembered, “there is none” too; 0: not at all.
    pub cache_seconds: u64,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            url: None,
            start_tls: false,
            ca_file: None,
            bind_dn: None,
            bind_password: None,
            base: None,
            timeout_seconds: 10,
            connections_max: 5,
            cache_seconds: 60,
        }
    }
}

impl Directory {
    /// The longest wait for an answer.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    pub(super) fn validate(&self, errors: &mut FieldErrors) {
        let password = self.bind_password.as_ref().map(Secret::expose);
        if self.bind_dn.is_some() && password.is_none_or(str::is_empty) {
            // RFC 4513 §5.1.2: a name without a password is an anonymous login that succeeds.
            errors.add(
                "directory.bind_password",
                "is needed to log in: without one everybody is let in as nobody",
            );
        }
        if self.start_tls && self.url.as_ref().is_some_and(|url| url.tls) {
            errors.add(
                "directory.start_tls",
                "is for ldap:// only: ldaps:// speaks TLS from the beginning",
            );
        }
    }

    /// Notes what a condition misses that is on.
    pub(super) fn validate_for(&self, condition: &str, errors: &mut FieldErrors) {
        for (field, is_set) in [
            ("directory.url", self.url.is_some()),
            ("directory.base", self.base.is_some()),
        ] {
            if !is_set {
                errors.add(field, format!("is needed while {condition} is on"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsDocument;

    fn check(directory: serde_json::Value, expected: &[&str]) {
        let read: Directory = serde_json::from_value(directory.clone()).expect("settings");
        let mut errors = FieldErrors::default();
        let document = SettingsDocument {
            directory: read,
            ..SettingsDocument::default()
        };
        document.validate(&mut errors);
        let fields: Vec<String> = errors.0.into_keys().collect();
        assert_eq!(fields, expected, "{directory}");
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        use serde_json::json;
        check(json!({}), &[]);
        check(json!({"url": "ldaps://d", "base": "dc=example"}), &[]);
        let login = json!({"bind_dn": "cn=relay,dc=example", "bind_password": "x"});
        check(login, &[]);
        check(json!({"bind_dn": "cn=relay"}), &["directory.bind_password"]);
        check(
            json!({"bind_dn": "cn=relay", "bind_password": ""}),
            &["directory.bind_password"],
        );
        check(
            json!({"url": "ldaps://d", "start_tls": true}),
            &["directory.start_tls"],
        );
        check(json!({"base": "example"}), &["directory.base"]);
        check(json!({"ca_file": "ca.pem"}), &["directory.ca_file"]);
        check(
            json!({"timeout_seconds": 0, "connections_max": 0, "cache_seconds": 86_401}),
            &[
                "directory.cache_seconds",
                "directory.connections_max",
                "directory.timeout_seconds",
            ],
        );
    }
}
