//! The lines of a new body, put into the form that ours have.

use bytes::BytesMut;
use memchr::memchr2;

/// A text whose lines are made to end with CRLF. A line end that one server sees and another does not is
/// how mail is smuggled.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: u64,
    /// The last byte was a CR, whose LF may come yet.
    ends_in_cr: bool,
}

impl Lines {
    /// The next part of the text, however it is cut, in our form.
    pub(super) fn next(&mut self, part: &[u8]) -> BytesMut {
        let mut rest = part;
        let mut block = BytesMut::with_capacity(part.len() + 1);
        if self.ends_in_cr && !rest.is_empty() {
            block.extend_from_slice(b"\n");
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            self.ends_in_cr = false;
        }
        while let Some(at) = memchr2(b'\r', b'\n', rest) {
            block.extend_from_slice(&rest[..at]);
            if rest[at..] == *b"\r" {
                self.ends_in_cr = true;
                rest = &rest[at..];
                break;
            }
            block.extend_from_slice(b"\r\n");
            let end = if rest[at..].starts_with(b"\r\n") {
                2
            } else {
                1
            };
            rest = &rest[at + end..];
        }
        block.extend_from_slice(rest);
        self.bytes += block.len() as u64;
        block
    }

    /// How many there are by now.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the text ends with.
    pub(super) fn finish(self) -> &'static [u8] {
        match self.ends_in_cr {
            true => b"\n",
            false => b"",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<u8> {
        let mut lines = Lines::default();
        let mut text = Vec::new();
        for part in parts {
            text.extend_from_slice(&lines.next(part));
        }
        text.extend_from_slice(lines.finish());
        text
    }

    #[test]
    fn line_ends_are_made_ours() {
        for (parts, expected) in [
            (&[&b"a\r\nb\r\n"[..]][..], &b"a\r\nb\r\n"[..]),
            (&[b"a\n.\nb"], b"a\r\n.\r\nb"),
            (&[b"a\rb\r\r\n"], b"a\r\nb\r\n\r\n"),
            (&[b"a\r", b"\nb"], b"a\r\nb"),
            (&[b"a\r", b"b\r"], b"a\r\nb\r\n"),
            (&[], b""),
        ] {
            assert_eq!(lines(parts), expected);
        }
    }

    proptest! {
        #[test]
        fn no_line_end_is_bare(parts in prop::collection::vec("[a\r\n]{0,5}", 0..5)) {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            let text = String::from_utf8(lines(&parts)).expect("text");
            let rest = text.replace("\r\n", "");
            prop_assert!(!rest.contains(['\r', '\n']), "{text:?}");
            // However it is cut, it comes out the same.
            prop_assert_eq!(text.into_bytes(), lines(&[&parts.concat()]));
        }
    }
}
