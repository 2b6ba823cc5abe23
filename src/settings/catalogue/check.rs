//! The check of the whole settings against the tables.

use serde_json::{Map, Value};

use super::kind::length_problem;
use super::{EntryList, SettingGroup, sections};
use crate::settings::{FieldErrors, SettingsDocument};

/// Notes every value that is out of its bounds, or not what it is to be.
pub(in crate::settings) fn check(document: &SettingsDocument, errors: &mut FieldErrors) {
    let fields = document.revealed();
    for section in sections() {
        for group in section.groups {
            check_group(group, &fields, errors);
        }
        for setting in section.elsewhere {
            if let Some(problem) = setting.kind.problem(field(&fields, setting.name)) {
                errors.add(setting.name, problem);
            }
        }
        for list in section.lists {
            check_list(list, place(&fields, list.path), errors);
        }
    }
}

fn check_group(group: &SettingGroup, fields: &Map<String, Value>, errors: &mut FieldErrors) {
    let fields = match group.object {
        "" => Some(fields),
        object => field(fields, object).as_object(),
    };
    let Some(fields) = fields else {
        return;
    };
    for setting in group.settings {
        if let Some(problem) = setting.kind.problem(field(fields, setting.name)) {
            errors.add(&group.path_of(setting), problem);
        }
    }
}

fn check_list(list: &EntryList, entries: &Value, errors: &mut FieldErrors) {
    let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(problem) = length_problem(entries.len(), list.most) {
        errors.add(list.path, problem);
        return;
    }
    for entry in entries.iter().filter_map(Value::as_object) {
        for setting in list.groups.iter().flat_map(|group| group.settings) {
            let Some(problem) = setting.kind.problem(field(entry, setting.name)) else {
                continue;
            };
            errors.add(
                list.path,
                match (setting.name == list.key, field(entry, list.key).as_str()) {
                    (false, Some(key)) => format!("“{key}”, {}: {problem}", setting.name),
                    _ => problem,
                },
            );
        }
    }
}

/// The value at a path of the settings; null where there is nothing.
pub(super) fn place<'a>(fields: &'a Map<String, Value>, path: &str) -> &'a Value {
    match path.split_once('.') {
        None => field(fields, path),
        Some((object, name)) => field(fields, object).get(name).unwrap_or(&Value::Null),
    }
}

fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a Value {
    fields.get(name).unwrap_or(&Value::Null)
}
