//! `/login`: name and password, then the one-time code where one is asked for; and `/logout`.

use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::access;
use super::error::PageError;
use super::extract::{Ctx, FormBody, PageQuery};
use super::local_path::LocalPath;
use super::origin::Origin;
use super::page::respond;
use super::plain::{PlainFrame, shown_again};
use super::{Context, cookies};
use crate::administration::{Actor, Login, LoginError, LoginOutcome};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: PlainFrame,
    notice: Option<&'static str>,
    problem: Option<String>,
    step: LoginStep,
    /// Where to go after the login.
    to: String,
}

impl LoginPage {
    fn new(context: &Context, origin: Origin, step: LoginStep, to: &LocalPath) -> Self {
        Self {
            frame: PlainFrame::new(context, origin, "Log in"),
            notice: None,
            problem: None,
            step,
            to: to.as_str().to_owned(),
        }
    }
}

/// What the page asks for.
enum LoginStep {
    /// Name and password; the name as it was typed.
    Password { name: String },
    /// A one-time code. The ticket stands for the password, which no page repeats.
    Code { ticket: String },
}

/// What the form holds: of the first step, or of the second.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LoginForm {
    name: String,
    password: String,
    ticket: String,
    code: String,
    to: String,
}

/// The empty form; a visitor who is logged in already goes on.
pub(super) async fn page(
    context: Ctx,
    origin: Origin,
    headers: HeaderMap,
    query: PageQuery,
) -> Result<Response, PageError> {
    let to = LocalPath::or_dashboard(&query.to);
    let shown = cookies::shown(&headers, origin);
    if access::session(&context, shown).await?.is_some() {
        return Ok(Redirect::to(to.as_str()).into_response());
    }
    if context.accounts.setup_is_open().await? {
        return Ok(Redirect::to("/setup").into_response());
    }
    let notice = match query.done.as_str() {
        "out" => Some("You are logged out."),
        _ => None,
    };
    let name = String::new();
    let page = LoginPage::new(&context, origin, LoginStep::Password { name }, &to);
    respond(StatusCode::OK, &LoginPage { notice, ..page })
}

/// Logs the visitor in, asks for the code, or says why not.
pub(super) async fn submit(
    context: Ctx,
    origin: Origin,
    headers: HeaderMap,
    FormBody(form): FormBody<LoginForm>,
) -> Result<Response, PageError> {
    let to = LocalPath::or_dashboard(&form.to);
    let (accounts, address, now) = (&context.accounts, origin.address, Timestamp::now());
    let entrance = if form.ticket.is_empty() {
        accounts
            .log_in(&form.name, form.password, address, now)
            .await
    } else {
        let (ticket, code) = (&form.ticket, &form.code);
        let entered = accounts.log_in_with_code(ticket, code, address, now).await;
        entered.map(LoginOutcome::Entered)
    };
    let (status, problem, step) = match entrance {
        Ok(LoginOutcome::Entered(entered)) => {
            if let Some(shown) = cookies::shown(&headers, origin) {
                accounts.leave_behind(&shown, address, now).await?;
            }
            return Ok(cookies::enter(&entered, origin, to.as_str()));
        }
        Ok(LoginOutcome::CodeNeeded(ticket)) => {
            let ticket = ticket.expose().to_owned();
            (StatusCode::OK, None, LoginStep::Code { ticket })
        }
        Err(LoginError::Store(error)) => return Err(error.into()),
        Err(LoginError::Read(error)) => return Err(error.into()),
        Err(error) => {
            let status = match error {
                LoginError::TooManyAttempts(_) => StatusCode::TOO_MANY_REQUESTS,
                LoginError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            let keeps_ticket = !matches!(error, LoginError::Expired);
            let step = if !form.ticket.is_empty() && keeps_ticket {
                let ticket = form.ticket;
                LoginStep::Code { ticket }
            } else {
                let name = shown_again(form.name);
                LoginStep::Password { name }
            };
            (status, Some(error.to_string()), step)
        }
    };
    let page = LoginPage::new(&context, origin, step, &to);
    respond(status, &LoginPage { problem, ..page })
}

/// Ends the session.
pub(super) async fn out(
    context: Ctx,
    actor: Actor,
    login: Login,
    origin: Origin,
) -> Result<Response, PageError> {
    context.accounts.log_out(login.session, &actor).await?;
    let cookie = [(header::SET_COOKIE, cookies::without(origin))];
    Ok((cookie, Redirect::to("/login?done=out")).into_response())
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
