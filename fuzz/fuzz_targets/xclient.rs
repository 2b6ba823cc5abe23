//! The attributes of XCLIENT.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fastpath::smtp::fuzzing::read_xclient(input));
