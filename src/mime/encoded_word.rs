//! Encoded words in header fields: RFC 2047.

use memchr::memmem;

use super::text::{self, TransferEncoding};
use crate::limits;

/// A field's value with its encoded words decoded. White space between two of them is dropped (§6.2), and
/// those of one character set that touch are decoded as one: some programs cut a letter in two.
/// What is no encoded word stays as it is.
pub(crate) fn decoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut open: Option<Word> = None;
    let mut rest = value;
    while let Some(begin) = rest.find("=?") {
        let (before, from) = rest.split_at(begin);
        let Some((word, behind)) = Word::read(from) else {
            end(&mut open, &mut text);
            text.push_str(before);
            text.push_str("=?");
            rest = &from[2..];
            continue;
        };
        rest = behind;
        match &mut open {
            Some(last) if before.trim().is_empty() && last.charset == word.charset => {
                last.bytes.extend(word.bytes);
            }
            _ => {
                let touches = open.is_some() && before.trim().is_empty();
                end(&mut open, &mut text);
                if !touches {
                    text.push_str(before);
                }
                open = Some(word);
            }
        }
    }
    end(&mut open, &mut text);
    text.push_str(rest);
    text
}

fn end(open: &mut Option<Word>, text: &mut String) {
    if let Some(word) = open.take() {
        text.push_str(&text::of(&word.bytes, Some(&word.charset)));
    }
}

struct Word {
    charset: String,
    bytes: Vec<u8>,
}

impl Word {
    /// The encoded word that `text` begins with, and what follows it.
    fn read(text: &str) -> Option<(Self, &str)> {
        // Bounded, so that a value of many beginnings without an end costs no more than its length.
        let mut most = text.len().min(limits::ENCODED_WORD_BYTES);
        while !text.is_char_boundary(most) {
            most -= 1;
        }
        let (charset, rest) = text[..most].strip_prefix("=?")?.split_once('?')?;
        let (encoding, rest) = rest.split_once('?')?;
        let length = memmem::find(rest.as_bytes(), b"?=")?;
        let (encoded, behind) = (&rest[..length], &rest[length + "?=".len()..]);
        let bytes = match encoding {
            "B" | "b" => TransferEncoding::Base64.decode(encoded.as_bytes()),
            "Q" | "q" => {
                let encoded = encoded.replace('_', " ");
                let mut bytes = Vec::with_capacity(encoded.len());
                text::unescape(b'=', encoded.as_bytes(), &mut bytes);
                bytes.into()
            }
            _ => return None,
        };
        // RFC 2231 §5: a language may follow the character set.
        let charset = charset.split('*').next().unwrap_or_default();
        let word = Self {
            charset: charset.to_ascii_lowercase(),
            bytes: bytes.into_owned(),
        };
        Some((word, &text[most - behind.len()..]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(value: &str, expected: &str) {
        assert_eq!(decoded(value), expected, "{value}");
    }

    #[test]
    fn words_are_decoded() {
        check("plain", "plain");
        check("=?utf-8?B?w6RiYw==?= and", "äbc and");
        check("=?ISO-8859-1*de?q?gr=FC=DFe_an?= you", "grüße an you");
        check("a =?utf-8?q?b?= =?utf-8?q?c?= d", "a bc d");
        check("=?utf-8?q?b?= =?us-ascii?q?c?=", "bc");
        check("=?utf-8?q?b?= x =?utf-8?q?c?=", "b x c");
        // A letter that was cut in two.
        check("=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä");
        check("=?koi8-r?B?8NLJ18XU?=", "Привет");
        check("=?shift_jis?B?g22DjoOB?=", "ノヮメ");
    }

    #[test]
    fn what_is_none_stays() {
        for value in ["=?", "=?a", "=?utf-8?x?a?=", "=?utf-8?q?a", "?=", "=?=?=?"] {
            check(value, value);
        }
        check("=?=?utf-8?q?a?=", "=?a");
        let long = format!("=?utf-8?q?{}?=", "a".repeat(2_000));
        check(&long, &long);
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "([=?a-zäbq_*]|=\\?|utf-8\\?[qb]\\?){0,40}") {
            let _ = decoded(&value);
        }
    }
}
