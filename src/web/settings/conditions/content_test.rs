//! `/settings/conditions/content-filter/test`: what the rules, as they are saved, say of a message that
//! somebody pastes. Nothing is changed or sent.

use askama::Template;
use bytes::Bytes;

use super::super::condition_pages::TITLE;
use super::super::submission::Submission;
use super::super::{FormAnswer, unprocessable};
use super::content_filter::consequence_in_words;
use crate::conditions::{RuleAnswers, RuleSays, Ruling};
use crate::settings::conditions::WhenUnavailable;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use axum::response::IntoResponse as _;

#[derive(Template)]
#[template(path = "settings/conditions/content_test.html")]
struct ContentTestPage {
    frame: Frame,
    notice: Option<&'static str>,
    test_box: TestBox,
    result: Option<TestedRules>,
}

/// Where a message is pasted.
#[derive(Default)]
pub(super) struct TestBox {
    pub(super) message: String,
    pub(super) problem: Option<&'static str>,
}

struct TestedRules {
    /// The class of its sentence.
    mark: &'static str,
    sentence: String,
    /// The condition is off.
    is_off: bool,
    rows: Vec<ResultRow>,
}

struct ResultRow {
    name: String,
    mark: &'static str,
    says: &'static str,
    words: String,
    wins: bool,
}

/// The page with nothing tested yet.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor) -> Page {
    show(&context, visitor, TestBox::default(), None)
}

/// Tests, and shows what was found.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> FormAnswer {
    let message = submission.text("message").unwrap_or_default().to_owned();
    if message.is_empty() {
        let problem = Some("paste a message, header and all");
        let test_box = TestBox { message, problem };
        return unprocessable(show(&context, visitor, test_box, None)?);
    }
    let settings = context.administration.settings();
    let answers = context
        .conditions
        .test_content_filter(&settings, canonical(&message))
        .await;
    let filter = &settings.content_filter;
    let result = result(&answers, filter.when_unavailable, !filter.enabled);
    let test_box = TestBox {
        message,
        problem: None,
    };
    Ok(show(&context, visitor, test_box, Some(result))?.into_response())
}

/// A pasted message as it would arrive: each line with CRLF.
pub(in crate::web) fn canonical(text: &str) -> Bytes {
    let mut message = String::with_capacity(text.len() + text.len() / 16);
    for line in text.lines() {
        message.push_str(line);
        message.push_str("\r\n");
    }
    message.into()
}

fn result(answers: &RuleAnswers, when_unavailable: WhenUnavailable, is_off: bool) -> TestedRules {
    let (mark, sentence, winner) = match answers.ruling() {
        Ruling::Nothing => ("good", "No rule matches: it would pass.".to_owned(), None),
        Ruling::Won(rule, _) => {
            let consequence = consequence_in_words(&rule.consequence);
            let sentence = format!("The rule “{}” decides: {consequence}.", rule.name);
            ("doubtful", sentence, Some(rule.name.as_str()))
        }
        Ruling::CannotTell(rule, why) => {
            let meaning = match when_unavailable {
                WhenUnavailable::Defer => "it would be put off",
                WhenUnavailable::Pass => "it would pass unchecked",
            };
            let name = &rule.name;
            let sentence = format!("The rule “{name}” cannot be asked, {why}: {meaning}.");
            ("bad", sentence, None)
        }
    };
    let rows = answers.all().map(|(rule, says)| {
        let (mark, word, words) = in_words(says);
        ResultRow {
            wins: winner == Some(rule.name.as_str()),
            name: rule.name.clone(),
            mark,
            says: word,
            words: words.to_owned(),
        }
    });
    TestedRules {
        mark,
        sentence,
        is_off,
        rows: rows.collect(),
    }
}

fn in_words(says: &RuleSays) -> (&'static str, &'static str, &str) {
    match says {
        RuleSays::Matches(what) => ("doubtful", "matches", what),
        RuleSays::DoesNotMatch => ("", "does not match", ""),
        RuleSays::CannotBeAsked(why) => ("bad", "cannot be asked", why),
        RuleSays::NotAsked => ("", "was not asked", ""),
    }
}

fn show(
    context: &Context,
    visitor: Visitor,
    test_box: TestBox,
    result: Option<TestedRules>,
) -> Page {
    let title = "Test of the content filter";
    render(&ContentTestPage {
        frame: Frame::new(context, visitor, Section::Settings, title).below(TITLE),
        notice: None,
        test_box,
        result,
    })
}
