//! What `/settings/conditions/content-filter` shows beside its form: the rules, in the order in which they
//! are asked.

use askama::Template;

use super::super::page::{PageParts, fragment};
use super::content_test::TestBox;
use crate::settings::conditions::{Consequence, PreparedRule, RuleCriterion};
use crate::settings::quantity::write_size;
use crate::web::Context;
use crate::web::error::PageError;

#[derive(Template)]
#[template(path = "settings/conditions/content_rules.html")]
struct RuleList {
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

pub(in crate::web::settings) fn parts(context: &Context) -> Result<PageParts, PageError> {
    let settings = context.administration.settings();
    let rules = &settings.conditions().content_rules;
    let last = rules.len().saturating_sub(1);
    let rows = rules.iter().enumerate().map(|(position, rule)| RuleRow {
        name: rule.name.clone(),
        matches: criterion_in_words(rule),
        consequence: consequence_in_words(&rule.consequence),
        is_first: position == 0,
        is_last: position == last,
    });
    let below = fragment(&RuleList {
        rules: rows.collect(),
        test_box: TestBox::default(),
    })?;
    Ok(PageParts {
        below,
        ..PageParts::default()
    })
}

/// When a rule matches.
fn criterion_in_words(rule: &PreparedRule) -> String {
    match &rule.criterion {
        RuleCriterion::Header(field, pattern) => format!("{field} is like {pattern}"),
        RuleCriterion::AnyHeader(pattern) => format!("a header field is like {pattern}"),
        RuleCriterion::Text(pattern) => format!("its text is like {pattern}"),
        RuleCriterion::AttachmentName(pattern) => format!("an attachment’s name is like {pattern}"),
        RuleCriterion::AttachmentType(pattern) => format!("an attachment’s type is like {pattern}"),
        RuleCriterion::LargerThan(most) => format!("larger than {}", write_size(*most)),
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
