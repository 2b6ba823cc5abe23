//! `/settings/accounts/{name}`: one account's role and password, and its end.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Context;
use super::access::Visitor;
use super::accounts::{Options, RoleChoice};
use super::confirm::Question;
use super::local_path::encoded;
use super::page::{Frame, PageError, Section, render};
use super::problems::{Problems, Sent, typed};
use crate::accounts::Role;
use crate::administration::{AccountChange, AccountError};
use crate::limits;
use crate::store::StoredApiToken;

#[derive(Template)]
#[template(path = "settings/account.html")]
struct AccountPage {
    frame: Frame,
    notice: Option<&'static str>,
    name: String,
    /// The path of this page.
    path: String,
    roles: Vec<RoleChoice>,
    has_second_factor: bool,
    is_own: bool,
    least: usize,
    problems: Problems,
}

/// The account.
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Response, PageError> {
    let Query(options) = options.unwrap_or_default();
    let page = filled(
        &context,
        visitor,
        &name,
        options.notice(),
        Problems::default(),
    )
    .await?;
    Ok(render(&page)?.into_response())
}

/// The form for the role.
#[derive(Deserialize)]
pub(super) struct RoleForm {
    role: Role,
    /// It was asked once more.
    confirmed: Option<String>,
}

/// Gives the account another role. Whoever would lose power by their own hand, or revoke tokens with it,
/// is asked first.
pub(super) async fn change_role(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    sent: Sent<RoleForm>,
) -> Result<Response, PageError> {
    let form = typed(sent)?;
    if form.confirmed.is_none() {
        let account = context.accounts.named(&name).await?;
        let mut tokens = context.accounts.api_tokens_of(account.id).await?;
        tokens.retain(|token| token.exceeds(Some(form.role)));
        let steps_down = is_own(&visitor, &account.name) && form.role < account.role;
        if steps_down || !tokens.is_empty() {
            let question = demotion(&account.name, form.role, steps_down, tokens);
            return question.ask(&context, visitor);
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
    answer(&context, visitor, &name, changed, Next::Stay("role")).await
}

/// The form for a new password.
#[derive(Deserialize)]
pub(super) struct PasswordForm {
    password: String,
    /// The box for the lost telephone: there when it is ticked.
    without_second_factor: Option<String>,
}

/// Gives the account another password.
pub(super) async fn reset_password(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    sent: Sent<PasswordForm>,
) -> Result<Response, PageError> {
    let form = typed(sent)?;
    let change = AccountChange {
        password: Some(form.password),
        without_second_factor: form.without_second_factor.is_some(),
        ..AccountChange::default()
    };
    let changed = context
        .accounts
        .amend(&name, change, &visitor.actor())
        .await;
    answer(&context, visitor, &name, changed, Next::Stay("password")).await
}

fn demotion(name: &str, role: Role, is_own: bool, tokens: Vec<StoredApiToken>) -> Question {
    let path = path_of(name);
    let mut sentences = vec!["The account may do less then, and its sessions end."];
    if is_own {
        sentences.push("It is yours: you cannot take this back. Another administrator can.");
    }
    Question {
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
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let account = context.accounts.named(&name).await?;
    let path = path_of(&account.name);
    let mut sentences =
        vec!["The account is gone then, and its sessions end. What it did stays in the audit."];
    if is_own(&visitor, &account.name) {
        sentences.push("It is yours: you are logged out, and cannot come back.");
    }
    let question = Question {
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
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let removed = context.accounts.remove(&name, &visitor.actor()).await;
    answer(&context, visitor, &name, removed, Next::List).await
}

/// Where a change leads.
enum Next {
    /// Back here, with what was done.
    Stay(&'static str),
    /// To the list: there is no account any more.
    List,
}

async fn answer<T>(
    context: &Context,
    visitor: Visitor,
    name: &str,
    done: Result<T, AccountError>,
    next: Next,
) -> Result<Response, PageError> {
    let problems = match done {
        Ok(_) => {
            let path = match next {
                Next::Stay(what) => format!("{}?done={what}", path_of(name)),
                Next::List => "/settings/accounts?done=removed".to_owned(),
            };
            return Ok(Redirect::to(&path).into_response());
        }
        Err(error) => Problems::of(error)?,
    };
    let status = problems.status();
    let page = filled(context, visitor, name, None, problems).await?;
    Ok((status, render(&page)?).into_response())
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
    problems: Problems,
) -> Result<AccountPage, PageError> {
    let account = context.accounts.named(name).await?;
    Ok(AccountPage {
        path: path_of(&account.name),
        roles: RoleChoice::all(account.role),
        has_second_factor: account.second_factor.is_some(),
        is_own: is_own(&visitor, &account.name),
        least: limits::PASSWORD_CHARACTERS_MIN,
        frame: Frame::new(context, visitor, Section::Settings, account.name.clone())
            .below("Accounts"),
        name: account.name,
        notice,
        problems,
    })
}
