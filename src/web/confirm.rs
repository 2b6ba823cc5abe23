//! The page that asks once more: before something is gone for good, or somebody gives power away.

use askama::Template;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::Context;
use super::access::Visitor;
use super::api_tokens::TokenRow;
use super::page::{Frame, PageError, Section, render};
use crate::store::StoredApiToken;

/// What is asked, and what the answer does.
pub(super) struct Question {
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
    /// Where nothing is done.
    pub(super) back: String,
}

#[derive(Template)]
#[template(path = "settings/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    question: String,
    sentences: Vec<&'static str>,
    tokens: Vec<TokenRow>,
    action: String,
    fields: Vec<(&'static str, &'static str)>,
    answer: String,
    back: String,
}

impl Question {
    /// Asks it. Nothing is done yet.
    pub(super) fn ask(self, context: &Context, visitor: Visitor) -> Result<Response, PageError> {
        let now = Timestamp::now();
        let row = |token| TokenRow::of(token, now);
        let page = ConfirmPage {
            frame: Frame::new(context, visitor, Section::Settings, self.question.clone()),
            question: self.question,
            sentences: self.sentences,
            tokens: self.tokens.into_iter().map(row).collect(),
            action: self.action,
            fields: self.fields,
            answer: self.answer,
            back: self.back,
        };
        Ok(render(&page)?.into_response())
    }
}
