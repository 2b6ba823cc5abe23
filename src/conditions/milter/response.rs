//! What a milter says: its packets read once, into values that can be trusted.

use bytes::Bytes;

use super::packet::{Packet, number, strings};
use crate::conditions::words;
use crate::message::Recipient;
use crate::settings::conditions::is_field_name;
use crate::smtp::address::{ForwardPath, Mailbox, ReversePath};
use crate::smtp::command::Command;
use crate::smtp::reply::{Enhanced, Reply};

/// One packet of a milter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Response {
    /// Go on.
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
    Change(Change),
}

/// A change of a message that a milter wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A header field behind all others.
    AddField(WrittenField),
    /// A header field at this position, 0 being the place above our Received field.
    InsertField(usize, WrittenField),
    /// The n-th field of this name, counted from 1, has another value, or is removed when that is empty.
    SetField(usize, WrittenField),
    /// The next part of a new body.
    Body(Bytes),
    /// One recipient more.
    AddRecipient(Recipient),
    /// One recipient fewer.
    RemoveRecipient(Mailbox),
    /// Another sender.
    Sender(ReversePath),
}

/// A header field as a milter writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenField {
    /// A name that a header field can have.
    pub(super) name: String,
    /// Any bytes but NUL; lines end with LF.
    pub(super) value: Bytes,
}

impl Response {
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
            b'q' => return Ok(Self::Quarantine(reason(data))),
            other => return change(other, &packet.data).map(Self::Change),
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

fn reason(data: &[u8]) -> String {
    words::cut(&text(data))
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
    };
    Ok(reply.passed_on())
}

fn change(command: u8, data: &Bytes) -> Result<Change, String> {
    let change =
        match command {
            b'h' => field(data)?.map(Change::AddField),
            b'i' => match number(data) {
                None => None,
                Some((position, _)) => field(&data.slice(4..))?
                    .map(|field| Change::InsertField(position as usize, field)),
            },
            b'm' => match number(data) {
                None => None,
                // Sendmail takes 0 for 1.
                Some((nth, _)) => field(&data.slice(4..))?
                    .map(|field| Change::SetField((nth as usize).max(1), field)),
            },
            b'b' => Some(Change::Body(data.clone())),
            b'+' => match strings(data) {
                Some([address]) => Some(Change::AddRecipient(recipient(address, b"")?)),
                None => None,
            },
            b'2' => match with_parameters(data) {
                Some((address, parameters)) => {
                    Some(Change::AddRecipient(recipient(address, parameters)?))
                }
                None => None,
            },
            b'-' => match strings(data) {
                Some([address]) => Some(Change::RemoveRecipient(mailbox(address)?)),
                None => None,
            },
            // Its parameters, RET and ENVID, stay as the sender gave them.
            b'e' => match with_parameters(data) {
                Some((address, _)) => Some(Change::Sender(sender(address)?)),
                None => None,
            },
            _ => None,
        };
    change.ok_or_else(|| malformed(command))
}

/// Name and value; none when that is not what the data are.
fn field(data: &Bytes) -> Result<Option<WrittenField>, String> {
    let Some([name, value]) = strings(data) else {
        return Ok(None);
    };
    let name = String::from_utf8_lossy(name).into_owned();
    if !is_field_name(&name) {
        let name = words::cut(&name);
        return Err(format!("it writes a header field with the name “{name}”"));
    }
    let value = data.slice_ref(value);
    Ok(Some(WrittenField { name, value }))
}

/// An address and, perhaps, its parameters.
fn with_parameters(data: &[u8]) -> Option<(&[u8], &[u8])> {
    match strings(data) {
        Some([address]) => Some((address, b"")),
        None => strings(data).map(|[address, parameters]| (address, parameters)),
    }
}

/// With brackets or without, as Sendmail and Postfix take it.
fn bare(address: &[u8]) -> Result<&str, String> {
    let no_address = || {
        let words = words::cut(&String::from_utf8_lossy(address));
        format!("it writes “{words}”, which is no address")
    };
    let text = std::str::from_utf8(address).map_err(|_| no_address())?;
    let text = text.trim();
    let inner = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    Ok(inner.unwrap_or(text))
}

fn mailbox(address: &[u8]) -> Result<Mailbox, String> {
    let text = bare(address)?;
    let problem = |why| format!("it writes “{}”: {why}", words::cut(text));
    Mailbox::parse(text).map_err(problem)
}

fn sender(address: &[u8]) -> Result<ReversePath, String> {
    match bare(address)? {
        "" => Ok(ReversePath::Null),
        _ => mailbox(address).map(ReversePath::Mailbox),
    }
}

/// Parameters that RCPT could not have are left out; the recipient counts.
fn recipient(address: &[u8], parameters: &[u8]) -> Result<Recipient, String> {
    let address = mailbox(address)?;
    let mut line = format!("RCPT TO:<{address}> ", address = address.as_str()).into_bytes();
    line.extend_from_slice(parameters);
    match Command::parse(&line, true) {
        Ok(Command::Rcpt(command)) if command.to == ForwardPath::Mailbox(address.clone()) => {
            Ok(Recipient {
                notify: command.notify,
                original_recipient: command.original_recipient,
                ..Recipient::plain(address)
            })
        }
        _ => Ok(Recipient::plain(address)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smtp::command::Notify;

    fn read(command: u8, data: &[u8]) -> Result<Response, String> {
        Response::read(&Packet {
            command,
            data: Bytes::copy_from_slice(data),
        })
    }

    #[test]
    fn short_words_are_read() {
        for (command, expected) in [
            (b'c', Response::Continue),
            (b'a', Response::Accept),
            (b'r', Response::Reject),
            (b't', Response::TemporaryFailure),
            (b'd', Response::Discard),
            (b's', Response::Skip),
            (b'p', Response::Progress),
            (b'f', Response::Disconnect),
            (b'4', Response::Disconnect),
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
                Response::Reply(reply) => reply.to_string(),
                other => panic!("{other:?} is no reply"),
            });
            assert_eq!(found.as_deref(), expected, "{}", text.escape_ascii());
        }
        let long = [b"550 5.7.1 ", &b"x"[..].repeat(9_000)[..]].concat();
        let Ok(Response::Reply(reply)) = read(b'y', &long) else {
            panic!("it is a reply");
        };
        assert_eq!(reply.text.len(), crate::limits::PASSED_WORDS_BYTES);
    }

    #[test]
    fn a_reason_is_made_printable() {
        let quarantine = |reason: &str| Ok(Response::Quarantine(reason.to_owned()));
        assert_eq!(read(b'q', b"odd\0"), quarantine("odd"));
        assert_eq!(read(b'q', b"a\r\nb"), quarantine("a  b"));
    }

    fn check(command: u8, data: &[u8], expected: Result<Change, &str>) {
        let found = read(command, data);
        match expected {
            Ok(change) => assert_eq!(found, Ok(Response::Change(change))),
            Err(part) => {
                let problem = found.expect_err("it means nothing");
                assert!(problem.contains(part), "{problem}");
            }
        }
    }

    fn written(name: &str, value: &'static [u8]) -> WrittenField {
        WrittenField {
            name: name.to_owned(),
            value: value.into(),
        }
    }

    #[test]
    fn changes_of_fields_are_read() {
        let tag = || written("X-Tag", b" yes");
        check(b'h', b"X-Tag\0 yes\0", Ok(Change::AddField(tag())));
        let insert = |position| Ok(Change::InsertField(position, tag()));
        check(b'i', b"\0\0\0\0X-Tag\0 yes\0", insert(0));
        check(b'i', b"\0\0\x01\x01X-Tag\0 yes\0", insert(257));
        let change = |nth, value| Ok(Change::SetField(nth, written("To", value)));
        check(b'm', b"\0\0\0\x02To\0a\xfc\0", change(2, b"a\xfc"));
        check(b'm', b"\0\0\0\0To\0\0", change(1, b""));
        for data in [&b""[..], b"X-Tag", b"X-Tag\0", b"X-Tag\0yes", b"X\0y\0z\0"] {
            check(b'h', data, Err("malformed"));
        }
        check(b'i', b"\0\0\0", Err("malformed"));
        check(b'i', b"\0\0\0\0X-Tag\0", Err("malformed"));
        check(b'm', b"\0\0\0\x01", Err("malformed"));
        for data in [
            &b"\0 yes\0"[..],
            b"X Tag\0 yes\0",
            b"X:\0 yes\0",
            b"\xfc\0\0",
        ] {
            check(b'h', data, Err("with the name"));
        }
    }

    #[test]
    fn changes_of_the_envelope_are_read() {
        let mailbox = |text| Mailbox::parse(text).expect("a mailbox");
        let carl = || Recipient::plain(mailbox("carl@example.net"));
        check(
            b'+',
            b"<carl@example.net>\0",
            Ok(Change::AddRecipient(carl())),
        );
        check(
            b'+',
            b"carl@example.net\0",
            Ok(Change::AddRecipient(carl())),
        );
        check(
            b'2',
            b"<carl@example.net>\0",
            Ok(Change::AddRecipient(carl())),
        );
        let never = Notify {
            never: true,
            ..Notify::default()
        };
        let silent = Recipient {
            notify: Some(never),
            ..carl()
        };
        check(
            b'2',
            b"<carl@example.net>\0NOTIFY=NEVER\0",
            Ok(Change::AddRecipient(silent)),
        );
        for parameters in ["WEATHER=1", "NOTIFY=", "\r\nRCPT TO:<x@y>"] {
            let data = format!("<carl@example.net>\0{parameters}\0");
            check(b'2', data.as_bytes(), Ok(Change::AddRecipient(carl())));
        }
        let removed = Change::RemoveRecipient(mailbox("carl@example.net"));
        check(b'-', b"<carl@example.net>\0", Ok(removed));
        let anna = ReversePath::Mailbox(mailbox("anna@example.org"));
        check(b'e', b"<anna@example.org>\0", Ok(Change::Sender(anna)));
        let null = || Ok(Change::Sender(ReversePath::Null));
        check(b'e', b"<>\0RET=HDRS\0", null());
        check(b'e', b"\0", null());
        for command in [b'+', b'-', b'2'] {
            check(command, b"<>\0", Err("it writes"));
            check(command, b"a@b>\r\nDATA\0", Err("it writes"));
            check(command, b"\xfc@example.net\0", Err("no address"));
            check(command, b"a@b", Err("malformed"));
        }
    }

    #[test]
    fn parts_of_a_body_may_hold_anything() {
        let part = |text: &'static [u8]| Ok(Change::Body(text.into()));
        check(b'b', b"a\0b\r\n", part(b"a\0b\r\n"));
        check(b'b', b"", part(b""));
    }

    proptest! {
        #[test]
        fn hostile_packets_are_harmless(command in any::<u8>(), data in any::<Vec<u8>>()) {
            let _ = read(command, &data);
        }

        #[test]
        fn hostile_replies_are_harmless(text in "[45][0-9]{2}[- ][ -~\r\n\0ä]{0,40}") {
            if let Ok(Response::Reply(reply)) = read(b'y', text.as_bytes()) {
                prop_assert!(reply.is_permanent() || reply.is_transient());
                let words = reply.passed_words();
                prop_assert_eq!(&*reply.text, words.as_str());
            }
        }
    }
}
