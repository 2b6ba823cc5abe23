//! `/settings/accounts/{name}`: one account's role and password, and its removal.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Context;
use super::access::Visitor;
use super::accounts::notice;
use super::confirm::Confirmation;
use super::error::PageError;
use super::extract::{Ctx, FormBody, PageQuery, PathPart};
use super::page::{Frame, Page, Section, render, respond};
use super::problems::FormProblems;
use super::query_string::encoded;
use crate::accounts::{Role, StoredApiToken};
use crate::administration::{AccountChange, AccountError};
use crate::store::StoredAccount;

#[derive(Template)]
#[template(path = "settings/account.html")]
struct AccountPage {
    frame: Frame,
    notice: Option<&'static str>,
    account: StoredAccount,
    /// The path of this page.
    path: String,
    is_own: bool,
    problems: FormProblems,
}

/// The account.
pub(super) async fn page(
    context: Ctx,
    visitor: Visitor,
    PathPart(name): PathPart<String>,
    query: PageQuery,
) -> Page {
    let problems = FormProblems::default();
    render(&filled(&context, visitor, &name, notice(&query), problems).await?)
}

/// The form for the role.
#[derive(Deserialize)]
pub(super) struct RoleForm {
    role: Role,
    /// The confirmation page was answered.
    confirmed: Option<String>,
}

/// Gives the account another role. Visitors who would lose rights by their own hand, or revoke tokens with
/// it, are asked first.
pub(super) async fn change_role(
    context: Ctx,
    visitor: Visitor,
    PathPart(name): PathPart<String>,
    FormBody(form): FormBody<RoleForm>,
) -> Result<Response, PageError> {
    if form.confirmed.is_none() {
        let account = context.accounts.named(&name).await?;
        let mut tokens = context.accounts.api_tokens_of(account.id).await?;
        tokens.retain(|token| token.exceeds(Some(form.role)));
        let steps_down = is_own(&visitor, &account.name) && form.role < account.role;
        if steps_down || !tokens.is_empty() {
            let question = demotion(&account.name, form.role, steps_down, tokens);
            return Ok(question.ask(&context, visitor)?.into_response());
        }
    }
    let change = AccountChange {
        role: Some(form.role),
        ..AccountChange::default()
    };
    let changed = context
        .accounts
        .amend(&name, change, &visitor.actor())
        .await;
    let place = format!("{}?done=role", path_of(&name));
    answer(&context, visitor, &name, changed, &place).await
}

/// The form for a new password.
#[derive(Deserialize)]
pub(super) struct PasswordResetForm {
    password: String,
    /// The box that switches one-time codes off: sent when it is ticked.
    without_second_factor: Option<String>,
}

/// Gives the account another password.
pub(super) async fn reset_password(
    context: Ctx,
    visitor: Visitor,
    PathPart(name): PathPart<String>,
    FormBody(form): FormBody<PasswordResetForm>,
) -> Result<Response, PageError> {
    let change = AccountChange {
        password: Some(form.password),
        without_second_factor: form.without_second_factor.is_some(),
        ..AccountChange::default()
    };
    let changed = context
        .accounts
        .amend(&name, change, &visitor.actor())
        .await;
    let place = format!("{}?done=password", path_of(&name));
    answer(&context, visitor, &name, changed, &place).await
}

fn demotion(name: &str, role: Role, is_own: bool, tokens: Vec<StoredApiToken>) -> Confirmation {
    let path = path_of(name);
    let mut sentences = vec!["The account may do less then, and its sessions end."];
    if is_own {
        sentences.push("It is yours: you cannot take this back. Another administrator can.");
    }
    Confirmation {
        question: format!("Make {name} a mere {role}?"),
        sentences,
        tokens,
        action: format!("{path}/role"),
        fields: vec![("role", role.as_str()), ("confirmed", "yes")],
        answer: format!("Change the role to {role}"),
        back: path,
    }
}

/// Asks whether the account is to be removed.
pub(super) async fn confirm_removal(
    context: Ctx,
    visitor: Visitor,
    PathPart(name): PathPart<String>,
) -> Page {
    let account = context.accounts.named(&name).await?;
    let path = path_of(&account.name);
    let mut sentences =
        vec!["The account is gone then, and its sessions end. What it did stays in the audit."];
    if is_own(&visitor, &account.name) {
        sentences.push("It is yours: you are logged out, and cannot come back.");
    }
    let question = Confirmation {
        question: format!("Remove {}?", account.name),
        sentences,
        tokens: context.accounts.api_tokens_of(account.id).await?,
        action: format!("{path}/remove"),
        fields: Vec::new(),
        answer: format!("Remove {}", account.name),
        back: path,
    };
    question.ask(&context, visitor)
}

/// Removes the account.
pub(super) async fn remove(
    context: Ctx,
    visitor: Visitor,
    PathPart(name): PathPart<String>,
) -> Result<Response, PageError> {
    let removed = context.accounts.remove(&name, &visitor.actor()).await;
    // There is no account any more: to the list.
    let place = "/settings/accounts?done=removed";
    answer(&context, visitor, &name, removed, place).await
}

/// Redirects to the page that says what was done, or shows the form with what is wrong.
async fn answer<T>(
    context: &Context,
    visitor: Visitor,
    name: &str,
    done: Result<T, AccountError>,
    place: &str,
) -> Result<Response, PageError> {
    let problems = match done {
        Ok(_) => return Ok(Redirect::to(place).into_response()),
        Err(error) => FormProblems::of(error)?,
    };
    let page = filled(context, visitor, name, None, problems).await?;
    respond(page.problems.status(), &page)
}

fn is_own(visitor: &Visitor, name: &str) -> bool {
    visitor.name.eq_ignore_ascii_case(name)
}

fn path_of(name: &str) -> String {
    format!("/settings/accounts/{}", encoded(name))
}

async fn filled(
    context: &Context,
    visitor: Visitor,
    name: &str,
    notice: Option<&'static str>,
    problems: FormProblems,
) -> Result<AccountPage, PageError> {
    let account = context.accounts.named(name).await?;
    Ok(AccountPage {
        path: path_of(&account.name),
        is_own: is_own(&visitor, &account.name),
        frame: Frame::new(context, visitor, Section::Settings, account.name.clone())
            .below("Accounts"),
        account,
        notice,
        problems,
    })
}
