//! Encoded words (RFC 2047) that somebody has left raw bytes in: readers show what those stand for in the word's
//! character set, which they would not be in any more if the word were encoded as text.

use std::borrow::Cow;

/// An encoded word has at most 75 bytes (RFC 2047 §2); this leaves room for a long name of a character set.
const PAYLOAD_BYTES: usize = 50;

/// An encoded word in `Q` encoding.
struct EncodedWord<'a> {
    /// `=?charset?Q?`
    front: &'a [u8],
    payload: &'a [u8],
    /// With the `?=`.
    length: usize,
}

/// The text with the raw bytes and the blanks in its encoded words encoded, too.
pub(super) fn repaired(text: &[u8]) -> Cow<'_, [u8]> {
    let mut written = Vec::new();
    let mut given = 0;
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&text[at..], b"=?") {
        let begin = at + found;
        match EncodedWord::read(&text[begin..]) {
            Some(word) if !word.payload.is_ascii() => {
                written.extend_from_slice(&text[given..begin]);
                word.write(&mut written);
                at = begin + word.length;
                given = at;
            }
            Some(word) => at = begin + word.length,
            None => at = begin + 2,
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

impl<'a> EncodedWord<'a> {
    /// The one that `text` begins with, on one line.
    fn read(text: &'a [u8]) -> Option<Self> {
        let charset = text.get(2..)?;
        let is_of_name = |byte: &u8| byte.is_ascii_graphic() && *byte != b'?';
        let name = charset.iter().take_while(|byte| is_of_name(byte)).count();
        let behind = charset.get(name..)?;
        if name == 0 || name > PAYLOAD_BYTES || !matches!(behind, [b'?', b'q' | b'Q', b'?', ..]) {
            return None;
        }
        let (front, rest) = text.split_at(2 + name + 3);
        let end = memchr::memmem::find(rest, b"?=")?;
        let payload = &rest[..end];
        let is_one_line = memchr::memchr2(b'\r', b'\n', payload).is_none();
        is_one_line.then_some(Self {
            front,
            payload,
            length: front.len() + end + 2,
        })
    }

    fn is_in(&self, charset: &[u8]) -> bool {
        let named = &self.front[2..self.front.len() - 3];
        named.eq_ignore_ascii_case(charset)
    }

    /// In other character sets a cut could fall into a letter.
    fn has_a_byte_for_a_letter(&self) -> bool {
        let named = self.front[2..].to_ascii_lowercase();
        let families: [&[u8]; 5] = [
            b"iso-8859-",
            b"windows-125",
            b"us-ascii",
            b"koi8-",
            b"cp125",
        ];
        families.iter().any(|family| named.starts_with(family))
    }

    /// Writes it, and where it gets long several in a row, which are shown as one.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.front);
        let mut length = 0;
        let is_utf8 = std::str::from_utf8(self.payload).is_ok();
        let may_be_cut = self.has_a_byte_for_a_letter() || is_utf8 && self.is_in(b"utf-8");
        let mut rest = self.payload;
        while let Some(&byte) = rest.first() {
            // What stands for one byte, and so for a part of a letter at most.
            let unit = match rest {
                [b'=', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => 3,
                _ => 1,
            };
            let is_within_letter = is_utf8 && unit == 1 && (0x80..0xc0).contains(&byte);
            if may_be_cut && length > PAYLOAD_BYTES && unit == 1 && !is_within_letter {
                out.extend_from_slice(b"?= ");
                out.extend_from_slice(self.front);
                length = 0;
            }
            let before = out.len();
            match byte {
                _ if unit == 3 => out.extend_from_slice(&rest[..3]),
                b' ' => out.push(b'_'),
                b'!'..=b'~' => out.push(byte),
                _ => out.extend_from_slice(format!("={byte:02X}").as_bytes()),
            }
            length += out.len() - before;
            rest = &rest[unit..];
        }
        out.extend_from_slice(b"?=");
    }
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
}
