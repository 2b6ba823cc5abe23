//! Encoded words (RFC 2047) with raw bytes in them: readers show what those stand for in the word's
//! character set, which they would not be in any more if the word were encoded as text.

use std::borrow::Cow;

use memchr::{memchr2, memmem};

use super::encode;
use crate::mime::charset;
use crate::mime::encoded_word::{EncodedWord, WordEncoding};

/// An encoded word has at most 75 bytes (RFC 2047 §2); this leaves room for a long name of a character set.
const PAYLOAD_BYTES: usize = 50;

/// The text with the raw bytes and the blanks in its encoded words encoded, too.
pub(super) fn repaired(text: &[u8]) -> Cow<'_, [u8]> {
    let mut written = Vec::new();
    let mut given = 0;
    let mut at = 0;
    while let Some(found) = memmem::find(&text[at..], b"=?") {
        let begin = at + found;
        match EncodedWord::read(&text[begin..]) {
            Some(word) if word.payload.is_ascii() => at = begin + word.length,
            Some(word) if is_repairable(&word) => {
                written.extend_from_slice(&text[given..begin]);
                write(&word, &mut written);
                at = begin + word.length;
                given = at;
            }
            _ => at = begin + 2,
        }
    }
    match given {
        0 => Cow::Borrowed(text),
        _ => {
            written.extend_from_slice(&text[given..]);
            Cow::Owned(written)
        }
    }
}

/// It is one on one line, but for its raw bytes.
fn is_repairable(word: &EncodedWord<'_>) -> bool {
    let name = word.charset;
    word.encoding == WordEncoding::Q
        && !name.is_empty()
        && word.front.len() <= PAYLOAD_BYTES
        && word.front.iter().all(u8::is_ascii_graphic)
        && memchr2(b'\r', b'\n', word.payload).is_none()
}

/// Writes it, and where it gets long several in a row, which are shown as one.
fn write(word: &EncodedWord<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(word.front);
    let mut length = 0;
    let is_utf8 = str::from_utf8(word.payload).is_ok();
    // In other character sets a cut could fall into a letter.
    let may_be_cut = charset::is_single_byte(word.charset)
        || is_utf8 && word.charset.eq_ignore_ascii_case(b"utf-8");
    let mut rest = word.payload;
    while let Some(&byte) = rest.first() {
        // What stands for one byte, and so for a part of a letter at most.
        let unit = match rest {
            [b'=', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => 3,
            _ => 1,
        };
        let is_within_letter = is_utf8 && unit == 1 && (0x80..0xc0).contains(&byte);
        if may_be_cut && length > PAYLOAD_BYTES && unit == 1 && !is_within_letter {
            out.extend_from_slice(b"?= ");
            out.extend_from_slice(word.front);
            length = 0;
        }
        let before = out.len();
        match byte {
            _ if unit == 3 => out.extend_from_slice(&rest[..3]),
            b' ' => out.push(b'_'),
            b'!'..=b'~' => out.push(byte),
            _ => out.extend_from_slice(&encode::escaped(b'=', byte)),
        }
        length += out.len() - before;
        rest = &rest[unit..];
    }
    out.extend_from_slice(b"?=");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_within_an_encoded_word_are_encoded_as_the_others() {
        for (text, expected) in [
            (
                &b" =?iso-8859-1?Q?Pr\xfcfung_morgen?= x"[..],
                " =?iso-8859-1?Q?Pr=FCfung_morgen?= x",
            ),
            (
                b"=?utf-8?q?Pr\xc3\xbcfung =C3=A4?=",
                "=?utf-8?q?Pr=C3=BCfung_=C3=A4?=",
            ),
            (
                b"=?utf-8?Q?a?= =?utf-8?Q?\xc3\xa4?=",
                "=?utf-8?Q?a?= =?utf-8?Q?=C3=A4?=",
            ),
        ] {
            let repaired = repaired(text);
            assert_eq!(repaired.escape_ascii().to_string(), expected);
        }
        for text in [
            &b"=?utf-8?Q?a?= \xc3\xa4"[..],
            b"=?utf-8?B?\xc3\xa4?=",
            b"=?\xc3\xa4?Q?\xc3\xa4?=",
            b"=?utf-8?Q?\xc3\r\n \xa4?=",
            b"=?utf-8?Q?\xc3",
            b"=?",
        ] {
            assert_eq!(repaired(text), text);
        }
    }

    #[test]
    fn a_long_one_becomes_several() {
        let text = [b"=?utf-8?Q?".as_slice(), "ä".repeat(40).as_bytes(), b"?="].concat();
        let repaired = repaired(&text);
        let words: Vec<_> = repaired.split(|byte| *byte == b' ').collect();
        assert!(words.len() > 3);
        // Where a cut could fall into a letter there is none.
        let text = [b"=?gb2312?Q?".as_slice(), &[0xd6, 0xd0].repeat(40), b"?="].concat();
        assert!(!super::repaired(&text).contains(&b' '));
        for word in &words {
            assert!(word.len() <= 75, "{}", word.escape_ascii());
            let payload = word.strip_prefix(b"=?utf-8?Q?").unwrap();
            let payload = payload.strip_suffix(b"?=").unwrap();
            assert!(payload.starts_with(b"=C3") && payload.ends_with(b"=A4"));
        }
    }

    #[test]
    fn beginnings_without_an_end_take_no_time() {
        let text = b"=?a?q?\xe4\r\n ".repeat(25_000);
        let began = std::time::Instant::now();
        assert_eq!(repaired(&text), text);
        let took = began.elapsed();
        assert!(took < std::time::Duration::from_secs(5), "{took:?}");
    }
}
