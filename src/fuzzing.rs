//! The readers of what others send, for the fuzzer and for a short fixed run among the tests.
//!
//! Each target is fed bytes and panics when a property does not hold; the properties stand beside the readers, in
//! the `fuzzing.rs` of their rooms. How to run the fuzzer: `fuzz/README.md`.

use crate::{conditions, delivery};

/// A reader and what must hold of it.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// Its name.
    pub name: &'static str,
    /// Its corpus, below `fuzz/corpus/`.
    pub corpus: &'static str,
    /// Feeds it.
    pub feed: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget {
        name: "mime",
        corpus: "mime",
        feed: conditions::fuzzing::read_message,
    },
    FuzzTarget {
        name: "conversion",
        corpus: "mime",
        feed: delivery::fuzzing::convert,
    },
    FuzzTarget {
        name: "milter",
        corpus: "milter",
        feed: conditions::fuzzing::hear_milter,
    },
];

#[cfg(test)]
#[path = "fuzzing_tests.rs"]
mod tests;
