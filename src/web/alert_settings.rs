//! `/settings/alerts`: the rules, the webhook with what came of it last, and a test of it.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::access::Visitor;
use super::alerts::name;
use super::page::{Frame, Page, PageError, Section, render};
use super::{Context, wording};
use crate::administration::ChangeError;
use crate::alerts::webhook::Try;
use crate::settings::{FieldErrors, Settings, Written};

/// A rule as the form has it: a switch and a figure.
struct Rule {
    /// The setting.
    field: &'static str,
    label: &'static str,
    /// Before the figure.
    words: &'static str,
    unit: &'static str,
    /// How much of the setting's own unit one of `unit` is.
    factor: u64,
    hint: &'static str,
    value: fn(&Written) -> Option<u64>,
    /// What a rule that is off shows, so that switching it on is one click.
    usual: u64,
}

const RULES: [Rule; 7] = [
    Rule {
        field: "alert_queue_recipients",
        label: "Queue is large",
        words: "more than",
        unit: "recipients",
        factor: 1,
        hint: "Recipients in the retry queue, those that are held included.",
        value: |written| written.alert_queue_recipients,
        usual: 10_000,
    },
    Rule {
        field: "alert_queue_age_seconds",
        label: "Mail waits long",
        words: "the oldest waits for more than",
        unit: "minutes",
        factor: 60,
        hint: "Since the oldest message of the retry queue was received.",
        value: |written| written.alert_queue_age_seconds,
        usual: 14_400,
    },
    Rule {
        field: "alert_breaker_seconds",
        label: "Next hop suspended",
        words: "for at least",
        unit: "minutes",
        factor: 60,
        hint: "A next hop that does not answer is suspended, and its mail waits. One alert for each.",
        value: |written| written.alert_breaker_seconds,
        usual: 300,
    },
    Rule {
        field: "alert_disk_free_percent",
        label: "Disk fills up, by share",
        words: "less free than",
        unit: "percent",
        factor: 1,
        hint: "Of the file system with the data directory.",
        value: |written| written.alert_disk_free_percent,
        usual: 10,
    },
    Rule {
        field: "alert_disk_free_bytes",
        label: "Disk fills up, by size",
        words: "less free than",
        unit: "MiB",
        factor: 1 << 20,
        hint: "With both on, the first of the two that is passed counts.",
        value: |written| written.alert_disk_free_bytes,
        usual: 1 << 30,
    },
    Rule {
        field: "alert_memory_percent",
        label: "Memory is full",
        words: "messages hold more than",
        unit: "percent",
        factor: 1,
        hint: "Of the memory budget, for a whole minute.",
        value: |written| written.alert_memory_percent,
        usual: 90,
    },
    Rule {
        field: "alert_no_delivery_seconds",
        label: "Nothing delivered",
        words: "for at least",
        unit: "minutes",
        factor: 60,
        hint: "While mail was there to deliver: messages were accepted, or recipients waited to be tried again. \
               A time without any mail does not count.",
        value: |written| written.alert_no_delivery_seconds,
        usual: 3_600,
    },
];

#[derive(Template)]
#[template(path = "settings/alerts.html")]
struct AlertSettings {
    frame: Frame,
    notice: Option<&'static str>,
    rules: Vec<RuleRow>,
    when_idle: bool,
    webhook: WebhookCard,
}

struct RuleRow {
    field: &'static str,
    label: &'static str,
    words: &'static str,
    unit: &'static str,
    hint: &'static str,
    is_on: bool,
    typed: String,
    problem: Option<String>,
}

struct WebhookCard {
    url: String,
    url_problem: Option<String>,
    has_secret: bool,
    secret_problem: Option<String>,
    is_set: bool,
    last: Option<LastTry>,
    pending: Option<String>,
}

struct LastTry {
    is_good: bool,
    words: String,
    at: String,
}

/// What the query of the page says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    done: Option<String>,
}

/// The form as it is shown: from the settings, or as somebody typed it.
struct Typed(HashMap<String, String>);

impl Typed {
    fn showing(written: &Written) -> Self {
        let mut fields = HashMap::new();
        for rule in &RULES {
            let value = (rule.value)(written);
            let shown = shown(value.unwrap_or(rule.usual), rule.factor);
            fields.insert(rule.field.to_owned(), shown);
            if value.is_some() {
                fields.insert(switch(rule), "on".to_owned());
            }
        }
        if written.alert_no_delivery_when_idle {
            let field = "alert_no_delivery_when_idle".to_owned();
            fields.insert(field, "on".to_owned());
        }
        let url = written.alert_webhook_url.clone().unwrap_or_default();
        fields.insert("alert_webhook_url".to_owned(), url);
        Self(fields)
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).map_or("", |text| text.trim())
    }

    fn is_on(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The change of `written` that it asks for, and what cannot be read. A secret that was not typed
    /// stays, and so does a figure that stands as it was shown, whose last decimals may be missing.
    fn patch(&self, written: &Written) -> (Map<String, Value>, FieldErrors) {
        let (mut patch, mut errors) = (Map::new(), FieldErrors::default());
        for rule in &RULES {
            let value = if self.is_on(&switch(rule)) {
                let before = (rule.value)(written).map(|value| shown(value, rule.factor));
                if before.as_deref() == Some(self.text(rule.field)) {
                    continue;
                }
                match read(self.text(rule.field), rule.factor) {
                    Some(value) => Value::from(value),
                    None => {
                        errors.add(rule.field, format!("must be a number of {}", rule.unit));
                        continue;
                    }
                }
            } else {
                Value::Null
            };
            patch.insert(rule.field.to_owned(), value);
        }
        let when_idle = "alert_no_delivery_when_idle";
        patch.insert(when_idle.to_owned(), self.is_on(when_idle).into());
        let url = match self.text("alert_webhook_url") {
            "" => Value::Null,
            url => url.into(),
        };
        patch.insert("alert_webhook_url".to_owned(), url);
        // Blanks at the ends of a secret are its own.
        let secret = self
            .0
            .get("alert_webhook_secret")
            .map_or("", String::as_str);
        if self.is_on("remove_secret") {
            patch.insert("alert_webhook_secret".to_owned(), Value::Null);
        } else if !secret.is_empty() {
            patch.insert("alert_webhook_secret".to_owned(), secret.into());
        }
        (patch, errors)
    }
}

fn switch(rule: &Rule) -> String {
    format!("on.{}", rule.field)
}

/// A value in a larger unit, with as many decimals as it needs, three at most.
fn shown(value: u64, factor: u64) -> String {
    if value.is_multiple_of(factor) {
        return (value / factor).to_string();
    }
    let text = format!("{:.3}", value as f64 / factor as f64);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A decimal number in a larger unit; none when it is no number, or one that no setting takes.
fn read(text: &str, factor: u64) -> Option<u64> {
    if let Ok(whole) = text.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let number: f64 = text.parse().ok()?;
    let value = (number * factor as f64).round();
    (factor > 1 && (0.0..1e18).contains(&value)).then_some(value as u64)
}

/// The page.
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    options: Result<Query<Options>, QueryRejection>,
) -> Page {
    let Query(options) = options?;
    let notice = match options.done.as_deref() {
        Some("saved") => Some("Saved: in force now."),
        Some("tested") => Some("The test was sent; what came of it stands below."),
        _ => None,
    };
    let typed = Typed::showing(context.administration.settings().written());
    show(&context, visitor, &typed, &FieldErrors::default(), notice)
}

/// Saves the form.
pub(super) async fn save(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Result<Response, PageError> {
    let Form(fields) = form?;
    let typed = Typed(fields);
    let settings = context.administration.settings();
    let (patch, mut errors) = typed.patch(settings.written());
    // Everything that is wrong is said at once.
    if let Err(found) = settings.patched(&patch) {
        found
            .0
            .into_iter()
            .for_each(|(field, problem)| errors.add(&field, problem));
    }
    if errors.0.is_empty() {
        match context.administration.change(patch, visitor.actor()).await {
            Ok(_) => return Ok(Redirect::to("/settings/alerts?done=saved").into_response()),
            Err(ChangeError::Invalid(found)) => errors = found,
            Err(error) => return Err(error.into()),
        }
    }
    let page = show(&context, visitor, &typed, &errors, None)?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// Tries the webhook; what came of it stands on the page.
pub(super) async fn test(State(context): State<Arc<Context>>) -> Redirect {
    let tested = context.alerts.webhook().test().await;
    Redirect::to(match tested {
        Ok(_) => "/settings/alerts?done=tested",
        // The button is not there without a webhook: somebody has removed it meanwhile.
        Err(_) => "/settings/alerts",
    })
}

fn show(
    context: &Context,
    visitor: Visitor,
    typed: &Typed,
    errors: &FieldErrors,
    notice: Option<&'static str>,
) -> Page {
    let problem = |field: &str| errors.0.get(field).cloned();
    let rules = RULES.iter().map(|rule| RuleRow {
        field: rule.field,
        label: rule.label,
        words: rule.words,
        unit: rule.unit,
        hint: rule.hint,
        is_on: typed.is_on(&switch(rule)),
        typed: typed.text(rule.field).to_owned(),
        problem: problem(rule.field),
    });
    let settings = context.administration.settings();
    render(&AlertSettings {
        frame: Frame::new(context, visitor, Section::Settings, "Alerts"),
        notice,
        rules: rules.collect(),
        when_idle: typed.is_on("alert_no_delivery_when_idle"),
        webhook: WebhookCard {
            url: typed.text("alert_webhook_url").to_owned(),
            url_problem: problem("alert_webhook_url"),
            secret_problem: problem("alert_webhook_secret"),
            ..webhook_card(context, &settings)
        },
    })
}

/// The part of the card that nobody types.
fn webhook_card(context: &Context, settings: &Settings) -> WebhookCard {
    let webhook = context.alerts.webhook();
    let pending = webhook.pending();
    WebhookCard {
        url: String::new(),
        url_problem: None,
        has_secret: settings.alert_webhook_secret.is_some(),
        secret_problem: None,
        is_set: settings.alert_webhook_url.is_some(),
        last: webhook.last().as_ref().map(last_try),
        pending: (pending > 0).then(|| wording::count(pending as u64)),
    }
}

fn last_try(last: &Try) -> LastTry {
    let what = match last.alert {
        Some(kind) => format!("{}, {}", name(kind), last.event.as_str()),
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
        at: last.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

#[cfg(test)]
#[path = "alert_settings_tests.rs"]
mod tests;
