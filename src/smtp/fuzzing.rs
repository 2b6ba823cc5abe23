//! The readers of what clients, next hops and proxies say, for the fuzzer. See `fuzz/README.md`.

use bytes::BytesMut;

use super::address::{ForwardPath, Mailbox, ReversePath};
use super::capabilities::Capabilities;
use super::command::Command;
use super::command_writer::{MailParameters, RcptParameters, mail_from, rcpt_to};
use super::dot_stuffing::DotStuffer;
use super::end_of_data::{DataDecoder, DataFindings, Decoded};
use super::line::LineFramer;
use super::proxy_protocol;
use super::reply::Reply;
use super::reply_reader::{ReplyError, ReplyReader};
use super::{xclient, xtext};
use crate::limits;

/// The decoder of DATA: cuts do not matter, what leaves is canonical, and it survives another hop.
pub fn decode_data(wire: &[u8]) {
    let whole = decoded(&[wire]);
    for cut in [wire.len() / 3, wire.len() / 2] {
        let (front, back) = wire.split_at(cut);
        assert_eq!(decoded(&[front, back]), whole);
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(decoded(&bytes), whole);

    let (content, decoded_wire, _) = whole;
    for (at, &byte) in content.iter().enumerate() {
        assert!(byte != b'\n' || at > 0 && content[at - 1] == b'\r');
        assert!(byte != b'\r' || at + 1 == content.len() || content[at + 1] == b'\n');
    }
    if decoded_wire.finished {
        let mut stuffer = DotStuffer::default();
        let mut again = Vec::new();
        stuffer.stuff(&content, |piece| again.extend_from_slice(piece));
        again.extend_from_slice(stuffer.finish());
        let (received, decoded_again, _) = decoded(&[&again]);
        assert!(decoded_again.finished && decoded_again.consumed == again.len());
        assert_eq!(received, content);
    }
}

fn decoded(pieces: &[&[u8]]) -> (Vec<u8>, Decoded, DataFindings) {
    let mut decoder = DataDecoder::default();
    let mut content = Vec::new();
    let mut total = Decoded {
        consumed: 0,
        finished: false,
    };
    for piece in pieces {
        let decoded = decoder.decode(piece, &mut |bytes| content.extend_from_slice(bytes));
        total.consumed += decoded.consumed;
        total.finished = decoded.finished;
    }
    (content, total, decoder.findings())
}

/// Lines and commands: the buffer is bounded, and what was read can be written and read again.
pub fn read_commands(input: &[u8]) {
    const LIMIT: usize = 200;
    let mut framer = LineFramer::default();
    let mut buffer = BytesMut::new();
    for piece in input.chunks(7) {
        buffer.extend_from_slice(piece);
        while let Some(line) = framer.next(&mut buffer, LIMIT) {
            if let Ok(line) = line {
                assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                read_command(&line);
            }
        }
        assert!(buffer.len() < LIMIT);
    }
}

fn read_command(line: &[u8]) {
    let command = match Command::parse(line, true) {
        Ok(command) => command,
        Err(error) => return assert!(error.reply().is_permanent()),
    };
    if let Some(written) = written_again(&command) {
        let again = written.strip_suffix(b"\r\n");
        let again = again.expect("a line ends with CRLF");
        let mut read = Command::parse(again, true).expect("our own command is valid");
        // AUTH= is never passed on.
        if let (Command::Mail(read), Command::Mail(mail)) = (&mut read, &command) {
            read.auth.clone_from(&mail.auth);
        }
        assert_eq!(read, command);
    }
}

fn written_again(command: &Command) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    match command {
        Command::Mail(mail) => {
            let parameters = MailParameters {
                size: mail.size,
                body: mail.body,
                smtputf8: mail.smtputf8,
                ret: mail.ret,
                envelope_id: mail.envelope_id.as_deref(),
            };
            mail_from(&mut line, &mail.from, &parameters);
        }
        Command::Rcpt(rcpt) => {
            let ForwardPath::Mailbox(to) = &rcpt.to else {
                return None;
            };
            let parameters = RcptParameters {
                notify: rcpt.notify,
                original_recipient: rcpt.original_recipient.as_deref(),
            };
            rcpt_to(&mut line, to, &parameters);
        }
        _ => return None,
    }
    Some(line)
}

/// A peer's replies: cuts do not matter, and what is passed on is fit for a client.
pub fn read_replies(input: &[u8]) {
    let whole = replies(&[input]);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(replies(&bytes), whole);

    for reply in whole.into_iter().flatten() {
        assert!((200..600).contains(&reply.code));
        let _ = Capabilities::parse(&reply);
        let passed = reply.passed_on();
        let mut text = passed.text.bytes();
        assert!(text.all(|byte| (b' '..=b'~').contains(&byte)));

        let mut wire = Vec::new();
        passed.write(&mut wire);
        let again = replies(&[&wire]);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].as_ref().map(|reply| reply.code), Ok(passed.code));
    }
}

fn replies(pieces: &[&[u8]]) -> Vec<Result<Reply, ReplyError>> {
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

/// Paths: what is accepted means the same when it is read again, and cannot leave its brackets.
pub fn read_path(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    if let Ok(mailbox) = Mailbox::parse(text) {
        assert_eq!(mailbox.as_str(), text);
        let written = format!("{}@{}", mailbox.local_part(), mailbox.domain());
        assert_eq!(written, text);
        let line = format!("MAIL FROM:<{text}> SMTPUTF8 SIZE=1");
        match Command::parse(line.as_bytes(), false) {
            Ok(Command::Mail(mail)) => {
                assert_eq!(mail.from, ReversePath::Mailbox(mailbox));
                assert_eq!(mail.size, Some(1));
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    if let Ok(path) = ReversePath::parse(text) {
        assert_eq!(ReversePath::parse(path.as_str()), Ok(path.clone()));
    }
    if let Ok(path) = ForwardPath::parse(text) {
        assert_eq!(ForwardPath::parse(path.as_str()), Ok(path.clone()));
    }
    assert_eq!(xtext::decode(&xtext_of(text)).as_deref(), Some(text));
    assert!(xtext::decode(text).is_none() || xtext::is_valid(text));
}

/// The header of a proxy: every front of one asks for more bytes or is one, what follows it does not matter, and
/// it fits into the buffer that it is read into.
pub fn read_proxy_header(input: &[u8]) {
    let whole = proxy_protocol::read(input);
    let Ok(Some((header, bytes))) = whole else {
        return;
    };
    assert!(bytes <= input.len() && bytes <= limits::PROXY_HEADER_BYTES);
    let same = Ok(Some((header, bytes)));
    assert_eq!(proxy_protocol::read(&input[..bytes]), same);
    for front in 0..bytes {
        assert_eq!(proxy_protocol::read(&input[..front]), Ok(None), "{front}");
    }
}

/// What a proxy says with XCLIENT: what is taken is bounded and holds no control characters.
pub fn read_xclient(input: &[u8]) {
    let Ok(arguments) = str::from_utf8(input) else {
        return;
    };
    let line = format!("XCLIENT {arguments}");
    let _ = Command::parse(line.as_bytes(), false);
    match xclient::parse(arguments) {
        Ok(attributes) => {
            let names = [&attributes.name, &attributes.helo, &attributes.login];
            for name in names.into_iter().flatten() {
                if let xclient::AttributeValue::Value(name) = name {
                    assert!(!name.is_empty() && name.len() <= limits::DOMAIN_BYTES);
                    assert!(!name.contains(char::is_control), "{name:?}");
                }
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
}

/// A text as xtext (RFC 3461 §4).
pub(super) fn xtext_of(text: &str) -> String {
    let mut xtext = String::new();
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => xtext.push_str(&format!("+{byte:02X}")),
            _ if byte.is_ascii_graphic() => xtext.push(char::from(byte)),
            _ => xtext.push_str(&format!("+{byte:02X}")),
        }
    }
    xtext
}
