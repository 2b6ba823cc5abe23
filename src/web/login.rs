//! `/login`: name and password, then the one-time code where one is asked for; and `/logout`.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::access::{self, Visitor};
use super::local_path::LocalPath;
use super::origin::Origin;
use super::page::{PageError, render};
use super::plain::{PlainFrame, shown_again};
use super::problems::{Sent, typed};
use super::{Context, cookies};
use crate::accounts::AccessToken;
use crate::administration::{Login, LoginError, LoginOutcome};

/// What the query of the page says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    to: Option<String>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: PlainFrame,
    notice: Option<&'static str>,
    problem: Option<String>,
    step: Step,
    /// Where to go then.
    to: String,
}

/// What is asked for.
enum Step {
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

/// The empty form; whoever is in already goes on.
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Response, PageError> {
    let Query(options) = options.unwrap_or_default();
    let to = LocalPath::or_dashboard(options.to.as_deref().unwrap_or_default());
    let shown = cookies::shown(&headers, origin);
    if access::session(&context, shown).await?.is_some() {
        return Ok(Redirect::to(to.as_str()).into_response());
    }
    if context.accounts.setup_is_open().await? {
        return Ok(Redirect::to("/setup").into_response());
    }
    let notice = match options.done.as_deref() {
        Some("out") => Some("You are logged out."),
        _ => None,
    };
    let name = String::new();
    let page = LoginPage {
        frame: PlainFrame::new(&context, origin, "Log in"),
        notice,
        problem: None,
        step: Step::Password { name },
        to: to.as_str().to_owned(),
    };
    Ok(render(&page)?.into_response())
}

/// Lets somebody in, asks for the code, or says why not.
pub(super) async fn submit(
    State(context): State<Arc<Context>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    sent: Sent<LoginForm>,
) -> Result<Response, PageError> {
    let form = typed(sent)?;
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
    let step = match entrance {
        Ok(LoginOutcome::Entered(entered)) => {
            if let Some(shown) = cookies::shown(&headers, origin) {
                accounts.leave_behind(&shown, address, now).await?;
            }
            return Ok(enter(&entered.token, origin, &to));
        }
        Ok(LoginOutcome::CodeNeeded(ticket)) => {
            let ticket = ticket.expose().to_owned();
            return show(
                &context,
                origin,
                StatusCode::OK,
                None,
                Step::Code { ticket },
                &to,
            );
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
                Step::Code { ticket }
            } else {
                let name = shown_again(form.name);
                Step::Password { name }
            };
            (status, error.to_string(), step)
        }
    };
    let (status, problem, step) = step;
    show(&context, origin, status, Some(problem), step, &to)
}

/// Ends the session.
pub(super) async fn out(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Extension(login): Extension<Login>,
    Extension(origin): Extension<Origin>,
) -> Result<Response, PageError> {
    let actor = visitor.actor();
    context.accounts.log_out(login.session, &actor).await?;
    let cookie = cookies::without(origin);
    let headers = HeaderMap::from_iter([(header::SET_COOKIE, cookie)]);
    Ok((headers, Redirect::to("/login?done=out")).into_response())
}

fn enter(token: &AccessToken, origin: Origin, to: &LocalPath) -> Response {
    let cookie = cookies::with(token, origin);
    let headers = HeaderMap::from_iter([(header::SET_COOKIE, cookie)]);
    (headers, Redirect::to(to.as_str())).into_response()
}

fn show(
    context: &Context,
    origin: Origin,
    status: StatusCode,
    problem: Option<String>,
    step: Step,
    to: &LocalPath,
) -> Result<Response, PageError> {
    let page = LoginPage {
        frame: PlainFrame::new(context, origin, "Log in"),
        notice: None,
        problem,
        step,
        to: to.as_str().to_owned(),
    };
    Ok((status, render(&page)?).into_response())
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
