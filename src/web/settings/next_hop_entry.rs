//! `/settings/next-hops/entry`: where mail for one domain goes; to add, to change and to remove.

use askama::Template;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::entry::{EntryList, new_entry};
use super::form::{Form, Group, Setting, Submission};
use super::kind::{self, Kind};
use super::next_hops::{TITLE, connections, takes_eight_bit, tls, uncertain};
use super::{Answer, unprocessable};
use crate::settings::Settings;
use crate::settings::next_hop::NextHopEntry;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use crate::web::pairs::Pairs;

const DOMAIN: &str = "domain";

static ENTRIES: EntryList = EntryList {
    list: "next_hops",
    key: DOMAIN,
    groups: GROUPS,
    keyless: "give a domain",
    // The domain was looked at when it was read: what is wrong then is where its mail would go.
    problem_at: "address",
    new,
    page: "/settings/next-hops",
};

const GROUPS: &[Group] = &[Group {
    heading: "Mail for one domain",
    settings: &[
        Setting {
            name: DOMAIN,
            label: "Domain",
            hint: "Like example.net; with a leading dot all domains below it.",
            kind: Kind::Text(kind::domain),
        },
        Setting {
            name: "address",
            label: "Server",
            hint: "Like smtp://mail.example.net:25, or lmtp://mail.example.net:24 for the server of the mailboxes. Empty: the domain’s own mail exchangers (MX).",
            kind: Kind::Text(kind::server),
        },
        tls("tls"),
        connections("connections_max"),
        uncertain("uncertain"),
        takes_eight_bit("takes_eight_bit"),
    ],
}];

/// Which entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    domain: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/next_hop_entry.html")]
struct EntryPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    /// The domain of the entry; blank for a new one.
    entry: String,
}

/// The entry of the domain in the query, or a new one.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, pairs: Pairs) -> Page {
    let choice: Choice = pairs.into_filter()?;
    let entry = choice.domain.unwrap_or_default();
    let subject = ENTRIES.chosen(&context.administration.settings(), &entry)?;
    let form = Form::showing(GROUPS, &subject);
    show(&context, visitor, form, entry)
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

/// A new entry has the policy that its domain had without it.
fn new(settings: &Settings) -> Map<String, Value> {
    let defaults = &settings.next_hop_defaults;
    new_entry(&NextHopEntry {
        domain: String::new(),
        address: None,
        tls: defaults.tls,
        connections_max: defaults.connections_max,
        uncertain: defaults.uncertain,
        takes_eight_bit: defaults.takes_eight_bit,
    })
}

fn show(context: &Context, visitor: Visitor, form: Form, entry: String) -> Page {
    let title = match entry.as_str() {
        "" => "A next hop for a domain".to_owned(),
        entry => format!("The next hop for {entry}"),
    };
    render(&EntryPage {
        frame: Frame::new(context, visitor, Section::Settings, title).below(TITLE),
        notice: None,
        form,
        entry,
    })
}
