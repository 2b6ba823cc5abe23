//! `/settings/tokens`: the tokens with which programs use the API. A new one is shown once, in the answer to the form.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::access::Visitor;
use super::confirm::Confirmation;
use super::error::PageError;
use super::extract::{Ctx, FormBody, PageQuery, PathPart};
use super::page::{Frame, Page, Section, render, respond};
use super::problems::FormProblems;
use super::{Context, wording};
use crate::accounts::{ApiTokenId, Scope, StoredApiToken};
use crate::administration::{Actor, Login};

#[derive(Template)]
#[template(path = "settings/tokens.html")]
struct TokensPage {
    frame: Frame,
    notice: Option<&'static str>,
    now: Timestamp,
    tokens: Vec<StoredApiToken>,
    /// The name of a token that was made just now, and the token.
    shown: Option<(String, String)>,
    /// What was typed for a new one.
    name: String,
    scope: Scope,
    problems: FormProblems,
}

/// The list, and the empty form.
pub(super) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    let notice = match query.done.as_str() {
        "revoked" => Some("The token opens nothing any more."),
        _ => None,
    };
    render(&TokensPage {
        notice,
        ..filled(&context, visitor, Scope::ReadOnly).await?
    })
}

/// The form for a new token.
#[derive(Deserialize)]
pub(super) struct NewTokenForm {
    name: String,
    scope: Scope,
}

/// Makes a token and shows it, this once.
pub(super) async fn create(
    context: Ctx,
    visitor: Visitor,
    login: Login,
    FormBody(form): FormBody<NewTokenForm>,
) -> Result<Response, PageError> {
    let actor = visitor.actor();
    let created =
        context
            .accounts
            .create_api_token(&form.name, form.scope, Some(login.account), &actor);
    match created.await {
        Ok((_, token)) => {
            let name = form.name.trim().to_owned();
            let page = TokensPage {
                shown: Some((name, token.expose().to_owned())),
                ..filled(&context, visitor, Scope::ReadOnly).await?
            };
            respond(StatusCode::OK, &page)
        }
        Err(error) => {
            let page = TokensPage {
                name: form.name,
                problems: FormProblems::of(error)?,
                ..filled(&context, visitor, form.scope).await?
            };
            respond(page.problems.status(), &page)
        }
    }
}

/// Asks whether a token is to be revoked.
pub(super) async fn confirm_revocation(
    context: Ctx,
    visitor: Visitor,
    PathPart(id): PathPart<i64>,
) -> Page {
    let token = context.accounts.api_token_of_row(ApiTokenId(id)).await?;
    let question = Confirmation {
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
    context: Ctx,
    actor: Actor,
    PathPart(id): PathPart<i64>,
) -> Result<Response, PageError> {
    let revoked = context.accounts.revoke_api_token(ApiTokenId(id), &actor);
    revoked.await?;
    Ok(Redirect::to("/settings/tokens?done=revoked").into_response())
}

async fn filled(
    context: &Context,
    visitor: Visitor,
    scope: Scope,
) -> Result<TokensPage, PageError> {
    Ok(TokensPage {
        frame: Frame::new(context, visitor, Section::Settings, "API tokens"),
        notice: None,
        now: Timestamp::now(),
        tokens: context.store.administration.api_tokens().await?,
        shown: None,
        name: String::new(),
        scope,
        problems: FormProblems::default(),
    })
}

#[cfg(test)]
#[path = "api_tokens_tests.rs"]
mod tests;
