//! xtext, the quoting of parameter values in RFC 3461 §4: graphic ASCII is itself, all else is `+XX`.

/// The bytes that are not quoted: graphic ASCII but `+` and `=`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'+' && byte != b'='
}

/// Writes an address with letters beyond ASCII as RFC 6533 §3 has it in a parameter or field of ASCII
/// (`utf-8-addr-xtext`): those letters, and what has a meaning there, as `\\x{FC}`.
pub fn encode_letters(address: &str) -> String {
    in_braces(address, |letter| {
        letter.is_ascii_graphic() && !matches!(letter, '+' | '=' | '\\')
    })
}

/// Writes letters beyond ASCII so, and leaves all else as it is, such as letters that are written so
/// already.
pub fn letters_in_ascii(text: &str) -> String {
    in_braces(text, |letter| matches!(letter, ' '..='~'))
}

fn in_braces(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        if stays(letter) {
            written.push(letter);
        } else {
            written.push_str(&format!("\\x{{{:02X}}}", u32::from(letter)));
        }
    }
    written
}

/// Reads xtext. None: it is not xtext, or not of UTF-8.
pub fn decode(xtext: &str) -> Option<String> {
    String::from_utf8(decode_bytes(xtext)?).ok()
}

/// Reads xtext of any bytes. None: it is not xtext.
pub(super) fn decode_bytes(xtext: &str) -> Option<Vec<u8>> {
    bytes_of(xtext).collect()
}

/// Whether `xtext` may be written into a command as it is.
pub fn is_valid(xtext: &str) -> bool {
    bytes_of(xtext).all(|byte| byte.is_some())
}

/// The bytes that `xtext` stands for; none where it is not xtext.
fn bytes_of(xtext: &str) -> impl Iterator<Item = Option<u8>> {
    let mut bytes = xtext.bytes();
    std::iter::from_fn(move || {
        let byte = bytes.next()?;
        let mut digit = || bytes.next().and_then(hex_digit);
        Some(match byte {
            b'+' => digit().zip(digit()).map(|(high, low)| high << 4 | low),
            _ => Some(byte).filter(|byte| is_plain(*byte)),
        })
    })
}

/// The RFC asks for upper case; lower case is understood, since some senders write it.
fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::fuzzing::xtext_of as encode;
    use proptest::prelude::*;

    #[test]
    fn examples() {
        for (text, xtext) in [
            ("", ""),
            ("user@example.org", "user@example.org"),
            ("a+b=c d", "a+2Bb+3Dc+20d"),
            ("ü\r\n", "+C3+BC+0D+0A"),
        ] {
            assert_eq!(encode(text), xtext);
            assert_eq!(decode(xtext).as_deref(), Some(text));
        }
        assert_eq!(decode("a+2bc").as_deref(), Some("a+c"));
    }

    #[test]
    fn letters_beyond_ascii_in_ascii() {
        for (text, encoded, only_letters) in [
            ("a@b.test", "a@b.test", "a@b.test"),
            (
                "jörg+x@dömäne.test",
                r"j\x{F6}rg\x{2B}x@d\x{F6}m\x{E4}ne.test",
                r"j\x{F6}rg+x@d\x{F6}m\x{E4}ne.test",
            ),
            (
                "収@例え.test",
                r"\x{53CE}@\x{4F8B}\x{3048}.test",
                r"\x{53CE}@\x{4F8B}\x{3048}.test",
            ),
            (r"\x{FC}\t", r"\x{5C}x{FC}\x{5C}t", r"\x{FC}\t"),
            ("\"a b\"@c", "\"a\\x{20}b\"@c", "\"a b\"@c"),
            ("a\r\nX: y", r"a\x{0D}\x{0A}X:\x{20}y", r"a\x{0D}\x{0A}X: y"),
        ] {
            assert_eq!(encode_letters(text), encoded);
            assert_eq!(letters_in_ascii(text), only_letters);
        }
    }

    #[test]
    fn what_is_no_xtext() {
        for xtext in ["+", "+2", "+2G", "a b", "a=b", "ü", "a\r\nb", "+-1"] {
            assert_eq!(decode(xtext), None, "{xtext}");
            assert!(!is_valid(xtext), "{xtext}");
        }
        // Valid, but not of UTF-8.
        assert!(is_valid("+FF"));
        assert_eq!(decode("+FF"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_can_be_decoded(text in any::<String>()) {
            let xtext = encode(&text);
            prop_assert!(is_valid(&xtext));
            prop_assert_eq!(decode(&xtext), Some(text));
        }
    }
}
