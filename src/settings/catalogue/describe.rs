//! The settings in words, for the command line and for `docs/settings.md`.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

use super::kind::{OFF, SettingKind};
use super::{PlacedSetting, Setting, all, sections};
use crate::settings::quantity::write_count;
use crate::settings::{SettingsDocument, part};

/// What one setting is, in words. Displayed, it is some lines for the command line.
#[derive(Clone, Debug)]
pub struct SettingDescription {
    /// Its place among the settings.
    pub path: &'static str,
    /// What pages call it.
    pub label: &'static str,
    /// What it does; may be blank where its values say that.
    pub hint: &'static str,
    /// The title of its page.
    pub page: &'static str,
    /// What its value may be.
    pub value: String,
    /// The words that it may be, and what they mean.
    pub values: Vec<(&'static str, String)>,
    /// What it is unless it is set.
    pub default: String,
    /// It can be set, but never read.
    pub is_secret: bool,
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
        if description.page != page {
            page = description.page;
            let section = sections().iter().find(|section| section.title == page);
            let about = section.map_or("", |section| section.about);
            _ = write!(text, "\n## {page}\n");
            if !about.is_empty() {
                _ = write!(text, "\n{about}\n");
            }
        }
        _ = write!(text, "\n### {}\n\n", description.label);
        _ = write!(text, "`{}`: {}", description.path, description.value);
        _ = match description.default.as_str() {
            "" => writeln!(text, "."),
            default => writeln!(text, ". Default: {default}."),
        };
        if !description.hint.is_empty() {
            _ = write!(text, "\n{}\n", description.hint);
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
        writeln!(f, "{}: {}", self.path, self.label)?;
        if !self.hint.is_empty() {
            writeln!(f, "  {}", self.hint)?;
        }
        writeln!(f, "  Page:    {}", self.page)?;
        writeln!(f, "  Value:   {}", self.value)?;
        for (value, words) in &self.values {
            writeln!(f, "             {value}: {words}")?;
        }
        if !self.default.is_empty() {
            writeln!(f, "  Default: {}", self.default)?;
        }
        let secret = if self.is_secret {
            "yes, it is never shown"
        } else {
            "no"
        };
        write!(f, "  Secret:  {secret}")
    }
}

fn description(placed: &'static PlacedSetting, defaults: &SettingsDocument) -> SettingDescription {
    let (hint, value, values, default) = match (placed.setting, placed.list) {
        (Some(Setting { hint, kind, .. }), _) => {
            let default = default_in_words(*kind, &placed.default(defaults));
            (*hint, kind_in_words(*kind), values(*kind), default)
        }
        (None, list) => {
            let (hint, most) = list.map_or(("", 0), |list| (list.hint, list.most));
            let value = format!("a list of up to {} entries", write_count(most as u64));
            (hint, value, Vec::new(), "none".to_owned())
        }
    };
    let kind = placed.setting.map(|setting| setting.kind);
    SettingDescription {
        path: &placed.path,
        label: placed.label(),
        hint,
        page: placed.section.title,
        value,
        values,
        default,
        is_secret: matches!(kind, Some(SettingKind::Secret(_))),
    }
}

impl PlacedSetting {
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
