//! What an LDAP directory says.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fastpath::conditions::fuzzing::read_directory_message(input));
