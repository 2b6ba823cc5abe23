//! The settings pages that are a form: a row each, and one handler for all.

use std::sync::LazyLock;

use askama::Template;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use super::conditions::{self, Diverted, blackhole_lists, content_filter, encryption, look_up};
use super::form::{Form, Submission};
use super::{
    FormAnswer, access, alerts, check, listeners, next_hops, notice, retention, save, see, subject,
    unprocessable, what_if,
};
use crate::limits;
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
    /// The condition that it is about.
    condition: Option<&'static ConditionDescription>,
    special: Special,
}

/// What a page shows beside its form.
#[derive(Clone, Copy)]
enum Special {
    Nothing,
    WhatIf,
    NextHops,
    Listeners,
    OpenRelay,
    TrailSize,
    Webhook,
    AskedBy,
    /// Whose address is looked up in the directory.
    LookUp(&'static str),
    BlackholeLists,
    ContentRules,
    OpenPgpKeys,
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
            ("/settings", MEMORY, Special::WhatIf),
            ("/settings/delivery", DELIVERY, Special::Nothing),
            ("/settings/next-hops", NEXT_HOPS, Special::NextHops),
            ("/settings/listeners", LISTENERS, Special::Listeners),
            ("/settings/access", ACCESS, Special::OpenRelay),
            ("/settings/retention", RETENTION, Special::TrailSize),
            ("/settings/alerts", ALERTS, Special::Webhook),
            (
                "/settings/conditions/directory",
                DIRECTORY,
                Special::AskedBy,
            ),
        ];
        let pages = pages.map(|(path, section, special)| SettingsPage {
            path: path.to_owned(),
            section,
            condition: None,
            special,
        });
        pages
            .into_iter()
            .chain(built_in().map(of_condition))
            .collect()
    });
    &PAGES
}

fn of_condition(condition: &'static ConditionDescription) -> SettingsPage {
    SettingsPage {
        path: conditions::path_of(condition),
        section: condition.section(),
        condition: Some(condition),
        special: match condition.kind {
            ConditionKind::LdapRelaying => Special::LookUp("Recipient"),
            ConditionKind::LdapMasquerading => Special::LookUp("Sender"),
            ConditionKind::BlackholeLists => Special::BlackholeLists,
            ConditionKind::ContentFilter => Special::ContentRules,
            ConditionKind::Encryption => Special::OpenPgpKeys,
            _ => Special::Nothing,
        },
    }
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
        let page = pages.find(|page| {
            page.condition
                .is_some_and(|condition| condition.kind == kind)
        });
        page.expect("every condition but the administrator's own has a page")
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
        Form::showing(self.section.groups, &subject(&settings))
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
            condition: self.condition.map(figures),
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
        match self.special {
            Special::Nothing => Ok(PageParts::default()),
            Special::WhatIf => what_if::parts(context, form),
            Special::NextHops => next_hops::parts(context, find),
            Special::Listeners => listeners::parts(context),
            Special::OpenRelay => access::parts(context),
            Special::TrailSize => retention::parts(context).await,
            Special::Webhook => alerts::parts(context),
            Special::AskedBy => Ok(look_up::directory_parts()),
            Special::LookUp(whose) => look_up::parts(context, &self.path, whose),
            Special::BlackholeLists => blackhole_lists::parts(context),
            Special::ContentRules => content_filter::parts(context),
            Special::OpenPgpKeys => encryption::parts(context, find),
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
        let form = check(groups, &submission, &context.administration.settings()).form;
        let status = if form.is_sound() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        let html = page.render(&context, visitor, &query, form).await?;
        return Ok((status, html).into_response());
    }
    match save(&context, &visitor, groups, &submission).await? {
        Ok(()) => see(&format!("{}?done=saved", page.path)),
        Err(form) => unprocessable(page.render(&context, visitor, &query, form).await?),
    }
}

/// A part of a page.
pub(super) fn fragment(template: &impl Template) -> Result<String, PageError> {
    let html = render(template)?;
    Ok(html.0)
}
