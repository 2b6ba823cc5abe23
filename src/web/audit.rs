//! `/audit`: what was changed, by whom, when, from where, and what it was before.

use askama::Template;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::access::Visitor;
use super::extract::Ctx;
use super::page::{Frame, Page, Section, render};
use super::pairs::Pairs;
use super::{query_string, wording};
use crate::accounts::{AuditFilter, AuditItem};
use crate::limits;
use crate::settings::{SHOWN, catalogue};

/// What was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuditQuery {
    who: String,
    action: String,
    /// The page shows entries with smaller ids.
    before: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    frame: Frame,
    search: AuditQuery,
    is_searching: bool,
    entries: Vec<AuditRow>,
    older: Option<String>,
    newest: Option<String>,
}

struct AuditRow {
    item: AuditItem,
    changes: Vec<FieldChange>,
}

/// One field, before and after; none where it was not there.
#[derive(Debug, PartialEq)]
struct FieldChange {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

impl FieldChange {
    /// The value of a field that did not change, but says which thing did.
    fn unchanged(&self) -> Option<&str> {
        let before = self.before.as_deref()?;
        (Some(before) == self.after.as_deref()).then_some(before)
    }
}

/// The page.
pub(super) async fn page(context: Ctx, visitor: Visitor, pairs: Pairs) -> Page {
    let search: AuditQuery = pairs.into_filter()?;
    let filter = AuditFilter {
        who: search.who.clone(),
        action: search.action.clone(),
    };
    let before = search.before.parse().ok();
    let items = context
        .store
        .administration
        .audit_search(&filter, before, limits::PAGE_ITEMS)
        .await?;
    let is_full = items.len() == limits::PAGE_ITEMS as usize;
    let last = items.last().map(|item| item.id.to_string());
    let link = |before: &str| {
        let pairs = [
            ("who", search.who.as_str()),
            ("action", search.action.as_str()),
            ("before", before),
        ];
        query_string::link("/audit", &pairs)
    };
    render(&Audit {
        frame: Frame::new(&context, visitor, Section::Audit, "Audit"),
        is_searching: filter != AuditFilter::default(),
        entries: items.into_iter().map(entry).collect(),
        older: last.filter(|_| is_full).map(|last| link(&last)),
        newest: before.is_some().then(|| link("")),
        search,
    })
}

fn entry(mut item: AuditItem) -> AuditRow {
    let (before, after) = (item.before.take(), item.after.take());
    let changes = match item.action.starts_with(SETTINGS) {
        true => setting_changes(before, after),
        false => changes(before, after),
    };
    AuditRow { item, changes }
}

/// What entries about settings begin with.
const SETTINGS: &str = "settings";

/// The changes of settings, by the labels of their pages; of an object only the parts that differ. A secret
/// that was changed looks as one that was not.
fn setting_changes(before: Option<Value>, after: Option<Value>) -> Vec<FieldChange> {
    let [before, after] = [before, after].map(|side| side.map(parts_by_path));
    let mut changes = changes_by(before, after, |field| match catalogue::label(field) {
        Some(label) => format!("{label} ({field})"),
        None => wording::word(field),
    });
    changes.retain(|change| change.unchanged().is_none_or(|value| value == SHOWN));
    changes
}

/// The parts of objects beside other fields, each under its whole path.
fn parts_by_path(settings: Value) -> Value {
    let Value::Object(fields) = settings else {
        return settings;
    };
    let parts = fields.into_iter().flat_map(|(field, value)| match value {
        Value::Object(parts) if catalogue::label(&field).is_none() => {
            let parts = parts.into_iter();
            let parts = parts.map(|(part, value)| (format!("{field}.{part}"), value));
            parts.collect::<Vec<_>>()
        }
        value => vec![(field, value)],
    });
    parts.collect()
}

/// Field by field where both sides are objects (or missing), else as a whole.
fn changes(before: Option<Value>, after: Option<Value>) -> Vec<FieldChange> {
    changes_by(before, after, wording::word)
}

/// The same with names for fields.
fn changes_by(
    before: Option<Value>,
    after: Option<Value>,
    name: impl Fn(&str) -> String,
) -> Vec<FieldChange> {
    let (before, after) = match (object(before), object(after)) {
        (Ok(before), Ok(after)) => (before, after),
        (before, after) => {
            let whole = |side: Result<Map<_, _>, Value>| match side {
                Ok(fields) if fields.is_empty() => None,
                Ok(fields) => Some(in_words(&Value::Object(fields))),
                Err(value) => Some(in_words(&value)),
            };
            return vec![FieldChange {
                field: String::new(),
                before: whole(before),
                after: whole(after),
            }];
        }
    };
    let mut fields: Vec<&String> = before.keys().chain(after.keys()).collect();
    fields.sort();
    fields.dedup();
    let change = |field: &String| FieldChange {
        field: name(field),
        before: before.get(field).map(in_words),
        after: after.get(field).map(in_words),
    };
    fields.into_iter().map(change).collect()
}

/// A missing side is an object without fields.
fn object(value: Option<Value>) -> Result<Map<String, Value>, Value> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(fields)) => Ok(fields),
        Some(other) => Err(other),
    }
}

/// A value as a person reads it.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "blank".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => {
            // Objects and long numbers have commas of their own.
            let has_commas = |item: &Value| item.is_object() || item.is_number();
            let separator = match items.iter().any(has_commas) {
                true => "; ",
                false => ", ",
            };
            let shown = items.iter().take(limits::AUDITED_ENTRIES_SHOWN);
            let mut words: Vec<String> = shown.map(in_words).collect();
            if items.len() > words.len() {
                let more = items.len() - words.len();
                words.push(format!("and {} more", wording::count(more as u64)));
            }
            words.join(separator)
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<String> = fields
                .map(|(name, value)| format!("{} {}", wording::word(name), in_words(value)))
                .collect();
            fields.join(", ")
        }
        Value::Number(number) => match number.as_u64() {
            Some(whole) => wording::count(whole),
            None => number.to_string(),
        },
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
