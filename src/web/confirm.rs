//! The page that asks once more, before something is gone for good or visitors give up rights of their own.

use askama::Template;
use jiff::Timestamp;

use super::Context;
use super::access::Visitor;
use super::page::{Frame, Page, Section, render};
use super::token_row::TokenRow;
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
    tokens: Vec<TokenRow>,
    asked: Confirmation,
}

impl Confirmation {
    /// The page that asks. Nothing is done yet.
    pub(super) fn ask(mut self, context: &Context, visitor: Visitor) -> Page {
        let now = Timestamp::now();
        let tokens = std::mem::take(&mut self.tokens).into_iter();
        render(&ConfirmationPage {
            frame: Frame::new(context, visitor, Section::Settings, self.question.clone()),
            tokens: tokens.map(|token| TokenRow::of(token, now)).collect(),
            asked: self,
        })
    }
}
