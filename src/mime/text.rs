//! From the bytes of a part to its text: transfer encodings and character sets.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// RFC 2045 §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferEncoding {
    /// 7bit, 8bit, binary, and whatever nobody knows.
    Identity,
    Base64,
    QuotedPrintable,
}

impl TransferEncoding {
    /// The bytes behind the encoding. What is broken loses no more than what is broken: RFC 2045 §6.7 and
    /// §6.8 have readers go on.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => bytes.into(),
            Self::Base64 => base64(bytes).into(),
            Self::QuotedPrintable => {
                let mut decoded = Vec::with_capacity(bytes.len());
                unescape(b'=', bytes, &mut decoded);
                decoded.into()
            }
        }
    }
}

/// RFC 2045 §6.8: what is not of the alphabet is left out, and padding may stand in the middle where
/// somebody has put two texts together.
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
pub(crate) fn unescape(sign: u8, bytes: &[u8], decoded: &mut Vec<u8>) {
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

/// The text that bytes stand for, with `\n` at the end of lines. Without a character set, with `us-ascii`, or
/// with one that nobody knows they are UTF-8, or Latin-1 when they are not.
pub(crate) fn of(bytes: &[u8], charset: Option<&str>) -> String {
    let label = charset.map_or("", |charset| charset.trim());
    let says_nothing = ["", "us-ascii", "ascii"]
        .iter()
        .any(|plain| label.eq_ignore_ascii_case(plain));
    let known = Encoding::for_label_no_replacement(label.as_bytes());
    let text = match (known, str::from_utf8(bytes)) {
        (Some(encoding), _) if !says_nothing => encoding.decode(bytes).0,
        (_, Ok(text)) => text.into(),
        _ => encoding_rs::WINDOWS_1252.decode(bytes).0,
    };
    match (memchr::memchr(b'\r', text.as_bytes()), text) {
        (None, text) => text.into_owned(),
        (Some(_), Cow::Borrowed(text)) => text.replace("\r\n", "\n"),
        (Some(first), Cow::Owned(text)) => without_carriage_returns(text, first),
    }
}

/// The same in its place, so that there are no two copies of it; a CR without a LF stays. `first` is where
/// the first one stands.
fn without_carriage_returns(text: String, first: usize) -> String {
    let mut bytes = text.into_bytes();
    let mut end = first;
    for at in first..bytes.len() {
        if !bytes[at..].starts_with(b"\r\n") {
            bytes[end] = bytes[at];
            end += 1;
        }
    }
    bytes.truncate(end);
    String::from_utf8(bytes).expect("only ASCII was taken out")
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
    fn character_sets_are_decoded() {
        let check = |bytes: &[u8], charset: Option<&str>, expected: &str| {
            assert_eq!(of(bytes, charset), expected, "{charset:?}");
        };
        check(b"a\r\nb", None, "a\nb");
        check(b"\r\n\xe4\r\n\r\rb\r\n\r", None, "\nä\n\r\rb\n\r");
        check("ä".as_bytes(), None, "ä");
        check(b"\xe4", None, "ä");
        check("ä".as_bytes(), Some("US-ASCII"), "ä");
        check("ä".as_bytes(), Some(" UTF-8 "), "ä");
        check(b"\xe4", Some("iso-8859-1"), "ä");
        check(b"a\xffb", Some("utf-8"), "a\u{fffd}b");
        check(b"\x92\x86\x93\xfa", Some("shift_jis"), "中日");
        check(b"h\0i\0", Some("utf-16le"), "hi");
        check(b"x", Some("klingon"), "x");
        // The browsers' “replacement” would hide the text.
        check(b"x", Some("hz-gb-2312"), "x");
    }
}
