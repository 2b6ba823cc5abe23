//! Each target with its corpus, and with inputs that are made out of that in a fixed order.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::TARGETS;
use crate::{conditions, delivery};

/// Inputs made out of a corpus, for each target: a second or so. `FUZZ_INPUTS` asks for another number.
const MADE_INPUTS: usize = 2_000;
/// An input does not grow beyond this.
const INPUT_BYTES: usize = 4_096;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a directory that have this extension, or none, with their names; in a fixed order.
fn files(directory: &Path, extension: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.retain(|file| file.extension() == extension.map(AsRef::as_ref));
    files.sort();
    let named = files.iter().map(|file| {
        let name = file.strip_prefix(root()).expect("it is below");
        (
            name.to_string_lossy().into_owned(),
            fs::read(file).expect("it can be read"),
        )
    });
    named.collect()
}

/// The inputs of a target. Messages of all structures are inputs of both readers of messages.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut inputs = files(&root().join("fuzz/corpus").join(target), None);
    if ["mime", "conversion"].contains(&target) {
        inputs.extend(files(&root().join("tests/mime"), Some("eml")));
    }
    inputs
}

/// Numbers that are the same in each run: xorshift.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("it is below")
    }

    fn range(&mut self, end: usize) -> std::ops::Range<usize> {
        let (one, other) = (self.below(end + 1), self.below(end + 1));
        one.min(other)..one.max(other)
    }
}

/// What means something to one reader or another.
const TOKENS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b" ",
    b"\t",
    b":",
    b";",
    b"=",
    b"\"",
    b"(",
    b")",
    b"<",
    b">",
    b",",
    b"@",
    b"\\",
    b"%41",
    b"=41",
    b"=\r\n",
    b"=?",
    b"?=",
    b"?q?",
    b"?b?",
    b"*0*=",
    b"'",
    b"--",
    b"--a\r\n",
    b"--a--\r\n",
    b"\0",
    b"\xff",
    b"\xc3\xa4",
    b"\xe4",
    b".",
    b"..\r\n",
    b"[",
    b"]",
    b"{",
    b"}",
    b"0",
    b"18446744073709551616",
    b"-1",
    b"null",
    b"true",
    b"\x30\x80",
    b"\x04\x82\xff\xff",
    b"\x7f",
    b"\x80",
    b"From a@b Mon\r\n",
    b"no field\r\n",
    b"Content-Type: multipart/mixed; boundary=a\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"=?utf-8?q?=C3=A4?=",
    b"; filename*0*=utf-8''a%C3",
];

/// The input with a few changes.
fn changed(input: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut made = input.to_vec();
    for _ in 0..=numbers.below(5) {
        let place = numbers.range(made.len());
        match numbers.below(7) {
            0 => drop(made.drain(place)),
            1 => {
                let bit = 1 << numbers.below(8);
                if let Some(byte) = made.get_mut(place.start) {
                    *byte ^= bit;
                }
            }
            2 => {
                let again = made[place.clone()].to_vec();
                made.splice(place.end..place.end, again);
            }
            3 => {
                let from = numbers.range(other.len());
                made.splice(place, other[from].iter().copied());
            }
            _ => {
                let token = TOKENS[numbers.below(TOKENS.len())];
                made.splice(place.start..place.start, token.iter().copied());
            }
        }
        made.truncate(INPUT_BYTES);
    }
    made
}

#[test]
fn what_is_fed_to_the_fuzzer_holds() {
    let more = std::env::var("FUZZ_INPUTS").ok();
    let made_inputs = more.map_or(MADE_INPUTS, |more| more.parse().expect("a number"));
    for target in TARGETS {
        let corpus = corpus(target.corpus);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        let feed = |name: &str, input: &[u8]| {
            let fed = std::panic::catch_unwind(|| (target.feed)(input));
            assert!(
                fed.is_ok(),
                "{}: {name}: {}",
                target.name,
                input.escape_ascii()
            );
        };
        for (name, input) in &corpus {
            feed(name, input);
        }
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for number in 0..made_inputs {
            let (name, input) = &corpus[number % corpus.len()];
            let (_, other) = &corpus[numbers.below(corpus.len())];
            feed(name, &changed(input, other, &mut numbers));
        }
    }
}

/// What a reader gives for each message of the corpora, compared with what it has given before.
#[track_caller]
fn check_records(file: &str, record: fn(&[u8]) -> String) {
    let mut found = String::new();
    for (name, input) in &corpus("mime") {
        let _ = write!(found, "== {name}\n{}", record(input));
    }
    let place = root().join("tests/mime/golden").join(file);
    let expected = fs::read_to_string(&place).unwrap_or_default();
    if found != expected {
        let new = root().join("target").join(file);
        fs::write(&new, &found).expect("it can be written");
        panic!("{place:?} is different: compare it with {new:?}");
    }
}

#[test]
fn the_parts_of_messages_are_those_of_the_record() {
    check_records("parts.txt", conditions::fuzzing::record_of_parts);
}

#[test]
fn conversions_are_those_of_the_record() {
    check_records("conversions.txt", delivery::fuzzing::record_of_conversion);
}
