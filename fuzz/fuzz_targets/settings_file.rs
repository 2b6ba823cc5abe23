//! The settings as a file.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fastpath::administration::fuzzing::read_settings_file(input));
