//! `/settings/conditions`: what may keep a message off the fast path. Each condition has a page of its
//! own below it; this one says which are on, and how many messages each diverted in the last day.

#[cfg(test)]
mod antispam_tests;
pub(in crate::web) mod blackhole_lists;
#[cfg(test)]
mod blackhole_tests;
pub(super) mod content_filter;
#[cfg(test)]
mod content_filter_tests;
pub(in crate::web) mod content_test;
pub(in crate::web) mod encryption;
pub(in crate::web) mod look_up;

use askama::Template;

use super::condition_pages::{Diverted, PATH, TITLE, path_of};
use super::notice;
use crate::settings::conditions::{LeadsTo, OwnCondition, built_in};
use crate::settings::quantity::{write_count, write_size};
use crate::statistics::{ByReason, Window};
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};

struct ConditionRow {
    path: String,
    title: String,
    does: String,
    is_on: bool,
    /// What its state means for the path; none when nothing.
    path_words: Option<&'static str>,
    diverted: Diverted,
}

#[derive(Template)]
#[template(path = "settings/conditions/overview.html")]
struct OverviewPage {
    frame: Frame,
    notice: Option<&'static str>,
    rows: Vec<ConditionRow>,
    own: Vec<ConditionRow>,
}

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    let settings = context.administration.settings();
    let counts = context.statistics.disk_reasons(Window::Day);
    let rows = built_in().map(|condition| {
        let policy = settings.policy(condition.kind);
        ConditionRow {
            path: path_of(condition),
            title: condition.title.to_owned(),
            does: condition.summary.to_owned(),
            is_on: policy.is_on,
            path_words: settings.condition(condition.kind).path_words(&policy),
            diverted: Diverted::by(condition.name, &counts),
        }
    });
    let own = settings.own_conditions.iter();
    render(&OverviewPage {
        frame: Frame::new(&context, visitor, Section::Settings, TITLE),
        notice: notice(&query),
        rows: rows.collect(),
        own: own.map(|own| own_row(own, &counts)).collect(),
    })
}

fn own_row(own: &OwnCondition, counts: &ByReason) -> ConditionRow {
    ConditionRow {
        path: format!("{PATH}/own"),
        title: own.name.clone(),
        does: in_words(own),
        is_on: true,
        path_words: Some(match own.leads_to {
            LeadsTo::StandardPath => "standard path",
            LeadsTo::CutThrough => "cut-through",
        }),
        diverted: Diverted::by(&own.name, counts),
    }
}

/// What it looks at, in a sentence.
fn in_words(own: &OwnCondition) -> String {
    let networks = own.client_networks.iter().map(ToString::to_string);
    let networks: Vec<String> = networks.collect();
    let like = |what: &str, pattern: &Option<String>| {
        pattern.as_ref().map(|pattern| format!("{what} {pattern}"))
    };
    let parts = [
        own.recipients_more_than
            .map(|most| format!("more than {} recipients", write_count(most))),
        own.larger_than_bytes
            .map(|most| format!("larger than {}", write_size(most))),
        (!networks.is_empty()).then(|| format!("from {}", networks.join(", "))),
        like("sender like", &own.sender_pattern),
        like("a recipient like", &own.recipient_pattern),
        like("with the field", &own.header_field),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}
