//! `/setup`: the first administrator. Open until there is one, and then gone.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::ApiError;
use super::origin::Origin;
use super::page::{PageError, render};
use super::plain::{PlainFrame, shown_again};
use super::problems::{Problems, Sent, typed};
use super::{Context, cookies};
use crate::administration::SetupKey;
use crate::limits;

/// The name that most people leave as it is.
const NAME: &str = "admin";

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: PlainFrame,
    /// The one-time password stands in the log; otherwise somebody gave it.
    is_in_log: bool,
    name: String,
    least: usize,
    problems: Problems,
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
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(origin): Extension<Origin>,
) -> Result<Html<String>, PageError> {
    if !context.accounts.setup_is_open().await? {
        return Err(ApiError::NotFound.into());
    }
    show(&context, origin, NAME.to_owned(), Problems::default())
}

/// Makes the administrator, who is logged in then.
pub(super) async fn submit(
    State(context): State<Arc<Context>>,
    Extension(origin): Extension<Origin>,
    sent: Sent<SetupForm>,
) -> Result<Response, PageError> {
    // Before the form is looked at: nobody shall learn how it was.
    if !context.accounts.setup_is_open().await? {
        return Err(ApiError::NotFound.into());
    }
    let form = typed(sent)?;
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
                let cookie = cookies::with(&entered.token, origin);
                let headers = HeaderMap::from_iter([(header::SET_COOKIE, cookie)]);
                return Ok((headers, Redirect::to("/")).into_response());
            }
            Err(error) => Problems::of(error)?,
        }
    } else {
        Problems::at_field("repeat", "this is not the same password")
    };
    let status: StatusCode = problems.status();
    Ok((
        status,
        show(&context, origin, shown_again(form.name), problems)?,
    )
        .into_response())
}

fn show(
    context: &Context,
    origin: Origin,
    name: String,
    problems: Problems,
) -> Result<Html<String>, PageError> {
    render(&SetupPage {
        frame: PlainFrame::new(context, origin, "Set up"),
        is_in_log: matches!(context.accounts.setup_key(), Some(SetupKey::Made(_))),
        name,
        least: limits::PASSWORD_CHARACTERS_MIN,
        problems,
    })
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
