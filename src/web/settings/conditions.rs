//! `/settings/conditions`: what may keep a message off the fast path.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;

use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::page::{Frame, Page, Section, render};

pub(super) const TITLE: &str = "Conditions";

/// A condition, and what it does with a message.
struct Condition {
    name: &'static str,
    does: &'static str,
}

const CONDITIONS: &[Condition] = &[
    condition(
        "Antivirus",
        "asks ClamAV: refuses, quarantines or tags what is infected",
    ),
    condition(
        "Antispam",
        "asks Rspamd or SpamAssassin: refuses, defers or tags by score",
    ),
    condition(
        "Content filter",
        "your own rules for header fields, text, attachments and size",
    ),
    condition("Milter", "asks any milter, and makes its changes"),
    condition("LDAP relaying", "takes the next hop from a directory"),
    condition(
        "LDAP sender masquerading",
        "replaces the sender by the official address",
    ),
    condition(
        "Realtime blackhole list",
        "refuses or tags by the client’s address",
    ),
    condition(
        "Encryption",
        "encrypts with OpenPGP for a recipient or a domain",
    ),
    condition(
        "Received-for header",
        "makes one message for each recipient, who is named in it",
    ),
    condition(
        "Sender check",
        "refuses senders whose domain does not exist",
    ),
    condition(
        "Own additions",
        "by recipients, size, network, address patterns or header fields",
    ),
];

const fn condition(name: &'static str, does: &'static str) -> Condition {
    Condition { name, does }
}

#[derive(Template)]
#[template(path = "settings/conditions.html")]
struct ConditionsPage {
    frame: Frame,
    notice: Option<&'static str>,
    conditions: &'static [Condition],
}

/// The page.
pub(in crate::web) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
) -> Page {
    render(&ConditionsPage {
        frame: Frame::new(&context, visitor, Section::Settings, TITLE),
        notice: None,
        conditions: CONDITIONS,
    })
}
