//! The settings of LDAP relaying.

use crate::limits;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rows::WHEN_UNAVAILABLE;
use crate::settings::catalogue::{SettingKind as Kind, TextKind, group, setting, value};

use super::{
    ConditionDescription, ConditionKind, ConditionPolicy, ConditionSettings, Directory,
    WhenUnavailable, text_or_blank,
};
use crate::settings::{FieldErrors, Settings};
use crate::smtp::address::Mailbox;

/// Asks the directory where mail for a recipient goes. The condition of the patent is present while
/// this is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LdapRelaying {
    /// The feature is on.
    pub enabled: bool,
    /// While it is off, all messages take the standard path.
    pub disables_fast_path_when_off: bool,
    /// Domains whose recipients are looked up, with a leading dot all below; empty: all.
    pub domains: Vec<String>,
    /// Finds a recipient's entry: %s is the address, %u its local part, %d its domain.
    #[serde(deserialize_with = "text_or_blank")]
    #[schema(value_type = String)]
    pub filter: String,
    /// The attribute with the server that mail for the recipient goes to; none: not asked for.
    pub host_attribute: Option<String>,
    /// The attribute with the address that it goes to; none: not asked for.
    pub address_attribute: Option<String>,
    /// A recipient without an entry is refused at RCPT.
    pub refuse_unknown: bool,
    /// What happens when the directory cannot tell.
    pub when_unavailable: WhenUnavailable,
}

impl Default for LdapRelaying {
    fn default() -> Self {
        Self {
            enabled: false,
            disables_fast_path_when_off: false,
            domains: Vec::new(),
            filter: "(|(mailLocalAddress=%s)(mail=%s))".to_owned(),
            host_attribute: Some("mailHost".to_owned()),
            address_attribute: Some("mailRoutingAddress".to_owned()),
            refuse_unknown: false,
            when_unavailable: WhenUnavailable::Defer,
        }
    }
}

#[rustfmt::skip]
pub(super) const DESCRIPTION: ConditionDescription = ConditionDescription {
    kind: ConditionKind::LdapRelaying,
    name: "ldap_relaying",
    title: "LDAP relaying",
    summary: "Asks the directory where mail for a recipient goes: to which server, and under which address. The condition is present while this is off.",
    groups: &[
        group("ldap_relaying", "The condition", &[
            setting("enabled", "Condition", "", Kind::Choice(&[
                value("true", "On", "The directory is asked on the fast path, within the acknowledgement deadline."),
                value("false", "Off", "Next hops are found by domain only."),
            ])),
            setting("disables_fast_path_when_off", "Path while it is off", "", Kind::Choice(&[
                value("true", "Standard path", "For sites where mail is not to be delivered at once without a look-up."),
                value("false", "Fast path", ""),
            ])),
        ]),
        group("ldap_relaying", "Recipients", &[
            setting("domains", "Domains",
                "Recipients of these domains are looked up. One per line; .example.net for all domains below it. Empty: all.",
                Kind::Lines(TextKind::Domain, limits::DOMAINS)),
            setting("filter", "Filter",
                "Finds the entry: %s is the address, %u its local part, %d its domain.",
                Kind::Text(TextKind::Filter)),
            setting("host_attribute", "Mail host attribute",
                "The attribute with the server for the recipient: a name or an address, optionally with a port. The name of this appliance has no effect. Empty: not used.",
                Kind::Text(TextKind::Attribute)),
            setting("address_attribute", "Routing address attribute",
                "The attribute with the address that mail for the recipient is sent to. Empty: not used.",
                Kind::Text(TextKind::Attribute)),
            setting("refuse_unknown", "Unknown recipients", "", Kind::Choice(&[
                value("true", "Reject (550)", "At RCPT, before the message is sent. The postmaster is never rejected."),
                value("false", "Route by domain", ""),
            ])),
            WHEN_UNAVAILABLE,
        ]),
    ],
    lists: &[],
    settings: |written| &written.ldap_relaying,
};

impl ConditionSettings for LdapRelaying {
    fn policy(&self, directory: &Directory) -> ConditionPolicy {
        ConditionPolicy {
            is_on: self.enabled,
            concerns_any: self.enabled || self.disables_fast_path_when_off,
            // [0031]: “disabled LDAP relaying” is the condition.
            disables_fast_path: !self.enabled && self.disables_fast_path_when_off,
            needs_content: false,
            when_unavailable: self.when_unavailable,
            timeout: Some(directory.timeout()),
        }
    }

    fn validate(&self, directory: &Directory, errors: &mut FieldErrors) {
        if self.enabled {
            directory.validate_for("LDAP relaying", errors);
        }
        if self.refuse_unknown && self.domains.is_empty() {
            errors.add(
                "ldap_relaying.domains",
                "say for which: otherwise mail to everybody else would be refused as unknown",
            );
        }
    }

    fn path_words(&self, policy: &ConditionPolicy) -> Option<&'static str> {
        match (policy.is_on, policy.disables_fast_path) {
            (true, _) => Some("looked up on the fast path"),
            (false, true) => Some("and so standard path"),
            (false, false) => None,
        }
    }
}

impl Settings {
    /// Whether the directory is asked where mail for this recipient goes.
    #[must_use]
    pub fn is_routed_by_directory(&self, recipient: &Mailbox) -> bool {
        let domains = self.conditions().ldap_relaying.as_ref();
        domains.is_some_and(|domains| domains.is_empty_or_has(&recipient.lookup_domain()))
    }

    /// Whether the directory is asked for this recipient before RCPT is answered.
    #[must_use]
    pub fn is_asked_at_rcpt(&self, recipient: &Mailbox) -> bool {
        self.ldap_relaying.refuse_unknown
            // RFC 5321 §4.5.1: every server takes mail for its postmaster.
            && !recipient.local_part().eq_ignore_ascii_case("postmaster")
            && self.is_routed_by_directory(recipient)
    }
}
