//! What can still be read of a damaged message: the fields at its beginning, up to the first that is none.

/// The header fields at the beginning of `text` that are whole and look like header fields, with their
/// line ends. It ends before the empty line, and before the first line that is something else: a block of
/// zeros, half a field at the end of a file that was cut.
#[must_use]
pub fn legible_header(text: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let Some(words) = line.strip_suffix(b"\r\n") else {
            break;
        };
        let is_legible = words
            .iter()
            .all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7f);
        let is_folded = end > 0 && matches!(words.first(), Some(b' ' | b'\t'));
        if !is_legible || !(is_folded || begins_field(words)) {
            break;
        }
        end += line.len();
    }
    &text[..end]
}

/// A name and a colon, RFC 5322 §2.2.
fn begins_field(line: &[u8]) -> bool {
    let colon = memchr::memchr(b':', line);
    colon.is_some_and(|colon| colon > 0 && line[..colon].iter().all(u8::is_ascii_graphic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_where_it_cannot_be_read() {
        let whole = b"From: a\r\nSubject: x\r\n y\r\nX-Letters: \xc3\xbc\r\n";
        for (text, readable) in [
            (&b""[..], 0),
            (whole, whole.len()),
            (b"From: a\r\n\r\nTo: b\r\n", 9),
            (b"From: a\r\nSubj", 9),
            (b"From: a\r\nSubject: \0\0\r\nTo: b\r\n", 9),
            (b"From: a\r\nno field\r\nTo: b\r\n", 9),
            (b"From: a\r\n: nameless\r\n", 9),
            (b"From: a\nTo: b\r\n", 0),
            (b"\0\0\0\0\0\0", 0),
            (b" folded: but what?\r\n", 0),
            (b"\tfolded: but what?\r\n", 0),
            (b"From: a\r\n\tb\r\n", 13),
        ] {
            assert_eq!(legible_header(text).len(), readable, "{text:?}");
        }
    }
}
