//! `/settings/access`: who may relay, and for which domains everybody may send to us.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::form::{Form, FormBody, Group, Setting, Submission};
use super::kind::{self, Kind};
use super::{Answer, Options, keep, present};
use crate::settings::NetworkList;
use crate::settings::networks::in_a_row;
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
    /// Top-level domains that everybody may send to.
    open_domains: String,
}

/// The page.
pub(in crate::web) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Page {
    present(&context, visitor, options, GROUPS, show)
}

/// Saves what was typed; an open relay only when that is meant.
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
        "/settings/access",
        show,
    )
    .await
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Page {
    let settings = context.administration.settings();
    let open = NetworkList::of(&settings.trusted_networks).opened();
    render(&AccessPage {
        frame: Frame::new(context, visitor, Section::Settings, TITLE),
        notice,
        form,
        open: open.map(|opening| opening.to_string()),
        open_domains: in_a_row(&settings.open_to().domains),
    })
}
