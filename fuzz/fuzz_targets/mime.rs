//! Messages that are looked into: their parts, and their headers.

#![no_main]

use fastpath::conditions::fuzzing::read_message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| read_message(content));
