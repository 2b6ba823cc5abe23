//! One entry of a list among the settings: shown as a form, read back, put in its place, removed.
//!
//! An entry is known by its key; the form carries the key
//! that it is about, blank for a new entry.

use serde_json::{Map, Value, json};

use super::entry_page::{ENTRY, EntryPage};
use super::form::Form;
use super::opens;
use super::submission::Submission;
use crate::settings::{FieldErrors, Settings, part};

impl EntryPage {
    /// All entries, as they are in the settings.
    pub(super) fn entries(&self, settings: &Settings) -> Vec<Value> {
        match part(&settings.fields(), self.list.path) {
            Value::Array(entries) => entries.clone(),
            _ => Vec::new(),
        }
    }

    /// The entry with this key; none when there is no such entry.
    pub(super) fn entry(&self, settings: &Settings, key: &str) -> Option<Map<String, Value>> {
        let mut entries = self.entries(settings).into_iter();
        match entries.find(|entry| entry[self.list.key] == key)? {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The list with the entry that the form is about as it was typed.
    pub(super) fn edited(
        &self,
        settings: &Settings,
        submission: &Submission,
    ) -> Result<Map<String, Value>, Form> {
        let key = submission.text(ENTRY).unwrap_or_default();
        let known = self.entry(settings, key);
        let new = (self.list.new)(settings);
        if !key.is_empty() && known.is_none() {
            let (mut form, _) = Form::read(self.list.groups, submission, &new);
            let problem =
                "somebody else has removed this entry meanwhile: save again to add it anew";
            form.note(FieldErrors::of(self.list.key, problem));
            return Err(form);
        }
        let mut entry = known.unwrap_or(new);
        let (mut form, changed) = Form::read(self.list.groups, submission, &entry);
        entry.extend(changed);
        if entry[self.list.key].as_str().is_none_or(str::is_empty) {
            form.note(FieldErrors::of(self.list.key, self.keyless));
            return Err(form);
        }
        let mut entries = self.entries(settings);
        match entries.iter_mut().find(|other| other[self.list.key] == key) {
            Some(old) => *old = Value::Object(entry),
            None => entries.push(Value::Object(entry)),
        }
        let patch = self.patch(&entries);
        if let Err(errors) = settings.patched(&patch) {
            form.note(self.at_the_field(errors, self.list.key));
        }
        match form.is_sound() {
            true => Ok(patch),
            false => Err(form),
        }
    }

    /// The form again, with what was found when it was to be saved, and the key that it is about now: an
    /// entry that is gone is shown as a new one, to be saved as such if that is still wanted.
    pub(super) fn again(
        &self,
        settings: &Settings,
        submission: &Submission,
        errors: FieldErrors,
    ) -> (Form, String) {
        let key = submission.text(ENTRY).unwrap_or_default();
        let key = self.entry(settings, key).map_or("", |_| key).to_owned();
        let mut form = match self.edited(settings, submission) {
            Err(form) => form,
            Ok(patch) => {
                let (mut form, _) = Form::read(self.list.groups, submission, &Map::new());
                let after = settings.patched(&patch);
                form.asks = after.is_ok_and(|after| opens(settings, &after));
                form
            }
        };
        form.note(self.at_the_field(errors, self.problem_at));
        (form, key)
    }

    /// The list without the entry that the form is about. One that is gone already is what was wanted.
    pub(super) fn without(&self, settings: &Settings, key: &str) -> Map<String, Value> {
        let mut entries = self.entries(settings);
        entries.retain(|entry| entry[self.list.key] != key);
        self.patch(&entries)
    }

    /// The list with the entry one place nearer to its beginning, or to its end. One that is gone, or there
    /// already, moves nothing.
    pub(super) fn moved(&self, settings: &Settings, key: &str, up: bool) -> Map<String, Value> {
        let mut entries = self.entries(settings);
        let place = entries.iter().position(|entry| entry[self.list.key] == key);
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
    fn patch(&self, entries: &[Value]) -> Map<String, Value> {
        // The parts of a setting that a change does not name stay as they are.
        let (field, value) = match self.list.path.split_once('.') {
            Some((field, part)) => (field, json!({ part: entries })),
            None => (self.list.path, json!(entries)),
        };
        Map::from_iter([(field.to_owned(), value)])
    }

    fn at_the_field(&self, mut errors: FieldErrors, field: &str) -> FieldErrors {
        if let Some(problem) = errors.0.remove(self.list.path) {
            errors.add(field, problem);
        }
        errors
    }
}
