//! A peer's replies: collects the lines of one and reads code, enhanced code and words.

use std::borrow::Cow;

use bytes::{Buf, BytesMut};
use memchr::memchr;

use super::reply::{Enhanced, Reply};
use crate::limits::PEER_REPLY_BYTES;

/// Why a peer cannot be understood. The connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line that does not begin with three digits and a blank or a hyphen.
    #[error("the reply is malformed")]
    Malformed,
    /// Two lines of one reply with different codes.
    #[error("the lines of the reply have different codes")]
    CodesDiffer,
    /// More than [`PEER_REPLY_BYTES`].
    #[error("the reply is too long")]
    TooLong,
}

/// Reads the replies of one connection; a new one belongs behind STARTTLS.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// The lines so far of a reply of several.
    begun: Option<Reply>,
    /// Bytes that those lines took.
    taken: usize,
    /// Bytes at the front of the buffer that hold no LF.
    scanned: usize,
}

impl ReplyReader {
    /// Whether the peer has begun a reply, `buffer` being what is not read, and not ended it.
    #[must_use]
    pub fn is_within(&self, buffer: &BytesMut) -> bool {
        self.begun.is_some() || !buffer.is_empty()
    }

    /// Takes the next reply off the front of `buffer`. None: more bytes are needed.
    ///
    /// A line may end with a bare LF, as some peers' do: nothing of theirs is passed on as it came, so
    /// being liberal does no harm.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Option<Result<Reply, ReplyError>> {
        loop {
            let from = self.scanned.min(buffer.len());
            let Some(distance) = memchr(b'\n', &buffer[from..]) else {
                self.scanned = buffer.len();
                let too_long = self.taken + buffer.len() > PEER_REPLY_BYTES;
                return too_long.then_some(Err(ReplyError::TooLong));
            };
            let end = from + distance + 1;
            self.scanned = 0;
            self.taken += end;
            if self.taken > PEER_REPLY_BYTES {
                return Some(Err(ReplyError::TooLong));
            }
            let last = self.take_line(&buffer[..end]);
            buffer.advance(end);
            match last {
                Ok(false) => {}
                Ok(true) => {
                    self.taken = 0;
                    return self.begun.take().map(Ok);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Adds one line to the reply; true when it was the last.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, ReplyError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (code, mark, text) = split_line(line).ok_or(ReplyError::Malformed)?;
        let text = String::from_utf8_lossy(text);
        let enhanced = Enhanced::split(code, &text);
        match &mut self.begun {
            None => {
                let words = enhanced.map_or(&*text, |(_, words)| words);
                let text = Cow::Owned(words.to_owned());
                let enhanced = enhanced.map(|(enhanced, _)| enhanced);
                self.begun = Some(Reply::of(code, enhanced, text));
            }
            Some(reply) if reply.code != code => return Err(ReplyError::CodesDiffer),
            Some(reply) => {
                // RFC 2034 §4: the enhanced code is on every line.
                let words = match enhanced {
                    Some((enhanced, words)) if reply.enhanced == Some(enhanced) => words,
                    _ => &*text,
                };
                let lines = reply.text.to_mut();
                lines.push('\n');
                lines.push_str(words);
            }
        }
        Ok(mark == b' ')
    }
}

/// Code, the sign behind it, and words. A line of three digits alone is a last line (RFC 5321 §4.2).
fn split_line(line: &[u8]) -> Option<(u16, u8, &[u8])> {
    let (digits, rest) = line.split_first_chunk::<3>()?;
    if !(b'2'..=b'5').contains(&digits[0]) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest {
        [] => Some((code, b' ', rest)),
        [mark @ (b' ' | b'-'), text @ ..] => Some((code, *mark, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> Vec<Result<Reply, ReplyError>> {
        let mut reader = ReplyReader::default();
        let mut buffer = BytesMut::new();
        let mut replies = Vec::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(reply) = reader.next(&mut buffer) {
                let failed = reply.is_err();
                replies.push(reply);
                if failed {
                    return replies;
                }
            }
        }
        replies
    }

    fn check(input: &str, expected: &[Result<Reply, ReplyError>]) {
        for cut in 0..=input.len() {
            let (front, back) = input.as_bytes().split_at(cut);
            assert_eq!(read(&[front, back]), expected, "{input:?} cut at {cut}");
        }
    }

    #[test]
    fn replies() {
        check("250 OK\r\n", &[Ok(Reply::plain(250, "OK"))]);
        check("250\r\n", &[Ok(Reply::plain(250, ""))]);
        check(
            "250 2.1.0 Fine\n",
            &[Ok(Reply::new(250, (2, 1, 0), "Fine"))],
        );
        check(
            "250 a\r\n354 b\r\n2",
            &[Ok(Reply::plain(250, "a")), Ok(Reply::plain(354, "b"))],
        );
        check(
            "550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.7.1 user\r\n",
            &[Ok(Reply::new(550, (5, 1, 1), "no\nsuch\n5.7.1 user"))],
        );
        check(
            "250-host\r\n250-SIZE 10\r\n250 DSN\r\n",
            &[Ok(Reply::plain(250, "host\nSIZE 10\nDSN"))],
        );
        check("550 4.1.1 no\r\n", &[Ok(Reply::plain(550, "4.1.1 no"))]);
    }

    #[test]
    fn nonsense() {
        for input in [
            "\r\n",
            "25\r\n",
            "abc no\r\n",
            "250_x\r\n",
            "150 x\r\n",
            "650 x\r\n",
            "2500 x\r\n",
        ] {
            check(input, &[Err(ReplyError::Malformed)]);
        }
        check("250-a\r\n251 b\r\n", &[Err(ReplyError::CodesDiffer)]);
    }

    #[test]
    fn a_reply_is_bounded() {
        let line = [b'2'; PEER_REPLY_BYTES + 1];
        assert_eq!(read(&[&line]), [Err(ReplyError::TooLong)]);
        let lines = "250-more\r\n".repeat(PEER_REPLY_BYTES / 10 + 1);
        assert_eq!(read(&[lines.as_bytes()]), [Err(ReplyError::TooLong)]);
    }

    #[test]
    fn many_replies_together_may_exceed_the_bound_of_one() {
        let line = format!("250 {}\r\n", "x".repeat(PEER_REPLY_BYTES / 2));
        assert_eq!(read(&[line.repeat(4).as_bytes()]).len(), 4);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "[ -~\n]{0,300}", code in 400..600_u16) {
            let class = (code / 100) as u8;
            let reply = Reply::new(code, (class, 7, 26), text);
            let mut wire = Vec::new();
            reply.write(&mut wire);
            prop_assert_eq!(read(&[&wire]), vec![Ok(reply)]);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for reply in read(&[&bytes]).into_iter().flatten() {
                prop_assert!((200..600).contains(&reply.code));
            }
        }
    }
}
