//! The settings pages: each describes its fields, and all are shown, checked and saved alike.
//!
//! Read [`form`] first; a page is a table of fields and what only that page shows. Saved is what
//! [`crate::administration`] takes, with its messages at the fields.

pub(super) mod access;
pub(super) mod alerts;
pub(super) mod conditions;
pub(super) mod delivery;
mod entry;
mod field;
mod form;
mod kind;
pub(super) mod listener_entry;
pub(super) mod listeners;
pub(super) mod memory;
pub(super) mod next_hop_entry;
pub(super) mod next_hop_test;
pub(super) mod next_hops;
pub(super) mod retention;
mod what_if;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde_json::{Map, Value};

use self::form::{Form, Group, Reading, Submission};
use super::Context;
use super::access::Visitor;
use super::error::{ApiError, PageError};
use super::page::{Frame, Page, Section, render};
use crate::administration::{ChangeError, OpenRelay};
use crate::settings::{FieldErrors, Settings};
use crate::web::extract::PageQuery;

/// A page in the navigation of the settings.
pub(super) struct Tab {
    pub(super) path: &'static str,
    /// Also the page's title.
    pub(super) label: &'static str,
}

const TABS: &[Tab] = &[
    tab("/settings", memory::TITLE),
    tab("/settings/delivery", delivery::TITLE),
    tab("/settings/next-hops", next_hops::TITLE),
    tab("/settings/listeners", listeners::TITLE),
    tab("/settings/access", access::TITLE),
    tab("/settings/logins", "SMTP logins"),
    tab("/settings/conditions", conditions::TITLE),
    tab("/settings/retention", retention::TITLE),
    tab("/settings/alerts", alerts::TITLE),
    tab("/settings/accounts", "Accounts"),
    tab("/settings/tokens", "API tokens"),
];

const fn tab(path: &'static str, label: &'static str) -> Tab {
    Tab { path, label }
}

impl Frame {
    /// The settings pages, for `settings/navigation.html`.
    pub(super) fn settings_pages(&self) -> &'static [Tab] {
        TABS
    }
}

/// What was done before a settings page is shown. A closed set: nothing of the query is echoed.
fn notice(query: &PageQuery) -> Option<&'static str> {
    match query.done.as_str() {
        "saved" => Some("Saved: in force from the next message on."),
        "tested" => Some("The test was sent; what came of it stands below."),
        "added" => Some("Added: in force from the next message on."),
        "removed" => Some("Removed: in force from the next message on."),
        _ => None,
    }
}

/// The settings as an object, whose fields forms show.
fn subject(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings.document()) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("the settings are an object"),
    }
}

/// Reads a form about the settings and checks what they would be, without changing anything: all
/// problems stand at their fields.
fn check(groups: &'static [Group], submission: &Submission, settings: &Settings) -> Reading {
    let mut reading = Reading::new(groups, submission, &subject(settings));
    match settings.patched(&reading.changed) {
        Ok(after) => reading.form.asks = opens(settings, &after),
        Err(errors) => reading.form.note(errors),
    }
    reading
}

/// Whether settings give nearly everybody what those before did not.
fn opens(before: &Settings, after: &Settings) -> bool {
    !after.opened_beyond(before.document()).is_empty()
}

/// The box of a form that has to be ticked for an open relay.
const OPEN_RELAY: &str = "open_relay";

/// What a form says about an open relay, and what else nearly everybody would get.
fn open_relay(submission: &Submission) -> OpenRelay {
    if submission.has(OPEN_RELAY) {
        return OpenRelay::Meant;
    }
    OpenRelay::Unsaid {
        how: "tick the box below if that is meant",
    }
}

/// Saves a form about the settings. The form comes back with its problems when it cannot be saved.
async fn save(
    context: &Context,
    visitor: &Visitor,
    groups: &'static [Group],
    submission: &Submission,
) -> Result<Result<(), Form>, ApiError> {
    let typed = submission.clone();
    let patch = move |settings: &Settings| {
        let reading = check(groups, &typed, settings);
        if reading.form.is_sound() {
            Ok(reading.changed)
        } else {
            Err(reading.form.errors())
        }
    };
    let errors = match change(context, visitor, patch, open_relay(submission)).await? {
        Ok(()) => return Ok(Ok(())),
        Err(errors) => errors,
    };
    let mut form = check(groups, submission, &context.administration.settings()).form;
    form.note(errors);
    Ok(Err(form))
}

/// Shows a page as the settings are now.
fn present(
    context: &Context,
    visitor: Visitor,
    query: &PageQuery,
    groups: &'static [Group],
    show: impl FnOnce(&Context, Visitor, Option<&'static str>, Form) -> Page,
) -> Page {
    let form = Form::showing(groups, &subject(&context.administration.settings()));
    show(context, visitor, notice(query), form)
}

/// Saves what was typed and leads back to the page at `path`, or shows it again with its problems.
async fn keep(
    context: &Context,
    visitor: Visitor,
    groups: &'static [Group],
    submission: &Submission,
    path: &str,
    show: impl FnOnce(&Context, Visitor, Option<&'static str>, Form) -> Page,
) -> Answer {
    match save(context, &visitor, groups, submission).await? {
        Ok(()) => see(&format!("{path}?done=saved")),
        Err(form) => unprocessable(show(context, visitor, None, form)?),
    }
}

/// A page that is its form and nothing else.
#[derive(Template)]
#[template(path = "settings/form.html")]
struct FormPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
}

impl FormPage {
    fn show(
        context: &Context,
        visitor: Visitor,
        title: &'static str,
        notice: Option<&'static str>,
        form: Form,
    ) -> Page {
        render(&Self {
            frame: Frame::new(context, visitor, Section::Settings, title),
            notice,
            form,
        })
    }
}

/// Changes the settings, telling what does not hold from what went wrong.
async fn change(
    context: &Context,
    visitor: &Visitor,
    patch: impl FnOnce(&Settings) -> Result<Map<String, Value>, FieldErrors> + Send + 'static,
    open_relay: OpenRelay,
) -> Result<Result<(), FieldErrors>, ApiError> {
    let administration = &context.administration;
    let changing = administration.change_with(patch, open_relay, visitor.actor());
    match changing.await {
        Ok(_) => Ok(Ok(())),
        Err(ChangeError::Invalid(errors)) => Ok(Err(errors)),
        Err(error) => Err(error.into()),
    }
}

/// An answer to a form: somewhere else, or a page.
type Answer = Result<Response, PageError>;

fn see(path: &str) -> Answer {
    Ok(Redirect::to(path).into_response())
}

/// The page again, because of its problems.
fn unprocessable(page: Html<String>) -> Answer {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

#[cfg(test)]
mod lists_tests;
#[cfg(test)]
mod tests;
