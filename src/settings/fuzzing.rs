//! A change of the settings, for the fuzzer. See `fuzz/README.md`.

use serde_json::Value;

use super::{Settings, SettingsDocument};

/// A PATCH is followed or refused as a whole, and following it once more changes nothing (RFC 7396).
pub fn apply_patch(input: &[u8]) {
    let Ok(Value::Object(patch)) = serde_json::from_slice(input) else {
        return;
    };
    let before = Settings::new(SettingsDocument::default()).expect("the defaults hold");
    match before.patched(&patch) {
        Ok(after) => {
            let again = after.patched(&patch).expect("it held before");
            assert_eq!(again.document(), after.document());
        }
        Err(errors) => assert!(!errors.0.is_empty() && !errors.to_string().is_empty()),
    }
}
