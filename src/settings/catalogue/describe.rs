//! The settings in words, for the command line and for `docs/settings.md`.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

use super::kind::{OFF, SettingKind};
use super::{PlacedSetting, all};
use crate::settings::quantity::write_count;
use crate::settings::{SettingsDocument, part};

/// What one setting is, in words. Displayed, it is some lines for the command line.
#[derive(Clone, Debug)]
pub struct SettingDescription {
    /// The setting, or the list.
    pub placed: &'static PlacedSetting,
    /// What its value may be.
    pub value: String,
    /// The words that it may be, and what they mean.
    pub values: Vec<(&'static str, String)>,
    /// What it is unless it is set.
    pub default: String,
}

/// Describes every setting, in the order of the pages.
pub fn descriptions() -> impl Iterator<Item = SettingDescription> {
    let defaults = SettingsDocument::default();
    all()
        .iter()
        .map(move |placed| description(placed, &defaults))
}

/// Describes one setting; none when there is none at this place.
#[must_use]
pub fn describe(path: &str) -> Option<SettingDescription> {
    let placed = super::find(path)?;
    Some(description(placed, &SettingsDocument::default()))
}

/// `docs/settings.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         <!-- Made from `src/settings/catalogue`. To write it anew: \
         FASTPATH_WRITE_DOCS=1 cargo test --lib settings_page -->\n\n\
         Each setting has one name in the API, in settings files and in the audit, and a label on its page. \
         `fastpath admin settings describe NAME` says the same of one setting. Sizes are bytes and times \
         seconds; pages and this list write them with units.\n",
    );
    let mut page = "";
    for description in descriptions() {
        let PlacedSetting {
            path,
            label,
            hint,
            section,
            ..
        } = description.placed;
        if section.title != page {
            page = section.title;
            let about = section.about;
            _ = write!(text, "\n## {page}\n");
            if !about.is_empty() {
                _ = write!(text, "\n{about}\n");
            }
        }
        _ = write!(text, "\n### {label}\n\n`{path}`: {}", description.value);
        _ = match description.default.as_str() {
            "" => writeln!(text, "."),
            default => writeln!(text, ". Default: {default}."),
        };
        if !hint.is_empty() {
            _ = write!(text, "\n{hint}\n");
        }
        if !description.values.is_empty() {
            text.push('\n');
        }
        for (value, words) in &description.values {
            _ = writeln!(text, "* `{value}`: {words}");
        }
    }
    text
}

impl fmt::Display for SettingDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let placed = self.placed;
        writeln!(f, "{}: {}", placed.path, placed.label)?;
        if !placed.hint.is_empty() {
            writeln!(f, "  {}", placed.hint)?;
        }
        writeln!(f, "  Page:    {}", placed.section.title)?;
        writeln!(f, "  Value:   {}", self.value)?;
        for (value, words) in &self.values {
            writeln!(f, "             {value}: {words}")?;
        }
        if !self.default.is_empty() {
            writeln!(f, "  Default: {}", self.default)?;
        }
        let secret = match placed.is_secret() {
            true => "yes, it is never shown",
            false => "no",
        };
        write!(f, "  Secret:  {secret}")
    }
}

fn description(placed: &'static PlacedSetting, defaults: &SettingsDocument) -> SettingDescription {
    let (value, values, default) = match placed.setting.map(|setting| setting.kind) {
        Some(kind) => {
            let default = default_in_words(kind, &placed.default(defaults));
            (kind_in_words(kind), values(kind), default)
        }
        None => {
            let most = placed.list.map_or(0, |list| list.most);
            let value = format!("a list of up to {} entries", write_count(most as u64));
            (value, Vec::new(), "none".to_owned())
        }
    };
    SettingDescription {
        placed,
        value,
        values,
        default,
    }
}

impl PlacedSetting {
    /// It can be set, but never read.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        let kind = self.setting.map(|setting| setting.kind);
        matches!(kind, Some(SettingKind::Secret(_)))
    }

    /// What it is unless it is set.
    #[must_use]
    pub fn default(&self, defaults: &SettingsDocument) -> Value {
        match (self.list, self.setting) {
            (Some(list), Some(setting)) => {
                let entry = (list.new)(defaults);
                entry.get(setting.name).cloned().unwrap_or_default()
            }
            _ => part(&defaults.fields(), &self.path).clone(),
        }
    }
}

fn default_in_words(kind: SettingKind, value: &Value) -> String {
    let text = kind.write(value).replace('\n', ", ");
    match (kind, text.as_str()) {
        (_, "") => "none".to_owned(),
        (SettingKind::Choice(_), text) => format!("`{text}`"),
        _ => text,
    }
}

/// What a value may be.
fn kind_in_words(kind: SettingKind) -> String {
    let ranged = |what: String| match kind.range() {
        Some(range) => format!("{what} {range}"),
        None => what,
    };
    match kind {
        SettingKind::Size(_) | SettingKind::SizeOf(..) => ranged("a size".to_owned()),
        SettingKind::SizeOrBlank(bounds) => {
            format!("0, or {}", kind_in_words(SettingKind::Size(bounds)))
        }
        SettingKind::Time(_) => ranged("a time".to_owned()),
        SettingKind::Times(_, most) => ranged(format!("1 to {most} times,")),
        SettingKind::Number(_) => ranged("a number".to_owned()),
        SettingKind::Score => "a number of points".to_owned(),
        SettingKind::Choice(_) => "one of these".to_owned(),
        SettingKind::Text(text) => text.words().to_owned(),
        SettingKind::Lines(text, most) => {
            format!("up to {} of: {}", write_count(most as u64), text.words())
        }
        SettingKind::OrOff(switchable) => {
            let unit = match switchable.unit {
                "" => String::new(),
                unit => format!(" ({unit})"),
            };
            format!("{}{unit}, or {OFF}", kind_in_words(switchable.kind))
        }
        SettingKind::Secret(bounds) => match bounds.words(write_count) {
            Some(bounds) => format!("a secret {bounds} characters"),
            None => "a secret".to_owned(),
        },
    }
}

fn values(kind: SettingKind) -> Vec<(&'static str, String)> {
    let SettingKind::Choice(values) = kind else {
        return Vec::new();
    };
    let in_words = values.iter().map(|choice| {
        let words = match choice.hint {
            "" => choice.label.to_owned(),
            hint => format!("{}. {hint}", choice.label),
        };
        match choice.value {
            "" => ("null", words),
            value => (value, words),
        }
    });
    in_words.collect()
}

/// A new entry as an object.
pub(in crate::settings) fn object(entry: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(entry) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
