//! The lexer of paths and mailboxes: where a bracket closes, where the `@` is, where a mailbox ends.
//!
//! It is ours because the text of a path goes into our own commands again: what is accepted here must
//! mean the same to every reader behind us.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits::{self, DOMAIN_BYTES, LOCAL_PART_BYTES, PATH_BYTES};

/// What separates words: a blank (RFC 5321 §4.1.1), and the tab that some clients write for it.
pub(super) const BLANKS: [char; 2] = [' ', '\t'];

/// A mailbox found at the front of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LexedMailbox {
    /// Offset of the `@` between local part and domain.
    pub(super) at: usize,
    /// Bytes of the whole mailbox.
    pub(super) length: usize,
}

/// Reads a mailbox at the front of `text`: `Local-part "@" ( Domain / address-literal )`.
pub(super) fn mailbox(text: &str) -> Result<LexedMailbox, PathError> {
    let at = local_part(text)?;
    let host = text[at..].strip_prefix('@').ok_or(PathError::Syntax)?;
    let host_length = match host.starts_with('[') {
        true => address_literal(host)?,
        false => domain(host)?,
    };
    let length = at + 1 + host_length;
    // The two brackets count, RFC 5321 §4.5.3.1.3.
    if at > LOCAL_PART_BYTES || host_length > DOMAIN_BYTES || length + 2 > PATH_BYTES {
        return Err(PathError::TooLong);
    }
    Ok(LexedMailbox { at, length })
}

/// Splits `<inner>rest`. A bracket inside a quoted string does not close the path. Blanks beside the brackets do
/// not count, and without brackets a mailbox ends where it ends: clients write both, and every server takes them.
pub(super) fn enclosed(text: &str) -> Result<(&str, &str), PathError> {
    let Some(inner) = text.strip_prefix('<') else {
        return Ok(text.split_at(mailbox(text)?.length));
    };
    let mut quoted = false;
    let mut escaped = false;
    for (offset, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => {
                let (path, rest) = (&inner[..offset], &inner[offset + 1..]);
                return Ok((path.trim_matches(BLANKS), rest));
            }
            _ => {}
        }
    }
    Err(PathError::Syntax)
}

/// Bytes of the local part at the front of `text`: a dot-string or a quoted string.
fn local_part(text: &str) -> Result<usize, PathError> {
    if text.starts_with('"') {
        return quoted_string(text);
    }
    let length = text
        .find(|letter| !is_atom_letter(letter) && letter != '.')
        .unwrap_or(text.len());
    // RFC 5321 §4.1.2 has a word around each dot. Mail operators gave addresses to people that have none, and every
    // reader takes the dots for what they are.
    match length {
        0 => Err(PathError::Syntax),
        _ => Ok(length),
    }
}

/// Bytes of the quoted string at the front of `text`, both quotes included.
fn quoted_string(text: &str) -> Result<usize, PathError> {
    let mut escaped = false;
    for (offset, letter) in text.char_indices().skip(1) {
        match letter {
            // A quoted pair holds graphic ASCII or a space, nothing else (quoted-pairSMTP).
            ' '..='~' if escaped => escaped = false,
            '\\' if !escaped => escaped = true,
            '"' => return Ok(offset + 1),
            ' '..='~' => {}
            _ if !escaped && is_foreign_letter(letter) => {}
            _ => return Err(PathError::Syntax),
        }
    }
    Err(PathError::Syntax)
}

/// Bytes of the domain at the front of `text`.
fn domain(text: &str) -> Result<usize, PathError> {
    let length = text
        .find(|letter| !is_label_letter(letter) && letter != '.')
        .unwrap_or(text.len());
    for label in text[..length].split('.') {
        if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
            return Err(PathError::Syntax);
        }
        if label.len() > limits::LABEL_BYTES {
            return Err(PathError::TooLong);
        }
    }
    Ok(length)
}

/// Bytes of the address literal at the front of `text`, RFC 5321 §4.1.3. Of the tagged forms only
/// `IPv6:` was ever registered, so only that one is taken.
fn address_literal(text: &str) -> Result<usize, PathError> {
    let end = text.find(']').ok_or(PathError::Syntax)?;
    let address = &text[1..end];
    let valid = match address.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => {
            address.parse::<Ipv6Addr>().is_ok()
        }
        _ => address.parse::<Ipv4Addr>().is_ok(),
    };
    valid.then_some(end + 1).ok_or(PathError::Syntax)
}

/// atext of RFC 5322 §3.2.3, widened by RFC 6531 §3.3.
fn is_atom_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(letter)
        || is_foreign_letter(letter)
}

/// Letters, digits and hyphens; the underscore too, which no registry sells but which the names of
/// machines inside a network, and so their senders' addresses, do hold.
fn is_label_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_') || is_foreign_letter(letter)
}

/// UTF8-non-ascii of RFC 6531 §3.3 without its controls and blanks, which are invisible.
fn is_foreign_letter(letter: char) -> bool {
    !letter.is_ascii() && !letter.is_control() && !letter.is_whitespace()
}

/// Why a path is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not a mailbox of RFC 5321 §4.1.2.
    #[error("not a valid address")]
    Syntax,
    /// `<>` where a mailbox is needed.
    #[error("the address is empty")]
    Empty,
    /// `<@one,@two:user@three>`, which RFC 5321 §3.6.1 lets a server refuse.
    #[error("source routes are not accepted")]
    SourceRoute,
    /// Letters outside ASCII, and no SMTPUTF8 (RFC 6531 §3.4), or bytes that are not UTF-8.
    #[error("letters outside ASCII need SMTPUTF8")]
    NonAscii,
    /// Longer than RFC 5321 §4.5.3.1 lets a path, a domain or a label be.
    #[error("the address is too long")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Result<(&str, &str), PathError>) {
        let halves =
            mailbox(text).map(|lexed| (&text[..lexed.at], &text[lexed.at + 1..lexed.length]));
        assert_eq!(halves, expected, "{text}");
    }

    #[test]
    fn good_mailboxes() {
        check("user@example.org", Ok(("user", "example.org")));
        check("a.b.c@localhost", Ok(("a.b.c", "localhost")));
        check("a..b@x", Ok(("a..b", "x")));
        check(".a.@x", Ok((".a.", "x")));
        check("!#$%&'*+-/=?^_`{|}~@x", Ok(("!#$%&'*+-/=?^_`{|}~", "x")));
        check("u@3com.example", Ok(("u", "3com.example")));
        check("u@my_host.example", Ok(("u", "my_host.example")));
        check(
            "u@xn--bcher-kva.example",
            Ok(("u", "xn--bcher-kva.example")),
        );
        check("u@[192.0.2.1]", Ok(("u", "[192.0.2.1]")));
        check("u@[IPv6:2001:db8::1]", Ok(("u", "[IPv6:2001:db8::1]")));
        check(
            "u@[ipv6:::ffff:192.0.2.1]",
            Ok(("u", "[ipv6:::ffff:192.0.2.1]")),
        );
        check(r#""a b"@x"#, Ok((r#""a b""#, "x")));
        check(r#"""@x"#, Ok((r#""""#, "x")));
        check(r#""a\"b"@x"#, Ok((r#""a\"b""#, "x")));
        check(r#""a\\"@x"#, Ok((r#""a\\""#, "x")));
        check(r#""x> SIZE=1"@d"#, Ok((r#""x> SIZE=1""#, "d")));
        check("Bücher@bücher.example", Ok(("Bücher", "bücher.example")));
        check(r#""ü ü"@x"#, Ok((r#""ü ü""#, "x")));
        // Only the front is read.
        check("u@x> SIZE=1", Ok(("u", "x")));
    }

    #[test]
    fn bad_mailboxes() {
        for text in [
            "",
            "@",
            "user",
            "@example.org",
            "user@",
            "user@@x",
            "a b@x",
            "a\tb@x",
            "a\u{0}b@x",
            "a\u{85}b@x",
            "a\u{a0}b@x",
            "u@-x",
            "u@x-",
            "u@x..y",
            "u@.x",
            "u@x.",
            "u@[192.0.2.1",
            "u@[192.0.2.256]",
            "u@[]",
            "u@[IPv6:192.0.2.1]",
            "u@[2001:db8::1]",
            "u@[x-tag:y]",
            "u@[ü]",
            "\"a@x",
            "\"a\"b@x",
            "\"a\\\"@x",
            "\"a\rb\"@x",
            "\"a\\\nb\"@x",
            "\"a\\ü\"@x",
            "a\"b\"@x",
            "(c)u@x",
            "u@(c)x",
        ] {
            check(text, Err(PathError::Syntax));
        }
    }

    #[test]
    fn long_mailboxes() {
        let label = "d".repeat(63);
        let host = format!("{label}.{label}.{label}");
        // 191 bytes of domain, the `@` and two brackets leave 62 for the local part.
        assert!(mailbox(&format!("{}@{host}", "l".repeat(62))).is_ok());
        check(
            &format!("{}@{host}", "l".repeat(63)),
            Err(PathError::TooLong),
        );
        check(&format!("u@d{label}"), Err(PathError::TooLong));
        // Senders that encode a recipient in their address go beyond 64 bytes.
        assert!(mailbox(&format!("{}@x", "l".repeat(150))).is_ok());
        check(&format!("{}@x", "l".repeat(300)), Err(PathError::TooLong));
    }

    #[test]
    fn brackets() {
        for (text, expected) in [
            ("<>", Ok(("", ""))),
            ("<a@b> X", Ok(("a@b", " X"))),
            (r#"<"a>b"@c>d"#, Ok((r#""a>b"@c"#, "d"))),
            (r#"<"a\">"@c>"#, Ok((r#""a\">"@c"#, ""))),
            // Clients put blanks there, or no brackets at all.
            ("< a@b\t> X", Ok(("a@b", " X"))),
            ("a@b X", Ok(("a@b", " X"))),
            ("a", Err(PathError::Syntax)),
            ("", Err(PathError::Syntax)),
            ("<a@b", Err(PathError::Syntax)),
            (r#"<"a@b>"#, Err(PathError::Syntax)),
        ] {
            assert_eq!(enclosed(text), expected, "{text}");
        }
    }

    proptest! {
        /// Whatever is accepted, put into brackets, is found whole again: nothing in it closes the path.
        #[test]
        fn an_accepted_mailbox_cannot_close_its_path(text in r#"["a-c\\@>.! ü]{1,12}@x"#) {
            if let Ok(lexed) = mailbox(&text) {
                let path = format!("<{}> SIZE=1", &text[..lexed.length]);
                prop_assert_eq!(enclosed(&path), Ok((&text[..lexed.length], " SIZE=1")));
                prop_assert!(!text[..lexed.length].contains(['\r', '\n', '\0']));
            }
        }
    }
}
