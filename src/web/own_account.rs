//! `/account`: one's own password, second factor and sessions.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::access::Visitor;
use super::page::{Frame, PageError, Section, render};
use super::problems::{Problems, Sent, typed};
use super::{Context, cookies, wording};
use crate::accounts::{RecoveryCode, Role};
use crate::administration::Login;
use crate::limits;

/// What the query of the page says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    notice: Option<&'static str>,
    name: String,
    role: Role,
    least: usize,
    /// What is wrong with the form for the password.
    password: Problems,
    /// What is wrong with the forms for the second factor.
    factor: Problems,
    second_factor: SecondFactor,
    sessions: Vec<SessionRow>,
}

/// How it is with one-time codes.
enum SecondFactor {
    /// None are asked for.
    Off,
    /// An app is to learn the secret, and to show that it has.
    Begun { picture: String, secret: String },
    /// They are asked for.
    On { recovery_codes: u64 },
}

struct SessionRow {
    address: String,
    begun: String,
    seen: String,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct RecoveryCodesPage {
    frame: Frame,
    codes: Vec<RecoveryCode>,
}

/// What is wrong, and with which form.
enum Wrong {
    Nothing,
    Password(Problems),
    Factor(Problems),
}

/// Everything about one's own account.
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Extension(login): Extension<Login>,
    options: Result<Query<Options>, QueryRejection>,
) -> Result<Response, PageError> {
    let Query(options) = options.unwrap_or_default();
    let notice = match options.done.as_deref() {
        Some("password") => Some("Your password is changed; your other sessions have ended."),
        Some("off") => Some("One-time codes are not asked for any more."),
        Some("ended") => Some("Your other sessions have ended."),
        _ => None,
    };
    let page = filled(&context, visitor, login, notice, Wrong::Nothing).await?;
    Ok(render(&page)?.into_response())
}

/// The form for a new password.
#[derive(Deserialize)]
pub(super) struct PasswordForm {
    current: String,
    password: String,
    repeat: String,
}

/// Changes one's own password.
pub(super) async fn change_password(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Extension(login): Extension<Login>,
    sent: Sent<PasswordForm>,
) -> Result<Response, PageError> {
    let form = typed(sent)?;
    let password = if form.password == form.repeat {
        let (accounts, actor) = (&context.accounts, visitor.actor());
        let changed = accounts.change_password(login, form.current, form.password, &actor);
        match changed.await {
            Ok(token) => {
                let cookie = cookies::with(&token, visitor.origin);
                let headers = HeaderMap::from_iter([(header::SET_COOKIE, cookie)]);
                return Ok((headers, Redirect::to("/account?done=password")).into_response());
            }
            Err(error) => Problems::of(error)?,
        }
    } else {
        Problems::at_field("repeat", "this is not the same password")
    };
    again(&context, visitor, login, Wrong::Password(password)).await
}

/// A form that asks for the password only.
#[derive(Deserialize)]
pub(super) struct ConfirmedForm {
    current: String,
}

/// Begins to switch one-time codes on.
pub(super) async fn begin_second_factor(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Extension(login): Extension<Login>,
    sent: Sent<ConfirmedForm>,
) -> Result<Response, PageError> {
    let form = typed(sent)?;
    let (accounts, actor, now) = (&context.accounts, visitor.actor(), Timestamp::now());
    let begun = accounts.begin_second_factor(login, form.current, &actor, now);
    match begun.await {
        Ok(()) => Ok(Redirect::to("/account#second-factor").into_response()),
        Err(error) => {
            let wrong = Wrong::Factor(Problems::of(error)?);
            again(&context, visitor, login, wrong).await
        }
    }
}

/// The form with the first code.
#[derive(Deserialize)]
pub(super) struct CodeForm {
    code: String,
}

/// Switches one-time codes on and shows the recovery codes, this once.
pub(super) async fn confirm_second_factor(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Extension(login): Extension<Login>,
    sent: Sent<CodeForm>,
) -> Result<Response, PageError> {
    let form = typed(sent)?;
    let (accounts, actor, now) = (&context.accounts, visitor.actor(), Timestamp::now());
    let confirmed = accounts.confirm_second_factor(login, &form.code, &actor, now);
    match confirmed.await {
        Ok(codes) => {
            let frame = Frame::new(&context, visitor, Section::Account, "Recovery codes");
            Ok(render(&RecoveryCodesPage { frame, codes })?.into_response())
        }
        Err(error) => {
            let wrong = Wrong::Factor(Problems::of(error)?);
            again(&context, visitor, login, wrong).await
        }
    }
}

/// Switches one-time codes off.
pub(super) async fn switch_off_second_factor(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Extension(login): Extension<Login>,
    sent: Sent<ConfirmedForm>,
) -> Result<Response, PageError> {
    let form = typed(sent)?;
    let (accounts, actor) = (&context.accounts, visitor.actor());
    let off = accounts.switch_off_second_factor(login, form.current, &actor);
    match off.await {
        Ok(()) => Ok(Redirect::to("/account?done=off").into_response()),
        Err(error) => {
            let wrong = Wrong::Factor(Problems::of(error)?);
            again(&context, visitor, login, wrong).await
        }
    }
}

/// Ends one's other sessions.
pub(super) async fn end_other_sessions(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Extension(login): Extension<Login>,
) -> Result<Response, PageError> {
    let actor = visitor.actor();
    context.accounts.end_other_sessions(login, &actor).await?;
    Ok(Redirect::to("/account?done=ended").into_response())
}

/// The page with what is wrong.
async fn again(
    context: &Context,
    visitor: Visitor,
    login: Login,
    wrong: Wrong,
) -> Result<Response, PageError> {
    let status = match &wrong {
        Wrong::Nothing => StatusCode::OK,
        Wrong::Password(problems) | Wrong::Factor(problems) => problems.status(),
    };
    let page = filled(context, visitor, login, None, wrong).await?;
    Ok((status, render(&page)?).into_response())
}

async fn filled(
    context: &Context,
    visitor: Visitor,
    login: Login,
    notice: Option<&'static str>,
    wrong: Wrong,
) -> Result<AccountPage, PageError> {
    let (accounts, now) = (&context.accounts, Timestamp::now());
    let account = accounts.own(login).await?;
    let enrolment = accounts.enrolment(login, now);
    let begun = enrolment.and_then(|secret| {
        let picture = secret.picture(&account.name)?;
        let secret = secret.spelled();
        Some(SecondFactor::Begun { picture, secret })
    });
    let second_factor = match (&account.second_factor, begun) {
        (Some(_), _) => SecondFactor::On {
            recovery_codes: account.recovery_codes,
        },
        (None, Some(begun)) => begun,
        (None, None) => SecondFactor::Off,
    };
    let sessions = accounts.own_sessions(login, now).await?;
    let row = |session: crate::store::StoredSession| SessionRow {
        begun: wording::since(session.created_at, now),
        seen: wording::since(session.seen_at, now),
        is_this: session.token == login.session,
        address: session.address,
    };
    let (password, factor) = match wrong {
        Wrong::Nothing => (Problems::default(), Problems::default()),
        Wrong::Password(problems) => (problems, Problems::default()),
        Wrong::Factor(problems) => (Problems::default(), problems),
    };
    Ok(AccountPage {
        frame: Frame::new(context, visitor, Section::Account, "Your account"),
        notice,
        name: account.name,
        role: account.role,
        least: limits::PASSWORD_CHARACTERS_MIN,
        password,
        factor,
        second_factor,
        sessions: sessions.into_iter().map(row).collect(),
    })
}

#[cfg(test)]
#[path = "own_account_tests.rs"]
mod tests;
