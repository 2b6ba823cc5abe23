//! What the administrator sets about the conditions (Figure 4 of the patent): for each a switch, the
//! question whether it disables the fast path, and parameters of its own.
//!
//! Every condition is one object among the settings. [`CONDITIONS`] is the list of them: whatever depends
//! on all conditions is a fold over it. What has to be prepared once, not for every message, is in
//! [`PreparedConditions`].

mod antispam;
mod antivirus;
mod blackhole_lists;
mod content_filter;
mod content_rule;
mod description;
mod directory;
mod encryption;
mod ldap_filter;
mod ldap_masquerading;
mod ldap_relaying;
mod milter;
mod own;
mod received_for;
pub(super) mod rows;
mod score;
mod sender_check;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::document::SettingsDocument;
use super::domains::DomainList;
use super::patch::FieldErrors;

pub use antispam::{Antispam, AntispamEngine, WhenSpamIsRefused};
pub use antivirus::Antivirus;
pub use blackhole_lists::{BlackholeLists, BlackholeZone};
pub use content_filter::ContentFilter;
pub use content_rule::{
    Consequence, ContentAction, ContentPart, ContentRule, PreparedRule, RuleCriterion,
};
pub use description::{ConditionDescription, ConditionPolicy, ConditionSettings};
pub use directory::Directory;
pub use encryption::{Encryption, WhenNoKey};
pub use ldap_filter::{PLACEHOLDERS, attribute_problem, filter_problem};
pub use ldap_masquerading::LdapMasquerading;
pub use ldap_relaying::LdapRelaying;
pub use milter::{Milter, read_milter};
pub use own::{LeadsTo, OwnCondition, PreparedOwn, is_field_name, pattern_of};
pub use received_for::ReceivedFor;
pub use score::Score;
pub use sender_check::SenderCheck;

/// A condition, or all of one kind: the administrator's own, the milters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionKind {
    /// The sender's domain is looked up.
    SenderCheck,
    /// The client is looked up in lists.
    BlackholeLists,
    /// LDAP relaying is off; or it is on, and the directory says where recipients are.
    LdapRelaying,
    /// The administrator's own.
    Own,
    /// The administrator's rules are asked about its content.
    ContentFilter,
    /// clamd looks for malware.
    Antivirus,
    /// rspamd or spamd looks for spam.
    Antispam,
    /// The directory says what the sender is called.
    LdapMasquerading,
    /// The milters are asked, each by itself.
    Milter,
    /// Recipients with an OpenPGP key get it encrypted.
    Encryption,
    /// Each recipient gets a message of its own.
    ReceivedFor,
}

/// The conditions, in the order in which they are asked: what is known already, what is ours to say, what
/// services say, and last what only changes the message.
pub const CONDITIONS: &[&ConditionDescription] = &[
    &sender_check::DESCRIPTION,
    &blackhole_lists::DESCRIPTION,
    &ldap_relaying::DESCRIPTION,
    &own::DESCRIPTION,
    &content_filter::DESCRIPTION,
    &antivirus::DESCRIPTION,
    &antispam::DESCRIPTION,
    &ldap_masquerading::DESCRIPTION,
    &milter::DESCRIPTION,
    &encryption::DESCRIPTION,
    &received_for::DESCRIPTION,
];

/// The list has the kinds in their order.
const _: () = {
    let mut position = 0;
    while position < CONDITIONS.len() {
        assert!(CONDITIONS[position].kind as usize == position);
        position += 1;
    }
};

impl ConditionKind {
    /// What is said of it.
    #[must_use]
    pub const fn description(self) -> &'static ConditionDescription {
        CONDITIONS[self as usize]
    }
}

/// The conditions that come with us, in the order in which they are asked: each has a page of its own.
pub fn built_in() -> impl Iterator<Item = &'static ConditionDescription> {
    let conditions = CONDITIONS.iter().copied();
    conditions.filter(|condition| condition.kind != ConditionKind::Own)
}

/// What it means when a check cannot tell: its service is down, too slow, or talks nonsense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnavailable {
    /// The message is put off: 451, the sender keeps it.
    #[default]
    Defer,
    /// The message goes on as if the check had found nothing.
    Pass,
}

/// What happens to a message in which a check found what it looks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFound {
    /// Refused in the session.
    #[default]
    Refuse,
    /// Taken, and kept back in the queue until an operator decides.
    Quarantine,
    /// Delivered with a header field that says what was found.
    Tag,
}

/// What of the conditions is looked at for every message, prepared.
#[derive(Debug, Default)]
pub struct PreparedConditions {
    /// Some condition may concern a message; where none can, no message pays for the question.
    pub any: bool,
    /// One of the administrator's own conditions leads to cut-through.
    pub leads_through: bool,
    /// The administrator's own conditions, in their order.
    pub own: Vec<PreparedOwn>,
    /// The domains whose recipients the directory routes; none: LDAP relaying is off.
    pub ldap_relaying: Option<DomainList>,
    /// The domains whose senders the directory knows better; none: masquerading is off.
    pub ldap_masquerading: Option<DomainList>,
    /// The rules of the content filter, in their order; also while it is off, to be tested.
    pub content_rules: Arc<[PreparedRule]>,
}

impl PreparedConditions {
    /// Prepares what was validated.
    pub(super) fn of(document: &SettingsDocument) -> Self {
        let own = own::prepare(&document.own_conditions);
        let relaying = &document.ldap_relaying;
        let masquerading = &document.ldap_masquerading;
        let domains = |is_on: bool, domains: &[String]| is_on.then(|| DomainList::of(domains));
        let leads_through = own
            .iter()
            .any(|own| own.written.leads_to == LeadsTo::CutThrough);
        Self {
            any: CONDITIONS
                .iter()
                .any(|condition| document.policy(condition.kind).concerns_any),
            leads_through,
            own,
            ldap_relaying: domains(relaying.enabled, &relaying.domains),
            ldap_masquerading: domains(masquerading.enabled, &masquerading.domains),
            content_rules: document.content_filter.prepared(),
        }
    }
}

impl SettingsDocument {
    /// The settings of a condition.
    #[must_use]
    pub fn condition(&self, kind: ConditionKind) -> &dyn ConditionSettings {
        (kind.description().settings)(self)
    }

    /// What the settings say of a condition.
    #[must_use]
    pub fn policy(&self, kind: ConditionKind) -> ConditionPolicy {
        self.condition(kind).policy(&self.directory)
    }

    pub(super) fn validate_conditions(&self, errors: &mut FieldErrors) {
        self.directory.validate(errors);
        for condition in CONDITIONS {
            (condition.settings)(self).validate(&self.directory, errors);
        }
    }
}

/// Reads a text; one that was emptied is blank.
fn text_or_blank<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// A condition is an object among the settings that can be switched on.
    #[test]
    fn every_condition_is_on_the_list() {
        let Ok(Value::Object(document)) = serde_json::to_value(SettingsDocument::default()) else {
            panic!("the settings are an object");
        };
        let switches = document
            .iter()
            .filter(|(_, value)| value.get("enabled").is_some());
        let switches: BTreeSet<&str> = switches.map(|(name, _)| name.as_str()).collect();
        let listed: BTreeSet<&str> = built_in().map(|condition| condition.name).collect();
        assert_eq!(listed, switches);
        assert!(document.contains_key(ConditionKind::Own.description().name));
        // Each row is about the object of its name.
        for condition in built_in() {
            let mut document = document.clone();
            document[condition.name]["enabled"] = true.into();
            let written: SettingsDocument =
                serde_json::from_value(document.into()).expect("settings");
            for other in built_in() {
                let is_on = written.policy(other.kind).is_on;
                assert_eq!(
                    is_on,
                    other.kind == condition.kind,
                    "{condition:?}: {other:?}"
                );
            }
        }
    }

    #[test]
    fn the_documentation_lists_every_condition() {
        let page = include_str!("../../docs/conditions.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
        let documented: Vec<&str> = rows.filter_map(|row| row.split(" | ").next()).collect();
        let titles = CONDITIONS.iter().map(|condition| condition.title);
        let expected: Vec<&str> = std::iter::once("Condition").chain(titles).collect();
        assert_eq!(documented, expected);
    }
}
