//! Command lines: cuts a session's read buffer at CRLF, and at nothing else.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};

use super::reply::Reply;

/// Why a line is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A LF without CR before it. Everything up to the next CRLF is dropped, so that what follows
    /// it is never taken for a command.
    #[error("bare LF in a command line")]
    BareLineFeed,
    /// A CR that belongs to no line end.
    #[error("bare CR in a command line")]
    BareCarriageReturn,
    /// A NUL byte.
    #[error("NUL in a command line")]
    Nul,
    /// Longer than the limit. Everything up to the next CRLF is dropped.
    #[error("command line too long")]
    TooLong,
}

impl LineError {
    /// The reply to the client.
    pub fn reply(&self) -> Reply {
        match self {
            LineError::TooLong => Reply::COMMAND_LINE_TOO_LONG,
            LineError::BareLineFeed | LineError::BareCarriageReturn | LineError::Nul => {
                Reply::COMMAND_LINE_MALFORMED
            }
        }
    }
}

/// Takes lines off the front of a read buffer. A new one belongs to each fresh buffer (behind STARTTLS).
#[derive(Debug, Default)]
pub struct LineFramer {
    /// Bytes at the front of the buffer that hold no LF, so that no byte is searched twice.
    scanned: usize,
    /// The rest of a bad line is being dropped.
    discarding: bool,
}

impl LineFramer {
    /// The next line without its CRLF. None: more bytes are needed. After an error the session may go
    /// on: the framer finds the next line by itself.
    ///
    /// `limit` is the bytes of a line with its CRLF ([`crate::limits::COMMAND_LINE_BYTES`], or
    /// [`crate::limits::AUTH_LINE_BYTES`] while credentials are awaited). While None is given, fewer
    /// than `limit` bytes wait in the buffer.
    pub fn next(
        &mut self,
        buffer: &mut BytesMut,
        limit: usize,
    ) -> Option<Result<Bytes, LineError>> {
        if self.discarding && !self.discard(buffer) {
            return None;
        }
        let window = buffer.len().min(limit);
        let from = self.scanned.min(window);
        let Some(distance) = memchr(b'\n', &buffer[from..window]) else {
            self.scanned = window;
            return (buffer.len() >= limit).then(|| Err(self.reject(buffer, LineError::TooLong)));
        };
        let line_feed = from + distance;
        if line_feed == 0 || buffer[line_feed - 1] != b'\r' {
            buffer.advance(line_feed + 1);
            return Some(Err(self.reject(buffer, LineError::BareLineFeed)));
        }
        self.scanned = 0;
        let mut line = buffer.split_to(line_feed + 1).freeze();
        // Devices that write CR CR LF mean one line end.
        let surplus = line[..line_feed]
            .iter()
            .rev()
            .take_while(|&&byte| byte == b'\r');
        let end = line_feed - surplus.count();
        line.truncate(end);
        Some(match memchr2(b'\r', 0, &line) {
            None => Ok(line),
            Some(place) if line[place] == 0 => Err(LineError::Nul),
            Some(_) => Err(LineError::BareCarriageReturn),
        })
    }

    /// Begins to drop the rest of a line that was refused.
    fn reject(&mut self, buffer: &mut BytesMut, error: LineError) -> LineError {
        self.discarding = true;
        self.discard(buffer);
        error
    }

    /// Drops everything up to and with the next CRLF; true when it was there. A CR at the very end stays,
    /// since its LF may follow.
    fn discard(&mut self, buffer: &mut BytesMut) -> bool {
        self.scanned = 0;
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n") {
            buffer.advance(end + 2);
            self.discarding = false;
        } else {
            let kept = usize::from(buffer.last() == Some(&b'\r'));
            buffer.advance(buffer.len() - kept);
        }
        !self.discarding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LineError::{BareCarriageReturn, BareLineFeed, Nul, TooLong};

    const LIMIT: usize = 10;

    fn frame(pieces: &[&[u8]]) -> Vec<Result<String, LineError>> {
        let mut framer = LineFramer::default();
        let mut buffer = BytesMut::new();
        let mut lines = Vec::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(line) = framer.next(&mut buffer, LIMIT) {
                lines.push(line.map(|line| String::from_utf8(line.to_vec()).unwrap()));
            }
            assert!(buffer.len() < LIMIT);
        }
        lines
    }

    fn check(input: &str, expected: &[Result<&str, LineError>]) {
        let input = input.as_bytes();
        let expected: Vec<_> = expected
            .iter()
            .map(|line| line.map(str::to_owned))
            .collect();
        for first in 0..=input.len() {
            for second in first..=input.len() {
                let pieces = [&input[..first], &input[first..second], &input[second..]];
                assert_eq!(
                    frame(&pieces),
                    expected,
                    "{} at {first}, {second}",
                    input.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn lines() {
        check("", &[]);
        check("NOOP\r\n", &[Ok("NOOP")]);
        check("\r\n\r\n", &[Ok(""), Ok("")]);
        check("RSET\r\nNOOP\r\nQUI", &[Ok("RSET"), Ok("NOOP")]);
        check("12345678\r\nA\r\n", &[Ok("12345678"), Ok("A")]);
    }

    #[test]
    fn stray_bytes() {
        check("A\rB\r\nC\r\n", &[Err(BareCarriageReturn), Ok("C")]);
        check("A\r\r\nC\r\r\r\n", &[Ok("A"), Ok("C")]);
        check("A\0B\r\nC\r\n", &[Err(Nul), Ok("C")]);
        check("A\nB\r\nC\r\n", &[Err(BareLineFeed), Ok("C")]);
        check("\nB\nD\r\nC\r\n", &[Err(BareLineFeed), Ok("C")]);
        check("A\nQUIT\n", &[Err(BareLineFeed)]);
    }

    #[test]
    fn long_lines_are_reported_once() {
        check("123456789\r\nC\r\n", &[Err(TooLong), Ok("C")]);
        check(
            "1234567890123456789012345\r\nC\r\n",
            &[Err(TooLong), Ok("C")],
        );
        check("12345678901234\nX\rY\r\r\nC\r\n", &[Err(TooLong), Ok("C")]);
    }

    #[test]
    fn the_limit_may_change_between_calls() {
        let mut framer = LineFramer::default();
        let mut buffer = BytesMut::from(&b"1234567"[..]);
        assert_eq!(framer.next(&mut buffer, 10), None);
        buffer.extend_from_slice(b"8901\r\n");
        assert_eq!(
            framer.next(&mut buffer, 20),
            Some(Ok(Bytes::from_static(b"12345678901")))
        );
    }
}
