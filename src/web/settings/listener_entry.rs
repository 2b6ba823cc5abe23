//! `/settings/listeners/entry`: what is particular to one listener; to add, to change and to remove.

use std::net::SocketAddr;

use askama::Template;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::entry::{EntryList, new_entry};
use super::form::{Form, Group, Setting, Submission};
use super::kind::{self, Choice, Kind};
use super::listeners::TITLE;
use super::{Answer, unprocessable};
use crate::settings::{ListenerEntry, PathChoice};
use crate::smtp::Protocol;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::Ctx;
use crate::web::page::{Frame, Page, Section, render};
use crate::web::pairs::Pairs;

const ADDRESS: &str = "address";

static ENTRIES: EntryList = EntryList {
    list: "listeners",
    key: ADDRESS,
    groups: GROUPS,
    keyless: "give the address",
    problem_at: ADDRESS,
    new: |_| Map::from_iter(blank()),
    page: "/settings/listeners",
};

const GROUPS: &[Group] = &[
    Group {
        heading: "The listener",
        settings: &[
            Setting {
                name: ADDRESS,
                label: "Address",
                hint: "As it was given at the start, like 0.0.0.0:2525.",
                kind: Kind::Text(address),
            },
            Setting {
                name: "protocol",
                label: "Protocol",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "smtp",
                        label: "SMTP",
                        hint: "",
                    },
                    Choice {
                        value: "lmtp",
                        label: "LMTP",
                        hint: "A reply for each recipient. Not on port 25.",
                    },
                ]),
            },
            Setting {
                name: "path",
                label: "Path",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "",
                        label: "As everywhere",
                        hint: "",
                    },
                    Choice {
                        value: "fast",
                        label: "Fast",
                        hint: "",
                    },
                    Choice {
                        value: "standard",
                        label: "Standard",
                        hint: "",
                    },
                    Choice {
                        value: "cut_through",
                        label: "Cut-through",
                        hint: "",
                    },
                ]),
            },
        ],
    },
    Group {
        heading: "Extensions",
        settings: &[Setting {
            name: "dsn",
            label: "Delivery status notifications (DSN)",
            hint: "A client may ask for a report of success, to any address that it gives as the sender.",
            kind: Kind::Choice(&[
                Choice {
                    value: "true",
                    label: "are offered",
                    hint: "Who is not trusted gets few reports of success.",
                },
                Choice {
                    value: "false",
                    label: "are not offered",
                    hint: "NOTIFY, RET, ENVID and ORCPT are refused; failures are reported as ever.",
                },
            ]),
        }],
    },
    Group {
        heading: "Proxies before it",
        settings: &[
            Setting {
                name: "proxy_networks",
                label: "PROXY protocol",
                hint: "Addresses of load balancers, one a line. Each of their connections has to begin with a header of version 1 or 2, and who it names is the client.",
                kind: Kind::Lines(kind::network),
            },
            Setting {
                name: "xclient_networks",
                label: "XCLIENT",
                hint: "Addresses of mail proxies, one a line. They are believed whom they speak for, and as whom that client has logged in.",
                kind: Kind::Lines(kind::network),
            },
        ],
    },
];

fn address(text: &str) -> Result<String, String> {
    let address: Result<SocketAddr, _> = text.parse();
    address
        .map(|address| address.to_string())
        .map_err(|_| "is written like 0.0.0.0:2525, with the port".to_owned())
}

/// Which listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    address: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/listener_entry.html")]
struct EntryPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    /// The address of the entry; blank for a new one.
    entry: String,
}

/// A line of the overview.
pub(super) struct Row {
    pub(super) address: String,
    pub(super) protocol: &'static str,
    pub(super) path: &'static str,
    pub(super) proxies: String,
    /// Nothing listens there now.
    pub(super) is_absent: bool,
}

/// The listeners that there are, and those of which the settings speak.
pub(super) fn rows(context: &Context) -> Vec<Row> {
    let settings = context.administration.settings();
    let listening = &context.addresses.smtp;
    let mut rows: Vec<Row> = listening
        .iter()
        .map(|address| row(*address, settings.listener(*address), false))
        .collect();
    let absent = settings.listeners.iter();
    let absent = absent.filter(|entry| !listening.contains(&entry.address));
    rows.extend(absent.map(|entry| row(entry.address, Some(entry), true)));
    rows
}

fn row(address: SocketAddr, entry: Option<&ListenerEntry>, is_absent: bool) -> Row {
    let networks = entry.into_iter().flat_map(|entry| {
        let proxies = entry.proxy_networks.iter();
        proxies.chain(&entry.xclient_networks)
    });
    let networks: Vec<String> = networks.map(ToString::to_string).collect();
    Row {
        address: address.to_string(),
        protocol: match entry.map_or(Protocol::Smtp, |entry| entry.protocol) {
            Protocol::Smtp => "SMTP",
            Protocol::Lmtp => "LMTP",
        },
        path: match entry.and_then(|entry| entry.path) {
            None => "as everywhere",
            Some(PathChoice::Fast) => "fast",
            Some(PathChoice::Standard) => "standard",
            Some(PathChoice::CutThrough) => "cut-through",
        },
        proxies: networks.join(", "),
        is_absent,
    }
}

fn blank() -> Map<String, Value> {
    let address = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut fields = new_entry(&ListenerEntry {
        address,
        protocol: Protocol::Smtp,
        path: None,
        dsn: true,
        proxy_networks: Vec::new(),
        xclient_networks: Vec::new(),
    });
    fields.insert(ADDRESS.to_owned(), json!(""));
    fields
}

/// The entry of the listener in the query, or a new one for it.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, pairs: Pairs) -> Page {
    let chosen: Chosen = pairs.into_filter()?;
    let named = chosen.address.unwrap_or_default();
    let settings = context.administration.settings();
    let (subject, entry) = match ENTRIES.entry(&settings, &named) {
        Some(subject) => (subject, named),
        None => {
            let mut subject = ENTRIES.chosen(&settings, "")?;
            subject.insert(ADDRESS.to_owned(), json!(named));
            (subject, String::new())
        }
    };
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

/// Removes an entry: the listener is as all others then.
pub(in crate::web) async fn remove(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    ENTRIES.remove(&context, &visitor, &submission).await
}

fn show(context: &Context, visitor: Visitor, form: Form, entry: String) -> Page {
    let title = match entry.as_str() {
        "" => "A listener".to_owned(),
        entry => format!("The listener at {entry}"),
    };
    render(&EntryPage {
        frame: Frame::new(context, visitor, Section::Settings, title).below(TITLE),
        notice: None,
        form,
        entry,
    })
}
