//! `/settings/conditions/encryption`: the condition, and the OpenPGP keys of recipients.

use askama::Template;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::super::form::{Form, Group, Setting, Submission};
use super::super::kind::{Choice, Kind};
use super::super::{Answer, keep, present, see};
use super::{Diverted, TITLE, page_of, switch};
use crate::administration::OpenPgpKeyError;
use crate::administration::openpgp_keys::user_id;
use crate::limits;
use crate::openpgp::{KeptKey, Validity};
use crate::settings::FieldErrors;
use crate::settings::conditions::{ConditionDescription, ConditionKind};
use crate::web::access::Visitor;
use crate::web::confirm::Confirmation;
use crate::web::error::ApiError;
use crate::web::extract::{Ctx, FormBody, PageQuery, PathPart};
use crate::web::page::{Frame, Page, Section, render};
use crate::web::{Context, wording};
use axum::response::IntoResponse as _;

const CONDITION: &ConditionDescription = ConditionKind::Encryption.description();

const GROUPS: &[Group] = &[Group {
    heading: "The condition",
    settings: &[
        switch("encryption.enabled"),
        Setting {
            name: "encryption.when_no_key",
            label: "When some recipient has no valid key",
            hint: "",
            kind: Kind::Choice(&[
                Choice {
                    value: "send_plain",
                    label: "Send it to them as it is",
                    hint: "Whoever has a key gets it encrypted all the same.",
                },
                Choice {
                    value: "refuse",
                    label: "Refuse the message",
                    hint: "550 in the session, for all of its recipients: the sender is told who has no key.",
                },
            ]),
        },
    ],
}];

#[derive(Template)]
#[template(path = "settings/conditions/encryption.html")]
struct EncryptionPage {
    frame: Frame,
    notice: Option<&'static str>,
    does: &'static str,
    diverted: Diverted,
    form: Form,
    rows: Vec<Row>,
    /// How many keys there are, and how many of them are looked for.
    total: usize,
    found: usize,
    find: String,
    /// What was typed for a new key, and what was wrong with it.
    key: String,
    stands_for: String,
    problems: FieldErrors,
    key_most_kib: usize,
}

/// A key as it is listed.
struct Row {
    fingerprint: String,
    user_id: String,
    stands_for: Vec<String>,
    expires: String,
    state: &'static str,
    is_valid: bool,
    added: String,
}

impl EncryptionPage {
    fn new(
        context: &Context,
        visitor: Visitor,
        notice: Option<&'static str>,
        form: Form,
        find: &str,
    ) -> Self {
        let keyring = context.openpgp_keys.keyring();
        let now = Timestamp::now();
        let wanted = find.trim().to_lowercase();
        let found: Vec<&KeptKey> = keyring
            .iter()
            .filter(|kept| is_like(kept, &wanted))
            .collect();
        let shown = found.iter().take(limits::OPENPGP_KEYS_SHOWN);
        Self {
            frame: Frame::new(context, visitor, Section::Settings, CONDITION.title).below(TITLE),
            notice,
            does: CONDITION.summary,
            diverted: Diverted::now(CONDITION.name, context),
            form,
            rows: shown.map(|kept| row(kept, now)).collect(),
            total: keyring.len(),
            found: found.len(),
            find: find.trim().to_owned(),
            key: String::new(),
            stands_for: String::new(),
            problems: FieldErrors::default(),
            key_most_kib: limits::OPENPGP_KEY_BYTES / 1_024,
        }
    }

    /// What is wrong with a field of the new key.
    fn problem(&self, field: &str) -> Option<&String> {
        self.problems.0.get(field)
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

fn row(kept: &KeptKey, now: Timestamp) -> Row {
    let validity = kept.key.validity(now);
    let expires_at = kept.key.expires_at();
    Row {
        fingerprint: kept.key.fingerprint.clone(),
        user_id: user_id(kept),
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

/// A new key.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct NewKey {
    key: String,
    #[serde(default)]
    stands_for: String,
}

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    present(&context, visitor, &query, GROUPS, shower(&query.find))
}

/// Saves what was typed about the condition.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    let path = page_of(CONDITION);
    keep(&context, visitor, GROUPS, &submission, &path, shower("")).await
}

fn shower(
    find: &str,
) -> impl FnOnce(&Context, Visitor, Option<&'static str>, Form) -> Page + use<> {
    let find = find.to_owned();
    move |context, visitor, notice, form| {
        render(&EncryptionPage::new(context, visitor, notice, form, &find))
    }
}

/// Adds a key.
pub(in crate::web) async fn add_key(
    context: Ctx,
    visitor: Visitor,
    FormBody(form): FormBody<NewKey>,
) -> Answer {
    let NewKey { key, stands_for } = form;
    let names = stands_for.split([' ', ',', ';', '\r', '\n', '\t']);
    let names: Vec<String> = names.map(str::to_owned).collect();
    let given = key.clone().into_bytes();
    let keys = &context.openpgp_keys;
    let problems = match keys.add(given, &names, visitor.actor()).await {
        Ok(_) => return see(&format!("{}?done=added", page_of(CONDITION))),
        Err(OpenPgpKeyError::Invalid(problems)) => problems,
        Err(error) => return Err(ApiError::from(error).into()),
    };
    let again = move |context: &Context, visitor: Visitor, notice, form: Form| {
        render(&EncryptionPage {
            key,
            stands_for,
            problems,
            ..EncryptionPage::new(context, visitor, notice, form, "")
        })
    };
    let page = present(&context, visitor, &PageQuery::default(), GROUPS, again)?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// Asks whether a key is to go.
pub(in crate::web) async fn confirm_removal(
    context: Ctx,
    visitor: Visitor,
    PathPart(fingerprint): PathPart<String>,
) -> Page {
    let keyring = context.openpgp_keys.keyring();
    let kept = keyring.key(&fingerprint).ok_or(ApiError::NotFound)?;
    let name = match user_id(kept) {
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
        action: format!("{}/keys/{fingerprint}/remove", page_of(CONDITION)),
        fields: Vec::new(),
        answer: "Remove the key".to_owned(),
        back: page_of(CONDITION),
    };
    question.ask(&context, visitor)
}

/// Removes a key. One that is gone already is what was wanted.
pub(in crate::web) async fn remove_key(
    context: Ctx,
    visitor: Visitor,
    PathPart(fingerprint): PathPart<String>,
) -> Answer {
    let keys = &context.openpgp_keys;
    match keys.remove(&fingerprint, visitor.actor()).await {
        Ok(()) | Err(OpenPgpKeyError::Unknown) => {
            see(&format!("{}?done=removed", page_of(CONDITION)))
        }
        Err(error) => Err(ApiError::from(error).into()),
    }
}

#[cfg(test)]
#[path = "encryption_tests.rs"]
mod tests;
