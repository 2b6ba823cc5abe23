//! `/settings/logins`: the logins of SMTP clients. A password that the appliance made is shown once.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Context;
use super::access::Visitor;
use super::error::PageError;
use super::extract::{Ctx, FormBody, PageQuery};
use super::page::{Frame, Page, Section, render};
use crate::accounts::{LoginDirectory, SmtpLogin};
use crate::administration::smtp_logins::made_password;
use crate::administration::{Actor, ChangeError};
use crate::settings::FieldErrors;

const PATH: &str = "/settings/logins";

#[derive(Template)]
#[template(path = "settings/logins.html")]
struct LoginsPage {
    frame: Frame,
    /// What was done just now.
    notice: Option<&'static str>,
    /// A password that was made just now, and the name of its login.
    made: Option<(String, String)>,
    roster: Arc<LoginDirectory>,
    /// Whose other password was wrong, and what was wrong with it.
    refused: Option<(String, String)>,
    /// What was typed for a new login, and what was wrong with it.
    name: String,
    note: String,
    problems: FieldErrors,
}

impl LoginsPage {
    fn new(context: &Context, visitor: Visitor) -> Self {
        Self {
            frame: Frame::new(context, visitor, Section::Settings, "SMTP logins"),
            notice: None,
            made: None,
            roster: context.smtp_logins.roster(),
            refused: None,
            name: String::new(),
            note: String::new(),
            problems: FieldErrors::default(),
        }
    }

    /// What is wrong with a field of the new login.
    fn problem(&self, field: &str) -> Option<&String> {
        self.problems.0.get(field)
    }

    /// What is wrong with another password for this login.
    fn refusal(&self, login: &SmtpLogin) -> Option<&str> {
        let refused = self.refused.as_ref();
        let refused = refused.filter(|(name, _)| login.name.eq_ignore_ascii_case(name));
        refused.map(|(_, problem)| problem.as_str())
    }
}

/// What was done before the page is shown. A closed set: nothing of the query is echoed.
fn notice(query: &PageQuery) -> Option<&'static str> {
    match query.done.as_str() {
        "added" => Some("The login was added and may be used now."),
        "changed" => Some("The password was changed; the old one is refused from now on."),
        "removed" => {
            Some("The login was removed. Sessions that are logged in already end by themselves.")
        }
        _ => None,
    }
}

fn redirect(done: &str) -> Response {
    Redirect::to(&format!("{PATH}?done={done}")).into_response()
}

/// A new login.
#[derive(Deserialize)]
pub(super) struct NewLoginForm {
    name: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    password: String,
    /// The button that makes a password.
    make: Option<String>,
}

/// Another password.
#[derive(Deserialize)]
pub(super) struct NewPasswordForm {
    name: String,
    #[serde(default)]
    password: String,
    /// The button that makes one.
    make: Option<String>,
}

/// A login to remove.
#[derive(Debug, Deserialize)]
pub(super) struct RemovalForm {
    name: String,
}

/// The page.
pub(super) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    let mut page = LoginsPage::new(&context, visitor);
    page.notice = notice(&query);
    render(&page)
}

/// Adds a login.
pub(super) async fn add(
    context: Ctx,
    visitor: Visitor,
    FormBody(form): FormBody<NewLoginForm>,
) -> Result<Response, PageError> {
    let made = form.make.is_some().then(made_password);
    let password = made.clone().unwrap_or(form.password);
    let actor = visitor.actor();
    let logins = &context.smtp_logins;
    match logins.add(&form.name, password, &form.note, actor).await {
        Ok(added) => shown_once(&context, visitor, &added.name, made, "added"),
        Err(ChangeError::Invalid(problems)) => {
            let mut page = LoginsPage::new(&context, visitor);
            page.name = form.name;
            page.note = form.note;
            page.problems = problems;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives a login another password.
pub(super) async fn change_password(
    context: Ctx,
    visitor: Visitor,
    FormBody(form): FormBody<NewPasswordForm>,
) -> Result<Response, PageError> {
    let made = form.make.is_some().then(made_password);
    let password = made.clone().unwrap_or(form.password);
    let actor = visitor.actor();
    let logins = &context.smtp_logins;
    match logins.change_password(&form.name, password, actor).await {
        Ok(()) => shown_once(&context, visitor, &form.name, made, "changed"),
        Err(ChangeError::Invalid(problems)) => {
            let mut page = LoginsPage::new(&context, visitor);
            let problem = problems.0.get("password");
            page.refused = problem.map(|problem| (form.name, problem.clone()));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes a login.
pub(super) async fn remove(
    context: Ctx,
    actor: Actor,
    FormBody(form): FormBody<RemovalForm>,
) -> Result<Response, PageError> {
    let logins = &context.smtp_logins;
    match logins.remove(&form.name, actor).await {
        // Who presses the button twice wants no error.
        Ok(()) | Err(ChangeError::Unknown(_)) => Ok(redirect("removed")),
        Err(error) => Err(error.into()),
    }
}

/// A password that was made is shown in the answer itself, because it is not stored.
fn shown_once(
    context: &Context,
    visitor: Visitor,
    name: &str,
    made: Option<String>,
    done: &str,
) -> Result<Response, PageError> {
    let Some(password) = made else {
        return Ok(redirect(done));
    };
    let mut page = LoginsPage::new(context, visitor);
    page.made = Some((name.to_owned(), password));
    Ok(render(&page)?.into_response())
}

#[cfg(test)]
#[path = "smtp_logins_tests.rs"]
mod tests;
