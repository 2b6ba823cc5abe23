//! `/settings/alerts`: the rules, the webhook with what came of it last, and a test of it.

use askama::Template;
use axum::response::Redirect;

use super::form::{Form, Group, Setting, Submission};
use super::kind::{self, Bound, Choice, Kind};
use super::{Answer, keep, present};
use crate::alerts::webhook::WebhookTry;
use crate::web::access::Visitor;
use crate::web::extract::{Ctx, PageQuery};
use crate::web::page::{Frame, Page, Section, render};
use crate::web::{Context, wording};

pub(super) const TITLE: &str = "Alerts";

const GROUPS: &[Group] = &[
    Group {
        heading: "Rules",
        settings: &[
            rule(
                "alert_queue_recipients",
                "Queue is large",
                "Recipients in the retry queue, those that are held included.",
                &Bound {
                    words: "more than",
                    kind: Kind::Number(1, 1_000_000_000),
                    unit: "recipients",
                    usual: "10000",
                },
            ),
            rule(
                "alert_queue_age_seconds",
                "Mail waits long",
                "Since the oldest message of the retry queue was received, like 4 h.",
                &Bound {
                    words: "the oldest waits for more than",
                    kind: Kind::Time,
                    unit: "",
                    usual: "4 h",
                },
            ),
            rule(
                "alert_breaker_seconds",
                "Next hop suspended",
                "A next hop that does not answer is suspended, and its mail waits. One alert for each.",
                &Bound {
                    words: "for at least",
                    kind: Kind::Time,
                    unit: "",
                    usual: "5 min",
                },
            ),
            rule(
                "alert_disk_free_percent",
                "Disk fills up, by share",
                "Of the file system with the data directory.",
                &Bound {
                    words: "less free than",
                    kind: Kind::Number(1, 90),
                    unit: "percent",
                    usual: "10",
                },
            ),
            rule(
                "alert_disk_free_bytes",
                "Disk fills up, by size",
                "With both on, the first of the two that is passed counts.",
                &Bound {
                    words: "less free than",
                    kind: Kind::Size,
                    unit: "",
                    usual: "1 GiB",
                },
            ),
            rule(
                "alert_memory_percent",
                "Memory is full",
                "Of what mail of strangers may fill of the memory budget, for a whole minute.",
                &Bound {
                    words: "messages hold more than",
                    kind: Kind::Number(1, 99),
                    unit: "percent",
                    usual: "90",
                },
            ),
            rule(
                "alert_no_delivery_seconds",
                "Nothing delivered",
                "While mail was there to deliver: messages were accepted, or recipients waited to be tried again.",
                &Bound {
                    words: "for at least",
                    kind: Kind::Time,
                    unit: "",
                    usual: "1 h",
                },
            ),
            Setting {
                name: "alert_no_delivery_when_idle",
                label: "A time without any mail",
                hint: "",
                kind: Kind::Choice(&[
                    Choice {
                        value: "false",
                        label: "does not count",
                        hint: "Otherwise every quiet night would be an alert.",
                    },
                    Choice {
                        value: "true",
                        label: "counts as nothing delivered",
                        hint: "For an appliance that always has mail: silence then means that no mail reaches it.",
                    },
                ]),
            },
        ],
    },
    Group {
        heading: "Webhook",
        settings: &[
            Setting {
                name: "alert_webhook_url",
                label: "Address",
                hint: "Like https://alerts.example.net/fastpath. Gets a POST with JSON when an alert begins or ends. Empty: nobody is told. Everybody who may see the settings sees this address.",
                kind: Kind::Text(kind::as_typed),
            },
            Setting {
                name: "alert_webhook_secret",
                label: "Secret",
                hint: "Signs each message: the header X-Fastpath-Signature: sha256=… is the HMAC-SHA256 of the body in hexadecimal. It is never shown again.",
                kind: Kind::Secret,
            },
        ],
    },
];

/// A rule is a bound that is switched on and off.
const fn rule(
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    bound: &'static Bound,
) -> Setting {
    Setting {
        name,
        label,
        hint,
        kind: Kind::OrOff(bound),
    }
}

#[derive(Template)]
#[template(path = "settings/alerts.html")]
struct AlertsPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    webhook: WebhookCard,
}

/// What became of the webhook since the start.
struct WebhookCard {
    is_set: bool,
    last: Option<LastTry>,
    pending: Option<String>,
}

struct LastTry {
    is_good: bool,
    words: String,
    at: String,
}

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
        "/settings/alerts",
        show,
    )
    .await
}

/// Tries the webhook; what came of it stands on the page.
pub(in crate::web) async fn test(context: Ctx) -> Redirect {
    let tested = context.alerts.webhook().test().await;
    Redirect::to(match tested {
        Ok(_) => "/settings/alerts?done=tested",
        // The button is not there without a webhook: somebody has removed it meanwhile.
        Err(_) => "/settings/alerts",
    })
}

fn show(context: &Context, visitor: Visitor, notice: Option<&'static str>, form: Form) -> Page {
    let settings = context.administration.settings();
    let webhook = context.alerts.webhook();
    let pending = webhook.pending();
    render(&AlertsPage {
        frame: Frame::new(context, visitor, Section::Settings, TITLE),
        notice,
        form,
        webhook: WebhookCard {
            is_set: settings.alert_webhook_url.is_some(),
            last: webhook.last().as_ref().map(last_try),
            pending: (pending > 0).then(|| wording::count(pending as u64)),
        },
    })
}

fn last_try(last: &WebhookTry) -> LastTry {
    let what = match last.alert {
        Some(kind) => format!("{}, {}", kind.label(), last.event.as_str()),
        None => "A test".to_owned(),
    };
    let outcome = match (&last.problem, last.status) {
        (Some(problem), _) => problem.clone(),
        (None, Some(status)) => format!("the server answered {status}"),
        (None, None) => "done".to_owned(),
    };
    LastTry {
        is_good: last.delivered,
        words: format!("{what}: {outcome}."),
        at: format!("{} UTC", wording::moment(last.at)),
    }
}

#[cfg(test)]
#[path = "alerts_tests.rs"]
mod tests;
