//! A form of settings: described once as groups of fields, shown, read back, and made into a change.
//!
//! A form carries what it showed beside what was typed. Only fields in which the two differ are
//! changed, so that two administrators with the same page before them do not undo each other's work;
//! where both changed the same field, the second gets a message.

use std::collections::HashMap;

use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use super::field::FormField;
use crate::settings::FieldErrors;
use crate::settings::catalogue::{OFF, Setting, SettingGroup, SettingKind};
use crate::web::error::PageError;
use crate::web::extract::FormBody;

/// Where a form carries what it showed of a field.
const SHOWN: &str = "shown.";
/// The name of the free entry beside the presets of a field.
const OTHER: &str = ".other";
/// The preset that means the free entry.
const OTHER_PRESET: &str = "other";
/// The name of the box that switches a bound on.
const SWITCH: &str = "on.";
/// The name of the box that removes a secret.
const REMOVAL: &str = "remove.";

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

/// What a form sent.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Submission(HashMap<String, String>);

/// Of a name that is there twice the last counts.
impl<S: Send + Sync> FromRequest<S> for Submission {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let FormBody(pairs) =
            FormBody::<Vec<(String, String)>>::from_request(request, state).await?;
        let pairs = pairs
            .into_iter()
            // Line ends are CRLF in every form.
            .map(|(name, text)| (name, text.replace("\r\n", "\n")))
            .collect();
        Ok(Self(pairs))
    }
}

impl Submission {
    /// The text under a name. Blanks around it mean nothing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim())
    }

    /// A button or a box under this name was pressed or ticked.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What the form showed of a setting.
    pub(super) fn shown(&self, name: &str) -> Option<&str> {
        self.text(&format!("{SHOWN}{name}"))
    }

    /// What is to become of a secret: another text, whose blanks are its own, or none; nothing when it
    /// is to stay, because none was typed.
    pub(super) fn secret(&self, name: &str) -> Option<Value> {
        if self.has(&format!("{REMOVAL}{name}")) {
            return Some(Value::Null);
        }
        let typed = self.0.get(name).filter(|text| !text.is_empty())?;
        Some(typed.as_str().into())
    }

    /// What was typed for a setting; none when the form had no such field.
    pub(super) fn typed(
        &self,
        name: &str,
        kind: SettingKind,
    ) -> Option<Result<&str, (&str, &'static str)>> {
        let chosen = self.text(name)?;
        let presets = match kind {
            SettingKind::SizeOf(_, presets) => presets,
            // A box that is not ticked is not sent.
            SettingKind::OrOff(_) if !self.has(&format!("{SWITCH}{name}")) => {
                return Some(Ok(OFF));
            }
            _ => return Some(Ok(chosen)),
        };
        let other = self.text(&format!("{name}{OTHER}")).unwrap_or_default();
        let shown = self.shown(name).unwrap_or_default();
        let is_preset = |text: &str| presets.iter().any(|preset| preset.value == text);
        let (shown_choice, shown_other) = if is_preset(shown) {
            (shown, "")
        } else {
            (OTHER_PRESET, shown)
        };
        // Without a script, who types into the free entry may leave the preset chosen above it.
        Some(match chosen {
            OTHER_PRESET => Ok(other),
            preset if other.is_empty() || other == shown_other => Ok(preset),
            preset if preset == shown_choice => Ok(other),
            _ => Err((other, "choose a preset or type a size, not both")),
        })
    }
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
