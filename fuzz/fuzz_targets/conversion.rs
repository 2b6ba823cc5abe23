//! The conversion to 7-bit.

#![no_main]

use fastpath::delivery::fuzzing::convert;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The first byte says where to cut.
    if let Some((&cut, received)) = input.split_first() {
        convert(received, usize::from(cut));
    }
});
