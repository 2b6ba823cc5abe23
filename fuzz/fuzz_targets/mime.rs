//! Messages that are looked into: their parts, and their headers.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fastpath::conditions::fuzzing::read_message(input));
