//! What `/settings/alerts` shows beside its form: what came of the webhook last, and a test of it.

use askama::Template;
use axum::response::Redirect;

use super::page::{PageParts, fragment};
use crate::alerts::webhook::WebhookTry;
use crate::web::error::PageError;
use crate::web::extract::Ctx;
use crate::web::{Context, wording};

const WHAT_AN_ALERT_IS: &str = "\n<p class=\"quiet\">An alert stands on the dashboard from its beginning to its end, and the webhook is told of both. It ends when its figure is clear of the bound by a tenth, or has kept to it for a minute.</p>";

/// What became of the webhook since the start.
#[derive(Template)]
#[template(path = "settings/webhook.html")]
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

/// Tries the webhook; the page shows the result.
pub(in crate::web) async fn test(context: Ctx) -> Redirect {
    let tested = context.alerts.webhook().test().await;
    Redirect::to(match tested {
        Some(_) => "/settings/alerts?done=tested",
        // The button is not there without a webhook: it was removed meanwhile.
        None => "/settings/alerts",
    })
}

pub(super) fn parts(context: &Context) -> Result<PageParts, PageError> {
    let settings = context.administration.settings();
    let webhook = context.alerts.webhook();
    let pending = webhook.pending();
    let card = WebhookCard {
        is_set: settings.alert_webhook_url.is_some(),
        last: webhook.last().as_ref().map(last_try),
        pending: (pending > 0).then(|| wording::count(pending as u64)),
    };
    Ok(PageParts {
        above: WHAT_AN_ALERT_IS.to_owned(),
        below: fragment(&card)?,
        ..PageParts::default()
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
        at: wording::moment_utc(last.at),
    }
}

#[cfg(test)]
#[path = "alerts_tests.rs"]
mod tests;
