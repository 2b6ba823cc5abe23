//! `/settings/conditions/blackhole-lists/zone`: one of the lists; to add, to change and to remove.

use askama::Template;
use serde::Deserialize;

use super::super::entry::{EntryList, new_entry};
use super::super::form::{Form, Group, Setting, Submission};
use super::super::kind::{self, Kind};
use super::super::{Answer, unprocessable};
use super::TITLE;
use crate::settings::conditions::BlackholeZone;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use crate::web::pairs::Pairs;

static ENTRIES: EntryList = EntryList {
    list: "blackhole_lists.zones",
    key: "zone",
    groups: GROUPS,
    keyless: "give its domain",
    problem_at: "zone",
    new: |_| new_entry(&BlackholeZone::default()),
    page: "/settings/conditions/blackhole-lists",
};

const GROUPS: &[Group] = &[Group {
    heading: "The list",
    settings: &[
        Setting {
            name: "zone",
            label: "Domain",
            hint: "Below it addresses are looked up, like 1.2.0.192.zen.example for 192.0.2.1.",
            kind: Kind::Text(kind::domain),
        },
        Setting {
            name: "weight",
            label: "Weight",
            hint: "How much it counts that a client is listed here.",
            kind: Kind::Number(1, 1_000),
        },
        Setting {
            name: "answers",
            label: "Answers that count",
            hint: "Addresses or networks, one a line, like 127.0.0.2. Empty: any inside 127.0.0.0/8. What is outside never counts: a domain that is parked answers everything. Nor does 127.255.255.0/24, by which lists say that they do not serve who asked.",
            kind: Kind::Lines(kind::network),
        },
    ],
}];

/// Which entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    zone: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/conditions/blackhole_zone.html")]
struct ZonePage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    /// The domain of the entry; blank for a new one.
    entry: String,
}

/// The entry of the zone in the query, or a new one.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, pairs: Pairs) -> Page {
    let choice: Choice = pairs.into_filter()?;
    let entry = choice.zone.unwrap_or_default();
    let subject = ENTRIES.chosen(&context.administration.settings(), &entry)?;
    show(&context, visitor, Form::showing(GROUPS, &subject), entry)
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
        "" => "A blackhole list".to_owned(),
        entry => format!("The blackhole list {entry}"),
    };
    render(&ZonePage {
        frame: Frame::new(context, visitor, Section::Settings, title).below(TITLE),
        notice: None,
        form,
        entry,
    })
}
