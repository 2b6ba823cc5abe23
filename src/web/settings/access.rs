//! `/settings/access`: who may relay, and for which domains everybody may send to us.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use ipnet::IpNet;
use serde_json::Value;

use super::form::{Form, FormBody, Group, Setting, Submission};
use super::kind::{self, Kind};
use super::{Answer, Options, check, keep, present, unprocessable};
use crate::settings::{FieldErrors, Settings, is_for_everybody};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::page::{Frame, Page, Section, render};

pub(super) const TITLE: &str = "Access";

const NETWORKS: &str = "trusted_networks";
/// The box that has to be ticked for an open relay.
const CONFIRMATION: &str = "open_relay";

const GROUPS: &[Group] = &[Group {
    heading: "Who may relay",
    settings: &[
        Setting {
            name: NETWORKS,
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
    let reading = check(GROUPS, &submission, &settings);
    let opening = in_words(&opening(&settings, reading.changed.get(NETWORKS)));
    if let Some(networks) = &opening
        && !submission.has(CONFIRMATION)
    {
        let mut form = reading.form;
        let mut errors = FieldErrors::default();
        errors.add(
            NETWORKS,
            format!("{networks} makes this an open relay: tick the box below if that is meant"),
        );
        form.note(errors);
        return unprocessable(show(&context, visitor, None, form, opening)?);
    }
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

/// Networks for everybody that are not trusted yet.
fn opening(settings: &Settings, networks: Option<&Value>) -> Vec<IpNet> {
    let networks = networks.and_then(Value::as_array).into_iter().flatten();
    networks
        .filter_map(|network| network.as_str()?.parse().ok())
        .filter(|network| is_for_everybody(network) && !settings.trusted_networks.contains(network))
        .collect()
}

fn in_words(networks: &[IpNet]) -> Option<String> {
    let words: Vec<String> = networks.iter().map(IpNet::to_string).collect();
    (!words.is_empty()).then(|| words.join(" and "))
}

fn show(
    context: &Context,
    visitor: Visitor,
    notice: Option<&'static str>,
    form: Form,
    opening: Option<String>,
) -> Page {
    let settings = context.administration.settings();
    let mut open = settings.trusted_networks.clone();
    open.retain(is_for_everybody);
    render(&AccessPage {
        frame: Frame::new(context, visitor, Section::Settings, TITLE),
        notice,
        form,
        open: in_words(&open),
        opening,
    })
}
