//! `/settings`: how much is held in memory, with what other thresholds would have done, and the path.

use askama::Template;
use axum::http::StatusCode;

use super::form::{Form, Group, Setting, Submission};
use super::kind::{Choice, Kind};
use super::what_if::WhatIf;
use super::{Answer, check, keep, present};
use crate::boot;
use crate::settings::quantity::read_size;
use crate::statistics::Window;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};
use crate::web::{Context, wording};
use axum::response::IntoResponse as _;

pub(super) const TITLE: &str = "Memory and path";

const THRESHOLD: &str = "memory_threshold_bytes";
const BUDGET: &str = "memory_budget_bytes";

/// Thresholds to choose from, in bytes.
pub(super) const PRESETS: [u64; 3] = [16_384, 32_768, 65_536];

const PRESET_CHOICES: &[Choice] = &[preset("16 KiB"), preset("32 KiB"), preset("64 KiB")];

const fn preset(size: &'static str) -> Choice {
    Choice {
        value: size,
        label: size,
        hint: "",
    }
}

const GROUPS: &[Group] = &[
    Group {
        heading: "One message",
        settings: &[
            Setting {
                name: THRESHOLD,
                label: "Threshold",
                hint: "Bytes of one message that may be held in memory. 0 sends every message to the disk.",
                kind: Kind::SizeOf(PRESET_CHOICES),
            },
            Setting {
                name: "over_threshold",
                label: "A message that exceeds it",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "split",
                        label: "is split",
                        hint: "The head stays in memory, the rest goes to disk, and it is still delivered before the reply.",
                    },
                    Choice {
                        value: "disk_only",
                        label: "goes to disk as a whole",
                        hint: "It is stored, answered, and then delivered.",
                    },
                ]),
            },
            Setting {
                name: "message_size_max_bytes",
                label: "Largest message",
                hint: "Anything larger is refused with 552. From 1 KiB to 1 GiB.",
                kind: Kind::Size,
            },
        ],
    },
    Group {
        heading: "All messages together",
        settings: &[
            Setting {
                name: BUDGET,
                label: "Memory budget",
                hint: "",
                kind: Kind::SizeOrBlank,
            },
            Setting {
                name: "path",
                label: "Path",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "fast",
                        label: "Fast",
                        hint: "Deliver, then reply; only what cannot be delivered at once is written down.",
                    },
                    Choice {
                        value: "standard",
                        label: "Standard",
                        hint: "Store every message durably, reply, then deliver.",
                    },
                    Choice {
                        value: "cut_through",
                        label: "Cut-through",
                        hint: "Connect to the destinations first, send on what comes, and reply with what they say. Nothing is stored: what is not delivered stays with the client. Not for messages whose content a condition has to see.",
                    },
                ]),
            },
            Setting {
                name: "cut_through_tries",
                label: "Cut-through: tries to connect",
                hint: "Before a recipient is answered 451, 1 to 10.",
                kind: Kind::Number(1, 10),
            },
        ],
    },
];

#[derive(Template)]
#[template(path = "settings/memory.html")]
struct MemoryPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    what_if: WhatIf,
}

/// The page.
pub(in crate::web) async fn page(context: Ctx, visitor: Visitor, query: PageQuery) -> Page {
    present(&context, visitor, &query, GROUPS, show)
}

/// Saves what was typed, or shows what it would mean when the preview was asked for.
pub(in crate::web) async fn submit(
    context: Ctx,
    visitor: Visitor,
    submission: Submission,
) -> Answer {
    if submission.has("preview") {
        let form = check(GROUPS, &submission, &context.administration.settings()).form;
        let status = if form.is_sound() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        return Ok((status, show(&context, visitor, None, form)?).into_response());
    }
    keep(&context, visitor, GROUPS, &submission, "/settings", show).await
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, mut form: Form) -> Page {
    let present = context.administration.settings().memory_threshold_bytes;
    let typed = form.typed(THRESHOLD).and_then(|text| read_size(text).ok());
    let sizes = context.statistics.sizes(Window::Day);
    if let Some(field) = form.field_mut(BUDGET) {
        field.hint = budget_hint(boot::memory_bytes(), context.budget.limit_bytes());
    }
    render(&MemoryPage {
        frame: Frame::new(context, visitor, Section::Settings, TITLE),
        notice,
        form,
        what_if: WhatIf::new(&sizes, present, typed),
    })
}

fn budget_hint(machine_bytes: u64, in_force_bytes: u64) -> String {
    format!(
        "What all bodies together may hold, with the buffers that they come through; beyond it messages are \
         split earlier. Mail of strangers fills four fifths of it at most. Empty: a quarter of what this \
         machine or container has, which is {}. In force now: {}.",
        wording::bytes(machine_bytes),
        wording::bytes(in_force_bytes)
    )
}
