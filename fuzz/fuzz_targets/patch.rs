//! A PATCH of the settings.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fastpath::settings::fuzzing::apply_patch(input));
