//! `/settings/conditions/own`: a condition of the administrator's own; to add, to change and to remove.

use askama::Template;
use serde::Deserialize;

use super::super::entry::{EntryList, new_entry};
use super::super::form::{Form, Group, Setting, Submission};
use super::super::kind::{self, Bound, Kind};
use super::super::{Answer, unprocessable};
use super::{Diverted, Row, TITLE};
use crate::settings::conditions::{LeadsTo, OwnCondition};
use crate::settings::quantity::{write_count, write_size};
use crate::statistics::ByReason;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use crate::web::pairs::Pairs;

const PATH: &str = "/settings/conditions/own";

static ENTRIES: EntryList = EntryList {
    list: "own_conditions",
    key: "name",
    groups: GROUPS,
    keyless: "give it a name",
    problem_at: "name",
    new: |_| new_entry(&OwnCondition::default()),
    page: "/settings/conditions",
};

const GROUPS: &[Group] = &[
    Group {
        heading: "The condition",
        settings: &[Setting {
            name: "name",
            label: "Name",
            hint: "What reasons and pages call it, like many-recipients: small letters, digits, “-” and “_”.",
            kind: Kind::Text(kind::as_typed),
        }],
    },
    Group {
        heading: "Present when all of these hold",
        settings: &[
            Setting {
                name: "recipients_more_than",
                label: "Recipients",
                hint: "",
                kind: Kind::OrOff(&Bound {
                    words: "more than",
                    kind: Kind::Number(0, 1_000),
                    unit: "recipients",
                    usual: "10",
                }),
            },
            Setting {
                name: "larger_than_bytes",
                label: "Size",
                hint: "As declared with SIZE, or as it came.",
                kind: Kind::OrOff(&Bound {
                    words: "larger than",
                    kind: Kind::Size,
                    unit: "",
                    usual: "1 MiB",
                }),
            },
            Setting {
                name: "client_networks",
                label: "Client",
                hint: "One of these networks, one a line. Empty: any.",
                kind: Kind::Lines(kind::network),
            },
            Setting {
                name: "sender_pattern",
                label: "Sender",
                hint: "A regular expression that the reverse path matches, like @example\\.org$. Empty: any.",
                kind: Kind::Text(kind::pattern),
            },
            Setting {
                name: "recipient_pattern",
                label: "Recipient",
                hint: "A regular expression that one of the recipients matches. Empty: any.",
                kind: Kind::Text(kind::pattern),
            },
            Setting {
                name: "header_field",
                label: "Header field",
                hint: "A field of this name is there, like List-Id. Empty: any header.",
                kind: Kind::Text(kind::field_name),
            },
        ],
    },
    Group {
        heading: "Then the message takes",
        settings: &[Setting {
            name: "leads_to",
            label: "Path",
            hint: "",
            kind: Kind::Choice(&[
                kind::Choice {
                    value: "standard_path",
                    label: "the standard path",
                    hint: "It is stored durably before the reply.",
                },
                kind::Choice {
                    value: "cut_through",
                    label: "cut-through",
                    hint: "Its content is sent on as it comes. Decided at the first recipient, by the declared size, the client, the sender and that recipient.",
                },
            ]),
        }],
    },
];

/// Which entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    name: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/conditions/own.html")]
struct EntryPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    /// The name of the entry; blank for a new one.
    entry: String,
    diverted: Diverted,
}

/// A line of the overview.
pub(super) fn row(own: &OwnCondition, counts: &ByReason) -> Row {
    Row {
        path: PATH.to_owned(),
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
    let mut parts = Vec::new();
    if let Some(most) = own.recipients_more_than {
        parts.push(format!("more than {} recipients", write_count(most)));
    }
    if let Some(most) = own.larger_than_bytes {
        parts.push(format!("larger than {}", write_size(most)));
    }
    if !own.client_networks.is_empty() {
        let networks = own.client_networks.iter().map(ToString::to_string);
        let networks: Vec<String> = networks.collect();
        parts.push(format!("from {}", networks.join(", ")));
    }
    if let Some(pattern) = &own.sender_pattern {
        parts.push(format!("sender like {pattern}"));
    }
    if let Some(pattern) = &own.recipient_pattern {
        parts.push(format!("a recipient like {pattern}"));
    }
    if let Some(field) = &own.header_field {
        parts.push(format!("with the field {field}"));
    }
    parts.join("; ")
}

/// The entry of the name in the query, or a new one.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, pairs: Pairs) -> Page {
    let choice: Choice = pairs.into_filter()?;
    let name = choice.name.unwrap_or_default();
    let subject = ENTRIES.chosen(&context.administration.settings(), &name)?;
    show(&context, visitor, Form::showing(GROUPS, &subject), name)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    match ENTRIES.save(&context, &visitor, submission).await? {
        Ok(response) => Ok(response),
        Err((form, entry)) => unprocessable(show(&context, visitor, form, entry)?),
    }
}

/// Removes an entry. One that is gone already is what was wanted.
pub(in crate::web) async fn remove(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    ENTRIES.remove(&context, &visitor, &submission).await
}

fn show(context: &Context, visitor: Visitor, form: Form, entry: String) -> Page {
    let title = match entry.as_str() {
        "" => "A condition of your own".to_owned(),
        entry => format!("The condition {entry}"),
    };
    render(&EntryPage {
        frame: Frame::new(context, visitor, Section::Settings, title).below(TITLE),
        notice: None,
        form,
        diverted: Diverted::now(&entry, context),
        entry,
    })
}
