//! Commands to a next hop, written so that nothing in a value can begin a parameter or a line of its own.

use bytes::BufMut;

use super::Protocol;
use super::address::{Mailbox, ReversePath};
use super::command::{BodyType, Notify, Return};
use super::xtext;

/// The parameters of MAIL; the caller has left out what the peer does not offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters<'a> {
    /// SIZE: bytes of the content.
    pub size: Option<u64>,
    /// BODY.
    pub body: Option<BodyType>,
    /// SMTPUTF8.
    pub smtputf8: bool,
    /// RET.
    pub ret: Option<Return>,
    /// ENVID: xtext as it was received.
    pub envelope_id: Option<&'a str>,
}

/// The parameters of RCPT; the caller has left out what the peer does not offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RcptParameters<'a> {
    /// NOTIFY; nothing is written when no sign in it is set.
    pub notify: Option<Notify>,
    /// ORCPT: `type;xtext` as it was received.
    pub original_recipient: Option<&'a str>,
}

/// Writes EHLO, or LHLO, which takes its place in LMTP (RFC 2033 §4.1).
pub fn hello(out: &mut impl BufMut, protocol: Protocol, hostname: &str) {
    out.put_slice(match protocol {
        Protocol::Smtp => b"EHLO ",
        Protocol::Lmtp => b"LHLO ",
    });
    put_word(out, hostname);
    out.put_slice(b"\r\n");
}

/// Writes HELO, for a peer that refused EHLO.
pub fn helo(out: &mut impl BufMut, hostname: &str) {
    out.put_slice(b"HELO ");
    put_word(out, hostname);
    out.put_slice(b"\r\n");
}

/// Writes MAIL.
pub fn mail_from(out: &mut impl BufMut, from: &ReversePath, parameters: &MailParameters<'_>) {
    out.put_slice(b"MAIL FROM:<");
    if let Some(mailbox) = from.mailbox() {
        put_mailbox(out, mailbox);
    }
    out.put_slice(b">");
    if let Some(bytes) = parameters.size {
        out.put_slice(b" SIZE=");
        out.put_slice(bytes.to_string().as_bytes());
    }
    out.put_slice(match parameters.body {
        None => b"",
        Some(BodyType::SevenBit) => b" BODY=7BIT",
        Some(BodyType::EightBitMime) => b" BODY=8BITMIME",
    });
    if parameters.smtputf8 {
        out.put_slice(b" SMTPUTF8");
    }
    out.put_slice(match parameters.ret {
        None => b"",
        Some(Return::Full) => b" RET=FULL",
        Some(Return::Headers) => b" RET=HDRS",
    });
    if let Some(envelope_id) = parameters.envelope_id {
        out.put_slice(b" ENVID=");
        put_word(out, envelope_id);
    }
    out.put_slice(b"\r\n");
}

/// Writes RCPT.
pub fn rcpt_to(out: &mut impl BufMut, to: &Mailbox, parameters: &RcptParameters<'_>) {
    out.put_slice(b"RCPT TO:<");
    put_mailbox(out, to);
    out.put_slice(b">");
    if let Some(notify) = parameters.notify {
        put_notify(out, notify);
    }
    if let Some(original_recipient) = parameters.original_recipient {
        out.put_slice(b" ORCPT=");
        match to.needs_smtputf8() {
            true => put_word(out, original_recipient),
            false => put_word(out, &xtext::letters_in_ascii(original_recipient)),
        }
    }
    out.put_slice(b"\r\n");
}

/// In ASCII where that can be: then it needs no SMTPUTF8.
fn put_mailbox(out: &mut impl BufMut, mailbox: &Mailbox) {
    let in_ascii = mailbox.in_ascii();
    out.put_slice(in_ascii.as_deref().unwrap_or(mailbox.as_str()).as_bytes());
}

fn put_notify(out: &mut impl BufMut, notify: Notify) {
    let mut lead: &[u8] = b" NOTIFY=";
    for (wanted, keyword) in [
        (notify.never, "NEVER"),
        (notify.success && !notify.never, "SUCCESS"),
        (notify.failure && !notify.never, "FAILURE"),
        (notify.delay && !notify.never, "DELAY"),
    ] {
        if wanted {
            out.put_slice(lead);
            out.put_slice(keyword.as_bytes());
            lead = b",";
        }
    }
}

/// Writes a value that was valid when it came in. Should it have been damaged since, in a database
/// that was edited, a blank or a control in it is written as xtext and stays inside the value.
fn put_word(out: &mut impl BufMut, word: &str) {
    for byte in word.bytes() {
        if byte.is_ascii_graphic() || !byte.is_ascii() {
            out.put_u8(byte);
        } else {
            out.put_slice(format!("+{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::address::ForwardPath;
    use crate::smtp::command::Command;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn parsed(line: &str) -> Command {
        Command::parse(line.strip_suffix("\r\n").unwrap().as_bytes(), true).unwrap()
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for line in [
            "MAIL FROM:<>\r\n",
            "MAIL FROM:<\"a> b\"@c> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb\r\n",
            "MAIL FROM:<a@b> BODY=7BIT RET=FULL\r\n",
            "RCPT TO:<a@b>\r\n",
            "RCPT TO:<a@b> NOTIFY=NEVER\r\n",
            "RCPT TO:<ü@b> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=utf-8;ü@c\r\n",
        ] {
            let again = written(|out| match parsed(line) {
                Command::Mail(mail) => {
                    let parameters = MailParameters {
                        size: mail.size,
                        body: mail.body,
                        smtputf8: mail.smtputf8,
                        ret: mail.ret,
                        envelope_id: mail.envelope_id.as_deref(),
                    };
                    mail_from(out, &mail.from, &parameters);
                }
                Command::Rcpt(rcpt) => {
                    let ForwardPath::Mailbox(to) = &rcpt.to else {
                        panic!("{line}");
                    };
                    let parameters = RcptParameters {
                        notify: rcpt.notify,
                        original_recipient: rcpt.original_recipient.as_deref(),
                    };
                    rcpt_to(out, to, &parameters);
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(again, line);
        }
    }

    #[test]
    fn nothing_can_be_injected() {
        let parameters = MailParameters {
            envelope_id: Some("x SIZE=1\r\nRSET"),
            ..MailParameters::default()
        };
        let line = written(|out| mail_from(out, &ReversePath::Null, &parameters));
        assert_eq!(line, "MAIL FROM:<> ENVID=x+20SIZE=1+0D+0ARSET\r\n");
        assert_eq!(
            written(|out| hello(out, Protocol::Smtp, "a\nb")),
            "EHLO a+0Ab\r\n"
        );
        assert_eq!(written(|out| helo(out, "a.example")), "HELO a.example\r\n");
    }

    #[test]
    fn an_empty_notify_is_not_written() {
        let parameters = RcptParameters {
            notify: Some(Notify::default()),
            ..RcptParameters::default()
        };
        let to = Mailbox::parse("a@b").unwrap();
        assert_eq!(
            written(|out| rcpt_to(out, &to, &parameters)),
            "RCPT TO:<a@b>\r\n"
        );
    }
}
