//! `/settings/listeners`: how mail is taken, and where.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::form::{Form, FormBody, Group, Setting, Submission};
use super::kind::{self, Choice, Kind};
use super::{Answer, Options, keep, present};
use crate::boot::Addresses;
use crate::web::Context;
use crate::web::access::Visitor;
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
        heading: "Certificate for STARTTLS",
        settings: &[
            Setting {
                name: "tls_certificate_file",
                label: "Certificate file",
                hint: "PEM, the server’s own certificate first. Empty: the one that the appliance has made for itself. Read again every hour, so that a renewal needs nothing.",
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
];

#[derive(Template)]
#[template(path = "settings/listeners.html")]
struct ListenersPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    addresses: Addresses,
}

/// The page.
pub(in crate::web) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Page {
    present(&context, visitor, options, GROUPS, show)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    let submission = Submission::read(body)?;
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
        addresses: context.addresses.clone(),
    })
}
