//! `/settings/delivery`: when the reply is given, and how often what waits is tried again.

use super::form::{Form, Group, Setting, Submission};
use super::kind::{Choice, Kind};
use super::{Answer, FormPage, keep, present};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::Page;

pub(super) const TITLE: &str = "Delivery and retry";

const GROUPS: &[Group] = &[
    Group {
        heading: "The reply",
        settings: &[
            Setting {
                name: "ack_deadline_seconds",
                label: "Acknowledgement deadline",
                hint: "From the end of the data to our reply at the latest, 1 s to 25 s. What is still under way then is stored and answered; its delivery goes on.",
                kind: Kind::Time,
            },
            Setting {
                name: "when_deferred",
                label: "When every destination says “later”",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "queue",
                        label: "Keep it here",
                        hint: "The message is stored in the retry queue and answered 250.",
                    },
                    Choice {
                        value: "pass",
                        label: "Leave it with the sender",
                        hint: "The destination’s 4xx is passed on, and the sending server tries again.",
                    },
                ]),
            },
            Setting {
                name: "when_refused",
                label: "When every destination refuses",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "reply",
                        label: "Tell the client",
                        hint: "The destination’s 5xx is our reply: the sender learns at once.",
                    },
                    Choice {
                        value: "report",
                        label: "Send a report",
                        hint: "The message is answered 250, and a report goes to its sender.",
                    },
                ]),
            },
        ],
    },
    Group {
        heading: "The retry queue",
        settings: &[
            Setting {
                name: "retry_schedule_seconds",
                label: "Waits between attempts",
                hint: "With commas between them, like 1m, 5m, 15m, 1h. The last one repeats.",
                kind: Kind::Times,
            },
            Setting {
                name: "retries_max",
                label: "Retries at most",
                hint: "0: only the age counts.",
                kind: Kind::Number(0, 10_000),
            },
            Setting {
                name: "expire_after_seconds",
                label: "Give up after",
                hint: "The age at which a recipient fails and its sender gets a report, like 5 days. It counts for what waits already.",
                kind: Kind::Time,
            },
        ],
    },
];

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
        "/settings/delivery",
        show,
    )
    .await
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Page {
    FormPage::show(context, visitor, TITLE, notice, form)
}
