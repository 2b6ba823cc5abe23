//! The settings as a file, for the fuzzer. See `fuzz/README.md`.

use super::settings_file::{read, replaced, text_of};
use crate::settings::{Settings, SettingsDocument};

/// A file is refused, or it makes settings that can be written as a file and are the same when that is read.
pub fn read_settings_file(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let Ok(file) = read(text) else {
        return;
    };
    let before = Settings::new(SettingsDocument::default()).expect("the defaults hold");
    if let Ok(after) = replaced(&before, file) {
        let written = text_of(after.document());
        let file = read(&written).expect("our own file is TOML");
        let again = replaced(&after, file).expect("our own file holds");
        assert_eq!(again.document(), after.document(), "{written}");
    }
}
