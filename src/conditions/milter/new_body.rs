//! A new body as a milter sends it, made what a client's content is made.

use bytes::{Bytes, BytesMut};

use crate::limits;
use crate::smtp::bdat::BdatNormaliser;

/// A text whose lines are made to end with CRLF, however it is cut. A line end that one server sees and
/// another does not is how mail is smuggled: it goes through the machine that clients' content goes through.
#[derive(Debug, Default)]
pub(super) struct NewBody {
    normaliser: BdatNormaliser,
    blocks: Vec<Bytes>,
    bytes: u64,
}

impl NewBody {
    /// Adds the next part.
    ///
    /// # Errors
    /// When there is that in it for which a client's message is refused, in words that follow the milter's
    /// name.
    pub(super) fn add(&mut self, part: &[u8]) -> Result<(), String> {
        let mut block = BytesMut::with_capacity(part.len());
        let mut output = |bytes: &[u8]| block.extend_from_slice(bytes);
        self.normaliser.decode(part, &mut output);
        self.push(block.freeze());
        let findings = self.normaliser.findings();
        if findings.nuls > 0 {
            return Err("there is a NUL in its new body".to_owned());
        }
        if findings.longest_line_bytes > limits::TEXT_LINE_BYTES as u64 {
            return Err("a line of its new body is too long".to_owned());
        }
        Ok(())
    }

    /// How many there are by now.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn push(&mut self, block: Bytes) {
        self.bytes += block.len() as u64;
        if !block.is_empty() {
            self.blocks.push(block);
        }
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> Vec<Bytes> {
        let mut rest = BytesMut::new();
        let normaliser = std::mem::take(&mut self.normaliser);
        normaliser.finish(&mut |bytes| rest.extend_from_slice(bytes));
        self.push(rest.freeze());
        self.blocks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made_of(parts: &[&[u8]]) -> Result<Vec<u8>, String> {
        let mut body = NewBody::default();
        for part in parts {
            body.add(part)?;
        }
        let bytes = body.bytes();
        let text = body.finish().concat();
        assert!(bytes <= text.len() as u64);
        Ok(text)
    }

    #[test]
    fn line_ends_are_made_ours() {
        for (parts, expected) in [
            (&[&b"a\r\nb\r\n"[..]][..], &b"a\r\nb\r\n"[..]),
            (&[b"a\n.\nb"], b"a\r\n.\r\nb\r\n"),
            (&[b"a\rb\r\r\n"], b"a b \r\n"),
            (&[b"a\r", b"\nb"], b"a\r\nb\r\n"),
            (&[b"a\r", b"b\r"], b"a b \r\n"),
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
