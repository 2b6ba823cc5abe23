//! `/settings/conditions/content-filter/rule`: one rule of the content filter; to add, to change, to move and
//! to remove.

use askama::Template;
use serde::Deserialize;

use super::super::entry::{EntryList, new_entry};
use super::super::form::{Form, Group, Setting, Submission};
use super::super::kind::{self, Bound, Choice, Kind};
use super::super::{Answer, unprocessable};
use super::TITLE;
use super::content_filter::PATH;
use crate::settings::conditions::ContentRule;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use crate::web::pairs::Pairs;

static RULES: EntryList = EntryList {
    list: "content_filter.rules",
    key: "name",
    groups: GROUPS,
    keyless: "give it a name",
    problem_at: "name",
    new: |_| new_entry(&ContentRule::default()),
    page: PATH,
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
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, pairs: Pairs) -> Page {
    let which: Which = pairs.into_filter()?;
    let name = which.name.unwrap_or_default();
    let subject = RULES.chosen(&context.administration.settings(), &name)?;
    show(&context, visitor, Form::showing(GROUPS, &subject), name)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    match RULES.save(&context, &visitor, submission).await? {
        Ok(response) => Ok(response),
        Err((form, entry)) => unprocessable(show(&context, visitor, form, entry)?),
    }
}

/// Moves a rule one place up or down.
pub(in crate::web) async fn reorder(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    RULES.reorder(&context, &visitor, &submission).await
}

/// Removes a rule. One that is gone already is what was wanted.
pub(in crate::web) async fn remove(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    RULES.remove(&context, &visitor, &submission).await
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
