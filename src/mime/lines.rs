//! Puts chunks that are cut anywhere together to lines.

use memchr::memchr;

use crate::limits;

/// The lines of one message.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The line that the last chunk ended in.
    begun: Vec<u8>,
}

impl Lines {
    /// Gives each line that ends in `chunk`, with its line end. A line beyond [`limits::WHOLE_LINE_BYTES`] comes in
    /// pieces, the first of which is longer than that.
    pub(crate) fn take(&mut self, chunk: &[u8], mut line: impl FnMut(&[u8])) {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let (whole, behind) = rest.split_at(end + 1);
            rest = behind;
            if self.begun.is_empty() {
                line(whole);
            } else {
                self.begun.extend_from_slice(whole);
                line(&self.begun);
                self.begun.clear();
            }
        }
        self.begun.extend_from_slice(rest);
        if self.begun.len() > limits::WHOLE_LINE_BYTES {
            line(&self.begun);
            self.begun.clear();
        }
    }

    /// The last line, if it has no line end.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        Some(self.begun).filter(|begun| !begun.is_empty())
    }
}

/// A line's text and its line end.
pub(crate) fn split_line_end(line: &[u8]) -> (&[u8], &'static [u8]) {
    if let Some(text) = line.strip_suffix(b"\r\n") {
        (text, b"\r\n")
    } else if let Some(text) = line.strip_suffix(b"\n") {
        (text, b"\n")
    } else {
        (line, b"")
    }
}
