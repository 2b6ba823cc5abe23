//! One change that a milter wants: read once, into a value that can be trusted.

use bytes::Bytes;

use super::packet::{number, strings};
use crate::conditions::words;
use crate::limits;
use crate::message::Recipient;
use crate::settings::conditions::is_field_name;
use crate::smtp::address::{ForwardPath, Mailbox, ReversePath};
use crate::smtp::command::Command;

/// A change of a message that a milter wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Modification {
    /// A header field behind all others.
    AddField(WrittenField),
    /// A header field at this position, 0 being the place above our Received field.
    InsertField(usize, WrittenField),
    /// The n-th field of this name, counted from 1, has another value, or is removed when that is empty.
    SetField(usize, WrittenField),
    /// The next part of a new body.
    Body(Bytes),
    AddRecipient(Recipient),
    RemoveRecipient(Mailbox),
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

impl WrittenField {
    /// Whether a message may have it.
    ///
    /// # Errors
    /// When it has a line for which a client's message is refused.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut lines = self.value.split(|byte| *byte == b'\n');
        // The name stands before the first.
        let most = limits::TEXT_LINE_BYTES - limits::FIELD_NAME_BYTES;
        match lines.any(|line| line.len() > most) {
            true => Err(format!(
                "a line of its header field {} is too long",
                self.name
            )),
            false => Ok(()),
        }
    }
}

impl Modification {
    /// Reads the packet of a change; none when its data are not what the command has, or the command
    /// is no change.
    ///
    /// # Errors
    /// When a name or an address in it can be none, in words that follow the milter's name.
    pub(super) fn read(command: u8, data: &Bytes) -> Result<Option<Self>, String> {
        Self::parse(command, data).transpose()
    }

    fn parse(command: u8, data: &Bytes) -> Option<Result<Self, String>> {
        // SMFIR_* of libmilter's mfdef.h.
        Some(match command {
            b'h' => field(data)?.map(Self::AddField),
            b'i' => {
                let (position, rest) = number(data)?;
                let field = field(&data.slice_ref(rest))?;
                field.map(|field| Self::InsertField(position as usize, field))
            }
            b'm' => {
                let (nth, rest) = number(data)?;
                let field = field(&data.slice_ref(rest))?;
                // Sendmail takes 0 for 1.
                field.map(|field| Self::SetField(nth.max(1) as usize, field))
            }
            b'b' => Ok(Self::Body(data.clone())),
            b'+' => {
                let [address] = strings(data)?;
                recipient(address, b"").map(Self::AddRecipient)
            }
            b'2' => {
                let (address, parameters) = with_parameters(data)?;
                recipient(address, parameters).map(Self::AddRecipient)
            }
            b'-' => {
                let [address] = strings(data)?;
                mailbox(address).map(Self::RemoveRecipient)
            }
            // Its parameters, RET and ENVID, stay as the sender gave them.
            b'e' => sender(with_parameters(data)?.0).map(Self::Sender),
            _ => return None,
        })
    }
}

/// Name and value; none when that is not what the data are.
fn field(data: &Bytes) -> Option<Result<WrittenField, String>> {
    let [name, value] = strings(data)?;
    let name = String::from_utf8_lossy(name).into_owned();
    if !is_field_name(&name) {
        let name = words::cut(&name);
        return Some(Err(format!(
            "it writes a header field with the name “{name}”"
        )));
    }
    let value = data.slice_ref(value);
    Some(Ok(WrittenField { name, value }))
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
    let inner = text.strip_prefix('<');
    let inner = inner.and_then(|text| text.strip_suffix('>'));
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

    const MALFORMED: &str = "malformed";

    fn read(command: u8, data: &[u8]) -> Result<Option<Modification>, String> {
        Modification::read(command, &Bytes::copy_from_slice(data))
    }

    fn check(command: u8, data: &[u8], expected: Result<Modification, &str>) {
        let found = read(command, data);
        match expected {
            Ok(change) => assert_eq!(found, Ok(Some(change))),
            Err(MALFORMED) => assert_eq!(found, Ok(None)),
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
        check(b'h', b"X-Tag\0 yes\0", Ok(Modification::AddField(tag())));
        let insert = |position| Ok(Modification::InsertField(position, tag()));
        check(b'i', b"\0\0\0\0X-Tag\0 yes\0", insert(0));
        check(b'i', b"\0\0\x01\x01X-Tag\0 yes\0", insert(257));
        let change = |nth, value| Ok(Modification::SetField(nth, written("To", value)));
        check(b'm', b"\0\0\0\x02To\0a\xfc\0", change(2, b"a\xfc"));
        check(b'm', b"\0\0\0\0To\0\0", change(1, b""));
        for data in [&b""[..], b"X-Tag", b"X-Tag\0", b"X-Tag\0yes", b"X\0y\0z\0"] {
            check(b'h', data, Err(MALFORMED));
        }
        check(b'i', b"\0\0\0", Err(MALFORMED));
        check(b'i', b"\0\0\0\0X-Tag\0", Err(MALFORMED));
        check(b'm', b"\0\0\0\x01", Err(MALFORMED));
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
            Ok(Modification::AddRecipient(carl())),
        );
        check(
            b'+',
            b"carl@example.net\0",
            Ok(Modification::AddRecipient(carl())),
        );
        check(
            b'2',
            b"<carl@example.net>\0",
            Ok(Modification::AddRecipient(carl())),
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
            Ok(Modification::AddRecipient(silent)),
        );
        for parameters in ["WEATHER=1", "NOTIFY=", "\r\nRCPT TO:<x@y>"] {
            let data = format!("<carl@example.net>\0{parameters}\0");
            check(
                b'2',
                data.as_bytes(),
                Ok(Modification::AddRecipient(carl())),
            );
        }
        let removed = Modification::RemoveRecipient(mailbox("carl@example.net"));
        check(b'-', b"<carl@example.net>\0", Ok(removed));
        let anna = ReversePath::Mailbox(mailbox("anna@example.org"));
        check(
            b'e',
            b"<anna@example.org>\0",
            Ok(Modification::Sender(anna)),
        );
        let null = || Ok(Modification::Sender(ReversePath::Null));
        check(b'e', b"<>\0RET=HDRS\0", null());
        check(b'e', b"\0", null());
        for command in [b'+', b'-', b'2'] {
            check(command, b"<>\0", Err("it writes"));
            check(command, b"a@b>\r\nDATA\0", Err("it writes"));
            check(command, b"\xfc@example.net\0", Err("no address"));
            check(command, b"a@b", Err(MALFORMED));
        }
    }

    #[test]
    fn parts_of_a_body_may_hold_anything() {
        let part = |text: &'static [u8]| Ok(Modification::Body(text.into()));
        check(b'b', b"a\0b\r\n", part(b"a\0b\r\n"));
        check(b'b', b"", part(b""));
    }

    proptest! {
        #[test]
        fn hostile_changes_are_harmless(command in any::<u8>(), data in any::<Vec<u8>>()) {
            let _ = read(command, &data);
        }
    }
}
