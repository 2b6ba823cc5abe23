//! What the administrator sets about the conditions (Figure 4 of the patent): for each a switch, the
//! question whether it disables the fast path, and parameters of its own.
//!
//! Every condition is one object among the settings, as it is written; what has to be prepared once,
//! not for every message, stands in [`Prepared`].

mod antispam;
mod antivirus;
mod blackhole_lists;
mod content_filter;
mod directory;
mod encryption;
mod ldap_filter;
mod ldap_masquerading;
mod ldap_relaying;
mod milter;
mod own;
mod received_for;
mod score;
mod sender_check;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::domains::DomainList;
use super::patch::FieldErrors;
use super::written::Written;

pub use antispam::{Antispam, AntispamEngine, WhenSpamIsRefused};
pub use antivirus::Antivirus;
pub use blackhole_lists::{BlackholeLists, BlackholeZone};
pub use content_filter::{
    Consequence, ContentAction, ContentFilter, ContentPart, ContentRule, PreparedRule, Question,
};
pub use directory::Directory;
pub use encryption::{Encryption, WhenNoKey};
pub use ldap_filter::{PLACEHOLDERS, filter_problem};
pub use ldap_masquerading::LdapMasquerading;
pub use ldap_relaying::LdapRelaying;
pub use milter::{Milter, read_milter};
pub use own::{LeadsTo, OwnCondition, PreparedOwn, is_field_name, pattern_of};
pub use received_for::ReceivedFor;
pub use score::Score;
pub use sender_check::SenderCheck;

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
    /// Refused in the session: the sender is told.
    #[default]
    Refuse,
    /// Taken, and kept back in the queue until an operator decides.
    Quarantine,
    /// Delivered with a header field that says what was found.
    Tag,
}

/// What of the conditions is looked at for every message, prepared.
#[derive(Debug, Default)]
pub struct Prepared {
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

impl Prepared {
    /// Prepares what was validated.
    pub(super) fn of(written: &Written) -> Self {
        let own = own::prepare(&written.own_conditions);
        let relaying = &written.ldap_relaying;
        let masquerading = &written.ldap_masquerading;
        let domains = |is_on: bool, domains: &[String]| is_on.then(|| DomainList::of(domains));
        let any = [
            written.sender_check.enabled,
            written.blackhole_lists.enabled,
            relaying.enabled || relaying.disables_fast_path_when_off,
            own.iter()
                .any(|own| own.written.leads_to == LeadsTo::StandardPath),
            written.content_filter.concerns_any(),
            written.antivirus.enabled,
            written.antispam.enabled,
            masquerading.enabled,
            written.milter.enabled,
            written.encryption.enabled,
            written.received_for.enabled,
        ];
        let leads_through = own
            .iter()
            .any(|own| own.written.leads_to == LeadsTo::CutThrough);
        Self {
            any: any.contains(&true),
            leads_through,
            own,
            ldap_relaying: domains(relaying.enabled, &relaying.domains),
            ldap_masquerading: domains(masquerading.enabled, &masquerading.domains),
            content_rules: written.content_filter.prepared(),
        }
    }
}

impl Written {
    pub(super) fn validate_conditions(&self, errors: &mut FieldErrors) {
        self.directory.validate(errors);
        self.ldap_relaying.validate(&self.directory, errors);
        self.ldap_masquerading.validate(&self.directory, errors);
        self.sender_check.validate(errors);
        self.blackhole_lists.validate(errors);
        self.content_filter.validate(errors);
        self.antivirus.validate(errors);
        self.antispam.validate(errors);
        self.milter.validate(errors);
        own::validate(&self.own_conditions, errors);
    }
}

/// Notes a time-out that no check may have.
fn validate_timeout(errors: &mut FieldErrors, field: &str, seconds: u64) {
    if !(1..=120).contains(&seconds) {
        errors.add(field, "must be from 1 s to 2 min");
    }
}

/// Notes a number of connections that no service may be given.
fn validate_connections(errors: &mut FieldErrors, field: &str, connections: u32) {
    if !(1..=1_000).contains(&connections) {
        errors.add(field, "must be from 1 to 1,000");
    }
}

/// Reads a text; one that was emptied is blank.
fn text_or_blank<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
