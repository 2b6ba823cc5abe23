//! Encoded words in header fields: RFC 2047.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use memchr::{memchr, memmem};

use super::charset;
use super::transfer_encoding::{self, TransferEncoding};
use crate::limits;

/// An encoded word: `=?charset?Q?payload?=`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodedWord<'a> {
    /// Up to the payload.
    pub(crate) front: &'a [u8],
    /// Without the language that may follow it (RFC 2231 §5).
    pub(crate) charset: &'a [u8],
    pub(crate) encoding: WordEncoding,
    pub(crate) payload: &'a [u8],
    /// Of all of it.
    pub(crate) length: usize,
}

/// How an encoded word is encoded: RFC 2047 §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordEncoding {
    B,
    Q,
}

impl<'a> EncodedWord<'a> {
    /// The one that `text` begins with, as mail readers take it: its payload may have blanks, and its end is the
    /// first `?=` behind the encoding.
    pub(crate) fn read(text: &'a [u8]) -> Option<Self> {
        // Bounded, so that a value of many beginnings without an end costs no more than its length.
        let most = &text[..text.len().min(limits::ENCODED_WORD_BYTES)];
        let behind_sign = most.strip_prefix(b"=?")?;
        let (named, rest) = behind_sign.split_at(memchr(b'?', behind_sign)?);
        let encoding = match rest {
            [_, b'b' | b'B', b'?', ..] => WordEncoding::B,
            [_, b'q' | b'Q', b'?', ..] => WordEncoding::Q,
            _ => return None,
        };
        let (front, rest) = most.split_at(2 + named.len() + 3);
        let payload = &rest[..memmem::find(rest, b"?=")?];
        Some(Self {
            front,
            charset: named.split(|byte| *byte == b'*').next().unwrap_or_default(),
            encoding,
            payload,
            length: front.len() + payload.len() + 2,
        })
    }

    /// The bytes in its character set; what is broken loses no more than what is broken.
    pub(crate) fn decode(&self) -> Vec<u8> {
        match self.encoding {
            WordEncoding::B => TransferEncoding::Base64.decode(self.payload).into_owned(),
            WordEncoding::Q => {
                let mut text = self.payload.to_vec();
                text.iter_mut()
                    .filter(|byte| **byte == b'_')
                    .for_each(|byte| *byte = b' ');
                let mut bytes = Vec::with_capacity(text.len());
                transfer_encoding::unescape(b'=', &text, &mut bytes);
                bytes
            }
        }
    }

    /// It is as RFC 2047 §2 and §4 have it, in a character set that is known: nothing is lost when it is decoded.
    fn is_well_formed(&self) -> bool {
        let is_whole = match self.encoding {
            WordEncoding::B => BASE64_STANDARD.decode(self.payload).is_ok(),
            WordEncoding::Q => self.payload.iter().enumerate().all(|(at, byte)| match byte {
                b'=' => matches!(self.payload.get(at + 1..at + 3), Some(digits) if digits.iter().all(u8::is_ascii_hexdigit)),
                _ => byte.is_ascii_graphic(),
            }),
        };
        is_whole && charset::is_known(self.charset)
    }
}

/// A field's value with its encoded words decoded, whatever is broken in them: for filters, which must see what any
/// mail reader may show.
pub(crate) fn decoded(value: &str) -> String {
    decoded_if(value, |_| true)
}

/// The same with only those decoded that are whole: for people, to whom the others are shown as they stand there.
pub(crate) fn decoded_if_whole(value: &str) -> String {
    decoded_if(value, |word| word.is_well_formed())
}

/// White space between two of them is dropped (RFC 2047 §6.2), and those of one character set that touch are
/// decoded as one: some programs cut a letter in two. What is no encoded word stays as it is.
fn decoded_if(value: &str, is_decoded: impl Fn(&EncodedWord<'_>) -> bool) -> String {
    let mut text = String::with_capacity(value.len());
    // The last one, whose letters may go on in the next.
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    let mut rest = value;
    while let Some(begin) = rest.find("=?") {
        let (before, from) = rest.split_at(begin);
        let Some(word) = EncodedWord::read(from.as_bytes()).filter(&is_decoded) else {
            end(&mut open, &mut text);
            text.push_str(before);
            text.push_str("=?");
            rest = &from["=?".len()..];
            continue;
        };
        rest = &from[word.length..];
        let touches = open.is_some() && before.trim().is_empty();
        match &mut open {
            Some((charset, bytes)) if touches && charset.eq_ignore_ascii_case(word.charset) => {
                bytes.extend(word.decode());
            }
            _ => {
                end(&mut open, &mut text);
                if !touches {
                    text.push_str(before);
                }
                open = Some((word.charset, word.decode()));
            }
        }
    }
    end(&mut open, &mut text);
    text.push_str(rest);
    text
}

fn end(open: &mut Option<(&[u8], Vec<u8>)>, text: &mut String) {
    if let Some((charset, bytes)) = open.take() {
        text.push_str(&charset::text(&bytes, Some(charset)));
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

    #[test]
    fn broken_words_are_decoded_for_filters_only() {
        for (value, for_filters) in [
            ("=?utf-8?q?=Z?=", "=Z"),
            ("=?utf-8?b?***?=", ""),
            ("=?utf-8?b?YQ?=", "a"),
            ("=?utf-8?q?a b?=", "a b"),
            ("=?klingon?q?a?=", "a"),
        ] {
            check(value, for_filters);
            assert_eq!(decoded_if_whole(value), value);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "([=?a-zäbq_*]|=\\?|utf-8\\?[qb]\\?){0,40}") {
            let _ = decoded(&value);
            let _ = decoded_if_whole(&value);
        }
    }
}
