//! Bodies that arrive by BDAT (RFC 3030): no dots and no end mark, the same canonical lines.

use super::end_of_data::{DataDecoder, DataFindings};

/// Turns the chunks of one message into canonical content.
///
/// We do not offer BINARYMIME, so what comes is text and its lines end with CRLF; a CRLF may lie across
/// two chunks.
#[derive(Debug)]
pub struct BdatNormaliser {
    decoder: DataDecoder,
}

impl Default for BdatNormaliser {
    fn default() -> BdatNormaliser {
        BdatNormaliser::new()
    }
}

impl BdatNormaliser {
    /// The normaliser for one message, over all its chunks.
    pub fn new() -> BdatNormaliser {
        BdatNormaliser {
            decoder: DataDecoder::without_dots(),
        }
    }

    /// Takes the next bytes of a chunk, all of them, and gives their canonical form to `output`.
    pub fn decode(&mut self, input: &[u8], output: &mut dyn FnMut(&[u8])) {
        self.decoder.decode(input, output);
    }

    /// What was found so far.
    pub fn findings(&self) -> DataFindings {
        self.decoder.findings()
    }

    /// Ends the message: adds the final CRLF if it lacks, because DATA at the next hop needs it.
    pub fn finish(self, output: &mut dyn FnMut(&[u8])) -> DataFindings {
        self.decoder.finish(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        for cut in 0..=input.len() {
            let mut normaliser = BdatNormaliser::new();
            let mut content = Vec::new();
            let mut output = |bytes: &[u8]| content.extend_from_slice(bytes);
            normaliser.decode(&input.as_bytes()[..cut], &mut output);
            normaliser.decode(&input.as_bytes()[cut..], &mut output);
            normaliser.finish(&mut output);
            assert_eq!(
                content.escape_ascii().to_string(),
                expected.as_bytes().escape_ascii().to_string(),
                "{input:?} cut at {cut}"
            );
        }
    }

    #[test]
    fn chunks_become_canonical() {
        check("", "");
        check("a\r\n", "a\r\n");
        check("a", "a\r\n");
        check("a\r", "a\r\n");
        check("a\r\rb\r\r\n", "a b\r\n");
        check("a\nb", "a\r\nb\r\n");
        check("a\n", "a\r\n");
        check("\n", "\r\n");
        check(".\r\n..a\r\n.", ".\r\n..a\r\n.\r\n");
        check("a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n");
    }

    #[test]
    fn a_last_carriage_return_is_counted() {
        let mut normaliser = BdatNormaliser::new();
        normaliser.decode(b"a\r", &mut |_| ());
        let findings = normaliser.finish(&mut |_| ());
        assert_eq!(findings.bare_carriage_returns, 1);
        assert_eq!(findings.longest_line_bytes, 1);
    }
}
