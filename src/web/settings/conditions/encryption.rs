//! What `/settings/conditions/encryption` shows beside its form: the OpenPGP keys of recipients.

use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;

use super::super::page::{PageParts, SettingsPage, fragment};
use super::super::{FormAnswer, see, unprocessable};
use crate::administration::ChangeError;
use crate::limits;
use crate::openpgp::{KeptKey, Validity};
use crate::settings::FieldErrors;
use crate::settings::conditions::ConditionKind;
use crate::web::access::Visitor;
use crate::web::confirm::Confirmation;
use crate::web::error::{ApiError, PageError};
use crate::web::extract::{Ctx, FormBody, PathPart};
use crate::web::page::Page;
use crate::web::{Context, wording};

const PATH: &str = "/settings/conditions/encryption";

const WHAT_IT_MEANS: &str = "\n<p class=\"quiet\">A message that it concerns always takes the standard path: it becomes several messages, which are stored all or none before the sender is answered. The subject and the addresses stay readable. What is encrypted already (PGP/MIME, S/MIME) passes as it is.</p>";

#[derive(Template)]
#[template(path = "settings/conditions/openpgp_keys.html")]
pub(in crate::web::settings) struct KeyList {
    rows: Vec<KeyRow>,
    /// How many keys there are, and how many of them are looked for.
    total: usize,
    found: usize,
    find: String,
    /// What was typed for a new key, and what was wrong with it.
    typed: NewKeyForm,
    problems: FieldErrors,
    key_most_kib: usize,
}

/// A key as it is listed.
struct KeyRow {
    fingerprint: String,
    user_id: String,
    stands_for: Vec<String>,
    expires: String,
    state: &'static str,
    is_valid: bool,
    added: String,
}

/// A new key.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct NewKeyForm {
    key: String,
    #[serde(default)]
    stands_for: String,
}

impl KeyList {
    pub(in crate::web::settings) fn new(context: &Context, find: &str) -> Self {
        let keyring = context.openpgp_keys.keyring();
        let now = Timestamp::now();
        let wanted = find.trim().to_lowercase();
        let found: Vec<&KeptKey> = keyring
            .iter()
            .filter(|kept| is_like(kept, &wanted))
            .collect();
        let shown = found.iter().take(limits::OPENPGP_KEYS_SHOWN);
        Self {
            rows: shown.map(|kept| key_row(kept, now)).collect(),
            total: keyring.len(),
            found: found.len(),
            find: find.trim().to_owned(),
            typed: NewKeyForm::default(),
            problems: FieldErrors::default(),
            key_most_kib: limits::OPENPGP_KEY_BYTES / 1_024,
        }
    }

    /// What is wrong with a field of the new key.
    fn problem(&self, field: &str) -> Option<&String> {
        self.problems.0.get(field)
    }

    pub(in crate::web::settings) fn parts(&self) -> Result<PageParts, PageError> {
        Ok(PageParts {
            top: WHAT_IT_MEANS.to_owned(),
            form: format!(" action=\"{PATH}\""),
            below: fragment(self)?,
            ..PageParts::default()
        })
    }
}

/// Whether a part of a key's fingerprint, user ids or names is what is looked for.
fn is_like(kept: &KeptKey, wanted: &str) -> bool {
    let fingerprint = wanted.replace(' ', "").to_uppercase();
    let user_ids = kept.key.user_ids.iter();
    wanted.is_empty()
        || kept.key.fingerprint.contains(&fingerprint)
        || kept.stands_for.iter().any(|name| name.contains(wanted))
        || user_ids
            .map(|id| id.to_lowercase())
            .any(|id| id.contains(wanted))
}

fn key_row(kept: &KeptKey, now: Timestamp) -> KeyRow {
    let validity = kept.key.validity(now);
    let expires_at = kept.key.expires_at();
    KeyRow {
        fingerprint: kept.key.fingerprint.clone(),
        user_id: kept.user_id(),
        stands_for: kept.stands_for.clone(),
        expires: expires_at.map_or_else(|| "never".to_owned(), wording::day),
        state: match validity {
            Validity::Valid => "valid",
            Validity::Expired => "expired",
            Validity::Revoked => "revoked by its owner",
            Validity::NoEncryptionKey => "no subkey for encryption",
        },
        is_valid: validity == Validity::Valid,
        added: format!("{} by {}", wording::day(kept.created_at), kept.added_by),
    }
}

/// Adds a key.
pub(in crate::web) async fn add_key(
    context: Ctx,
    visitor: Visitor,
    FormBody(typed): FormBody<NewKeyForm>,
) -> FormAnswer {
    let names = typed.stands_for.split([' ', ',', ';', '\r', '\n', '\t']);
    let names: Vec<String> = names.map(str::to_owned).collect();
    let given = typed.key.clone().into_bytes();
    let keys = &context.openpgp_keys;
    let problems = match keys.add(given, &names, visitor.actor()).await {
        Ok(_) => return see(&format!("{PATH}?done=added")),
        Err(ChangeError::Invalid(problems)) => problems,
        Err(error) => return Err(ApiError::from(error).into()),
    };
    let page = SettingsPage::of(ConditionKind::Encryption);
    let list = KeyList {
        typed,
        problems,
        ..KeyList::new(&context, "")
    };
    let form = page.form(&context);
    unprocessable(page.render_with(&context, visitor, None, &form, list.parts()?)?)
}

/// Asks whether a key is to go.
pub(in crate::web) async fn confirm_removal(
    context: Ctx,
    visitor: Visitor,
    PathPart(fingerprint): PathPart<String>,
) -> Page {
    let keyring = context.openpgp_keys.keyring();
    let kept = keyring.key(&fingerprint).ok_or(ApiError::NotFound)?;
    let name = match kept.user_id() {
        name if name.is_empty() => fingerprint.clone(),
        name => name,
    };
    let question = Confirmation {
        question: format!("Remove the key of {name}?"),
        sentences: vec![
            "Messages for whom it stood are treated as for recipients without a key, from the next one on.",
            "What was encrypted to it before stays readable for its owner.",
        ],
        tokens: Vec::new(),
        action: format!("{PATH}/keys/{fingerprint}/remove"),
        fields: Vec::new(),
        answer: "Remove the key".to_owned(),
        back: PATH.to_owned(),
    };
    question.ask(&context, visitor)
}

/// Removes a key. One that is gone already is what was wanted.
pub(in crate::web) async fn remove_key(
    context: Ctx,
    visitor: Visitor,
    PathPart(fingerprint): PathPart<String>,
) -> FormAnswer {
    let keys = &context.openpgp_keys;
    match keys.remove(&fingerprint, visitor.actor()).await {
        Ok(()) | Err(ChangeError::Unknown(_)) => see(&format!("{PATH}?done=removed")),
        Err(error) => Err(ApiError::from(error).into()),
    }
}

#[cfg(test)]
#[path = "encryption_tests.rs"]
mod tests;
