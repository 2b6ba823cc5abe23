//! `/settings/access`: who may relay, and for which domains everybody may send to us.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use ipnet::IpNet;

use super::form::{Form, FormBody, Group, Setting, Submission};
use super::kind::{self, Kind};
use super::{Answer, Options, check, keep, present};
use crate::administration::opened_by;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::page::{Frame, Page, Section, render};

pub(super) const TITLE: &str = "Access";

const GROUPS: &[Group] = &[Group {
    heading: "Who may relay",
    settings: &[
        Setting {
            name: "trusted_networks",
            label: "Trusted networks",
            hint: "Clients of these networks may send to anywhere. One a line, like 192.0.2.0/24 or 2001:db8::/32.",
            kind: Kind::Lines(kind::network),
        },
        Setting {
            name: "relay_domains",
            label: "Relay domains",
            hint: "Everybody may send to these domains. One a line; with a leading dot all domains below it.",
            kind: Kind::Lines(kind::domain),
        },
    ],
}];

#[derive(Template)]
#[template(path = "settings/access.html")]
struct AccessPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    /// Networks in force that make an open relay.
    open: Option<String>,
    /// Networks that would, and wait for the box to be ticked.
    opening: Option<String>,
}

/// The page.
pub(in crate::web) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Page {
    let show =
        |context: &Context, visitor, notice, form| show(context, visitor, notice, form, None);
    present(&context, visitor, options, GROUPS, show)
}

/// Saves what was typed; an open relay only when that is meant.
pub(in crate::web) async fn submit(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    let submission = Submission::read(body)?;
    let settings = context.administration.settings();
    let typed = check(GROUPS, &submission, &settings).changed;
    let networks = typed.get("trusted_networks").cloned().unwrap_or_default();
    let networks: Vec<IpNet> = serde_json::from_value(networks).unwrap_or_default();
    let opening = opened_by(&networks, &settings.trusted_networks);
    let show =
        |context: &Context, visitor, notice, form| show(context, visitor, notice, form, opening);
    keep(
        &context,
        visitor,
        GROUPS,
        &submission,
        "/settings/access",
        show,
    )
    .await
}

fn show(
    context: &Context,
    visitor: Visitor,
    notice: Option<&'static str>,
    form: Form,
    opening: Option<String>,
) -> Page {
    let settings = context.administration.settings();
    render(&AccessPage {
        frame: Frame::new(context, visitor, Section::Settings, TITLE),
        notice,
        form,
        open: opened_by(&settings.trusted_networks, &[]),
        opening,
    })
}
