//! The conversion to 7-bit.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fastpath::delivery::fuzzing::convert(input));
