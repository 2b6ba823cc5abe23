//! What a milter says.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fastpath::conditions::fuzzing::hear_milter(input));
