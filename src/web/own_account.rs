//! `/account`: one's own password, second factor and sessions.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::access::Visitor;
use super::error::PageError;
use super::extract::{Ctx, FormBody, PageQuery};
use super::page::{Frame, Page, Section, render, respond};
use super::problems::FormProblems;
use super::{Context, cookies, wording};
use crate::accounts::RecoveryCode;
use crate::administration::{AccountError, Actor, Login};
use crate::store::{StoredAccount, StoredSession};

#[derive(Template)]
#[template(path = "account.html")]
struct OwnAccountPage {
    frame: Frame,
    notice: Option<&'static str>,
    account: StoredAccount,
    /// What is wrong with the form for the password.
    password: FormProblems,
    /// What is wrong with the forms for the second factor.
    factor: FormProblems,
    second_factor: SecondFactorCard,
    now: Timestamp,
    login: Login,
    sessions: Vec<StoredSession>,
}

/// The state of one-time codes.
enum SecondFactorCard {
    /// The login asks for none.
    Off,
    /// The secret is shown, and an app has to prove that it has it.
    Begun { picture: String, secret: String },
    /// The login asks for one.
    On { recovery_codes: u64 },
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct RecoveryCodesPage {
    frame: Frame,
    codes: Vec<RecoveryCode>,
}

/// Everything about one's own account.
pub(super) async fn page(context: Ctx, visitor: Visitor, login: Login, query: PageQuery) -> Page {
    let notice = match query.done.as_str() {
        "password" => Some("Your password is changed; your other sessions have ended."),
        "off" => Some("One-time codes are not asked for any more."),
        "ended" => Some("Your other sessions have ended."),
        _ => None,
    };
    render(&OwnAccountPage {
        notice,
        ..filled(&context, visitor, login).await?
    })
}

/// The form for a new password.
#[derive(Deserialize)]
pub(super) struct PasswordChangeForm {
    current: String,
    password: String,
    repeat: String,
}

/// Changes one's own password.
pub(super) async fn change_password(
    context: Ctx,
    visitor: Visitor,
    login: Login,
    FormBody(form): FormBody<PasswordChangeForm>,
) -> Result<Response, PageError> {
    let password = if form.password == form.repeat {
        let (accounts, actor) = (&context.accounts, visitor.actor());
        let changed = accounts.change_password(login, form.current, form.password, &actor);
        match changed.await {
            Ok(token) => {
                return Ok(cookies::enter(
                    &token,
                    visitor.origin,
                    "/account?done=password",
                ));
            }
            Err(error) => FormProblems::of(error)?,
        }
    } else {
        FormProblems::at_field("repeat", "this is not the same password")
    };
    let page = OwnAccountPage {
        password,
        ..filled(&context, visitor, login).await?
    };
    respond(page.password.status(), &page)
}

/// A form that asks for the password only.
#[derive(Deserialize)]
pub(super) struct ConfirmedForm {
    current: String,
}

/// Begins to switch one-time codes on.
pub(super) async fn begin_second_factor(
    context: Ctx,
    visitor: Visitor,
    login: Login,
    FormBody(form): FormBody<ConfirmedForm>,
) -> Result<Response, PageError> {
    let (accounts, actor, now) = (&context.accounts, visitor.actor(), Timestamp::now());
    let begun = accounts.begin_second_factor(login, form.current, &actor, now);
    match begun.await {
        Ok(()) => Ok(Redirect::to("/account#second-factor").into_response()),
        Err(error) => refuse_factor(&context, visitor, login, error).await,
    }
}

/// The form with the first code.
#[derive(Deserialize)]
pub(super) struct CodeForm {
    code: String,
}

/// Switches one-time codes on and shows the recovery codes, this once.
pub(super) async fn confirm_second_factor(
    context: Ctx,
    visitor: Visitor,
    login: Login,
    FormBody(form): FormBody<CodeForm>,
) -> Result<Response, PageError> {
    let (accounts, actor, now) = (&context.accounts, visitor.actor(), Timestamp::now());
    let confirmed = accounts.confirm_second_factor(login, &form.code, &actor, now);
    match confirmed.await {
        Ok(codes) => {
            let frame = Frame::new(&context, visitor, Section::Account, "Recovery codes");
            respond(StatusCode::OK, &RecoveryCodesPage { frame, codes })
        }
        Err(error) => refuse_factor(&context, visitor, login, error).await,
    }
}

/// Switches one-time codes off.
pub(super) async fn switch_off_second_factor(
    context: Ctx,
    visitor: Visitor,
    login: Login,
    FormBody(form): FormBody<ConfirmedForm>,
) -> Result<Response, PageError> {
    let (accounts, actor) = (&context.accounts, visitor.actor());
    let off = accounts.switch_off_second_factor(login, form.current, &actor);
    match off.await {
        Ok(()) => Ok(Redirect::to("/account?done=off").into_response()),
        Err(error) => refuse_factor(&context, visitor, login, error).await,
    }
}

/// Ends one's other sessions.
pub(super) async fn end_other_sessions(
    context: Ctx,
    actor: Actor,
    login: Login,
) -> Result<Response, PageError> {
    context.accounts.end_other_sessions(login, &actor).await?;
    Ok(Redirect::to("/account?done=ended").into_response())
}

/// The page with what is wrong with a form for the second factor.
async fn refuse_factor(
    context: &Context,
    visitor: Visitor,
    login: Login,
    error: AccountError,
) -> Result<Response, PageError> {
    let page = OwnAccountPage {
        factor: FormProblems::of(error)?,
        ..filled(context, visitor, login).await?
    };
    respond(page.factor.status(), &page)
}

async fn filled(
    context: &Context,
    visitor: Visitor,
    login: Login,
) -> Result<OwnAccountPage, PageError> {
    let (accounts, now) = (&context.accounts, Timestamp::now());
    let account = accounts.own(login).await?;
    let enrolment = accounts.enrolment(login, now);
    let begun = enrolment.and_then(|secret| {
        let picture = secret.picture(&account.name)?;
        let secret = secret.spelled();
        Some(SecondFactorCard::Begun { picture, secret })
    });
    let second_factor = match (&account.second_factor, begun) {
        (Some(_), _) => SecondFactorCard::On {
            recovery_codes: account.recovery_codes,
        },
        (None, Some(begun)) => begun,
        (None, None) => SecondFactorCard::Off,
    };
    Ok(OwnAccountPage {
        frame: Frame::new(context, visitor, Section::Account, "Your account"),
        notice: None,
        account,
        password: FormProblems::default(),
        factor: FormProblems::default(),
        second_factor,
        now,
        login,
        sessions: accounts.own_sessions(login, now).await?,
    })
}

#[cfg(test)]
#[path = "own_account_tests.rs"]
mod tests;
