//! Lines and commands: the buffer is bounded, and what was read can be written and read again.

#![no_main]

use bytes::BytesMut;
use fastpath::smtp::command::Command;
use fastpath::smtp::command_writer::{MailParameters, RcptParameters, mail_from, rcpt_to};
use fastpath::smtp::line::LineFramer;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 200;

fn write_again(command: &Command) -> Option<Vec<u8>> {
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
            let parameters = RcptParameters {
                notify: rcpt.notify,
                original_recipient: rcpt.original_recipient.as_deref(),
            };
            rcpt_to(&mut line, rcpt.to.mailbox()?, &parameters);
        }
        _ => return None,
    }
    Some(line)
}

fuzz_target!(|input: &[u8]| {
    let mut framer = LineFramer::new();
    let mut buffer = BytesMut::new();
    for piece in input.chunks(7) {
        buffer.extend_from_slice(piece);
        while let Some(line) = framer.next(&mut buffer, LIMIT) {
            let Ok(line) = line else { continue };
            assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            let command = match Command::parse(&line, true) {
                Ok(command) => command,
                Err(error) => {
                    assert!(error.reply().is_permanent());
                    continue;
                }
            };
            if let Some(written) = write_again(&command) {
                let again = written
                    .strip_suffix(b"\r\n")
                    .expect("a line ends with CRLF");
                let mut read = Command::parse(again, true).expect("our own command is valid");
                // AUTH= is never passed on.
                if let (Command::Mail(read), Command::Mail(mail)) = (&mut read, &command) {
                    read.auth.clone_from(&mail.auth);
                }
                assert_eq!(read, command);
            }
        }
        assert!(buffer.len() < LIMIT);
    }
});
