//! One entry of a list among the settings: shown as a form, read back, put in its place, removed.
//!
//! A list is described once as [`EntryList`]. An entry is known by its key; the form carries the key
//! that it is about, blank for a new entry.

use serde_json::{Map, Value, json};

use super::field::part;
use super::form::{Form, Group, Reading, Submission};
use super::subject;
use crate::settings::{FieldErrors, Settings};

/// Where a form carries the key of the entry that it is about; blank for a new one.
pub(super) const ENTRY: &str = "entry";

/// A list of entries among the settings.
#[derive(Debug)]
pub(super) struct EntryList {
    /// The setting; behind a dot a part of it.
    pub(super) list: &'static str,
    /// The field that an entry is known by.
    pub(super) key: &'static str,
    /// Its form.
    pub(super) groups: &'static [Group],
    /// What is wrong with an entry whose key is blank.
    pub(super) keyless: &'static str,
    /// The field at which a problem of the list stands: what is wrong with it is the entry that is new in
    /// it.
    pub(super) problem_at: &'static str,
}

impl EntryList {
    /// All entries, as they are in the settings.
    pub(super) fn entries(&self, settings: &Settings) -> Vec<Value> {
        match part(&subject(settings), self.list) {
            Value::Array(entries) => entries.clone(),
            _ => Vec::new(),
        }
    }

    /// The entry with this key; none when there is no such entry.
    pub(super) fn entry(&self, settings: &Settings, key: &str) -> Option<Map<String, Value>> {
        let mut entries = self.entries(settings).into_iter();
        match entries.find(|entry| entry[self.key] == key)? {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The list with the entry that the form is about as it was typed; `new` is what a new one begins
    /// with.
    pub(super) fn edited(
        &self,
        settings: &Settings,
        submission: &Submission,
        new: Map<String, Value>,
    ) -> Result<Map<String, Value>, Form> {
        let key = submission.text(ENTRY).unwrap_or_default();
        let known = self.entry(settings, key);
        if !key.is_empty() && known.is_none() {
            let mut form = Reading::new(self.groups, submission, &new).form;
            let problem =
                "somebody else has removed this entry meanwhile: save again to add it anew";
            form.note(one_error(self.key, problem));
            return Err(form);
        }
        let mut entry = known.unwrap_or(new);
        let Reading { mut form, changed } = Reading::new(self.groups, submission, &entry);
        entry.extend(changed);
        if entry[self.key].as_str().is_none_or(str::is_empty) {
            form.note(one_error(self.key, self.keyless));
            return Err(form);
        }
        let mut entries = self.entries(settings);
        match entries.iter_mut().find(|other| other[self.key] == key) {
            Some(old) => *old = Value::Object(entry),
            None => entries.push(Value::Object(entry)),
        }
        let patch = self.patch(&entries);
        if let Err(errors) = settings.patched(&patch) {
            form.note(self.at_the_field(errors, self.key));
        }
        if form.is_sound() {
            Ok(patch)
        } else {
            Err(form)
        }
    }

    /// The form again, with what was found when it was to be saved, and the key that it is about now: an
    /// entry that is gone is shown as a new one, to be saved as such if that is still wanted.
    pub(super) fn again(
        &self,
        settings: &Settings,
        submission: &Submission,
        new: Map<String, Value>,
        errors: FieldErrors,
    ) -> (Form, String) {
        let key = submission.text(ENTRY).unwrap_or_default();
        let key = self.entry(settings, key).map_or("", |_| key).to_owned();
        let mut form = match self.edited(settings, submission, new) {
            Err(form) => form,
            Ok(_) => Reading::new(self.groups, submission, &Map::new()).form,
        };
        form.note(self.at_the_field(errors, self.problem_at));
        (form, key)
    }

    /// The list without the entry that the form is about. One that is gone already is what was wanted.
    pub(super) fn without(&self, settings: &Settings, key: &str) -> Map<String, Value> {
        let mut entries = self.entries(settings);
        entries.retain(|entry| entry[self.key] != key);
        self.patch(&entries)
    }

    /// The list with the entry one place nearer to its beginning, or to its end. One that is gone, or there
    /// already, moves nothing.
    pub(super) fn moved(&self, settings: &Settings, key: &str, up: bool) -> Map<String, Value> {
        let mut entries = self.entries(settings);
        let place = entries.iter().position(|entry| entry[self.key] == key);
        let other = place.and_then(|place| match up {
            true => place.checked_sub(1),
            false => Some(place + 1).filter(|next| *next < entries.len()),
        });
        if let (Some(place), Some(other)) = (place, other) {
            entries.swap(place, other);
        }
        self.patch(&entries)
    }

    /// A change of the settings that makes this the list.
    pub(super) fn patch(&self, entries: &[Value]) -> Map<String, Value> {
        // The parts of a setting that a change does not name stay as they are.
        let (field, value) = match self.list.split_once('.') {
            Some((field, part)) => (field, json!({ part: entries })),
            None => (self.list, json!(entries)),
        };
        Map::from_iter([(field.to_owned(), value)])
    }

    fn at_the_field(&self, mut errors: FieldErrors, field: &str) -> FieldErrors {
        if let Some(problem) = errors.0.remove(self.list) {
            errors.add(field, problem);
        }
        errors
    }
}

fn one_error(field: &str, problem: &str) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add(field, problem);
    errors
}

/// What a new entry of this kind begins with.
pub(super) fn new_entry(entry: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(entry) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
