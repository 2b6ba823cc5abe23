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
use crate::accounts::SmtpLogin;
use crate::administration::ChangeError;
use crate::administration::smtp_logins::made_password;
use crate::limits;
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
    rows: Vec<LoginRow>,
    /// What was typed for a new login, and what was wrong with it.
    name: String,
    note: String,
    problems: FieldErrors,
    password_least: usize,
    password_most: usize,
    name_most: usize,
    note_most: usize,
}

struct LoginRow {
    name: Arc<str>,
    note: String,
    created: String,
    /// What was wrong with another password for it.
    problem: Option<String>,
}

impl LoginsPage {
    fn new(context: &Context, visitor: Visitor) -> Self {
        let roster = context.smtp_logins.roster();
        Self {
            frame: Frame::new(context, visitor, Section::Settings, "SMTP logins"),
            notice: None,
            made: None,
            rows: roster.iter().map(row).collect(),
            name: String::new(),
            note: String::new(),
            problems: FieldErrors::default(),
            password_least: limits::SMTP_PASSWORD_CHARACTERS_MIN,
            password_most: limits::SMTP_PASSWORD_CHARACTERS_MAX,
            name_most: limits::SMTP_LOGIN_NAME_BYTES,
            note_most: limits::SMTP_LOGIN_NOTE_CHARACTERS,
        }
    }

    /// What is wrong with a field of the new login.
    fn problem(&self, field: &str) -> Option<&String> {
        self.problems.0.get(field)
    }
}

fn row(login: &SmtpLogin) -> LoginRow {
    LoginRow {
        name: Arc::clone(&login.name),
        note: login.note.clone(),
        created: login.created_at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        problem: None,
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
            let of_form = |row: &&mut LoginRow| row.name.eq_ignore_ascii_case(&form.name);
            if let Some(row) = page.rows.iter_mut().find(of_form) {
                row.problem = problems.0.get("password").cloned();
            }
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes a login.
pub(super) async fn remove(
    context: Ctx,
    visitor: Visitor,
    FormBody(form): FormBody<RemovalForm>,
) -> Result<Response, PageError> {
    match context
        .smtp_logins
        .remove(&form.name, visitor.actor())
        .await
    {
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
