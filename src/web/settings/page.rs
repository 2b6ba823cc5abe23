//! The settings pages that are a form: a row each, and one template for all.

use std::sync::LazyLock;

use askama::Template;

use super::condition_pages::{self, Diverted};
use super::form::Form;
use crate::limits;
use crate::settings::catalogue::{
    ACCESS, ALERTS, DELIVERY, DIRECTORY, LISTENERS, MEMORY, NEXT_HOPS, RETENTION, SettingKind,
    SettingSection,
};
use crate::settings::conditions::{ConditionDescription, ConditionKind, built_in};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::PageError;
use crate::web::page::{Frame, Page, Section, render};

/// A page with the settings of one section.
pub(in crate::web) struct SettingsPage {
    pub(in crate::web) path: String,
    pub(super) section: SettingSection,
    pub(super) subject: PageSubject,
}

/// What a page is about.
#[derive(Clone, Copy)]
pub(super) enum PageSubject {
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
            path: condition_pages::path_of(condition),
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

    /// Renders the page with parts that are not those of every day.
    pub(super) fn render_with(
        &self,
        context: &Context,
        visitor: Visitor,
        notice: Option<&'static str>,
        form: &Form,
        parts: PageParts,
    ) -> Page {
        let is_below_conditions = self.path.starts_with(condition_pages::PATH);
        let mut frame = Frame::new(context, visitor, Section::Settings, self.section.title);
        if is_below_conditions {
            frame = frame.below(condition_pages::TITLE);
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
}

/// A part of a page.
pub(super) fn fragment(template: &impl Template) -> Result<String, PageError> {
    let html = render(template)?;
    Ok(html.0)
}
