//! `/settings/conditions`: what may keep a message off the fast path. Each condition has a page of its
//! own below it; this one says which are on, and how many messages each diverted in the last day.

pub(in crate::web) mod antispam;
pub(in crate::web) mod antivirus;
pub(in crate::web) mod blackhole_lists;
#[cfg(test)]
mod blackhole_tests;
pub(in crate::web) mod blackhole_zone;
pub(in crate::web) mod content_filter;
pub(in crate::web) mod content_rule;
pub(in crate::web) mod content_test;
pub(in crate::web) mod directory;
pub(in crate::web) mod encryption;
pub(in crate::web) mod ldap_masquerading;
pub(in crate::web) mod ldap_relaying;
mod look_up;
pub(in crate::web) mod milter;
pub(in crate::web) mod own;
pub(in crate::web) mod received_for;
pub(in crate::web) mod sender_check;

use askama::Template;

use super::form::{Form, Group, Setting, Submission};
use super::kind::{self, Choice, Kind};
use super::{Answer, keep, notice, present};
use crate::message::DiskReason;
use crate::settings::conditions::{ConditionDescription, built_in};
use crate::statistics::{ByReason, Window};
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};
use crate::web::{Context, wording};

pub(super) const TITLE: &str = "Conditions";

/// The page of a condition.
fn page_of(condition: &ConditionDescription) -> String {
    format!("/settings/conditions/{}", condition.name.replace('_', "-"))
}

struct Row {
    path: String,
    title: String,
    does: String,
    is_on: bool,
    /// What its state means for the path; none when nothing.
    path_words: Option<&'static str>,
    diverted: Diverted,
}

/// Messages that a condition diverted in the last day.
struct Diverted {
    count: String,
    /// The word of the reason, for the link to them; none when there are none.
    reason: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/conditions/overview.html")]
struct OverviewPage {
    frame: Frame,
    notice: Option<&'static str>,
    rows: Vec<Row>,
    own: Vec<Row>,
}

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    let settings = context.administration.settings();
    let counts = context.statistics.disk_reasons(Window::Day);
    let rows = built_in().map(|condition| {
        let state = (condition.settings)(&settings);
        Row {
            path: page_of(condition),
            title: condition.title.to_owned(),
            does: condition.summary.to_owned(),
            is_on: state.is_on(),
            path_words: state.path_words(),
            diverted: Diverted::by(condition.name, &counts),
        }
    });
    let own = settings.own_conditions.iter();
    render(&OverviewPage {
        frame: Frame::new(&context, visitor, Section::Settings, TITLE),
        notice: notice(&query),
        rows: rows.collect(),
        own: own.map(|own| own::row(own, &counts)).collect(),
    })
}

impl Diverted {
    fn by(name: &str, counts: &ByReason) -> Self {
        let reason = DiskReason::Condition(name.into());
        let count = counts.of(&reason);
        Self {
            count: wording::count(count),
            reason: (count > 0).then(|| reason.to_string()),
        }
    }

    fn now(name: &str, context: &Context) -> Self {
        Self::by(name, &context.statistics.disk_reasons(Window::Day))
    }
}

/// The page of one condition that is a form and nothing else.
#[derive(Template)]
#[template(path = "settings/conditions/condition.html")]
struct ConditionPage {
    frame: Frame,
    notice: Option<&'static str>,
    does: &'static str,
    diverted: Diverted,
    form: Form,
}

/// Shows the page of a condition as the settings are now.
fn present_condition(
    condition: &'static ConditionDescription,
    context: &Context,
    visitor: Visitor,
    query: &PageQuery,
    groups: &'static [Group],
) -> Page {
    present(context, visitor, query, groups, shower(condition))
}

/// Saves what was typed on the page of a condition.
async fn submit_condition(
    condition: &'static ConditionDescription,
    context: &Context,
    visitor: Visitor,
    submission: &Submission,
    groups: &'static [Group],
) -> Answer {
    let page = page_of(condition);
    keep(
        context,
        visitor,
        groups,
        submission,
        &page,
        shower(condition),
    )
    .await
}

fn shower(
    condition: &'static ConditionDescription,
) -> impl FnOnce(&Context, Visitor, Option<&'static str>, Form) -> Page {
    move |context, visitor, notice, form| {
        render(&ConditionPage {
            frame: Frame::new(context, visitor, Section::Settings, condition.title).below(TITLE),
            notice,
            does: condition.summary,
            diverted: Diverted::now(condition.name, context),
            form,
        })
    }
}

/// The switch of a condition.
const fn switch(name: &'static str) -> Setting {
    Setting {
        name,
        label: "This condition",
        hint: "",
        kind: Kind::Choice(&[
            Choice {
                value: "true",
                label: "is on",
                hint: "",
            },
            Choice {
                value: "false",
                label: "is off",
                hint: "",
            },
        ]),
    }
}

/// Whether a condition disables the fast path.
const fn disables(name: &'static str) -> Setting {
    Setting {
        name,
        label: "A message that it concerns",
        hint: "",
        kind: Kind::Choice(&[
            Choice {
                value: "true",
                label: "takes the standard path",
                hint: "Checked, then stored and synced, answered, and delivered.",
            },
            Choice {
                value: "false",
                label: "may stay on the fast path",
                hint: "Checked in memory within the acknowledgement deadline, and delivered before the reply.",
            },
        ]),
    }
}

/// Where a service listens.
const fn server(name: &'static str, hint: &'static str) -> Setting {
    Setting {
        name,
        label: "Server",
        hint,
        kind: Kind::Text(kind::service),
    }
}

/// The longest wait for a service.
const fn timeout(name: &'static str) -> Setting {
    Setting {
        name,
        label: "Longest wait",
        hint: "For an answer, from 1 s to 2 min. Then the check cannot tell.",
        kind: Kind::Time,
    }
}

/// How many may ask a service at once.
const fn connections(name: &'static str) -> Setting {
    Setting {
        name,
        label: "Checks at one time",
        hint: "One client gets half of them. Whoever finds no free one waits, within the longest wait; then the message is put off.",
        kind: Kind::Number(1, 1_000),
    }
}

/// What "cannot tell" means.
const fn unavailable(name: &'static str) -> Setting {
    Setting {
        name,
        label: "When the check cannot tell",
        hint: "Its service is down, too slow, or talks nonsense.",
        kind: Kind::Choice(&[
            Choice {
                value: "defer",
                label: "Put the message off",
                hint: "451: the sender keeps it and tries again.",
            },
            Choice {
                value: "pass",
                label: "Let it pass unchecked",
                hint: "When the service was asked about it and gave no answer, or has just failed a neutral question. A message for which no check was free is put off all the same.",
            },
        ]),
    }
}

/// What happens to a message in which something is found.
const fn found(name: &'static str, label: &'static str) -> Setting {
    Setting {
        name,
        label,
        hint: "",
        kind: Kind::Choice(&[
            Choice {
                value: "refuse",
                label: "Refuse it",
                hint: "554 in the session: the sender is told.",
            },
            Choice {
                value: "quarantine",
                label: "Quarantine it",
                hint: "Taken, and kept back in the queue until an operator releases or purges it.",
            },
            Choice {
                value: "tag",
                label: "Tag it",
                hint: "Delivered with a header field that says what was found.",
            },
        ]),
    }
}

#[cfg(test)]
mod content_filter_tests;
