//! Content-Transfer-Encoding: RFC 2045 §6.

use std::borrow::Cow;

use super::lexical::token;

/// What Content-Transfer-Encoding says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TransferEncoding {
    QuotedPrintable,
    Base64,
    /// The content has no lines: RFC 2045 §2.9.
    Binary,
    /// 7bit and 8bit, nothing, and words that mean the same to readers, such as misspelled ones.
    #[default]
    Identity,
    /// One that is not MIME's: what it stands for only readers know that know it.
    Foreign,
}

impl TransferEncoding {
    /// The encoding that the body of a field names. None: it names none.
    pub(super) fn named(body: &[u8]) -> Option<Self> {
        Some(match token(body).to_ascii_lowercase().as_slice() {
            b"" => return None,
            b"quoted-printable" => Self::QuotedPrintable,
            b"base64" => Self::Base64,
            b"binary" => Self::Binary,
            token if is_no_encoding(token) => Self::Identity,
            _ => Self::Foreign,
        })
    }

    pub(crate) fn is_encoded(self) -> bool {
        matches!(self, Self::QuotedPrintable | Self::Base64)
    }

    /// The bytes behind the encoding; one that is not MIME's leaves them as they are. What is broken loses no more
    /// than what is broken: §6.7 and §6.8 have readers go on.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Base64 => base64(bytes).into(),
            Self::QuotedPrintable => {
                let mut decoded = Vec::with_capacity(bytes.len());
                unescape(b'=', bytes, &mut decoded);
                decoded.into()
            }
            Self::Binary | Self::Identity | Self::Foreign => bytes.into(),
        }
    }
}

/// What says in whatever words that the content stands there as it is: 7bit and 8bit in all their spellings, and
/// the name of a character set.
fn is_no_encoding(token: &[u8]) -> bool {
    const OTHERS: &str = "none text plain raw ascii us-ascii identity ansi";
    const BEGINNINGS: &str = "7 8 utf iso-8859 windows- unicode";
    let mut others = OTHERS.split(' ').map(str::as_bytes);
    let mut beginnings = BEGINNINGS.split(' ').map(str::as_bytes);
    others.any(|other| token == other) || beginnings.any(|begins| token.starts_with(begins))
}

/// RFC 2045 §6.8: what is not of the alphabet is left out, and padding may be in the middle where
/// two texts were put together.
fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
    let mut collected: u32 = 0;
    let mut digits = 0;
    for &byte in bytes {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                end_of_base64(collected, digits, &mut decoded);
                (collected, digits) = (0, 0);
                continue;
            }
            _ => continue,
        };
        collected = collected << 6 | u32::from(digit);
        digits += 1;
        if digits == 4 {
            decoded.extend_from_slice(&collected.to_be_bytes()[1..]);
            (collected, digits) = (0, 0);
        }
    }
    end_of_base64(collected, digits, &mut decoded);
    decoded
}

/// The bytes that two or three digits stand for.
fn end_of_base64(collected: u32, digits: u32, decoded: &mut Vec<u8>) {
    if digits > 1 {
        let bytes = (collected << (6 * (4 - digits))).to_be_bytes();
        decoded.extend_from_slice(&bytes[1..digits as usize]);
    }
}

/// Puts the bytes behind `sign` and two hexadecimal digits, and all others, behind `decoded`. The sign at the
/// end of a line joins it with the next one (RFC 2045 §6.7); any other stays.
pub(super) fn unescape(sign: u8, bytes: &[u8], decoded: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(sign, rest) {
        decoded.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(byte) = hexadecimal(rest) {
            decoded.push(byte);
            rest = &rest[2..];
        } else if let Some(behind) = behind_line_end(rest) {
            rest = behind;
        } else {
            decoded.push(sign);
        }
    }
    decoded.extend_from_slice(rest);
}

fn hexadecimal(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (high, low) = (digit(bytes.first()?)?, digit(bytes.get(1)?)?);
    u8::try_from(high << 4 | low).ok()
}

/// What follows the line end that only blanks stand before; RFC 2045 §6.7 (3): they were added on the way.
fn behind_line_end(bytes: &[u8]) -> Option<&[u8]> {
    let blanks = bytes.iter().take_while(|byte| b" \t\r".contains(byte));
    let blanks = blanks.count();
    bytes[blanks..].strip_prefix(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoding: TransferEncoding, encoded: &[u8], expected: &[u8]) {
        let decoded = encoding.decode(encoded);
        assert_eq!(&*decoded, expected, "{}", encoded.escape_ascii());
    }

    #[test]
    fn base64_is_decoded_whatever_stands_in_it() {
        let base64 = TransferEncoding::Base64;
        check(base64, b"", b"");
        check(base64, b"YQ==", b"a");
        check(base64, b"YWI=\r\n", b"ab");
        check(base64, b"YW\r\nJj", b"abc");
        check(base64, b"Y!W-J.j", b"abc");
        check(base64, b"YQ==YmM=", b"abc");
        check(base64, b"YWJjZ", b"abc");
        check(base64, b"YWJjZA", b"abcd");
        check(base64, b"====", b"");
    }

    #[test]
    fn quoted_printable_is_decoded_whatever_stands_in_it() {
        let quoted = TransferEncoding::QuotedPrintable;
        check(quoted, b"a=3Db=\r\nc= \t\r\nd=\ne", b"a=bcde");
        check(quoted, b"a=3d=zz=4", b"a==zz=4");
        check(quoted, b"=", b"=");
    }

    #[test]
    fn encodings_are_known_by_their_names() {
        for (body, expected) in [
            (" BASE64 (really)\r\n", Some(TransferEncoding::Base64)),
            (
                "\r\n quoted-printable; x=y",
                Some(TransferEncoding::QuotedPrintable),
            ),
            ("binary", Some(TransferEncoding::Binary)),
            ("8 bit", Some(TransferEncoding::Identity)),
            ("utf-8", Some(TransferEncoding::Identity)),
            ("x-uuencode", Some(TransferEncoding::Foreign)),
            (" (nothing)", Some(TransferEncoding::Foreign)),
            (" \r\n", None),
        ] {
            assert_eq!(TransferEncoding::named(body.as_bytes()), expected, "{body}");
        }
    }
}
