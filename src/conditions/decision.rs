//! Which conditions are present: steps 401–403 of Figure 4, as a pure function over facts.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::encryption;
use super::facts::{EnvelopeFacts, Facts};
use super::header::Field;
use crate::limits;
use crate::message::DiskReason;
use crate::settings::Settings;
use crate::settings::conditions::{ConditionSettings as _, LeadsTo, PreparedOwn, WhenNoKey};

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The sender's domain is looked up.
    SenderCheck,
    /// The client is looked up in lists.
    BlackholeLists,
    /// LDAP relaying is off; or it is on, and the directory says where recipients are.
    LdapRelaying,
    /// One of the administrator's own, by its name.
    Own(Arc<str>),
    /// The administrator's rules are asked about its content.
    ContentFilter,
    /// clamd looks for malware.
    Antivirus,
    /// rspamd or spamd looks for spam.
    Antispam,
    /// The directory says what the sender is called.
    LdapMasquerading,
    /// The milter at this position of the settings: each of them is asked by itself.
    Milter(usize),
    /// Recipients with an OpenPGP key get it encrypted.
    Encryption,
    /// Each recipient gets a message of its own.
    ReceivedFor,
}

impl Condition {
    /// The word in reasons, settings and pages.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::SenderCheck => "sender_check".into(),
            Self::BlackholeLists => "blackhole_lists".into(),
            Self::LdapRelaying => "ldap_relaying".into(),
            Self::Own(name) => Cow::Owned(name.to_string()),
            Self::ContentFilter => "content_filter".into(),
            Self::Antivirus => "antivirus".into(),
            Self::Antispam => "antispam".into(),
            Self::LdapMasquerading => "ldap_masquerading".into(),
            Self::Milter(_) => "milter".into(),
            Self::Encryption => "encryption".into(),
            Self::ReceivedFor => "received_for".into(),
        }
    }

    /// Why a message touched disk when this condition sent it down the standard path.
    #[must_use]
    pub fn reason(&self) -> DiskReason {
        DiskReason::Condition(match self {
            Self::Own(name) => Arc::clone(name),
            other => Arc::from(&*other.name()),
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// For whom there is a valid OpenPGP key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Some recipient has one.
    pub some_have: bool,
    /// Some recipient has none.
    pub some_lack: bool,
}

/// A condition that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Which.
    pub condition: Condition,
    /// It sends the message down the standard path.
    pub disables_fast_path: bool,
}

/// The conditions that are present, in the order in which they are looked into: what is known already,
/// what is ours to say, what services say, and last what only changes the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// In that order.
    pub present: Vec<Present>,
}

impl Decision {
    /// Step 402: the first condition that disables the fast path, if one does.
    #[must_use]
    pub fn standard_path(&self) -> Option<&Condition> {
        let mut present = self.present.iter();
        let first = present.find(|present| present.disables_fast_path)?;
        Some(&first.condition)
    }
}

/// Whether a condition of the administrator's own sends a message straight through, by what is known of it
/// before its content.
#[must_use]
pub fn leads_through(envelope: EnvelopeFacts<'_>, settings: &Settings) -> bool {
    let facts = Facts::before_content(envelope);
    let mut own = settings.conditions().own.iter();
    own.any(|own| own.written.leads_to == LeadsTo::CutThrough && holds(own, &facts))
}

/// The first condition that has to see content before a message is taken; none when all that are on can
/// do without.
#[must_use]
pub fn needs_content(settings: &Settings) -> Option<Condition> {
    let lists = &settings.blackhole_lists;
    let mut own = settings.conditions().own.iter();
    let needs_it = own.find(|own| {
        // What is declared need not be what comes.
        own.written.leads_to == LeadsTo::StandardPath
            && (own.written.header_field.is_some() || own.written.larger_than_bytes.is_some())
    });
    if let Some(own) = needs_it {
        return Some(Condition::Own(own.written.name.as_str().into()));
    }
    [
        // A tag stands in the header, from which forged ones are taken out.
        (
            lists.enabled && lists.tag_weight.is_some(),
            Condition::BlackholeLists,
        ),
        (
            settings.content_filter.concerns_any(),
            Condition::ContentFilter,
        ),
        (settings.antivirus.enabled, Condition::Antivirus),
        (settings.antispam.enabled, Condition::Antispam),
        (
            settings.ldap_masquerading.enabled,
            Condition::LdapMasquerading,
        ),
        (settings.milter.enabled, Condition::Milter(0)),
        (settings.encryption.enabled, Condition::Encryption),
        // It makes several messages of one, each of which would need the content.
        (settings.received_for.enabled, Condition::ReceivedFor),
    ]
    .into_iter()
    .find_map(|(is_on, condition)| is_on.then_some(condition))
}

/// Figure 4 for a message whose content is about to come: the condition that sends it down the standard
/// path, now that all of its recipients are known.
#[must_use]
pub fn standard_path_without_content(
    envelope: EnvelopeFacts<'_>,
    settings: &Settings,
) -> Option<Condition> {
    if !settings.conditions().any {
        return None;
    }
    let facts = Facts::before_content(envelope);
    decide(&facts, settings).standard_path().cloned()
}

/// Step 401: which conditions are present.
#[must_use]
pub fn decide(facts: &Facts<'_>, settings: &Settings) -> Decision {
    let mut present = Vec::new();
    let mut note = |is_present: bool, condition: Condition, disables_fast_path: bool| {
        if is_present {
            present.push(Present {
                condition,
                disables_fast_path,
            });
        }
    };
    let sender_check = &settings.sender_check;
    note(
        sender_check.enabled && has_doubtful_sender(facts, settings),
        Condition::SenderCheck,
        sender_check.disables_fast_path,
    );
    let lists = &settings.blackhole_lists;
    note(
        lists.enabled && has_doubtful_client(facts, settings),
        Condition::BlackholeLists,
        lists.disables_fast_path,
    );
    let relaying = &settings.ldap_relaying;
    note(
        match relaying.enabled {
            // [0031]: “disabled LDAP relaying” is the condition.
            false => relaying.disables_fast_path_when_off,
            true => is_routed(facts, settings),
        },
        Condition::LdapRelaying,
        !relaying.enabled,
    );
    for own in &settings.conditions().own {
        let name = Arc::from(own.written.name.as_str());
        let is_present = own.written.leads_to == LeadsTo::StandardPath && holds(own, facts);
        note(is_present, Condition::Own(name), true);
    }
    let content_filter = &settings.content_filter;
    note(
        content_filter.concerns_any(),
        Condition::ContentFilter,
        content_filter.disables_fast_path,
    );
    let antivirus = &settings.antivirus;
    note(
        antivirus.enabled,
        Condition::Antivirus,
        antivirus.disables_fast_path,
    );
    let antispam = &settings.antispam;
    note(
        antispam.enabled,
        Condition::Antispam,
        antispam.disables_fast_path,
    );
    note(
        // A stranger is given no official address.
        is_trusted(facts, settings) && settings.is_masqueraded(facts.envelope.sender),
        Condition::LdapMasquerading,
        settings.ldap_masquerading.disables_fast_path,
    );
    let milter = &settings.milter;
    for position in 0..milter.milters.len().min(limits::MILTERS) {
        let condition = Condition::Milter(position);
        note(milter.enabled, condition, milter.disables_fast_path);
    }
    note(
        facts.content.is_some_and(|content| {
            encryption_concerns(content.keys, content.header.fields(), settings)
        }),
        Condition::Encryption,
        // It makes several messages of one, which only the queue can take all or none of.
        true,
    );
    let received_for = &settings.received_for;
    note(
        received_for.enabled,
        Condition::ReceivedFor,
        received_for.disables_fast_path,
    );
    Decision { present }
}

/// Whether a message with these fields, to recipients of whom `keys` says who has one, is to be encrypted,
/// or refused because it cannot be.
pub(super) fn encryption_concerns(keys: Coverage, fields: &[Field], settings: &Settings) -> bool {
    let encryption = &settings.encryption;
    let refuses = encryption.when_no_key == WhenNoKey::Refuse;
    encryption.enabled
        && (keys.some_have || refuses && keys.some_lack)
        && !encryption::is_encrypted(fields)
}

/// Whether the directory says where one of the recipients is.
fn is_routed(facts: &Facts<'_>, settings: &Settings) -> bool {
    let mut recipients = facts.envelope.recipients.iter();
    recipients.any(|recipient| settings.is_routed_by_directory(&recipient.address))
}

/// Whether the sender's domain is to be looked up. The null sender has none.
fn has_doubtful_sender(facts: &Facts<'_>, settings: &Settings) -> bool {
    let is_exempt = settings.sender_check.exempt_trusted && is_trusted(facts, settings);
    !is_exempt && !facts.envelope.sender.is_null()
}

/// Whether the client is to be looked up.
fn has_doubtful_client(facts: &Facts<'_>, settings: &Settings) -> bool {
    let address = facts.envelope.client.address;
    let is_allowed = |address| settings.blackhole_lists.allows(address);
    !is_trusted(facts, settings) && !address.is_none_or(is_allowed)
}

/// Whether we know who sends it: a client of ours, or somebody who has logged in.
fn is_trusted(facts: &Facts<'_>, settings: &Settings) -> bool {
    let client = facts.envelope.client;
    let trusts = |address| settings.trusts(address);
    client.login.is_some() || client.address.is_none_or(trusts)
}

/// Whether all parts of an own condition hold.
fn holds(own: &PreparedOwn, facts: &Facts<'_>) -> bool {
    let EnvelopeFacts {
        client,
        sender,
        recipients,
        ..
    } = facts.envelope;
    let written = &own.written;
    let in_networks = || {
        let networks = &written.client_networks;
        client
            .address
            .is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
    };
    written
        .recipients_more_than
        .is_none_or(|most| recipients.len() as u64 > most)
        && written
            .larger_than_bytes
            .is_none_or(|most| facts.size_bytes() > most)
        && (written.client_networks.is_empty() || in_networks())
        && own
            .sender
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(sender.as_str()))
        && own.recipient.as_ref().is_none_or(|pattern| {
            let mut recipients = recipients.iter();
            recipients.any(|recipient| pattern.is_match(recipient.address.as_str()))
        })
        && written
            .header_field
            .as_deref()
            .is_none_or(|name| facts.has_field(name))
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
