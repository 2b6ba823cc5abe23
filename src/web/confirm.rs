//! The page that asks once more, before something is gone for good or visitors give up rights of their own.

use askama::Template;
use jiff::Timestamp;

use super::access::Visitor;
use super::page::{Frame, Page, Section, render};
use super::{Context, wording};
use crate::accounts::StoredApiToken;

/// The question, and what its answer does.
pub(super) struct Confirmation {
    /// `Remove anna?`
    pub(super) question: String,
    /// What it means.
    pub(super) sentences: Vec<&'static str>,
    /// API tokens that go with it.
    pub(super) tokens: Vec<StoredApiToken>,
    /// Where the form is sent.
    pub(super) action: String,
    /// What the form holds, by name.
    pub(super) fields: Vec<(&'static str, &'static str)>,
    /// The words of the button that does it.
    pub(super) answer: String,
    /// Where “Cancel” leads.
    pub(super) back: String,
}

#[derive(Template)]
#[template(path = "settings/confirm.html")]
struct ConfirmationPage {
    frame: Frame,
    now: Timestamp,
    asked: Confirmation,
}

impl Confirmation {
    /// The page that asks. Nothing is done yet.
    pub(super) fn ask(self, context: &Context, visitor: Visitor) -> Page {
        render(&ConfirmationPage {
            frame: Frame::new(context, visitor, Section::Settings, self.question.clone()),
            now: Timestamp::now(),
            asked: self,
        })
    }
}
