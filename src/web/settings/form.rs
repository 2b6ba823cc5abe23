//! A form of settings: described once as groups of fields, shown, read back, and made into a change.
//!
//! A form carries what it showed beside what was typed. Only fields in which the two differ are
//! changed, so that two administrators with the same page before them do not undo each other's work;
//! where both changed the same field, the second gets a message.

use serde_json::{Map, Value};

use super::field::FormField;
use super::submission::Submission;
use crate::settings::FieldErrors;
use crate::settings::catalogue::{Setting, SettingGroup};

/// A form as it is shown.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) groups: Vec<FormGroup>,
    /// Problems of settings that have no field on the page.
    pub(super) problems: FieldErrors,
    /// It would give nearly every client what is meant for few, and asks whether that is meant.
    pub(super) asks: bool,
}

/// Fields that belong together, as they are shown.
#[derive(Debug)]
pub(super) struct FormGroup {
    pub(super) heading: &'static str,
    pub(super) fields: Vec<FormField>,
}

impl Form {
    /// The form that shows `subject` as it is.
    pub(super) fn showing(groups: &'static [SettingGroup], subject: &Map<String, Value>) -> Self {
        Self::of(groups, |group, setting| {
            FormField::showing(group, setting, subject)
        })
    }

    /// Reads a form about `subject`, the object whose fields it shows: itself, to be shown again, and the
    /// fields that it changes.
    pub(super) fn read(
        groups: &'static [SettingGroup],
        submission: &Submission,
        subject: &Map<String, Value>,
    ) -> (Self, Map<String, Value>) {
        let mut changed = Map::new();
        let form = Self::of(groups, |group, setting| {
            let mut field = FormField::showing(group, setting, subject);
            if let Some(value) = field.take(submission) {
                replace(&mut changed, subject, &field.name, value);
            }
            field
        });
        (form, changed)
    }

    fn of(
        groups: &'static [SettingGroup],
        mut field: impl FnMut(&SettingGroup, &Setting) -> FormField,
    ) -> Self {
        let mut shown: Vec<FormGroup> = Vec::new();
        for group in groups {
            let settings = group.settings.iter();
            let fields = settings.map(|setting| field(group, setting));
            match shown.last_mut() {
                Some(last) if group.heading.is_empty() => last.fields.extend(fields),
                _ => shown.push(FormGroup {
                    heading: group.heading,
                    fields: fields.collect(),
                }),
            }
        }
        Self {
            groups: shown,
            problems: FieldErrors::default(),
            asks: false,
        }
    }

    fn fields(&self) -> impl Iterator<Item = &FormField> {
        self.groups.iter().flat_map(|group| &group.fields)
    }

    /// The field of a setting that the form has.
    pub(super) fn field_mut(&mut self, name: &str) -> Option<&mut FormField> {
        let fields = self.groups.iter_mut().flat_map(|group| &mut group.fields);
        fields.into_iter().find(|field| field.name == name)
    }

    /// What was typed for a setting.
    pub(super) fn typed(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields();
        Some(fields.find(|field| field.name == name)?.typed.as_str())
    }

    /// Nothing is wrong with it.
    pub(super) fn is_sound(&self) -> bool {
        self.problems.0.is_empty() && self.fields().all(|field| field.problem.is_none())
    }

    /// Puts each problem to the field of its setting, or of a part of it; the first one stays.
    pub(super) fn note(&mut self, errors: FieldErrors) {
        for (name, problem) in errors.0 {
            let fields = self.groups.iter_mut().flat_map(|group| &mut group.fields);
            let place = fields.into_iter().find(|field| field.is_of(&name));
            match place {
                Some(field) => {
                    field.problem.get_or_insert(problem);
                }
                None => self.problems.add(&name, problem),
            }
        }
    }

    /// Everything that is wrong, by field.
    pub(super) fn errors(&self) -> FieldErrors {
        let mut errors = self.problems.clone();
        for field in self.fields() {
            if let Some(problem) = &field.problem {
                errors.add(&field.name, problem.as_str());
            }
        }
        errors
    }
}

/// Replaces a field in `changed`; when the name is that of a part, the field's other parts come from
/// where they are.
fn replace(
    changed: &mut Map<String, Value>,
    subject: &Map<String, Value>,
    name: &str,
    value: Value,
) {
    let Some((field, part)) = name.split_once('.') else {
        changed.insert(name.to_owned(), value);
        return;
    };
    let whole = changed
        .entry(field)
        .or_insert_with(|| subject.get(field).cloned().unwrap_or_default());
    whole[part] = value;
}
