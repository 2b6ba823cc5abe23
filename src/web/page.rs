//! What all pages share: the frame around them, and how they are rendered.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;

use super::access::Visitor;
use super::error::{ApiError, PageError};
use super::{Context, alerts, wording};
use crate::accounts::Role;

/// The entry of the navigation that is shown as the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The dashboard.
    Dashboard,
    /// The retry queue.
    Queue,
    /// The trail.
    Messages,
    /// Settings of all kinds.
    Settings,
    /// What was changed, by whom.
    Audit,
    /// The visitor's own account.
    Account,
}

/// What `layout.html` needs; every page's template has one as `frame`.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) section: Section,
    pub(super) hostname: Arc<str>,
    pub(super) visitor: Visitor,
    pub(super) version: &'static str,
    pub(super) uptime: String,
    pub(super) now: String,
    pub(super) not_ready: Option<&'static str>,
    /// It came by plain HTTP, and perhaps not from this machine.
    pub(super) is_readable_on_the_way: bool,
    /// How many alerts there are, in words; none when there are none.
    pub(super) alerts: Option<String>,
    /// The class of the most serious of them.
    pub(super) alerts_mark: &'static str,
    /// The label of the settings page to which this page belongs.
    below: Option<&'static str>,
    /// After how many seconds the page loads itself again, and from where, when it has no script to do
    /// better: as `http-equiv="refresh"` says it.
    pub(super) refresh: Option<String>,
}

impl Frame {
    /// The frame of a page with this title.
    pub(super) fn new(
        context: &Context,
        visitor: Visitor,
        section: Section,
        title: impl Into<String>,
    ) -> Self {
        let alerts = context.alerts.present();
        let count = alerts.alerts.len() as u64;
        Self {
            title: title.into(),
            section,
            hostname: Arc::clone(&context.hostname),
            is_readable_on_the_way: context.is_exposed && !visitor.origin.is_encrypted,
            visitor,
            version: env!("CARGO_PKG_VERSION"),
            uptime: wording::age(context.statistics.uptime()),
            now: wording::moment_utc(Timestamp::now()),
            not_ready: (context.readiness)().err(),
            alerts: (count > 0).then(|| wording::counted(count, "alert")),
            alerts_mark: alerts::gravest(&alerts.alerts),
            below: None,
            refresh: None,
        }
    }

    /// The frame of a page that belongs to a settings page.
    pub(super) fn below(mut self, label: &'static str) -> Self {
        self.below = Some(label);
        self
    }

    /// The settings page that this one is, or belongs to.
    pub(super) fn settings_page(&self) -> &str {
        self.below.unwrap_or(&self.title)
    }

    /// For `aria-current` in the navigation of the settings, where each page is known by its title:
    /// empty for all but the present page and the one that it stands below.
    pub(super) fn place_of(&self, label: &str) -> &'static str {
        match self.below {
            Some(below) if below == label => "true",
            None if self.title == label => "page",
            _ => "",
        }
    }

    /// The visitor may do what this role may.
    pub(super) fn may(&self, role: Role) -> bool {
        self.visitor.role >= role
    }

    pub(super) fn may_administer(&self) -> bool {
        self.may(Role::Administrator)
    }

    /// For `aria-current` in the navigation.
    pub(super) fn is(&self, section: Section) -> bool {
        self.section == section
    }
}

/// A page, as the answer to a request.
pub(super) type Page = Result<Html<String>, PageError>;

/// Renders a template.
pub(super) fn render(template: &impl Template) -> Page {
    let html = template.render();
    Ok(Html(html.map_err(|cause| ApiError::Trouble(cause.into()))?))
}

/// Renders a template as an answer with this status.
pub(super) fn respond(status: StatusCode, template: &impl Template) -> Result<Response, PageError> {
    Ok((status, render(template)?).into_response())
}
