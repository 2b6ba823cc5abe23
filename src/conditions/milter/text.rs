//! The text of a new body as a milter sends it, made what a client's content is made.

use bytes::BytesMut;

use crate::limits;
use crate::smtp::end_of_data::DataDecoder;

/// A text whose lines are made to end with CRLF, however it is cut. A line end that one server sees and
/// another does not is how mail is smuggled: it goes through the machine that clients' content goes through.
#[derive(Debug)]
pub(super) struct Text {
    decoder: DataDecoder,
    bytes: u64,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            decoder: DataDecoder::without_dots(),
            bytes: 0,
        }
    }
}

impl Text {
    /// The next part, in our form.
    ///
    /// # Errors
    /// When there is that in it for which a client's message is refused, in words that follow the milter's
    /// name.
    pub(super) fn next(&mut self, part: &[u8]) -> Result<BytesMut, String> {
        let mut block = BytesMut::with_capacity(part.len() + 1);
        let mut output = |bytes: &[u8]| block.extend_from_slice(bytes);
        self.decoder.decode(part, &mut output);
        self.bytes += block.len() as u64;
        let findings = self.decoder.findings();
        if findings.nuls > 0 {
            return Err("there is a NUL in its new body".to_owned());
        }
        if findings.longest_line_bytes > limits::TEXT_LINE_BYTES as u64 {
            return Err("a line of its new body is too long".to_owned());
        }
        Ok(block)
    }

    /// How many bytes there are by now.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the text ends with.
    pub(super) fn finish(self) -> BytesMut {
        let mut rest = BytesMut::new();
        self.decoder
            .finish(&mut |bytes| rest.extend_from_slice(bytes));
        rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made_of(parts: &[&[u8]]) -> Result<Vec<u8>, String> {
        let mut text = Text::default();
        let mut made = Vec::new();
        for part in parts {
            made.extend_from_slice(&text.next(part)?);
        }
        assert_eq!(text.bytes(), made.len() as u64);
        made.extend_from_slice(&text.finish());
        Ok(made)
    }

    #[test]
    fn line_ends_are_made_ours() {
        for (parts, expected) in [
            (&[&b"a\r\nb\r\n"[..]][..], &b"a\r\nb\r\n"[..]),
            (&[b"a\n.\nb"], b"a\r\n.\r\nb\r\n"),
            (&[b"a\rb\r\r\n"], b"a b\r\n"),
            (&[b"a\r", b"\nb"], b"a\r\nb\r\n"),
            (&[b"a\r", b"b\r"], b"a b\r\n"),
            (&[], b""),
        ] {
            assert_eq!(made_of(parts).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_no_client_may_send_no_milter_may() {
        let nul = Err("there is a NUL in its new body".to_owned());
        assert_eq!(made_of(&[b"a", b"b\0c\r\n"]), nul);
        let line = vec![b'a'; limits::TEXT_LINE_BYTES];
        assert!(made_of(&[&line, b"\r\n", &line]).is_ok());
        let long = Err("a line of its new body is too long".to_owned());
        assert_eq!(made_of(&[&line, b"a"]), long);
    }

    proptest! {
        #[test]
        fn no_line_end_is_bare(parts in prop::collection::vec("[a\r\n]{0,5}", 0..5)) {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            let text = String::from_utf8(made_of(&parts).expect("text")).expect("text");
            let rest = text.replace("\r\n", "");
            prop_assert!(!rest.contains(['\r', '\n']), "{text:?}");
            prop_assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
            // However it is cut, it comes out the same.
            prop_assert_eq!(Ok(text.into_bytes()), made_of(&[&parts.concat()]));
        }
    }
}
