//! `/setup`: the first administrator. Open until there is one, and then gone.

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::{ApiError, PageError};
use super::extract::{Ctx, FormBody};
use super::origin::Origin;
use super::page::render;
use super::plain::{PlainFrame, shown_again};
use super::problems::FormProblems;
use super::{Context, cookies};
use crate::administration::SetupKey;

/// The name that the form suggests.
const NAME: &str = "admin";

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: PlainFrame,
    /// The one-time password stands in the log; otherwise it was given in the environment.
    is_in_log: bool,
    name: String,
    problems: FormProblems,
}

/// What the form holds.
#[derive(Deserialize)]
pub(super) struct SetupForm {
    one_time: String,
    name: String,
    password: String,
    repeat: String,
}

/// The empty form.
pub(super) async fn page(context: Ctx, origin: Origin) -> Result<Html<String>, PageError> {
    if !context.accounts.setup_is_open().await? {
        return Err(ApiError::NotFound.into());
    }
    show(&context, origin, NAME.to_owned(), FormProblems::default())
}

/// Makes the administrator, who is logged in then.
pub(super) async fn submit(
    context: Ctx,
    origin: Origin,
    form: Result<FormBody<SetupForm>, PageError>,
) -> Result<Response, PageError> {
    // Before the form is looked at: a stranger learns nothing of how it was.
    if !context.accounts.setup_is_open().await? {
        return Err(ApiError::NotFound.into());
    }
    let FormBody(form) = form?;
    let problems = if form.password == form.repeat {
        let address = origin.address;
        let (one_time, name) = (&form.one_time, &form.name);
        let now = Timestamp::now();
        let set_up = context
            .accounts
            .set_up(one_time, name, form.password, address, now);
        match set_up.await {
            Ok(None) => return Ok(Redirect::to("/login").into_response()),
            Ok(Some(entered)) => {
                return Ok(cookies::enter(&entered, origin, "/"));
            }
            Err(error) => FormProblems::of(error)?,
        }
    } else {
        FormProblems::at_field("repeat", "this is not the same password")
    };
    let status = problems.status();
    let page = show(&context, origin, shown_again(form.name), problems)?;
    Ok((status, page).into_response())
}

fn show(
    context: &Context,
    origin: Origin,
    name: String,
    problems: FormProblems,
) -> Result<Html<String>, PageError> {
    render(&SetupPage {
        frame: PlainFrame::new(context, origin, "Set up"),
        is_in_log: matches!(context.accounts.setup_key(), Some(SetupKey::Made(_))),
        name,
        problems,
    })
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
