//! `/settings/access`: who may relay, and for which domains everybody may send to us.

use askama::Template;

use super::form::{Form, Group, Setting, Submission};
use super::kind::{self, Kind};
use super::{Answer, keep, present};
use crate::settings::NetworkList;
use crate::settings::networks::in_a_row;
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
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
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    present(&context, visitor, &query, GROUPS, show)
}

/// Saves what was typed; an open relay only when that is meant.
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
