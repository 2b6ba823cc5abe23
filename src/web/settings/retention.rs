//! `/settings/retention`: how much of the history is kept.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::form::{Form, FormBody, Group, Setting, Submission};
use super::kind::{Choice, Kind};
use super::{Answer, FormPage, Options, keep, present};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::page::Page;

pub(super) const TITLE: &str = "Statistics and trail";

const GROUPS: &[Group] = &[Group {
    heading: "The trail",
    settings: &[
        Setting {
            name: "keep_trail",
            label: "What became of each message",
            hint: "",
            kind: Kind::Choice(&[
                Choice {
                    value: "true",
                    label: "is kept",
                    hint: "“Did it arrive?” can be answered for every message, from who sent it to the destination’s last word.",
                },
                Choice {
                    value: "false",
                    label: "is not kept",
                    hint: "Only what is counted remains: the figures of the dashboard go on.",
                },
            ]),
        },
        Setting {
            name: "trail_retention_seconds",
            label: "Keep it for",
            hint: "Older entries go, like 7 days.",
            kind: Kind::Time,
        },
        Setting {
            name: "trail_retention_bytes",
            label: "Keep at most",
            hint: "The oldest entries go first when the history grows beyond this, like 2 GiB.",
            kind: Kind::Size,
        },
    ],
}];

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
        "/settings/retention",
        show,
    )
    .await
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Page {
    FormPage::show(context, visitor, TITLE, notice, form)
}
