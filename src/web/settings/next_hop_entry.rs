//! `/settings/next-hops/entry`: where mail for one domain goes; to add, to change and to remove.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::form::{Form, FormBody, Group, Reading, Setting, Submission};
use super::kind::{self, Kind};
use super::next_hops::{TITLE, connections, tls, uncertain};
use super::{Answer, change, see, unprocessable};
use crate::administration::OpenRelay;
use crate::settings::next_hop::NextHopEntry;
use crate::settings::{FieldErrors, Settings};
use crate::web::Context;
use crate::web::access::Visitor;
use crate::web::api::Pairs;
use crate::web::error::ApiError;
use crate::web::page::{Frame, Page, Section, render};

const LIST: &str = "next_hops";
const DOMAIN: &str = "domain";
/// Where the form carries the domain of the entry that it is about; blank for a new one.
const ENTRY: &str = "entry";

const GROUPS: &[Group] = &[Group {
    heading: "Mail for one domain",
    settings: &[
        Setting {
            name: DOMAIN,
            label: "Domain",
            hint: "Like example.net; with a leading dot all domains below it.",
            kind: Kind::Text(kind::domain),
        },
        Setting {
            name: "address",
            label: "Server",
            hint: "Like smtp://mail.example.net:25. Empty: the domain’s own mail exchangers (MX).",
            kind: Kind::Text(kind::server),
        },
        tls("tls"),
        connections("connections_max"),
        uncertain("uncertain"),
    ],
}];

/// Which entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    domain: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/next_hop_entry.html")]
struct EntryPage {
    frame: Frame,
    notice: Option<&'static str>,
    form: Form,
    /// The domain of the entry; blank for a new one.
    entry: String,
}

/// The entry of the domain in the query, or a new one.
pub(in crate::web) async fn page(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Page {
    let choice: Choice = Pairs::read(query)?.into_filter()?;
    let entry = choice.domain.unwrap_or_default();
    let settings = context.administration.settings();
    let subject = subject(&settings, &entry).ok_or(ApiError::NotFound)?;
    let form = Form::showing(GROUPS, &subject);
    show(&context, visitor, form, entry)
}

/// Saves what was typed.
pub(in crate::web) async fn submit(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    let submission = Submission::read(body)?;
    let typed = submission.clone();
    let patch = move |settings: &Settings| edited(settings, &typed).map_err(|form| form.errors());
    let Err(mut errors) = change(&context, &visitor, patch, OpenRelay::ELSEWHERE).await? else {
        return see("/settings/next-hops?done=saved");
    };
    // The domain was looked at when it was read: what is wrong now is where its mail would go.
    if let Some(problem) = errors.0.remove(LIST) {
        errors.add("address", problem);
    }
    let settings = context.administration.settings();
    let entry = submission.text(ENTRY).unwrap_or_default();
    // An entry that is gone is shown as a new one, to be saved as such if that is still wanted.
    let entry = subject(&settings, entry).map_or("", |_| entry).to_owned();
    let mut form = match edited(&settings, &submission) {
        Err(form) => form,
        Ok(_) => Reading::new(GROUPS, &submission, &Map::new()).form,
    };
    form.note(errors);
    unprocessable(show(&context, visitor, form, entry)?)
}

/// Removes an entry. One that is gone already is what was wanted.
pub(in crate::web) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    body: FormBody,
) -> Answer {
    let submission = Submission::read(body)?;
    let domain = submission.text(ENTRY).unwrap_or_default().to_owned();
    let patch = move |settings: &Settings| {
        let mut entries = settings.next_hops.clone();
        entries.retain(|entry| entry.domain != domain);
        Ok(list(&entries.iter().map(as_value).collect::<Vec<_>>()))
    };
    match change(&context, &visitor, patch, OpenRelay::ELSEWHERE).await? {
        Ok(()) => see("/settings/next-hops?done=removed"),
        Err(errors) => Err(ApiError::Fields(errors).into()),
    }
}

/// The list of all entries with the one that the form is about as it was typed.
fn edited(settings: &Settings, submission: &Submission) -> Result<Map<String, Value>, Form> {
    let entry = submission.text(ENTRY).unwrap_or_default();
    let Some(subject) = subject(settings, entry) else {
        let new = subject_of_new(settings);
        let mut form = Reading::new(GROUPS, submission, &new).form;
        let problem = "somebody else has removed this entry meanwhile: save again to add it anew";
        form.note(one_error(DOMAIN, problem));
        return Err(form);
    };
    let Reading { mut form, changed } = Reading::new(GROUPS, submission, &subject);
    let mut merged = subject;
    merged.extend(changed);
    if merged[DOMAIN].as_str().is_none_or(str::is_empty) {
        form.note(one_error(DOMAIN, "give a domain"));
        return Err(form);
    }
    let others = settings.next_hops.iter();
    let mut entries: Vec<Value> = others.map(as_value).collect();
    match entries.iter_mut().find(|other| other[DOMAIN] == entry) {
        Some(old) => *old = Value::Object(merged),
        None => entries.push(Value::Object(merged)),
    }
    let patch = list(&entries);
    if let Err(mut errors) = settings.patched(&patch) {
        // What is wrong with the list is the entry that is new in it.
        if let Some(problem) = errors.0.remove(LIST) {
            errors.add(DOMAIN, problem);
        }
        form.note(errors);
    }
    if form.is_sound() {
        Ok(patch)
    } else {
        Err(form)
    }
}

fn one_error(field: &str, problem: &str) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add(field, problem);
    errors
}

fn list(entries: &[Value]) -> Map<String, Value> {
    Map::from_iter([(LIST.to_owned(), json!(entries))])
}

fn as_value(entry: &NextHopEntry) -> Value {
    serde_json::to_value(entry).unwrap_or_default()
}

/// The entry of a domain, or a new one for none; nothing when there is no such entry.
fn subject(settings: &Settings, domain: &str) -> Option<Map<String, Value>> {
    if domain.is_empty() {
        return Some(subject_of_new(settings));
    }
    let mut entries = settings.next_hops.iter();
    match as_value(entries.find(|entry| entry.domain == domain)?) {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

/// A new entry has the policy that its domain had without it.
fn subject_of_new(settings: &Settings) -> Map<String, Value> {
    let defaults = &settings.next_hop_defaults;
    let new = NextHopEntry {
        domain: String::new(),
        address: None,
        tls: defaults.tls,
        connections_max: defaults.connections_max,
        uncertain: defaults.uncertain,
    };
    match as_value(&new) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn show(context: &Context, visitor: Visitor, form: Form, entry: String) -> Page {
    let title = match entry.as_str() {
        "" => "A next hop for a domain".to_owned(),
        entry => format!("The next hop for {entry}"),
    };
    render(&EntryPage {
        frame: Frame::new(context, visitor, Section::Settings, title).below(TITLE),
        notice: None,
        form,
        entry,
    })
}
