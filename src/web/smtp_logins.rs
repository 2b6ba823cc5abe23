//! `/settings/logins`: who may relay through us by AUTH. A password is shown once, when we made it.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use serde::Deserialize;

use super::Context;
use super::access::Visitor;
use super::error::ApiError;
use super::page::{Frame, Page, PageError, Section, render};
use crate::accounts::SmtpLogin;
use crate::administration::SmtpLoginError;
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
    /// A password that we made just now, and whose it is.
    made: Option<(String, String)>,
    rows: Vec<Row>,
    /// What was typed for a new login, and what was wrong with it.
    name: String,
    note: String,
    problems: FieldErrors,
    password_least: usize,
    password_most: usize,
    name_most: usize,
    note_most: usize,
}

struct Row {
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

fn row(login: &SmtpLogin) -> Row {
    Row {
        name: Arc::clone(&login.name),
        note: login.note.clone(),
        created: login.created_at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        problem: None,
    }
}

/// What was done, in the query of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Added,
    Changed,
    Removed,
}

impl Done {
    const ALL: [Self; 3] = [Self::Added, Self::Changed, Self::Removed];

    fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }

    /// None for any other word: nothing that a stranger put into a link is shown.
    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.word() == word)
    }

    fn redirect(self) -> Response {
        Redirect::to(&format!("{PATH}?done={}", self.word())).into_response()
    }

    fn notice(self) -> &'static str {
        match self {
            Self::Added => "The login was added and may be used now.",
            Self::Changed => "The password was changed; the old one is refused from now on.",
            Self::Removed => {
                "The login was removed. Sessions that are logged in already end by themselves."
            }
        }
    }
}

/// The query of the page.
#[derive(Debug, Deserialize)]
pub(super) struct Options {
    done: Option<String>,
}

/// A new login.
#[derive(Deserialize)]
pub(super) struct NewLogin {
    name: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    password: String,
    /// The button that has us make a password.
    make: Option<String>,
}

/// Another password.
#[derive(Deserialize)]
pub(super) struct NewPassword {
    name: String,
    #[serde(default)]
    password: String,
    /// The button that has us make one.
    make: Option<String>,
}

/// A login that goes.
#[derive(Debug, Deserialize)]
pub(super) struct Removal {
    name: String,
}

/// The page.
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Page {
    let Query(options) = options?;
    let mut page = LoginsPage::new(&context, visitor);
    let done = options.done.as_deref().and_then(Done::from_word);
    page.notice = done.map(Done::notice);
    render(&page)
}

/// Adds a login.
pub(super) async fn add(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    form: Result<Form<NewLogin>, FormRejection>,
) -> Result<Response, PageError> {
    let form = read(form)?;
    let made = form.make.is_some().then(made_password);
    let password = made.clone().unwrap_or(form.password);
    let actor = visitor.actor();
    let logins = &context.smtp_logins;
    match logins.add(&form.name, password, &form.note, actor).await {
        Ok(added) => shown_once(&context, visitor, &added.name, made, Done::Added),
        Err(SmtpLoginError::Invalid(problems)) => {
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
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    form: Result<Form<NewPassword>, FormRejection>,
) -> Result<Response, PageError> {
    let form = read(form)?;
    let made = form.make.is_some().then(made_password);
    let password = made.clone().unwrap_or(form.password);
    let actor = visitor.actor();
    let logins = &context.smtp_logins;
    match logins.change_password(&form.name, password, actor).await {
        Ok(()) => shown_once(&context, visitor, &form.name, made, Done::Changed),
        Err(SmtpLoginError::Invalid(problems)) => {
            let mut page = LoginsPage::new(&context, visitor);
            let of_form = |row: &&mut Row| row.name.eq_ignore_ascii_case(&form.name);
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
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    form: Result<Form<Removal>, FormRejection>,
) -> Result<Response, PageError> {
    let form = read(form)?;
    match context
        .smtp_logins
        .remove(&form.name, visitor.actor())
        .await
    {
        // Who presses the button twice wants no error.
        Ok(()) | Err(SmtpLoginError::Unknown) => Ok(Done::Removed.redirect()),
        Err(error) => Err(error.into()),
    }
}

fn read<T>(form: Result<Form<T>, FormRejection>) -> Result<T, ApiError> {
    let Form(form) = form?;
    Ok(form)
}

/// A password that we made stands in the answer itself, because it is kept nowhere.
fn shown_once(
    context: &Context,
    visitor: Visitor,
    name: &str,
    made: Option<String>,
    done: Done,
) -> Result<Response, PageError> {
    let Some(password) = made else {
        return Ok(done.redirect());
    };
    let mut page = LoginsPage::new(context, visitor);
    page.made = Some((name.to_owned(), password));
    Ok(render(&page)?.into_response())
}

#[cfg(test)]
#[path = "smtp_logins_tests.rs"]
mod tests;
