//! The settings pages: all are made from [`crate::settings::catalogue`], and shown, checked and saved alike.
//!
//! Read [`section`] first, then [`form`]. Pages of single entries of lists are in [`entry_page`]; the other
//! modules hold what a page shows beside its form. What is saved is what [`crate::administration`] takes,
//! with its messages at the fields.

mod access;
pub(super) mod alerts;
mod condition_pages;
pub(super) mod conditions;
mod entry;
pub(super) mod entry_page;
mod field;
mod form;
mod listeners;
pub(super) mod next_hop_test;
mod next_hops;
pub(super) mod page;
mod retention;
pub(super) mod section;
mod submission;
mod what_if;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde_json::{Map, Value};

use self::form::Form;
pub(super) use self::submission::Submission;
use super::Context;
use super::access::Visitor;
use super::error::{ApiError, PageError};
use super::page::Frame;
use crate::administration::{ChangeError, OpenRelay};
use crate::settings::catalogue::{
    ACCESS, ALERTS, DELIVERY, LISTENERS, MEMORY, NEXT_HOPS, RETENTION, SettingGroup,
};
use crate::settings::{FieldErrors, Settings};
use crate::web::extract::PageQuery;

/// A page in the navigation of the settings.
pub(super) struct Tab {
    pub(super) path: &'static str,
    /// Also the page's title.
    pub(super) label: &'static str,
}

const TABS: &[Tab] = &[
    tab("/settings", MEMORY.title),
    tab("/settings/delivery", DELIVERY.title),
    tab("/settings/next-hops", NEXT_HOPS.title),
    tab("/settings/listeners", LISTENERS.title),
    tab("/settings/access", ACCESS.title),
    tab("/settings/logins", "SMTP logins"),
    tab(condition_pages::PATH, condition_pages::TITLE),
    tab("/settings/retention", RETENTION.title),
    tab("/settings/alerts", ALERTS.title),
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

/// Reads a form about the settings and checks what they would be, without changing anything: all
/// problems are shown at their fields. With it come the fields that it changes.
fn check(
    groups: &'static [SettingGroup],
    submission: &Submission,
    settings: &Settings,
) -> (Form, Map<String, Value>) {
    let (mut form, changed) = Form::read(groups, submission, &settings.fields());
    match settings.patched(&changed) {
        Ok(after) => form.asks = opens(settings, &after),
        Err(errors) => form.note(errors),
    }
    (form, changed)
}

/// Whether settings give nearly every client what those before did not.
fn opens(before: &Settings, after: &Settings) -> bool {
    !after.opened_beyond(before.document()).is_empty()
}

/// The box of a form that has to be ticked for an open relay.
const OPEN_RELAY: &str = "open_relay";

/// What a form says about an open relay, and what else nearly every client would get.
fn open_relay(submission: &Submission) -> OpenRelay {
    if submission.has(OPEN_RELAY) {
        return OpenRelay::Meant;
    }
    OpenRelay::Unsaid {
        how: "tick the box below if that is meant",
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
type FormAnswer = Result<Response, PageError>;

fn see(path: &str) -> FormAnswer {
    Ok(Redirect::to(path).into_response())
}

/// The page again, because of its problems.
fn unprocessable(page: Html<String>) -> FormAnswer {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

#[cfg(test)]
#[cfg(test)]
mod lists_tests;
#[cfg(test)]
mod page_tests;
#[cfg(test)]
mod tests;
