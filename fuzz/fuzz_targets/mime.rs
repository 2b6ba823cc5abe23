//! Messages that are looked into: the walk over their parts, and their headers.

#![no_main]

use fastpath::conditions::fuzzing::{read_header, walk_over};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    walk_over(content);
    read_header(content);
});
