//! LDAP sender masquerading: the sender's official address by the directory takes the place of the one
//! that was given, in the envelope and in the From field.

use std::time::Duration;

use tokio::time::Instant;

use super::Conditions;
use super::check::{CheckFn, Concerns, ConditionCheck};
use super::directory::{DirectoryClient, DirectoryEntry, DirectoryQuery, Freshness, LookUpResult};
use super::draft::Draft;
use super::from_field;
use super::header::Field;
use super::ldap_relaying::{malformed, several};
use super::service::{Asker, NoAnswer};
use super::verdict::{CheckVerdict, Edit};
use super::words;
use crate::clients::ClientId;
use crate::limits;
use crate::settings::Settings;
use crate::settings::conditions::WhenUnavailable;
use crate::smtp::address::{Mailbox, ReversePath};

pub(super) const CHECK: ConditionCheck = ConditionCheck {
    // A stranger is given no official address.
    concerns: Concerns::ByEnvelope(|envelope, settings| {
        envelope.is_trusted(settings) && settings.is_masqueraded(envelope.sender)
    }),
    tags: &[],
    run: CheckFn::Message(|asked| {
        let directory = &asked.conditions.directory;
        Box::pin(check(
            directory,
            asked.settings,
            asked.draft,
            asked.deadline,
        ))
    }),
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
pub(super) async fn check(
    directory: &DirectoryClient,
    settings: &Settings,
    draft: &Draft,
    deadline: Instant,
) -> CheckVerdict {
    let ReversePath::Mailbox(sender) = &draft.envelope.sender else {
        return CheckVerdict::pass();
    };
    let asker = draft.asker(deadline, settings.ldap_masquerading.when_unavailable);
    let found = official(directory, settings, sender, Freshness::Remembered, asker);
    match found.await {
        Ok(None) => CheckVerdict::with(Vec::new(), format!("{sender} is not in the directory")),
        Ok(Some(OfficialSender { address: None, .. })) => CheckVerdict::pass(),
        Ok(Some(OfficialSender {
            address: Some(address),
            ..
        })) => masqueraded(sender, &address, draft.fields()),
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

/// The sender by the directory; none when it has no such entry.
async fn official(
    directory: &DirectoryClient,
    settings: &Settings,
    sender: &Mailbox,
    freshness: Freshness,
    asker: Asker,
) -> Result<Option<OfficialSender>, NoAnswer> {
    let masquerading = &settings.ldap_masquerading;
    let attribute = masquerading.attribute.as_str();
    let question = DirectoryQuery::about(sender, &masquerading.filter, &[Some(attribute)]);
    let asking = directory.find(&settings.directory, question, freshness, asker);
    match asking.await? {
        LookUpResult::Nobody => Ok(None),
        LookUpResult::Several => Err(several(sender).into()),
        LookUpResult::Entry(entry) => Ok(Some(OfficialSender {
            entry: words::cut(&entry.dn),
            address: official_of(&entry, attribute, sender)?,
        })),
    }
}

/// The official address in an entry; none when that is the sender's own, or none stands there. Of several
/// the sender's own is one that is official, and none of the others is more so.
fn official_of(
    entry: &DirectoryEntry,
    attribute: &str,
    sender: &Mailbox,
) -> Result<Option<Mailbox>, String> {
    let mut addresses = Vec::new();
    for text in entry.values(attribute) {
        let address =
            Mailbox::parse(text).map_err(|_| malformed(entry, attribute, text, "is no address"))?;
        addresses.push(address);
    }
    let is_official = addresses
        .iter()
        .any(|address| address.as_str().eq_ignore_ascii_case(sender.as_str()));
    match (addresses.pop(), addresses.len()) {
        (None, _) => Ok(None),
        _ if is_official => Ok(None),
        (Some(address), 0) => Ok(Some(address)),
        (Some(_), _) => Err(words::cut(&format!("{} has several {attribute}", entry.dn))),
    }
}

impl Conditions {
    /// Asks the directory itself for a sender's official address, whether masquerading is on or not;
    /// none when it has no such entry. Bounded by the directory's time-out and
    /// [`limits::LOOK_UP_TRY_WAIT`].
    ///
    /// # Errors
    /// Why it cannot tell.
    pub async fn try_official(
        &self,
        sender: &Mailbox,
        settings: &Settings,
    ) -> Result<Option<OfficialSender>, String> {
        let timeout = Duration::from_secs(settings.directory.timeout_seconds);
        let asker = Asker {
            party: ClientId::Ourselves,
            deadline: Instant::now() + timeout.min(limits::LOOK_UP_TRY_WAIT),
            when_unavailable: WhenUnavailable::Defer,
        };
        let found = official(&self.directory, settings, sender, Freshness::Anew, asker).await;
        found.map_err(|no_answer| no_answer.to_string())
    }
}

#[cfg(test)]
#[path = "ldap_masquerading_tests.rs"]
mod tests;
