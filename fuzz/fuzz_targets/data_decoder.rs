//! The decoder of DATA.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fastpath::smtp::fuzzing::decode_data(input));
