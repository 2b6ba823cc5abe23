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
use crate::limits;

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
    accounts: Vec<AccountRow>,
    /// What was typed for a new one; never its password.
    name: String,
    roles: Vec<RoleChoice>,
    least: usize,
    problems: FormProblems,
}

struct AccountRow {
    name: String,
    role: Role,
    has_second_factor: bool,
    created: String,
}

/// A role to choose, with what it may do.
pub(super) struct RoleChoice {
    pub(super) role: Role,
    pub(super) meaning: &'static str,
    pub(super) is_chosen: bool,
}

impl RoleChoice {
    /// All roles, of which one is chosen.
    pub(super) fn all(chosen: Role) -> Vec<Self> {
        let choice = |role| Self {
            role,
            meaning: match role {
                Role::Viewer => "sees figures, queue and messages",
                Role::Operator => "also works on the queue and reads the mail in it",
                Role::Administrator => "also changes settings and accounts",
            },
            is_chosen: role == chosen,
        };
        Role::ALL.iter().copied().map(choice).collect()
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
    let status = problems.status();
    let page = AccountsPage {
        name: form.name,
        roles: RoleChoice::all(form.role),
        problems,
        ..filled(&context, visitor, None).await?
    };
    respond(status, &page)
}

async fn filled(
    context: &Context,
    visitor: Visitor,
    notice: Option<&'static str>,
) -> Result<AccountsPage, PageError> {
    let accounts = context.accounts.list().await?;
    let row = |account: crate::store::StoredAccount| AccountRow {
        role: account.role,
        has_second_factor: account.second_factor.is_some(),
        created: wording::day(account.created_at),
        name: account.name,
    };
    Ok(AccountsPage {
        frame: Frame::new(context, visitor, Section::Settings, "Accounts"),
        notice,
        accounts: accounts.into_iter().map(row).collect(),
        name: String::new(),
        roles: RoleChoice::all(Role::Viewer),
        least: limits::PASSWORD_CHARACTERS_MIN,
        problems: FormProblems::default(),
    })
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
