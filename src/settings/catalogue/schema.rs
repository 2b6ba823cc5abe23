//! The schemas of the OpenAPI document, completed with what the tables say.

use serde_json::{Value, json};

use super::kind::{SettingKind, ValueBounds};
use super::{PlacedSetting, all};
use crate::settings::SettingsDocument;

/// The name of the schema of all settings.
const SETTINGS: &str = "Written";

/// Puts bounds, defaults and descriptions into the schemas of the settings.
pub fn complete(schemas: &mut Value) {
    let defaults = SettingsDocument::default();
    for placed in all() {
        let default = placed.default(&defaults);
        if let Some(schema) = property(schemas, placed) {
            describe(schema, placed, default);
        }
    }
}

/// The schema of the field that a setting is.
fn property<'a>(schemas: &'a mut Value, placed: &PlacedSetting) -> Option<&'a mut Value> {
    let mut names: Vec<&str> = placed.path.split('.').collect();
    let last = names.pop()?;
    let mut object = SETTINGS.to_owned();
    for name in names {
        object = target(&schemas[&object]["properties"][name])?;
    }
    schemas
        .get_mut(&object)?
        .get_mut("properties")?
        .get_mut(last)
}

/// The schema that another one refers to, by itself, as the items of a list, or as one of several.
fn target(schema: &Value) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return Some(reference.rsplit('/').next()?.to_owned());
    }
    let mut one_of = schema["oneOf"].as_array().into_iter().flatten();
    let items = schema.get("items").and_then(target);
    items.or_else(|| one_of.find_map(target))
}

fn describe(schema: &mut Value, placed: &PlacedSetting, default: Value) {
    let Some(setting) = placed.setting else {
        if let Some(list) = placed.list {
            schema["maxItems"] = list.most.into();
        }
        return;
    };
    schema["title"] = setting.label.into();
    if !setting.hint.is_empty() {
        schema["description"] = setting.hint.into();
    }
    if !matches!(setting.kind, SettingKind::Secret(_)) {
        schema["default"] = default;
    }
    let mut bound = |bounds: ValueBounds, names: [&str; 2]| {
        if bounds != ValueBounds::ANY {
            let [least, most] = names;
            schema[least] = bounds.least.into();
            schema[most] = bounds.most.into();
        }
    };
    let kind = match setting.kind {
        SettingKind::OrOff(switchable) => switchable.kind,
        kind => kind,
    };
    match kind {
        SettingKind::Size(bounds)
        | SettingKind::SizeOf(bounds, _)
        | SettingKind::Time(bounds)
        | SettingKind::Number(bounds) => bound(bounds, ["minimum", "maximum"]),
        SettingKind::SizeOrBlank(bounds) => {
            bound(ValueBounds::new(0, bounds.most), ["minimum", "maximum"]);
        }
        SettingKind::Secret(bounds) => bound(bounds, ["minLength", "maxLength"]),
        SettingKind::Times(bounds, most) => {
            schema["minItems"] = 1.into();
            schema["maxItems"] = most.into();
            schema["items"]["minimum"] = bounds.least.into();
            schema["items"]["maximum"] = bounds.most.into();
        }
        SettingKind::Lines(_, most) => schema["maxItems"] = json!(most),
        SettingKind::Score
        | SettingKind::Choice(_)
        | SettingKind::Text(_)
        | SettingKind::OrOff(_) => {}
    }
}
