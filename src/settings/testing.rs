//! Settings for the tests of all rooms.

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
