//! A message's header as text for people: unfolded, encoded words decoded where that is plain, and
//! no control characters in it, and none that change the direction of writing.

use crate::limits;
use crate::mime::encoded_word::decoded_if_whole;
use crate::mime::header_fields::{RawField, fields};

/// The header of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ShownHeader {
    /// Its fields, in order.
    pub(super) fields: Vec<ShownField>,
    /// There are more.
    pub(super) is_cut: bool,
}

/// One header field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShownField {
    /// Its name; empty for a line that is no field.
    pub(super) name: String,
    /// Its value on one line.
    pub(super) value: String,
}

/// The header at the beginning of `source`, which may end anywhere.
pub(super) fn read(source: &[u8]) -> ShownHeader {
    let mut header = ShownHeader {
        fields: Vec::new(),
        is_cut: source.last().is_some_and(|last| *last != b'\n'),
    };
    for lines in fields(source) {
        let is_end = matches!(lines, [b'\n', ..] | [b'\r', b'\n', ..]);
        if is_end || header.fields.len() == limits::HEADER_FIELDS_SHOWN {
            header.is_cut = !is_end;
            break;
        }
        header.fields.push(field(lines));
    }
    header
}

fn field(lines: &[u8]) -> ShownField {
    let (name, value) = match RawField::of(lines) {
        Some(field) => (field.name(), field.body),
        None => (&b""[..], lines),
    };
    let unfolded = value
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'));
    let value = String::from_utf8_lossy(&unfolded.collect::<Vec<u8>>()).into_owned();
    ShownField {
        name: harmless(&String::from_utf8_lossy(name)),
        value: harmless(decoded_if_whole(&value).trim()),
    }
}

/// Control characters, and those that change the direction of writing, become visible.
fn harmless(text: &str) -> String {
    let show = |character: char| match character {
        '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        other if other.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &[u8], expected: &[(&str, &str)], is_cut: bool) {
        let header = read(source);
        let found: Vec<(&str, &str)> = header
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_str()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(header.is_cut, is_cut);
    }

    #[test]
    fn a_header_is_unfolded_and_ends_at_the_empty_line() {
        check(
            b"From: a@b\r\nSubject: one\r\n two\r\n\tthree\r\n\r\nNot: a field\r\n",
            &[("From", "a@b"), ("Subject", "one two three")],
            false,
        );
        check(b"A: 1\nB: 2\n\nC: 3", &[("A", "1"), ("B", "2")], false);
        check(b"\r\nbody", &[], false);
        check(b"A: 1\r\nB: 2", &[("A", "1"), ("B", "2")], true);
        check(b"", &[], false);
        check(
            b" folded from nothing\r\nno field at all: x\r\n\r\n",
            &[("", "folded from nothing"), ("", "no field at all: x")],
            false,
        );
        check(
            b"A: \xff\x1b[31m\x00\r\n\r\n",
            &[("A", "\u{fffd}\u{fffd}[31m\u{fffd}")],
            false,
        );
        check(
            "A: x\u{202e}y\r\n\r\n".as_bytes(),
            &[("A", "x\u{fffd}y")],
            false,
        );
    }

    #[test]
    fn endless_headers_are_cut() {
        let many = "X: y\r\n".repeat(limits::HEADER_FIELDS_SHOWN + 1);
        let header = read(format!("{many}\r\n").as_bytes());
        assert_eq!(header.fields.len(), limits::HEADER_FIELDS_SHOWN);
        assert!(header.is_cut);
    }

    #[test]
    fn encoded_words_are_decoded() {
        for (value, expected) in [
            ("plain", "plain"),
            ("=?UTF-8?Q?Gr=C3=BC=C3=9Fe_an?= alle", "Grüße an alle"),
            ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
            ("=?iso-8859-1?q?caf=E9?=", "café"),
            ("=?utf-8?q?one?= =?utf-8?q?two?=", "onetwo"),
            ("=?utf-8*en?q?one?= two", "one two"),
            ("=?koi8-r?B?0A==?=", "п"),
            ("=?klingon?q?a?=", "=?klingon?q?a?="),
            ("=?utf-8?q?broken", "=?utf-8?q?broken"),
            ("=?utf-8?q?=Z?=", "=?utf-8?q?=Z?="),
            ("=?utf-8?b?***?=", "=?utf-8?b?***?="),
            ("=?=?=?", "=?=?=?"),
            ("=?utf-8?q?=3Cscript=3E?=", "<script>"),
        ] {
            assert_eq!(decoded_if_whole(value), expected, "{value}");
        }
    }
}
