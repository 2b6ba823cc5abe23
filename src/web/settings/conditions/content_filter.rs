//! `/settings/conditions/content-filter`: the switch and the rules, in the order in which they are asked.

use askama::Template;

use super::super::form::{Form, Group, Setting, Submission};
use super::super::kind::{Choice, Kind};
use super::super::{Answer, keep, present};
use super::content_test::TestBox;
use super::{Diverted, TITLE, disables, switch};
use crate::settings::conditions::{
    ConditionDescription, ConditionKind, Consequence, PreparedRule, Question,
};
use crate::settings::quantity::write_size;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};

pub(super) const PATH: &str = "/settings/conditions/content-filter";

const CONDITION: &ConditionDescription = ConditionKind::ContentFilter.description();

const GROUPS: &[Group] = &[Group {
    heading: "The condition",
    settings: &[
        switch("content_filter.enabled"),
        disables("content_filter.disables_fast_path"),
        Setting {
            name: "content_filter.when_unavailable",
            label: "When a message cannot be looked into",
            hint: "It is larger than 32 MiB, has more than 10,000 parts, or takes too long. Rules over its header and its size are asked all the same.",
            kind: Kind::Choice(&[
                Choice {
                    value: "defer",
                    label: "Put the message off",
                    hint: "451: the sender keeps it and tries again.",
                },
                Choice {
                    value: "pass",
                    label: "Let it pass unchecked",
                    hint: "A message that nobody had time to look into is put off all the same.",
                },
            ]),
        },
    ],
}];

#[derive(Template)]
#[template(path = "settings/conditions/content_filter.html")]
struct ContentFilterPage {
    frame: Frame,
    notice: Option<&'static str>,
    does: &'static str,
    diverted: Diverted,
    form: Form,
    rules: Vec<RuleRow>,
    test_box: TestBox,
}

struct RuleRow {
    name: String,
    matches: String,
    consequence: String,
    is_first: bool,
    is_last: bool,
}

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    present(&context, visitor, &query, GROUPS, show)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    keep(&context, visitor, GROUPS, &submission, PATH, show).await
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Page {
    let settings = context.administration.settings();
    let rules = &settings.conditions().content_rules;
    let last = rules.len().saturating_sub(1);
    let rows = rules.iter().enumerate().map(|(position, rule)| RuleRow {
        name: rule.name.clone(),
        matches: question_in_words(rule),
        consequence: consequence_in_words(&rule.consequence),
        is_first: position == 0,
        is_last: position == last,
    });
    render(&ContentFilterPage {
        frame: Frame::new(context, visitor, Section::Settings, CONDITION.title).below(TITLE),
        notice,
        does: CONDITION.summary,
        diverted: Diverted::now(CONDITION.name, context),
        form,
        rules: rows.collect(),
        test_box: TestBox::default(),
    })
}

/// When a rule matches.
fn question_in_words(rule: &PreparedRule) -> String {
    match &rule.question {
        Question::Header(field, pattern) => format!("{field} is like {pattern}"),
        Question::AnyHeader(pattern) => format!("a header field is like {pattern}"),
        Question::Text(pattern) => format!("its text is like {pattern}"),
        Question::AttachmentName(pattern) => format!("an attachment’s name is like {pattern}"),
        Question::AttachmentType(pattern) => format!("an attachment’s type is like {pattern}"),
        Question::LargerThan(most) => format!("larger than {}", write_size(*most)),
    }
}

/// What happens to a message that a rule matches.
pub(super) fn consequence_in_words(consequence: &Consequence) -> String {
    match consequence {
        Consequence::Refuse(words) => format!("refused with 554 5.7.1 {words}"),
        Consequence::Quarantine => "quarantined".to_owned(),
        Consequence::Tag(value) => format!("tagged with X-Content-Filter: {value}"),
        Consequence::Redirect(address) => format!("redirected to {address}"),
        Consequence::Pass => "passed on as it is".to_owned(),
    }
}
