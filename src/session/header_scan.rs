//! Looks at a message's header fields as they arrive: hops, and bytes above 127.

use memchr::memchr;

use crate::limits;

/// The beginning of the fields that count as hops, in lower case.
const RECEIVED: &[u8] = b"received:";

/// A scanner over canonical content, wherever it is cut. It looks at the header block only, and at no
/// more than [`limits::HEADER_BYTES`] of it.
#[derive(Debug, Default)]
pub(super) struct HeaderScan {
    /// Bytes looked at.
    seen: usize,
    /// Bytes of the present line without its CRLF, as far as they were compared.
    line_bytes: usize,
    /// The present line does not begin with [`RECEIVED`].
    differs: bool,
    /// The empty line was seen, or enough.
    ended: bool,
    /// Received fields so far.
    pub(super) hops: usize,
    /// Whether a field holds a byte above 127 (RFC 6532).
    pub(super) eight_bit: bool,
}

impl HeaderScan {
    /// Looks at the next bytes.
    pub(super) fn look(&mut self, content: &[u8]) {
        if self.ended {
            return;
        }
        let within = content.len().min(limits::HEADER_BYTES - self.seen);
        let mut rest = &content[..within];
        let mut header = within;
        while !rest.is_empty() && !self.ended {
            let end = memchr(b'\n', rest);
            let (piece, behind) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
            self.look_at_line(piece);
            if end.is_some() {
                self.end_line();
            }
            rest = behind;
            header = within - rest.len();
        }
        self.eight_bit |= !content[..header].is_ascii();
        self.seen += header;
        self.ended |= self.seen >= limits::HEADER_BYTES;
    }

    /// Compares as much of a line as there is with the field's name.
    fn look_at_line(&mut self, piece: &[u8]) {
        if self.differs || self.line_bytes == RECEIVED.len() {
            return;
        }
        let text = piece.iter().filter(|byte| !matches!(byte, b'\r' | b'\n'));
        for byte in text.take(RECEIVED.len() - self.line_bytes) {
            self.differs |= byte.to_ascii_lowercase() != RECEIVED[self.line_bytes];
            self.line_bytes += 1;
        }
        if !self.differs && self.line_bytes == RECEIVED.len() {
            self.hops += 1;
        }
    }

    fn end_line(&mut self) {
        self.ended = self.line_bytes == 0;
        self.line_bytes = 0;
        self.differs = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cut into two pieces gives the same.
    fn check(content: &[u8], hops: usize, eight_bit: bool) {
        for cut in 0..=content.len() {
            let mut scan = HeaderScan::default();
            scan.look(&content[..cut]);
            scan.look(&content[cut..]);
            let found = (scan.hops, scan.eight_bit);
            assert_eq!(
                found,
                (hops, eight_bit),
                "{} cut at {cut}",
                content.escape_ascii()
            );
        }
    }

    #[test]
    fn fields_are_counted_in_the_header_only() {
        check(b"", 0, false);
        check(b"\r\nReceived: a\r\n", 0, false);
        check(b"Received: a\r\n\r\n", 1, false);
        check(b"Received: a", 1, false);
        check(
            b"RECEIVED:a\r\nreceived: b\r\n c\r\n\r\nReceived: d\r\n",
            2,
            false,
        );
        check(
            b"X-Received: a\r\nReceive: b\r\nReceived-SPF: c\r\n Received: d\r\n",
            0,
            false,
        );
        check(b"A: b\r\nReceived:\r\nReceived:\r\n\r\n", 2, false);
    }

    #[test]
    fn eight_bit_bytes_count_in_the_header_only() {
        check("Subject: ä\r\n\r\nbody".as_bytes(), 0, true);
        check("Subject: a\r\n\r\nbödy".as_bytes(), 0, false);
        check("\r\nbödy".as_bytes(), 0, false);
    }

    #[test]
    fn an_endless_header_is_looked_at_up_to_the_bound() {
        let line = b"Received: a\r\n".repeat(1_000);
        let mut scan = HeaderScan::default();
        for _ in 0..100 {
            scan.look(&line);
        }
        assert_eq!(scan.seen, limits::HEADER_BYTES);
        assert!(scan.hops <= limits::HEADER_BYTES / 13 + 1);
    }
}
