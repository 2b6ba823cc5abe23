//! The header of the PROXY protocol.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fastpath::smtp::fuzzing::read_proxy_header(input));
