//! One field of a form: shown as its setting is, taken as it was typed, and what its template asks.

use serde_json::{Map, Value};

use super::submission::Submission;
use crate::limits;
use crate::settings::catalogue::{
    ChoiceValue, OFF, Setting, SettingGroup, SettingKind, Switchable,
};
use crate::settings::part;
use crate::web::wording;

/// One field, as it is shown.
#[derive(Debug)]
pub(super) struct FormField {
    /// The place of the setting.
    pub(super) name: String,
    pub(super) label: &'static str,
    pub(super) hint: String,
    /// The text in it.
    pub(super) typed: String,
    /// What the setting is.
    pub(super) shown: String,
    pub(super) problem: Option<String>,
    kind: SettingKind,
}

impl FormField {
    pub(super) fn showing(
        group: &SettingGroup,
        setting: &Setting,
        subject: &Map<String, Value>,
    ) -> Self {
        let name = group.path_of(setting);
        let shown = setting.kind.write(part(subject, &name));
        Self {
            name,
            label: setting.label,
            hint: hint(setting),
            typed: shown.clone(),
            shown,
            problem: None,
            kind: setting.kind,
        }
    }

    /// Takes what was typed; the value when that is a change.
    pub(super) fn take(&mut self, submission: &Submission) -> Option<Value> {
        if self.is_secret() {
            return self.take_secret(submission);
        }
        let typed = match submission.typed(&self.name, self.kind)? {
            Ok(typed) => typed,
            Err((typed, problem)) => {
                typed.clone_into(&mut self.typed);
                self.problem = Some(problem.to_owned());
                return None;
            }
        };
        if typed == self.shown || submission.shown(&self.name) == Some(typed) {
            return None;
        }
        typed.clone_into(&mut self.typed);
        if self.has_changed_meanwhile(submission) {
            return None;
        }
        self.kind
            .read(typed)
            .map_err(|problem| self.problem = Some(problem))
            .ok()
    }

    /// Nothing of a secret comes back to the form.
    fn take_secret(&mut self, submission: &Submission) -> Option<Value> {
        let secret = submission.secret(&self.name)?;
        let is_gone_already = secret.is_null() && self.shown.is_empty();
        if is_gone_already || self.has_changed_meanwhile(submission) {
            return None;
        }
        Some(secret)
    }

    /// The form showed something else than there is now; notes that as a problem.
    fn has_changed_meanwhile(&mut self, submission: &Submission) -> bool {
        let shown_then = submission.shown(&self.name);
        let has_changed = shown_then.is_some_and(|shown| shown != self.shown);
        if has_changed {
            let what = match (self.kind, self.shown.as_str()) {
                (SettingKind::OrOff(_), OFF) => "switched this off".to_owned(),
                (_, "") => "emptied this".to_owned(),
                (SettingKind::Secret(_), _) => "set this".to_owned(),
                (_, shown) if shown.len() > limits::MEANWHILE_SHOWN_BYTES => {
                    "changed this".to_owned()
                }
                (_, shown) => format!("changed this to “{}”", shown.replace('\n', ", ")),
            };
            self.problem = Some(format!(
                "somebody else has {what} meanwhile: save again to have it as you typed it"
            ));
        }
        has_changed
    }

    pub(super) fn is_of(&self, name: &str) -> bool {
        let rest = self.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Radio buttons; empty for other fields.
    pub(super) fn choices(&self) -> &'static [ChoiceValue] {
        match self.kind {
            SettingKind::Choice(choices) | SettingKind::SizeOf(_, choices) => choices,
            _ => &[],
        }
    }

    /// This choice is the present one.
    pub(super) fn is_chosen(&self, choice: &ChoiceValue) -> bool {
        self.typed == choice.value
    }

    /// The text of the free entry beside presets; none when there is no such entry.
    pub(super) fn other(&self) -> Option<&str> {
        let has_entry = matches!(self.kind, SettingKind::SizeOf(..));
        has_entry.then(|| if self.is_other() { &self.typed } else { "" })
    }

    /// None of the choices is the present one.
    pub(super) fn is_other(&self) -> bool {
        !self.choices().iter().any(|choice| self.is_chosen(choice))
    }

    /// What is switched on and off; none for other fields.
    pub(super) fn bound(&self) -> Option<&'static Switchable> {
        match self.kind {
            SettingKind::OrOff(bound) => Some(bound),
            _ => None,
        }
    }

    /// The bound counts.
    pub(super) fn is_on(&self) -> bool {
        self.typed != OFF
    }

    /// The text in the entry of a bound: one that is off shows what is usual, so that switching it on
    /// is one click.
    pub(super) fn figure(&self) -> &str {
        match self.bound() {
            Some(bound) if !self.is_on() => bound.usual,
            _ => &self.typed,
        }
    }

    /// Its text is never shown.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, SettingKind::Secret(_))
    }

    /// Lines of a text area; none for other fields.
    pub(super) fn rows(&self) -> Option<usize> {
        const FEWEST: usize = 4;
        const MOST: usize = 16;
        match self.kind {
            SettingKind::Lines(..) => Some((self.typed.lines().count() + 1).clamp(FEWEST, MOST)),
            _ => None,
        }
    }

    /// Characters that an entry has room for.
    pub(super) fn width(&self) -> usize {
        match self.kind {
            SettingKind::Times(..) => 44,
            SettingKind::Text(_) => 40,
            SettingKind::Secret(_) => 32,
            SettingKind::OrOff(_) => 9,
            _ => 14,
        }
    }

    /// Ids of what describes the field, for those who do not see it.
    pub(super) fn described_by(&self) -> String {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.name));
        let problem = self
            .problem
            .as_ref()
            .map(|_| format!("{}-problem", self.name));
        let ids: Vec<String> = hint.into_iter().chain(problem).collect();
        ids.join(" ")
    }
}

/// The hint of a setting, and its bounds.
fn hint(setting: &Setting) -> String {
    let range = setting.kind.range().map(|range| wording::sentence(&range));
    let sentences = [setting.hint.to_owned(), range.unwrap_or_default()];
    sentences.join(" ").trim().to_owned()
}
