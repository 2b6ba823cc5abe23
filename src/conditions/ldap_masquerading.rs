//! LDAP sender masquerading: the sender's official address by the directory takes the place of the one
//! that was given, in the envelope and in the From field.

use super::check::{CheckFn, Concerns, ConditionCheck, MessageCheck};
use super::directory::{DirectoryEntry, Freshness};
use super::from_field;
use super::header::Field;
use super::service::{Asker, NoAnswer};
use super::services::Conditions;
use super::verdict::{CheckVerdict, Edit};
use super::words;
use crate::settings::Settings;
use crate::smtp::address::{Mailbox, ReversePath};

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    // A stranger is given no official address.
    concerns: Concerns::ByEnvelope(|envelope, settings| {
        envelope.is_trusted(settings) && settings.is_masqueraded(envelope.sender)
    }),
    tags: &[],
    run: CheckFn::Message(|asked| Box::pin(check(asked))),
};

/// The field in which the author stands.
const FROM: &str = "From";

/// A sender by its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficialSender {
    /// The name of the entry.
    pub entry: String,
    /// The official address; none: the one it has.
    pub address: Option<Mailbox>,
}

/// Looks the sender up, and changes it where the directory knows better.
async fn check(asked: MessageCheck<'_>) -> CheckVerdict {
    let MessageCheck {
        conditions,
        settings,
        draft,
        ..
    } = asked;
    let Some(sender) = draft.envelope.sender.mailbox() else {
        return CheckVerdict::pass();
    };
    let asker = asked.asker(settings.ldap_masquerading.when_unavailable);
    let found = conditions.official(settings, sender, Freshness::Remembered, asker);
    match found.await {
        Ok(None) => CheckVerdict::with(Vec::new(), format!("{sender} is not in the directory")),
        Ok(Some(found)) => match found.address {
            None => CheckVerdict::pass(),
            Some(address) => masqueraded(sender, &address, draft.fields()),
        },
        Err(no_answer) => CheckVerdict::without(no_answer),
    }
}

fn masqueraded(sender: &Mailbox, official: &Mailbox, fields: &[Field]) -> CheckVerdict {
    let mut edits = vec![Edit::Sender(ReversePath::Mailbox(official.clone()))];
    let authors = fields.iter().filter(|field| field.is_named(FROM));
    for (position, field) in authors.enumerate() {
        if let Some(field) = from_field::replaced(field, sender, official) {
            edits.push(Edit::Change(FROM.to_owned(), position + 1, field));
        }
    }
    let from = if edits.len() > 1 { ", in From too" } else { "" };
    CheckVerdict::with(edits, format!("{sender} became {official}{from}"))
}

/// The official address in an entry; none when that is the sender's own, or none stands there. Of several
/// the sender's own is one that is official, and none of the others is more so.
fn official_of(
    entry: &DirectoryEntry,
    attribute: &str,
    sender: &Mailbox,
) -> Result<Option<Mailbox>, String> {
    let values = entry.values(attribute);
    let addresses = values.map(|text| entry.address(attribute, text));
    let mut addresses = addresses.collect::<Result<Vec<Mailbox>, String>>()?;
    let is_own = |address: &Mailbox| address.as_str().eq_ignore_ascii_case(sender.as_str());
    if addresses.iter().any(is_own) {
        return Ok(None);
    }
    match addresses.len() {
        0 | 1 => Ok(addresses.pop()),
        _ => Err(entry.has_several(attribute)),
    }
}

impl Conditions {
    /// Asks the directory itself for a sender's official address, whether masquerading is on or not;
    /// none when it has no such entry. Bounded by the directory's time-out and
    /// [`crate::limits::LOOK_UP_TRY_WAIT`].
    ///
    /// # Errors
    /// Why it cannot tell.
    pub async fn try_official(
        &self,
        sender: &Mailbox,
        settings: &Settings,
    ) -> Result<Option<OfficialSender>, String> {
        let asker = Asker::of_try_out(settings);
        let found = self
            .official(settings, sender, Freshness::Anew, asker)
            .await;
        found.map_err(|no_answer| no_answer.to_string())
    }

    /// The sender by the directory; none when it has no such entry.
    async fn official(
        &self,
        settings: &Settings,
        sender: &Mailbox,
        freshness: Freshness,
        asker: Asker,
    ) -> Result<Option<OfficialSender>, NoAnswer> {
        let masquerading = &settings.ldap_masquerading;
        let attribute = masquerading.attribute.as_str();
        let wanted = (masquerading.filter.as_str(), &[Some(attribute)][..]);
        let directory = &settings.directory;
        let asking = self
            .directory
            .entry(directory, sender, wanted, freshness, asker);
        let Some(entry) = asking.await? else {
            return Ok(None);
        };
        Ok(Some(OfficialSender {
            entry: words::cut(&entry.dn),
            address: official_of(&entry, attribute, sender)?,
        }))
    }
}

#[cfg(test)]
#[path = "ldap_masquerading_tests.rs"]
mod tests;
