//! What a milter says.

#![no_main]

use fastpath::conditions::fuzzing::hear_milter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|said: &[u8]| hear_milter(said));
