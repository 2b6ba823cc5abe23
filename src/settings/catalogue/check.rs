//! The check of the whole settings against the tables.

use serde_json::Value;

use super::kind::length_problem;
use super::{EntryList, all};
use crate::settings::{FieldErrors, SettingsDocument, part};

/// Notes every value that is out of its bounds, or not what it is to be.
pub(in crate::settings) fn check(document: &SettingsDocument, errors: &mut FieldErrors) {
    let fields = document.revealed();
    for placed in all() {
        let value = || part(&fields, &placed.path);
        match (placed.list, placed.setting) {
            (None, Some(setting)) => {
                if let Some(problem) = setting.kind.problem(value()) {
                    errors.add(&placed.path, problem);
                }
            }
            (Some(list), None) => check_list(list, value(), errors),
            // A field of entries is checked with their list.
            _ => {}
        }
    }
}

fn check_list(list: &EntryList, entries: &Value, errors: &mut FieldErrors) {
    let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(problem) = length_problem(entries.len(), list.most) {
        errors.add(list.path, problem);
        return;
    }
    for entry in entries {
        for setting in list.groups.iter().flat_map(|group| group.settings) {
            let Some(problem) = setting.kind.problem(&entry[setting.name]) else {
                continue;
            };
            errors.add(
                list.path,
                match (setting.name == list.key, entry[list.key].as_str()) {
                    (false, Some(key)) => format!("“{key}”, {}: {problem}", setting.name),
                    _ => problem,
                },
            );
        }
    }
}
