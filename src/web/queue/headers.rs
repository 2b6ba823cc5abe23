//! A message's header as text for people: unfolded, encoded words decoded where that is plain, and
//! no control characters in it, and none that change the direction of writing.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::limits;

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
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut ended = false;
    for line in source.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            ended = true;
            break;
        }
        // RFC 5322 §2.2.3: a line that begins with white space goes on with the one before.
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let is_full = lines.len() == limits::HEADER_FIELDS_SHOWN;
        match lines.last_mut() {
            Some(before) if is_folded => before.extend_from_slice(line),
            _ if is_full => break,
            _ => lines.push(line.to_vec()),
        }
    }
    ShownHeader {
        fields: lines.iter().map(|line| field(line)).collect(),
        is_cut: !ended,
    }
}

fn field(line: &[u8]) -> ShownField {
    let line = String::from_utf8_lossy(line);
    let (name, value) = match line.split_once(':') {
        Some((name, value)) if !name.contains(char::is_whitespace) => (name, value),
        _ => ("", &*line),
    };
    ShownField {
        name: harmless(name),
        value: harmless(decoded(value).trim()),
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

/// RFC 2047: encoded words decoded, white space between two of them dropped (§6.2); what is not one, or
/// is in a character set we do not know, stays as it is.
fn decoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    let mut after_word = false;
    while let Some(begin) = rest.find("=?") {
        let (before, word_on) = rest.split_at(begin);
        let Some((word, behind)) = encoded_word(word_on) else {
            text.push_str(before);
            text.push_str("=?");
            rest = &word_on[2..];
            after_word = false;
            continue;
        };
        if !(after_word && before.trim().is_empty()) {
            text.push_str(before);
        }
        text.push_str(&word);
        rest = behind;
        after_word = true;
    }
    text.push_str(rest);
    text
}

/// The encoded word that `text` begins with, and what follows it.
fn encoded_word(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (encoded, rest) = rest.split_once("?=")?;
    if encoded.contains(char::is_whitespace) {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => BASE64_STANDARD.decode(encoded).ok()?,
        "Q" | "q" => quoted(encoded.as_bytes())?,
        _ => return None,
    };
    // RFC 2231 §5: a language may follow the character set.
    let charset = charset.split('*').next()?.to_ascii_lowercase();
    let text = match charset.as_str() {
        "utf-8" | "us-ascii" => String::from_utf8_lossy(&bytes).into_owned(),
        "iso-8859-1" => bytes.iter().map(|&byte| char::from(byte)).collect(),
        _ => return None,
    };
    Some((text, rest))
}

/// RFC 2047 §4.2.
fn quoted(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&first, behind)) = rest.split_first() {
        match first {
            b'_' => bytes.push(b' '),
            b'=' => {
                let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &behind[2..];
                continue;
            }
            other => bytes.push(other),
        }
        rest = behind;
    }
    Some(bytes)
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
            ("=?koi8-r?B?0A==?=", "=?koi8-r?B?0A==?="),
            ("=?utf-8?q?broken", "=?utf-8?q?broken"),
            ("=?utf-8?q?=Z?=", "=?utf-8?q?=Z?="),
            ("=?utf-8?b?***?=", "=?utf-8?b?***?="),
            ("=?=?=?", "=?=?=?"),
            ("=?utf-8?q?=3Cscript=3E?=", "<script>"),
        ] {
            assert_eq!(decoded(value), expected, "{value}");
        }
    }
}
