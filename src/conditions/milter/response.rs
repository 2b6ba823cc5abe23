//! What a milter says: its packets read once, into values that can be trusted.

use super::change::Modification;
use super::packet::Packet;
use crate::conditions::words;
use crate::smtp::reply::{Enhanced, Reply};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MilterResponse {
    Continue,
    /// The message may pass, and nothing more of it is wanted.
    Accept,
    /// Refused, in words of ours.
    Reject,
    /// Put off, in words of ours.
    TemporaryFailure,
    /// Refused or put off with this 5xx or 4xx.
    Reply(Reply),
    /// The client is to hear success, and nobody to get the message.
    Discard,
    /// Nothing more of this stage is wanted.
    Skip,
    /// It is still at work.
    Progress,
    /// The connection with the client is to end.
    Disconnect,
    /// The message is to be kept back, for this reason; it goes on.
    Quarantine(String),
    /// A change; it goes on.
    Change(Modification),
}

impl MilterResponse {
    /// Reads a packet.
    ///
    /// # Errors
    /// When it means nothing, in words that follow the milter's name.
    pub(super) fn read(packet: &Packet) -> Result<Self, String> {
        let data = &packet.data[..];
        // SMFIR_* of libmilter's mfdef.h.
        let bare = match packet.command {
            b'c' => Self::Continue,
            b'a' => Self::Accept,
            b'r' => Self::Reject,
            b't' => Self::TemporaryFailure,
            b'd' => Self::Discard,
            b's' => Self::Skip,
            b'p' => Self::Progress,
            // CONN_FAIL and SHUTDOWN.
            b'f' | b'4' => Self::Disconnect,
            b'y' => return reply(data).map(Self::Reply),
            b'q' => return Ok(Self::Quarantine(words::cut(&text(data)))),
            other => {
                let change = Modification::read(other, &packet.data)?;
                return change.map(Self::Change).ok_or_else(|| malformed(other));
            }
        };
        if data.is_empty() {
            Ok(bare)
        } else {
            Err(malformed(packet.command))
        }
    }
}

fn malformed(command: u8) -> String {
    format!("it sends a malformed “{}”", command.escape_ascii())
}

/// The end of a reply's text, and of a reason, may be a NUL or none.
fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data.strip_suffix(b"\0").unwrap_or(data)).into_owned()
}

/// SMFIR_REPLYCODE: `550 5.7.1 words`, or several lines of that with `-` in all but the last.
fn reply(data: &[u8]) -> Result<Reply, String> {
    let text = text(data);
    let says = || format!("it says “{}”, which is no reply", words::cut(&text));
    let mut code = None;
    let mut enhanced = None;
    let mut lines = Vec::new();
    let mut written = text.split("\r\n").peekable();
    while let Some(line) = written.next() {
        let digits = line.get(..3).ok_or_else(says)?;
        let sign = line[3..].chars().next().unwrap_or(' ');
        let is_last = written.peek().is_none();
        let is_sign = sign == if is_last { ' ' } else { '-' };
        let number: u16 = digits.parse().map_err(|_| says())?;
        let is_same = *code.get_or_insert(number) == number;
        if !(400..600).contains(&number) || !is_sign || !is_same {
            return Err(says());
        }
        let rest = line.get(4..).unwrap_or_default();
        let words = match Enhanced::split(number, rest) {
            Some((found, words)) => {
                enhanced.get_or_insert(found);
                words
            }
            None => rest,
        };
        // Sendmail takes the words for a format: whoever wrote for it has doubled each %.
        lines.push(words.replace("%%", "%"));
    }
    let reply = Reply {
        code: code.ok_or_else(says)?,
        enhanced,
        text: lines.join("\n").into(),
        said_by: None,
        original: None,
    };
    Ok(reply.passed_on())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn read(command: u8, data: &[u8]) -> Result<MilterResponse, String> {
        MilterResponse::read(&Packet {
            command,
            data: Bytes::copy_from_slice(data),
        })
    }

    #[test]
    fn short_words_are_read() {
        for (command, expected) in [
            (b'c', MilterResponse::Continue),
            (b'a', MilterResponse::Accept),
            (b'r', MilterResponse::Reject),
            (b't', MilterResponse::TemporaryFailure),
            (b'd', MilterResponse::Discard),
            (b's', MilterResponse::Skip),
            (b'p', MilterResponse::Progress),
            (b'f', MilterResponse::Disconnect),
            (b'4', MilterResponse::Disconnect),
        ] {
            assert_eq!(read(command, b""), Ok(expected));
            let problem = read(command, b"x").expect_err("there is more");
            assert!(problem.contains("malformed"), "{problem}");
        }
        assert!(read(b'?', b"").is_err());
        assert!(read(b'l', b"").is_err());
    }

    #[test]
    fn replies_are_checked_and_made_fit_for_a_client() {
        for (text, expected) in [
            (&b"550 5.7.1 No thanks\0"[..], Some("550 5.7.1 No thanks")),
            (b"451 4.7.1 Later", Some("451 4.7.1 Later")),
            (b"550 No thanks\0", Some("550 5.0.0 No thanks")),
            (b"550 4.7.1 No\0", Some("550 5.0.0 4.7.1 No")),
            (b"421 4.3.2 Away\0", Some("451 4.3.2 Away")),
            (b"554 5.7.1 100%% spam\0", Some("554 5.7.1 100% spam")),
            (
                b"550-5.7.1 No\r\n550 5.7.1 thanks\0",
                Some("550 5.7.1 No thanks"),
            ),
            (
                b"550 5.7.1 a\n250 b\x07\xc3\xa4\0",
                Some("550 5.7.1 a 250 b ?"),
            ),
            (b"550\0", Some("550 5.0.0")),
            (b"250 2.0.0 Fine\0", None),
            (b"650 no\0", None),
            (b"55\0", None),
            (b"abc no\0", None),
            (b"550-5.7.1 No\0", None),
            (b"550 5.7.1 No\r\n550 5.7.1 thanks\0", None),
            (b"550-5.7.1 No\r\n451 4.7.1 thanks\0", None),
            (b"\xc3\xa4\xc3\xa4 no\0", None),
            (b"\0", None),
        ] {
            let found = read(b'y', text).ok().map(|response| match response {
                MilterResponse::Reply(reply) => reply.to_string(),
                other => panic!("{other:?} is no reply"),
            });
            assert_eq!(found.as_deref(), expected, "{}", text.escape_ascii());
        }
        let long = [b"550 5.7.1 ", &b"x"[..].repeat(9_000)[..]].concat();
        let Ok(MilterResponse::Reply(reply)) = read(b'y', &long) else {
            panic!("it is a reply");
        };
        assert_eq!(reply.text.len(), crate::limits::REPLY_WORDS_BYTES);
    }

    #[test]
    fn a_reason_is_made_printable() {
        let quarantine = |reason: &str| Ok(MilterResponse::Quarantine(reason.to_owned()));
        assert_eq!(read(b'q', b"odd\0"), quarantine("odd"));
        assert_eq!(read(b'q', b"a\r\nb"), quarantine("a  b"));
    }

    proptest! {
        #[test]
        fn hostile_packets_are_harmless(command in any::<u8>(), data in any::<Vec<u8>>()) {
            let _ = read(command, &data);
        }

        #[test]
        fn hostile_replies_are_harmless(text in "[45][0-9]{2}[- ][ -~\r\n\0ä]{0,40}") {
            if let Ok(MilterResponse::Reply(reply)) = read(b'y', text.as_bytes()) {
                prop_assert!(reply.is_permanent() || reply.is_transient());
                let words = reply.passed_words();
                prop_assert_eq!(&*reply.text, words.as_str());
            }
        }
    }
}
