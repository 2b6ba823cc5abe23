//! Settings for the tests of all rooms.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Settings, SettingsDocument};

/// A patch, as PATCH takes it.
pub(crate) fn patch(patch: Value) -> Map<String, Value> {
    match patch {
        Value::Object(patch) => patch,
        other => panic!("a patch is an object: {other}"),
    }
}

/// The defaults with a patch.
pub(crate) fn settings(changes: Value) -> Settings {
    let base = Settings::new(SettingsDocument::default()).expect("the defaults hold");
    base.patched(&patch(changes)).expect("the patch holds")
}

/// The fields at which the defaults refuse a patch, and why.
pub(crate) fn refused(changes: Value) -> BTreeMap<String, String> {
    let base = Settings::new(SettingsDocument::default()).expect("the defaults hold");
    let errors = base.patched(&patch(changes)).err();
    errors.unwrap_or_default().0
}
