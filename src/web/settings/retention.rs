//! `/settings/retention`: how much of the history is kept.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::form::{Form, FormBody, Group, Setting, Submission};
use super::kind::{Choice, Kind};
use super::{Answer, Options, save, see, subject, unprocessable};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::page::{Frame, Page, Section, render};

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

#[derive(Template)]
#[template(path = "settings/retention.html")]
struct RetentionPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
}

/// The page.
pub(in crate::web) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Page {
    let form = Form::showing(GROUPS, &subject(&context.administration.settings()));
    show(&context, visitor, Options::notice(options), form)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    let submission = Submission::read(body)?;
    match save(&context, &visitor, GROUPS, &submission).await? {
        Ok(()) => see("/settings/retention?done=saved"),
        Err(form) => unprocessable(show(&context, visitor, None, form)?),
    }
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Page {
    render(&RetentionPage {
        frame: Frame::new(context, visitor, Section::Settings, TITLE),
        notice,
        form,
    })
}
