//! `/settings/tokens`: what programs show to the API. A new one is shown once, in the answer to the form.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::access::Visitor;
use super::confirm::Question;
use super::error::ApiError;
use super::page::{Frame, PageError, Section, render};
use super::problems::{Problems, Sent, typed};
use super::{Context, wording};
use crate::accounts::{ApiTokenId, Scope};
use crate::administration::Login;
use crate::store::StoredApiToken;

/// What the query of the page says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/tokens.html")]
struct TokensPage {
    frame: Frame,
    notice: Option<&'static str>,
    tokens: Vec<TokenRow>,
    /// The token that was made just now.
    shown: Option<ShownToken>,
    /// What was typed for a new one.
    name: String,
    scopes: Vec<ScopeChoice>,
    problems: Problems,
}

/// A token as it is listed.
pub(super) struct TokenRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) scope: &'static str,
    pub(super) created: String,
    pub(super) created_by: String,
    pub(super) used: String,
}

impl TokenRow {
    pub(super) fn of(token: StoredApiToken, now: Timestamp) -> Self {
        Self {
            id: token.id.0,
            name: token.name,
            scope: words(token.scope),
            created: wording::day(token.created_at),
            created_by: token.created_by,
            used: token
                .last_used_at
                .map_or_else(|| "never".to_owned(), |used| wording::since(used, now)),
        }
    }
}

struct ShownToken {
    name: String,
    token: String,
}

struct ScopeChoice {
    scope: Scope,
    meaning: &'static str,
    is_chosen: bool,
}

/// The list, and the empty form.
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Response, PageError> {
    let Query(options) = options.unwrap_or_default();
    let notice = match options.done.as_deref() {
        Some("revoked") => Some("The token opens nothing any more."),
        _ => None,
    };
    let page = TokensPage {
        notice,
        ..filled(&context, visitor, Scope::ReadOnly).await?
    };
    Ok(render(&page)?.into_response())
}

/// The form for a new token.
#[derive(Deserialize)]
pub(super) struct NewForm {
    name: String,
    scope: Scope,
}

/// Makes a token and shows it, this once.
pub(super) async fn create(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Extension(login): Extension<Login>,
    sent: Sent<NewForm>,
) -> Result<Response, PageError> {
    let form = typed(sent)?;
    let actor = visitor.actor();
    let created =
        context
            .accounts
            .create_api_token(&form.name, form.scope, Some(login.account), &actor);
    match created.await {
        Ok((_, token)) => {
            let shown = ShownToken {
                name: form.name.trim().to_owned(),
                token: token.expose().to_owned(),
            };
            let page = TokensPage {
                shown: Some(shown),
                ..filled(&context, visitor, Scope::ReadOnly).await?
            };
            Ok(render(&page)?.into_response())
        }
        Err(error) => {
            let problems = Problems::of(error)?;
            let status = problems.status();
            let page = TokensPage {
                name: form.name,
                problems,
                ..filled(&context, visitor, form.scope).await?
            };
            Ok((status, render(&page)?).into_response())
        }
    }
}

/// Asks whether a token is to be revoked.
pub(super) async fn confirm_revocation(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Response, PageError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    let token = context.accounts.api_token_of_row(ApiTokenId(id)).await?;
    let question = Question {
        question: format!("Revoke the token “{}”?", token.name),
        sentences: vec!["It opens nothing any more then: whatever uses it is refused at once."],
        tokens: Vec::new(),
        action: format!("/settings/tokens/{id}/revoke"),
        fields: Vec::new(),
        answer: format!("Revoke {}", token.name),
        back: "/settings/tokens".to_owned(),
    };
    question.ask(&context, visitor)
}

/// Revokes a token.
pub(super) async fn revoke(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Response, PageError> {
    let Path(id) = id.map_err(|_| ApiError::NotFound)?;
    let actor = visitor.actor();
    let revoked = context.accounts.revoke_api_token(ApiTokenId(id), &actor);
    revoked.await?;
    Ok(Redirect::to("/settings/tokens?done=revoked").into_response())
}

async fn filled(
    context: &Context,
    visitor: Visitor,
    chosen: Scope,
) -> Result<TokensPage, PageError> {
    let now = Timestamp::now();
    let tokens = context.accounts.api_tokens().await?;
    let row = |token| TokenRow::of(token, now);
    let choice = |scope| ScopeChoice {
        scope,
        meaning: words(scope),
        is_chosen: scope == chosen,
    };
    Ok(TokensPage {
        frame: Frame::new(context, visitor, Section::Settings, "API tokens"),
        notice: None,
        tokens: tokens.into_iter().map(row).collect(),
        shown: None,
        name: String::new(),
        scopes: Scope::ALL.iter().copied().map(choice).collect(),
        problems: Problems::default(),
    })
}

fn words(scope: Scope) -> &'static str {
    match scope {
        Scope::ReadOnly => "reads",
        Scope::Operate => "reads, and works on the queue",
        Scope::ReadWrite => "reads and changes everything, accounts too",
    }
}

#[cfg(test)]
#[path = "api_tokens_tests.rs"]
mod tests;
