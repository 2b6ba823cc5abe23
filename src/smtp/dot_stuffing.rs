//! Dot stuffing: canonical content becomes what goes on the wire after 354 (RFC 5321 §4.5.2), without a copy.

use memchr::memmem;

/// Stuffs the dots of one message, chunk after chunk.
#[derive(Debug)]
pub struct DotStuffer {
    /// The last two bytes so far; it begins as if behind a CRLF.
    last: [u8; 2],
}

impl Default for DotStuffer {
    fn default() -> DotStuffer {
        DotStuffer { last: *b"\r\n" }
    }
}

impl DotStuffer {
    /// Gives the pieces of `chunk` in their order, with a dot of its own before each that needs one.
    ///
    /// Content with many dots at line starts makes as many pieces: who gathers them for one vectored
    /// write bounds their number (IOV_MAX).
    pub fn stuff<'a>(&mut self, chunk: &'a [u8], mut piece: impl FnMut(&'a [u8])) {
        if chunk.is_empty() {
            return;
        }
        // A dot behind any LF is stuffed, canonical or not: a peer that takes a bare LF for a line end
        // must not find an end of data in our content.
        if self.last[1] == b'\n' && chunk[0] == b'.' {
            piece(b".");
        }
        let mut given = 0;
        for line_feed in memmem::find_iter(chunk, b"\n.") {
            piece(&chunk[given..=line_feed]);
            piece(b".");
            given = line_feed + 1;
        }
        piece(&chunk[given..]);
        self.last = match *chunk {
            [.., before, last] => [before, last],
            [last] => [self.last[1], last],
            [] => self.last,
        };
    }

    /// How long the front of `chunk` is that falls into no more than `most` pieces, of which there are four at
    /// least.
    pub fn front(chunk: &[u8], most: usize) -> usize {
        // One may come first and one comes last; each dot makes two.
        let dots = most.saturating_sub(2) / 2;
        let next = memmem::find_iter(chunk, b"\n.").nth(dots);
        next.map_or(chunk.len(), |line_feed| line_feed + 1)
    }

    /// The end of data: `.` and CRLF, after the CRLF that the content may lack.
    pub fn finish(self) -> &'static [u8] {
        match &self.last {
            b"\r\n" => b".\r\n",
            _ => b"\r\n.\r\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::end_of_data::DataDecoder;
    use proptest::prelude::*;

    fn stuff(chunks: &[&[u8]]) -> Vec<u8> {
        let mut stuffer = DotStuffer::default();
        let mut wire = Vec::new();
        for chunk in chunks {
            stuffer.stuff(chunk, |piece| wire.extend_from_slice(piece));
        }
        wire.extend_from_slice(stuffer.finish());
        wire
    }

    fn check(content: &str, expected: &str) {
        let content = content.as_bytes();
        for cut in 0..=content.len() {
            let wire = stuff(&[&content[..cut], &content[cut..]]);
            assert_eq!(
                wire.escape_ascii().to_string(),
                expected.as_bytes().escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn examples() {
        check("", ".\r\n");
        check("a\r\n", "a\r\n.\r\n");
        check("a", "a\r\n.\r\n");
        check(".", "..\r\n.\r\n");
        check(".\r\n", "..\r\n.\r\n");
        check("a.\r\n..\r\n.b\r\n", "a.\r\n...\r\n..b\r\n.\r\n");
        check("a\n.b\r\n", "a\n..b\r\n.\r\n");
        check("a\n", "a\n\r\n.\r\n");
    }

    #[test]
    fn content_without_dots_is_one_piece() {
        let mut pieces = 0;
        DotStuffer::default().stuff(b"a\r\nb.\r\n", |_| pieces += 1);
        assert_eq!(pieces, 1);
    }

    proptest! {
        #[test]
        fn a_front_falls_into_few_pieces(content in "[.\n\ra]{0,40}", most in 4..9_usize) {
            let mut rest = content.as_bytes();
            let mut stuffer = DotStuffer::default();
            let mut wire = Vec::new();
            while !rest.is_empty() {
                let (front, back) = rest.split_at(DotStuffer::front(rest, most));
                let mut pieces = 0;
                stuffer.stuff(front, |piece| {
                    pieces += 1;
                    wire.extend_from_slice(piece);
                });
                prop_assert!((1..=most).contains(&pieces));
                prop_assert!(pieces + 3 > most || back.is_empty());
                rest = back;
            }
            wire.extend_from_slice(stuffer.finish());
            prop_assert_eq!(wire, stuff(&[content.as_bytes()]));
        }

        #[test]
        fn a_receiver_gets_the_content_back(
            lines in proptest::collection::vec("[.a ]{0,5}", 0..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let content: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\r\n").into_bytes()).collect();
            let (front, back) = content.split_at(cut.index(content.len() + 1));
            let wire = stuff(&[front, back]);
            let mut received = Vec::new();
            let decoded = DataDecoder::default().decode(&wire, &mut |bytes| received.extend_from_slice(bytes));
            prop_assert!(decoded.finished);
            prop_assert_eq!(decoded.consumed, wire.len());
            prop_assert_eq!(received, content);
        }
    }
}
