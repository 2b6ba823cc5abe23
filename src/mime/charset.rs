//! From bytes to text, by the character set that they are in: RFC 2045 §5.2 and RFC 2046 §4.1.2.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};

/// Whether this is the name of a character set that can be decoded.
pub(crate) fn is_known(charset: &[u8]) -> bool {
    Encoding::for_label_no_replacement(charset).is_some()
}

/// Whether each byte is a letter of its own in this character set.
pub(crate) fn is_single_byte(charset: &[u8]) -> bool {
    Encoding::for_label_no_replacement(charset).is_some_and(Encoding::is_single_byte)
}

/// The text that bytes stand for, with `\n` at the end of lines. Without a character set, with `us-ascii`, or
/// with one that is unknown they are UTF-8, and those that are not are Windows-1252, the Latin-1 of browsers.
pub(crate) fn text(bytes: &[u8], charset: Option<&[u8]>) -> String {
    let label = charset.unwrap_or_default().trim_ascii();
    let says_nothing = ["", "us-ascii", "ascii"]
        .iter()
        .any(|plain| label.eq_ignore_ascii_case(plain.as_bytes()));
    let known = Encoding::for_label_no_replacement(label);
    let text = match (known, str::from_utf8(bytes)) {
        (Some(encoding), _) if !says_nothing => encoding.decode(bytes).0,
        (_, Ok(text)) => text.into(),
        _ if Encoding::for_bom(bytes).is_some() => WINDOWS_1252.decode(bytes).0,
        _ => mixed(bytes).into(),
    };
    match (memchr::memchr(b'\r', text.as_bytes()), text) {
        (None, text) => text.into_owned(),
        (Some(_), Cow::Borrowed(text)) => text.replace("\r\n", "\n"),
        (Some(first), Cow::Owned(text)) => without_carriage_returns(text, first),
    }
}

/// UTF-8 with other bytes among it: one of these must not turn the letters around it into others.
fn mixed(bytes: &[u8]) -> String {
    let others = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let mut text = String::with_capacity(bytes.len() + 2 * others);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let other = WINDOWS_1252.decode_without_bom_handling(chunk.invalid());
        text.push_str(&other.0);
    }
    text
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

    #[test]
    fn character_sets_are_decoded() {
        let check = |bytes: &[u8], charset: Option<&str>, expected: &str| {
            let label = charset.map(str::as_bytes);
            assert_eq!(text(bytes, label), expected, "{charset:?}");
        };
        check(b"a\r\nb", None, "a\nb");
        check(b"\r\n\xe4\r\n\r\rb\r\n\r", None, "\nä\n\r\rb\n\r");
        check("ä".as_bytes(), None, "ä");
        check(b"\xc3\xa4 \xe4\xff \xc3", None, "ä äÿ Ã");
        check(b"\xff\xfeh\0i\0", None, "hi");
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
