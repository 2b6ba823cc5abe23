//! `/settings/conditions/content-filter/rule`: one rule of the content filter; to add, to change, to move and
//! to remove.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::entry::{ENTRY, EntryList, new_entry};
use super::super::form::{Form, FormBody, Group, Setting, Submission};
use super::super::kind::{self, Bound, Choice, Kind};
use super::super::{Answer, change, see, unprocessable};
use super::TITLE;
use super::content_filter::PATH;
use crate::administration::OpenRelay;
use crate::settings::conditions::ContentRule;
use crate::settings::{FieldErrors, Settings};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::api::Pairs;
use crate::web::error::ApiError;
use crate::web::page::{Frame, Page, Section, render};

const RULES: EntryList = EntryList {
    list: "content_filter.rules",
    key: "name",
    groups: GROUPS,
    keyless: "give it a name",
    problem_at: "name",
};

const GROUPS: &[Group] = &[
    Group {
        heading: "The rule",
        settings: &[Setting {
            name: "name",
            label: "Name",
            hint: "What the trail and pages call it, like “no programs”.",
            kind: Kind::Text(kind::as_typed),
        }],
    },
    Group {
        heading: "It matches when",
        settings: &[
            Setting {
                name: "part",
                label: "It looks at",
                hint: "",
                kind: Kind::Choice(PARTS),
            },
            Setting {
                name: "header_field",
                label: "Header field",
                hint: "Its name, like Subject. Only for a rule that looks at one header field.",
                kind: Kind::Text(kind::field_name),
            },
            Setting {
                name: "pattern",
                label: "Pattern",
                hint: "A regular expression that it matches somewhere, whatever the case of letters, like \\.(exe|scr)$ or \\binvoice\\b. Not for the size.",
                kind: Kind::Text(kind::pattern),
            },
            Setting {
                name: "larger_than_bytes",
                label: "Size",
                hint: "Only for a rule that looks at the size.",
                kind: Kind::OrOff(&Bound {
                    words: "larger than",
                    kind: Kind::Size,
                    unit: "",
                    usual: "10 MiB",
                }),
            },
        ],
    },
    Group {
        heading: "Then",
        settings: &[
            Setting {
                name: "action",
                label: "The message is",
                hint: "No later rule is asked.",
                kind: Kind::Choice(ACTIONS),
            },
            Setting {
                name: "argument",
                label: "With",
                hint: "Refused: the words of the reply. Tagged: the value of the field; empty: the rule’s name. Redirected: the address.",
                kind: Kind::Text(kind::as_typed),
            },
        ],
    },
];

const PARTS: &[Choice] = &[
    Choice {
        value: "header",
        label: "one header field",
        hint: "Its value, decoded.",
    },
    Choice {
        value: "any_header",
        label: "all header fields",
        hint: "Each as “Name: value”, decoded.",
    },
    Choice {
        value: "text",
        label: "the text",
        hint: "Each part of text, decoded; of HTML with its tags. Parts of attached messages, too.",
    },
    Choice {
        value: "attachment_name",
        label: "the names of attachments",
        hint: "Decoded.",
    },
    Choice {
        value: "attachment_type",
        label: "the types of attachments",
        hint: "As they say themselves, like application/zip.",
    },
    Choice {
        value: "size",
        label: "the size",
        hint: "",
    },
];

const ACTIONS: &[Choice] = &[
    Choice {
        value: "refuse",
        label: "refused",
        hint: "554 in the session: the sender is told.",
    },
    Choice {
        value: "quarantine",
        label: "quarantined",
        hint: "Taken, and kept back in the queue until an operator releases or purges it.",
    },
    Choice {
        value: "tag",
        label: "tagged",
        hint: "Delivered with the header field X-Content-Filter.",
    },
    Choice {
        value: "redirect",
        label: "redirected",
        hint: "Delivered to another address in the place of all recipients.",
    },
    Choice {
        value: "pass",
        label: "passed on",
        hint: "Delivered as it is: what this rule allows, no later one forbids.",
    },
];

/// Which rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    name: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/conditions/content_rule.html")]
struct RulePage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    /// The name of the rule; blank for a new one.
    entry: String,
}

/// The rule of the name in the query, or a new one.
pub(in crate::web) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Page {
    let which: Which = Pairs::read(query)?.into_filter()?;
    let name = which.name.unwrap_or_default();
    let subject = match name.as_str() {
        "" => new(),
        name => RULES
            .entry(&context.administration.settings(), name)
            .ok_or(ApiError::NotFound)?,
    };
    show(&context, visitor, Form::showing(GROUPS, &subject), name)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    let submission = Submission::read(body)?;
    let typed = submission.clone();
    let patch = move |settings: &Settings| {
        let edited = RULES.edited(settings, &typed, new());
        edited.map_err(|form| form.errors())
    };
    let Err(errors) = change(&context, &visitor, patch, OpenRelay::ELSEWHERE).await? else {
        return see(&format!("{PATH}?done=saved"));
    };
    let settings = context.administration.settings();
    let (form, name) = RULES.again(&settings, &submission, new(), errors);
    unprocessable(show(&context, visitor, form, name)?)
}

/// Moves a rule one place up or down.
pub(in crate::web) async fn reorder(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    let submission = Submission::read(body)?;
    let name = submission.text(ENTRY).unwrap_or_default().to_owned();
    let up = match submission.text("direction") {
        Some("up") => true,
        Some("down") => false,
        _ => {
            let problem = "direction: must be up or down".to_owned();
            return Err(ApiError::BadRequest(problem).into());
        }
    };
    let patch = move |settings: &Settings| Ok(RULES.moved(settings, &name, up));
    keep(&context, &visitor, patch, "saved").await
}

/// Removes a rule. One that is gone already is what was wanted.
pub(in crate::web) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    let submission = Submission::read(body)?;
    let name = submission.text(ENTRY).unwrap_or_default().to_owned();
    let patch = move |settings: &Settings| Ok(RULES.without(settings, &name));
    keep(&context, &visitor, patch, "removed").await
}

/// Makes a change that nothing was typed for, and leads back to the rules.
async fn keep(
    context: &Context,
    visitor: &Visitor,
    patch: impl FnOnce(&Settings) -> Result<Map<String, Value>, FieldErrors> + Send + 'static,
    done: &str,
) -> Answer {
    match change(context, visitor, patch, OpenRelay::ELSEWHERE).await? {
        Ok(()) => see(&format!("{PATH}?done={done}")),
        Err(errors) => Err(ApiError::Fields(errors).into()),
    }
}

fn new() -> Map<String, Value> {
    new_entry(&ContentRule::default())
}

fn show(context: &Context, visitor: Visitor, form: Form, entry: String) -> Page {
    let title = match entry.as_str() {
        "" => "A rule of the content filter".to_owned(),
        entry => format!("The rule {entry}"),
    };
    render(&RulePage {
        frame: Frame::new(context, visitor, Section::Settings, title).below(TITLE),
        notice: None,
        form,
        entry,
    })
}
