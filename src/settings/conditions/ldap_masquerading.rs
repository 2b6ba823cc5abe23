//! The settings of LDAP sender masquerading.

use crate::limits;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::{DISABLES_FAST_PATH, ENABLED, WHEN_UNAVAILABLE};
use crate::settings::catalogue::{SettingKind as Kind, TextKind, group, setting};

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable, text_or_blank,
};
use crate::settings::{FieldErrors, Settings};
use crate::smtp::address::ReversePath;

/// Asks the directory for the sender's official address, and puts it in the place of the other one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LdapMasquerading {
    /// The feature is on.
    pub enabled: bool,
    /// Messages it concerns take the standard path.
    pub disables_fast_path: bool,
    /// Domains whose senders are looked up, with a leading dot all below; empty: all.
    pub domains: Vec<String>,
    /// Finds a sender's entry: %s is the address, %u its local part, %d its domain.
    #[serde(deserialize_with = "text_or_blank")]
    #[schema(value_type = String)]
    pub filter: String,
    /// The attribute with the official address.
    #[serde(deserialize_with = "text_or_blank")]
    #[schema(value_type = String)]
    pub attribute: String,
    /// What happens when the directory cannot tell.
    pub when_unavailable: WhenUnavailable,
}

impl Default for LdapMasquerading {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path: true,
            domains: Vec::new(),
            filter: "(uid=%u)".to_owned(),
            attribute: "mail".to_owned(),
            when_unavailable: WhenUnavailable::Defer,
        }
    }
}

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::LdapMasquerading,
    name: "ldap_masquerading",
    title: "LDAP sender masquerading",
    summary: "Asks the directory for the official address of a sender whose client is trusted or logged in. It takes the place of the one that was given: in the envelope, and in the From field where that is the sender’s.",
    groups: &[
        group("ldap_masquerading", "The condition", &[
            ENABLED,
            DISABLES_FAST_PATH,
        ]),
        group("ldap_masquerading", "Senders", &[
            setting("domains", "Domains",
                "Senders of these domains are looked up. One per line; .example.net for all domains below it. Empty: all. Name your own domains: a changed From breaks the DKIM signatures of others.",
                Kind::Lines(TextKind::Domain, limits::DOMAINS)),
            setting("filter", "Filter",
                "Finds the entry: %s is the address, %u its local part, %d its domain.",
                Kind::Text(TextKind::Filter)),
            setting("attribute", "Address attribute",
                "The attribute with the official address. A sender without an entry or without this attribute is not changed.",
                Kind::Text(TextKind::Attribute)),
            WHEN_UNAVAILABLE,
        ]),
    ],
    lists: &[],
    settings: |written| &written.ldap_masquerading,
};

impl ConditionSettings for LdapMasquerading {
    fn policy(&self, directory: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled,
            disables_fast_path: self.disables_fast_path,
            needs_content: true,
            when_unavailable: self.when_unavailable,
            timeout: Some(directory.timeout()),
        }
    }

    fn validate(&self, directory: &Directory, errors: &mut FieldErrors) {
        if self.enabled {
            directory.validate_for("LDAP sender masquerading", errors);
        }
    }
}

impl Settings {
    /// Whether the directory is asked for this sender's official address. The null path has none.
    #[must_use]
    pub fn is_masqueraded(&self, sender: &ReversePath) -> bool {
        let domains = self.conditions().ldap_masquerading.as_ref();
        domains
            .zip(sender.mailbox())
            .is_some_and(|(domains, sender)| domains.is_empty_or_has(&sender.lookup_domain()))
    }
}
