//! The conversion to 7-bit.

#![no_main]

use fastpath::delivery::fuzzing::convert;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|received: &[u8]| convert(received));
