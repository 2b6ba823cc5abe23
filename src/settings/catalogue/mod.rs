//! What every setting is: its place, its kind with its bounds, and its words.
//!
//! The pages, the check of every change, the OpenAPI document, the words of the audit, `fastpath admin
//! settings describe` and `docs/settings.md` are made from these tables. A default is what
//! `SettingsDocument::default` says. To add a setting, add its field with its default, and its row here.

mod check;
mod describe;
mod kind;
mod schema;
mod sections;
mod text;

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::SettingsDocument;

pub use describe::{SettingDescription, describe, descriptions, markdown};
pub use kind::{ChoiceValue, OFF, SettingKind, Switchable, ValueBounds, switchable, value};
pub use schema::complete;
pub use sections::{
    ACCESS, ALERTS, DELIVERY, DIRECTORY, LISTENERS, MEMORY, NEXT_HOPS, RETENTION, sections,
};
pub use text::{TextKind, read_server};

pub(super) use check::check;
pub(super) use describe::object;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name of its field.
    pub name: &'static str,
    /// What pages call it.
    pub label: &'static str,
    /// What it does, where the label and the choices do not say all.
    pub hint: &'static str,
    /// What its value may be.
    pub kind: SettingKind,
}

/// Settings that belong together on a page.
#[derive(Clone, Copy, Debug)]
pub struct SettingGroup {
    /// The object whose fields they are; blank for fields of the settings themselves, or of an entry.
    pub object: &'static str,
    /// Blank where they continue the group before.
    pub heading: &'static str,
    /// The settings, in the order in which they are shown.
    pub settings: &'static [Setting],
}

/// A list of objects among the settings.
#[derive(Clone, Copy, Debug)]
pub struct EntryList {
    /// Its place among the settings.
    pub path: &'static str,
    /// What pages call the list.
    pub label: &'static str,
    /// What the list is for.
    pub hint: &'static str,
    /// How many entries it may have.
    pub most: usize,
    /// The field by which an entry is known.
    pub key: &'static str,
    /// The fields of an entry.
    pub groups: &'static [SettingGroup],
    /// What a new entry begins with.
    pub new: fn(&SettingsDocument) -> Map<String, Value>,
}

/// The settings of one page.
#[derive(Clone, Copy, Debug)]
pub struct SettingSection {
    /// The title of the page.
    pub title: &'static str,
    /// What they are for; blank where the title says it.
    pub about: &'static str,
    /// The fields of the page.
    pub groups: &'static [SettingGroup],
    /// Lists with a page for each entry.
    pub lists: &'static [EntryList],
    /// Settings that are changed elsewhere.
    pub elsewhere: &'static [Setting],
}

impl SettingSection {
    /// A section with only a form.
    pub const fn new(title: &'static str, groups: &'static [SettingGroup]) -> Self {
        Self {
            title,
            about: "",
            groups,
            lists: &[],
            elsewhere: &[],
        }
    }
}

/// A row of a table.
pub const fn setting(
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    kind: SettingKind,
) -> Setting {
    Setting {
        name,
        label,
        hint,
        kind,
    }
}

/// Settings that belong together on a page, as a row of a table.
pub const fn group(
    object: &'static str,
    heading: &'static str,
    settings: &'static [Setting],
) -> SettingGroup {
    SettingGroup {
        object,
        heading,
        settings,
    }
}

impl SettingGroup {
    /// The place of one of its settings.
    #[must_use]
    pub fn path_of(&self, setting: &Setting) -> String {
        joined(self.object, setting.name)
    }
}

/// A name within an object; a blank object is none.
fn joined(object: &str, name: &str) -> String {
    match object {
        "" => name.to_owned(),
        object => format!("{object}.{name}"),
    }
}

/// A setting with its place.
#[derive(Clone, Debug)]
pub struct PlacedSetting {
    /// Its path; a field of a list's entries has the path of the list before its name.
    pub path: String,
    /// What pages call it.
    pub label: &'static str,
    /// What it does; may be blank where its values say that.
    pub hint: &'static str,
    /// The section that it belongs to.
    pub section: &'static SettingSection,
    /// The list of whose entries it is a field.
    pub list: Option<&'static EntryList>,
    /// The setting; none for a list itself.
    pub setting: Option<&'static Setting>,
}

/// All settings, in the order of the pages.
#[must_use]
pub fn all() -> &'static [PlacedSetting] {
    static ALL: LazyLock<Vec<PlacedSetting>> =
        LazyLock::new(|| sections().iter().flat_map(placed).collect());
    &ALL
}

/// The setting at this place.
#[must_use]
pub fn find(path: &str) -> Option<&'static PlacedSetting> {
    all().iter().find(|placed| placed.path == path)
}

/// The label of the setting at this place.
#[must_use]
pub fn label(path: &str) -> Option<&'static str> {
    find(path).map(|placed| placed.label)
}

fn placed(section: &'static SettingSection) -> Vec<PlacedSetting> {
    let row = |path, list, setting: &'static Setting| PlacedSetting {
        path,
        label: setting.label,
        hint: setting.hint,
        section,
        list,
        setting: Some(setting),
    };
    let mut all = Vec::new();
    for group in section.groups {
        let settings = group.settings.iter();
        all.extend(settings.map(|setting| row(group.path_of(setting), None, setting)));
    }
    for list in section.lists {
        all.push(PlacedSetting {
            path: list.path.to_owned(),
            label: list.label,
            hint: list.hint,
            section,
            list: Some(list),
            setting: None,
        });
        for setting in list.groups.iter().flat_map(|group| group.settings) {
            all.push(row(joined(list.path, setting.name), Some(list), setting));
        }
    }
    let elsewhere = section.elsewhere.iter();
    all.extend(elsewhere.map(|setting| row(setting.name.to_owned(), None, setting)));
    all
}

#[cfg(test)]
mod alerts_tests;
#[cfg(test)]
mod tests;
