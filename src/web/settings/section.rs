//! The handlers of the settings pages that are a form, and what each page shows beside its form.

use axum::Extension;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use super::conditions::blackhole_lists::{self, LookUpBox};
use super::conditions::content_filter;
use super::conditions::encryption::KeyList;
use super::conditions::look_up::{self, LookUpTrial};
use super::form::Form;
use super::page::{PageParts, PageSubject, SettingsPage};
use super::submission::Submission;
use super::{
    FormAnswer, access, alerts, change, check, listeners, next_hops, notice, open_relay, retention,
    see, unprocessable, what_if,
};
use crate::settings::Settings;
use crate::settings::conditions::ConditionKind;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::error::PageError;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::Page;

impl SettingsPage {
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
            // A box beside the form is a speciality: a condition has none until it is named above.
            _ => Ok(PageParts::default()),
        }
    }
}

/// Shows a page.
pub(in crate::web) async fn show(
    Extension(page): Extension<&'static SettingsPage>,
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
    Extension(page): Extension<&'static SettingsPage>,
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
