//! `/settings/listeners`: how mail is taken, and where.

use askama::Template;

use super::form::{Form, Group, Setting, Submission};
use super::kind::{self, Choice, Kind};
use super::listener_entry::{self, Row};
use super::{Answer, keep, present};
use crate::boot::Addresses;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};

pub(super) const TITLE: &str = "Listeners";

const GROUPS: &[Group] = &[
    Group {
        heading: "Line ends",
        settings: &[Setting {
            name: "line_ends",
            label: "Messages with a bare CR or a bare LF",
            hint: "No server may take them as they are: they are the way to smuggle one message inside another.",
            kind: Kind::Choice(&[
                Choice {
                    value: "normalise",
                    label: "are put right",
                    hint: "A bare LF becomes CRLF, a bare CR a blank; NUL is refused.",
                },
                Choice {
                    value: "reject",
                    label: "are refused",
                    hint: "550 5.6.0, and the connection is closed.",
                },
            ]),
        }],
    },
    Group {
        heading: "Certificate",
        settings: &[
            Setting {
                name: "tls_certificate_file",
                label: "Certificate file",
                hint: "PEM, the server’s own certificate first; for STARTTLS and HTTPS. Empty: the one that the appliance has made for itself. Read again every hour, so that a renewal needs nothing.",
                kind: Kind::Text(kind::file),
            },
            Setting {
                name: "tls_key_file",
                label: "Key file",
                hint: "PEM.",
                kind: Kind::Text(kind::file),
            },
        ],
    },
    Group {
        heading: "Pages and API",
        settings: &[
            Setting {
                name: "web_https",
                label: "Only HTTPS",
                hint: "HTTPS is spoken at the web address in any case. Where it is the only one, plain pages are led to it, and everybody logs in anew.",
                kind: Kind::Choice(&[
                    Choice {
                        value: "with_certificate",
                        label: "once a certificate is given",
                        hint: "",
                    },
                    Choice {
                        value: "always",
                        label: "always",
                        hint: "Without a certificate above with the appliance’s own, of which browsers warn.",
                    },
                    Choice {
                        value: "optional",
                        label: "no: plain HTTP is taken too",
                        hint: "For this machine alone, or a network that nobody else is in.",
                    },
                ]),
            },
            Setting {
                name: "web_proxies",
                label: "Proxies",
                hint: "Addresses of reverse proxies before the web address, one a line. Their X-Forwarded-For and X-Forwarded-Proto are believed, and they may speak plain HTTP.",
                kind: Kind::Lines(kind::network),
            },
        ],
    },
];

#[derive(Template)]
#[template(path = "settings/listeners.html")]
struct ListenersPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    rows: Vec<Row>,
    addresses: Addresses,
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
    keep(
        &context,
        visitor,
        GROUPS,
        &submission,
        "/settings/listeners",
        show,
    )
    .await
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Page {
    render(&ListenersPage {
        frame: Frame::new(context, visitor, Section::Settings, TITLE),
        notice,
        form,
        rows: listener_entry::rows(context),
        addresses: context.addresses.clone(),
    })
}
