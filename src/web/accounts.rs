//! `/settings/accounts`: the accounts, and the form for a new one.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::access::Visitor;
use super::error::PageError;
use super::extract::{Ctx, FormBody, PageQuery};
use super::page::{Frame, Page, Section, render, respond};
use super::problems::FormProblems;
use super::{Context, wording};
use crate::accounts::Role;
use crate::store::StoredAccount;

/// What was done before a page about accounts is shown. A closed set: nothing of the query is echoed.
pub(super) fn notice(query: &PageQuery) -> Option<&'static str> {
    match query.done.as_str() {
        "added" => Some("The account is there; tell its owner the password."),
        "removed" => {
            Some("The account is gone; its sessions have ended, and its tokens are revoked.")
        }
        "role" => Some("The role is changed; the account's sessions have ended."),
        "password" => Some("The password is changed; the account's sessions have ended."),
        _ => None,
    }
}

#[derive(Template)]
#[template(path = "settings/accounts.html")]
struct AccountsPage {
    frame: Frame,
    notice: Option<&'static str>,
    accounts: Vec<StoredAccount>,
    /// What was typed for a new one; never its password.
    name: String,
    role: Role,
    problems: FormProblems,
}

/// What somebody with this role may do.
pub(super) const fn meaning(role: Role) -> &'static str {
    match role {
        Role::Viewer => "sees figures, queue and messages",
        Role::Operator => "also works on the queue and reads the mail in it",
        Role::Administrator => "also changes settings and accounts",
    }
}

/// The list, and the empty form.
pub(super) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    render(&filled(&context, visitor, notice(&query)).await?)
}

/// The form for a new account.
#[derive(Deserialize)]
pub(super) struct NewAccountForm {
    name: String,
    role: Role,
    password: String,
}

/// Makes an account.
pub(super) async fn add(
    context: Ctx,
    visitor: Visitor,
    FormBody(form): FormBody<NewAccountForm>,
) -> Result<Response, PageError> {
    let actor = visitor.actor();
    let created = context
        .accounts
        .create(&form.name, form.role, form.password, &actor);
    let problems = match created.await {
        Ok(_) => return Ok(Redirect::to("/settings/accounts?done=added").into_response()),
        Err(error) => FormProblems::of(error)?,
    };
    let page = AccountsPage {
        name: form.name,
        role: form.role,
        problems,
        ..filled(&context, visitor, None).await?
    };
    respond(page.problems.status(), &page)
}

async fn filled(
    context: &Context,
    visitor: Visitor,
    notice: Option<&'static str>,
) -> Result<AccountsPage, PageError> {
    Ok(AccountsPage {
        accounts: context.accounts.list().await?,
        frame: Frame::new(context, visitor, Section::Settings, "Accounts"),
        notice,
        name: String::new(),
        role: Role::Viewer,
        problems: FormProblems::default(),
    })
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
