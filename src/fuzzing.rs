//! The readers of what others send, for the fuzzer and for a short fixed run among the tests.
//!
//! Each target is fed bytes and panics when a property does not hold; the properties stand beside the readers, in
//! the `fuzzing.rs` of their rooms. How to run the fuzzer: `fuzz/README.md`.

use crate::{administration, conditions, delivery, settings, smtp};

/// A reader and what must hold of it.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// Its name, as in `fuzz/fuzz_targets/`.
    pub name: &'static str,
    /// Its corpus, below `fuzz/corpus/`.
    pub corpus: &'static str,
    /// Feeds it.
    pub feed: fn(&[u8]),
}

impl FuzzTarget {
    const fn new(name: &'static str, feed: fn(&[u8])) -> Self {
        Self {
            name,
            corpus: name,
            feed,
        }
    }
}

/// All targets.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget::new("data_decoder", smtp::fuzzing::decode_data),
    FuzzTarget::new("command", smtp::fuzzing::read_commands),
    FuzzTarget::new("path", smtp::fuzzing::read_path),
    FuzzTarget::new("reply_reader", smtp::fuzzing::read_replies),
    FuzzTarget::new("proxy_header", smtp::fuzzing::read_proxy_header),
    FuzzTarget::new("xclient", smtp::fuzzing::read_xclient),
    FuzzTarget::new("mime", conditions::fuzzing::read_message),
    FuzzTarget {
        name: "conversion",
        corpus: "mime",
        feed: delivery::fuzzing::convert,
    },
    FuzzTarget::new("milter", conditions::fuzzing::hear_milter),
    FuzzTarget::new("ber", conditions::fuzzing::read_directory_message),
    FuzzTarget::new("patch", settings::fuzzing::apply_patch),
    FuzzTarget::new("settings_file", administration::fuzzing::read_settings_file),
];

#[cfg(test)]
#[path = "fuzzing_tests.rs"]
mod tests;
