//! Words, quoted strings and comments in structured fields: RFC 5322 §3.2.

/// A piece of a list of addresses, or of another structured field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AddressToken<'a> {
    Blanks(&'a [u8]),
    Comment(&'a [u8]),
    Quoted(&'a [u8]),
    /// One of `,;:<>`.
    Special(&'a [u8]),
    /// Anything else, up to one of these: atoms, dots and at signs.
    Word(&'a [u8]),
}

impl<'a> AddressToken<'a> {
    /// The one that `text` begins with, and what follows it.
    pub(crate) fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let is_special = |byte| matches!(byte, b',' | b';' | b':' | b'<' | b'>');
        let is_end = |byte| is_blank(byte) || is_special(byte) || matches!(byte, b'"' | b'(');
        let up_to = |is_so: &dyn Fn(u8) -> bool| split_where(text, is_so).0.len();
        let (token, length): (fn(&'a [u8]) -> Self, usize) = match *text.first()? {
            b'"' => (Self::Quoted, quoted_bytes(text)),
            b'(' => (Self::Comment, comment_bytes(text)),
            first if is_special(first) => (Self::Special, 1),
            first if is_blank(first) => (Self::Blanks, up_to(&|byte| !is_blank(byte))),
            _ => (Self::Word, up_to(&is_end)),
        };
        let (bytes, behind) = text.split_at_checked(length)?;
        Some((token(bytes), behind))
    }

    /// An address, or a part of one.
    pub(crate) fn is_of_address(self) -> bool {
        matches!(self, AddressToken::Word(word) if word.contains(&b'@'))
    }
}

/// What is before the first byte that is so, and the rest.
pub(crate) fn split_where(text: &[u8], is_so: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| is_so(*byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// A blank, or a byte of a line end.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// How long the quoted string is that `text` begins with: to the end, if it does not end.
pub(crate) fn quoted_bytes(text: &[u8]) -> usize {
    closing_quote(text).map_or(text.len(), |quote| quote + 1)
}

/// What the quoted string says that `text` begins with.
pub(crate) fn unquoted(text: &[u8]) -> Vec<u8> {
    let end = closing_quote(text).unwrap_or(text.len());
    unescaped(text.get(1..end).unwrap_or_default())
}

fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    let behind = text.iter().skip(1).position(|byte| {
        let ends = !is_escaped && *byte == b'"';
        is_escaped = !is_escaped && *byte == b'\\';
        ends
    });
    behind.map(|behind| behind + 1)
}

/// How long the comment is that `text` begins with: to the end, if it does not end. Comments may stand within it.
pub(crate) fn comment_bytes(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        match byte {
            b'(' if !is_escaped => depth += 1,
            b')' if !is_escaped => depth = depth.saturating_sub(1),
            _ => {}
        }
        is_escaped = !is_escaped && *byte == b'\\';
        depth == 0
    });
    end.map_or(text.len(), |end| end + 1)
}

/// Without the backslashes of quoted pairs and without line ends: §3.2.1.
pub(crate) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut is_escaped = false;
    let bytes = text.iter().copied();
    let bytes = bytes.filter(|byte| !matches!(byte, b'\r' | b'\n'));
    bytes
        .filter(|byte| {
            is_escaped = !is_escaped && *byte == b'\\';
            !is_escaped
        })
        .collect()
}

/// The first word of a field that may have comments and parameters behind it.
pub(crate) fn token(body: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b';' | b'(');
    let mut words = body.split(is_end);
    words.find(|word| !word.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_end_at_their_quote() {
        for (text, bytes, said) in [
            ("\"a b\" c", 5, "a b"),
            ("\" a\\\"\\\\\"b", 8, " a\"\\"),
            ("\"open", 5, "open"),
            ("\"a\\\"", 4, "a\""),
            ("\"a\r\n b\"", 7, "a b"),
            ("\"", 1, ""),
        ] {
            assert_eq!(quoted_bytes(text.as_bytes()), bytes, "{text}");
            assert_eq!(unquoted(text.as_bytes()), said.as_bytes(), "{text}");
        }
    }

    #[test]
    fn comments_may_hold_comments() {
        for (text, bytes) in [("(a (b\\)) c) d", 11), ("(a", 2), ("()(", 2), ("(\\", 2)] {
            assert_eq!(comment_bytes(text.as_bytes()), bytes, "{text}");
        }
    }
}
