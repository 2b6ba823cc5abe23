//! The page of a condition that asks the directory: its form, and a look-up to try.

use askama::Template;
use axum::response::IntoResponse as _;

use super::super::form::{Form, Group, Submission};
use super::super::{Answer, keep, present, subject, unprocessable};
use super::{Diverted, TITLE, page_of};
use crate::settings::conditions::ConditionDescription;
use crate::smtp::address::Mailbox;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::PageQuery;
use crate::web::page::{Frame, Page, Section, render};

/// A condition that asks the directory.
pub(super) struct Asking {
    pub(super) condition: &'static ConditionDescription,
    pub(super) groups: &'static [Group],
    /// Whose address is tried.
    pub(super) whose: &'static str,
}

/// A look-up that is tried.
#[derive(Debug, Default)]
struct Trial {
    address: String,
    problem: Option<&'static str>,
    finding: Option<Finding>,
}

/// What the directory said.
#[derive(Debug)]
pub(super) struct Finding {
    /// The class of its sentence.
    mark: &'static str,
    sentence: &'static str,
    /// Behind it, in the directory's words.
    words: String,
    /// What stands in the entry.
    rows: Vec<(&'static str, String)>,
}

impl Finding {
    /// An entry.
    pub(super) fn entry(rows: Vec<(&'static str, String)>) -> Self {
        Self {
            mark: "good",
            sentence: "The directory has an entry.",
            words: String::new(),
            rows,
        }
    }

    /// No entry; what that means.
    pub(super) fn nobody(words: &str) -> Self {
        Self {
            mark: "doubtful",
            sentence: "The directory has no entry.",
            words: words.to_owned(),
            rows: Vec::new(),
        }
    }

    /// The directory cannot tell, and why.
    pub(super) fn none(why: String) -> Self {
        Self {
            mark: "bad",
            sentence: "It cannot tell.",
            words: why,
            rows: Vec::new(),
        }
    }
}

#[derive(Template)]
#[template(path = "settings/conditions/look_up.html")]
struct LookUpPage {
    frame: Frame,
    notice: Option<&'static str>,
    does: &'static str,
    path: String,
    diverted: Diverted,
    /// Where the directory is; empty when none is set.
    directory: String,
    form: Form,
    whose: &'static str,
    trial: Trial,
}

impl Asking {
    /// Shows its page as the settings are now.
    pub(super) fn present(
        &'static self,
        context: &Context,
        visitor: Visitor,
        query: &PageQuery,
    ) -> Page {
        present(
            context,
            visitor,
            query,
            self.groups,
            self.shower(Trial::default()),
        )
    }

    /// Saves what was typed.
    pub(super) async fn submit(
        &'static self,
        context: &Context,
        visitor: Visitor,
        submission: &Submission,
    ) -> Answer {
        keep(
            context,
            visitor,
            self.groups,
            submission,
            &page_of(self.condition),
            self.shower(Trial::default()),
        )
        .await
    }

    /// Tries the look-up of the address that was typed, and shows what came of it.
    pub(super) async fn test(
        &'static self,
        context: &Context,
        visitor: Visitor,
        submission: &Submission,
        ask: impl AsyncFnOnce(&Mailbox) -> Finding,
    ) -> Answer {
        let typed = submission.text("address").unwrap_or_default();
        let mut trial = Trial {
            address: typed.to_owned(),
            ..Trial::default()
        };
        let address = Mailbox::parse(typed);
        match &address {
            Ok(address) => trial.finding = Some(ask(address).await),
            Err(_) => trial.problem = Some("give an address like someone@example.net"),
        }
        let settings = context.administration.settings();
        let form = Form::showing(self.groups, &subject(&settings));
        let page = self.shower(trial)(context, visitor, None, form)?;
        match address {
            Ok(_) => Ok(page.into_response()),
            Err(_) => unprocessable(page),
        }
    }

    fn shower(
        &'static self,
        trial: Trial,
    ) -> impl FnOnce(&Context, Visitor, Option<&'static str>, Form) -> Page + use<> {
        let condition = self.condition;
        move |context, visitor, notice, form| {
            let settings = context.administration.settings();
            let url = settings.directory.url.as_ref();
            render(&LookUpPage {
                frame: Frame::new(context, visitor, Section::Settings, condition.title)
                    .below(TITLE),
                notice,
                does: condition.summary,
                path: page_of(condition),
                diverted: Diverted::now(condition.name, context),
                directory: url.map(ToString::to_string).unwrap_or_default(),
                form,
                whose: self.whose,
                trial,
            })
        }
    }
}

#[cfg(test)]
#[path = "look_up_tests.rs"]
mod tests;
