//! The settings pages that are a form: a row each, and one handler for all.

use std::sync::LazyLock;

use askama::Template;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use super::conditions::blackhole_lists::{self, LookUpBox};
use super::conditions::encryption::KeyList;
use super::conditions::look_up::{self, LookUpTrial};
use super::conditions::{self, Diverted, content_filter};
use super::form::{Form, Submission};
use super::{
    FormAnswer, access, alerts, change, check, listeners, next_hops, notice, open_relay, retention,
    see, unprocessable, what_if,
};
use crate::limits;
use crate::settings::Settings;
use crate::settings::catalogue::{
    ACCESS, ALERTS, DELIVERY, DIRECTORY, LISTENERS, MEMORY, NEXT_HOPS, RETENTION, SettingKind,
    SettingSection,
};
use crate::settings::conditions::{ConditionDescription, ConditionKind, built_in};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::PageError;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};

/// A page with the settings of one section.
pub(in crate::web) struct SettingsPage {
    pub(in crate::web) path: String,
    pub(super) section: SettingSection,
    subject: PageSubject,
}

/// What a page is about.
#[derive(Clone, Copy)]
enum PageSubject {
    Memory,
    Delivery,
    NextHops,
    Listeners,
    Access,
    Retention,
    Alerts,
    Directory,
    Condition(&'static ConditionDescription),
}

/// Parts of a page around its form, as HTML.
#[derive(Debug, Default)]
pub(super) struct PageParts {
    /// Before what is said of problems.
    pub(super) top: String,
    /// Before the form.
    pub(super) above: String,
    /// Attributes of the form.
    pub(super) form: String,
    /// Behind the form.
    pub(super) below: String,
}

/// Every page, without the list of the conditions and the pages of single entries.
pub(in crate::web) fn pages() -> &'static [SettingsPage] {
    static PAGES: LazyLock<Vec<SettingsPage>> = LazyLock::new(|| {
        let pages = [
            ("/settings", MEMORY, PageSubject::Memory),
            ("/settings/delivery", DELIVERY, PageSubject::Delivery),
            ("/settings/next-hops", NEXT_HOPS, PageSubject::NextHops),
            ("/settings/listeners", LISTENERS, PageSubject::Listeners),
            ("/settings/access", ACCESS, PageSubject::Access),
            ("/settings/retention", RETENTION, PageSubject::Retention),
            ("/settings/alerts", ALERTS, PageSubject::Alerts),
            (
                "/settings/conditions/directory",
                DIRECTORY,
                PageSubject::Directory,
            ),
        ];
        let pages = pages.map(|(path, section, subject)| SettingsPage {
            path: path.to_owned(),
            section,
            subject,
        });
        let conditions = built_in().map(|condition| SettingsPage {
            path: conditions::path_of(condition),
            section: condition.section(),
            subject: PageSubject::Condition(condition),
        });
        pages.into_iter().chain(conditions).collect()
    });
    &PAGES
}

#[derive(Template)]
#[template(path = "settings/section.html")]
struct SectionTemplate<'a> {
    frame: Frame,
    notice: Option<&'static str>,
    /// What a condition does, and how often it did.
    condition: Option<(&'static str, Diverted)>,
    /// It is found from the list of the conditions.
    is_below_conditions: bool,
    parts: PageParts,
    form: &'a Form,
}

impl SettingsPage {
    /// The page of a condition with a page of its own.
    pub(super) fn of(kind: ConditionKind) -> &'static Self {
        let mut pages = pages().iter();
        let page = pages.find(|page| page.condition().is_some_and(|other| other.kind == kind));
        page.expect("every condition but the administrator's own has a page")
    }

    /// The condition that it is about.
    fn condition(&self) -> Option<&'static ConditionDescription> {
        match self.subject {
            PageSubject::Condition(condition) => Some(condition),
            _ => None,
        }
    }

    /// Lists on it may be longer than other forms.
    pub(in crate::web) fn has_long_lists(&self) -> bool {
        let mut settings = self.section.groups.iter().flat_map(|group| group.settings);
        settings.any(|setting| match setting.kind {
            SettingKind::Lines(_, most) => most > limits::PROXY_NETWORKS,
            _ => false,
        })
    }

    /// Its form as the settings are now.
    pub(super) fn form(&self, context: &Context) -> Form {
        let settings = context.administration.settings();
        Form::showing(self.section.groups, &settings.fields())
    }

    async fn render(
        &self,
        context: &Context,
        visitor: Visitor,
        query: &PageQuery,
        mut form: Form,
    ) -> Page {
        let parts = self.parts(context, &mut form, &query.find).await?;
        self.render_with(context, visitor, notice(query), &form, parts)
    }

    /// Renders the page with parts that are not those of every day.
    pub(super) fn render_with(
        &self,
        context: &Context,
        visitor: Visitor,
        notice: Option<&'static str>,
        form: &Form,
        parts: PageParts,
    ) -> Page {
        let is_below_conditions = self.path.starts_with(conditions::PATH);
        let mut frame = Frame::new(context, visitor, Section::Settings, self.section.title);
        if is_below_conditions {
            frame = frame.below(conditions::TITLE);
        }
        let figures = |condition: &ConditionDescription| {
            (condition.summary, Diverted::now(condition.name, context))
        };
        render(&SectionTemplate {
            frame,
            notice,
            condition: self.condition().map(figures),
            is_below_conditions,
            parts,
            form,
        })
    }

    async fn parts(
        &self,
        context: &Context,
        form: &mut Form,
        find: &str,
    ) -> Result<PageParts, PageError> {
        let condition = match self.subject {
            PageSubject::Memory => return what_if::parts(context, form),
            PageSubject::Delivery => return Ok(PageParts::default()),
            PageSubject::NextHops => return next_hops::parts(context, find),
            PageSubject::Listeners => return listeners::parts(context),
            PageSubject::Access => return access::parts(context),
            PageSubject::Retention => return retention::parts(context).await,
            PageSubject::Alerts => return alerts::parts(context),
            PageSubject::Directory => return Ok(look_up::directory_parts()),
            PageSubject::Condition(condition) => condition.kind,
        };
        match condition {
            ConditionKind::LdapRelaying => {
                look_up::parts(context, &self.path, "Recipient", LookUpTrial::default())
            }
            ConditionKind::LdapMasquerading => {
                look_up::parts(context, &self.path, "Sender", LookUpTrial::default())
            }
            ConditionKind::BlackholeLists => blackhole_lists::parts(context, &LookUpBox::default()),
            ConditionKind::ContentFilter => content_filter::parts(context),
            ConditionKind::Encryption => KeyList::new(context, find).parts(),
            ConditionKind::SenderCheck
            | ConditionKind::Own
            | ConditionKind::Antivirus
            | ConditionKind::Antispam
            | ConditionKind::Milter
            | ConditionKind::ReceivedFor => Ok(PageParts::default()),
        }
    }
}

/// Shows a page.
pub(in crate::web) async fn show(
    page: &'static SettingsPage,
    context: Ctx,
    visitor: Visitor,
    query: PageQuery,
) -> Page {
    let form = page.form(&context);
    page.render(&context, visitor, &query, form).await
}

/// Saves what was typed and leads back to the page, or shows it again: with its problems, or what the
/// settings would mean when the preview was asked for.
pub(in crate::web) async fn submit(
    page: &'static SettingsPage,
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> FormAnswer {
    let (groups, query) = (page.section.groups, PageQuery::default());
    if submission.has("preview") {
        let (form, _) = check(groups, &submission, &context.administration.settings());
        let status = if form.is_sound() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        let html = page.render(&context, visitor, &query, form).await?;
        return Ok((status, html).into_response());
    }
    let typed = submission.clone();
    let patch = move |settings: &Settings| {
        let (form, changed) = check(groups, &typed, settings);
        match form.is_sound() {
            true => Ok(changed),
            false => Err(form.errors()),
        }
    };
    let Err(errors) = change(&context, &visitor, patch, open_relay(&submission)).await? else {
        return see(&format!("{}?done=saved", page.path));
    };
    let (mut form, _) = check(groups, &submission, &context.administration.settings());
    form.note(errors);
    unprocessable(page.render(&context, visitor, &query, form).await?)
}

/// A part of a page.
pub(super) fn fragment(template: &impl Template) -> Result<String, PageError> {
    let html = render(template)?;
    Ok(html.0)
}
