//! What a milter is told at each stage: the data of the packets, and the macros that go before them.

use std::net::IpAddr;

use super::packet::put_string;
use super::stage::MilterStage;
use crate::conditions::draft::Draft;
use crate::conditions::header::Field;
use crate::message::{Client, Envelope, Recipient};
use crate::smtp::authentication::Mechanism;
use crate::smtp::command::BodyType;
use crate::smtp::command_writer::{MailParameters, RcptParameters, mail_from, rcpt_to};

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced<'a> {
    /// Our name.
    pub(super) hostname: &'a str,
    /// The message as it is now.
    pub(super) draft: &'a Draft,
}

/// SMFIC_CONNECT: the client's name, the family of its address, a port, and the address. Names are not
/// looked up, and the port is not kept: Sendmail and Postfix, too, then write the address in brackets,
/// and 0.
pub(super) fn connect(client: &Client) -> Vec<u8> {
    let mut data = Vec::new();
    put_string(&mut data, client_name(client).as_bytes());
    let Some(address) = address_of(client) else {
        data.push(b'U');
        return data;
    };
    data.push(match address {
        IpAddr::V4(_) => b'4',
        IpAddr::V6(_) => b'6',
    });
    data.extend_from_slice(&0_u16.to_be_bytes());
    put_string(&mut data, address.to_string().as_bytes());
    data
}

/// SMFIC_HELO.
pub(super) fn helo(client: &Client) -> Vec<u8> {
    let mut data = Vec::new();
    put_string(&mut data, client.helo.as_bytes());
    data
}

/// SMFIC_MAIL: the path in its brackets, then each parameter.
pub(super) fn mail(envelope: &Envelope) -> Vec<u8> {
    let parameters = MailParameters {
        size: None,
        body: (envelope.body_type == BodyType::EightBitMime).then_some(envelope.body_type),
        smtputf8: envelope.smtputf8,
        ret: envelope.ret,
        envelope_id: envelope.envelope_id.as_deref(),
    };
    let mut line = Vec::new();
    mail_from(&mut line, &envelope.sender, &parameters);
    argument_strings(&line, "MAIL FROM:", envelope.sender.as_str())
}

/// SMFIC_RCPT, likewise.
pub(super) fn recipient(recipient: &Recipient) -> Vec<u8> {
    let parameters = RcptParameters {
        notify: recipient.notify,
        original_recipient: recipient.original_recipient.as_deref(),
    };
    let mut line = Vec::new();
    rcpt_to(&mut line, &recipient.address, &parameters);
    argument_strings(&line, "RCPT TO:", recipient.address.as_str())
}

/// Takes a command as it stands in SMTP apart. A path may hold blanks, no parameter can.
fn argument_strings(line: &[u8], verb: &str, path: &str) -> Vec<u8> {
    let (path, parameters) = line[verb.len()..].split_at(path.len() + "<>".len());
    let mut data = Vec::new();
    put_string(&mut data, path);
    let words = parameters.trim_ascii().split(|byte| *byte == b' ');
    for word in words.filter(|word| !word.is_empty()) {
        put_string(&mut data, word);
    }
    data
}

/// SMFIC_HEADER: name and value, whose lines end with LF.
pub(super) fn field(field: &Field, keeps_leading_space: bool) -> Vec<u8> {
    let (name, value) = field.split();
    let value = value.strip_suffix(b"\r\n").unwrap_or(value);
    let value = match value.strip_prefix(b" ") {
        // Sendmail and Postfix eat one blank, no more.
        Some(rest) if !keeps_leading_space => rest,
        _ => value,
    };
    let mut unix = Vec::with_capacity(value.len());
    for line in value.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                unix.extend_from_slice(line);
                unix.push(b'\n');
            }
            None => unix.extend_from_slice(line),
        }
    }
    let mut data = Vec::new();
    put_string(&mut data, name);
    put_string(&mut data, &unix);
    data
}

/// SMFIC_MACRO for a stage: its command, then names and values. Milters look a macro up at their stage
/// and at those before it; the names are Sendmail's. None where there is nothing to say.
pub(super) fn macros(
    stage: MilterStage,
    told: &Announced<'_>,
    to: Option<&Recipient>,
) -> Option<Vec<u8>> {
    let message = told.draft.arrived();
    let client = &message.client;
    let name = client_name(client);
    let mut data = vec![stage.command()];
    let mut tell = |name: &str, value: &str| {
        put_string(&mut data, name.as_bytes());
        put_string(&mut data, value.as_bytes());
    };
    match stage {
        MilterStage::Connect => {
            let address = address_of(client);
            let plain = address.map_or_else(|| name.clone(), |one| one.to_string());
            // Sendmail and Postfix write it as an address literal has it, RFC 5321 §4.1.3.
            let literal = match address {
                Some(IpAddr::V6(address)) => format!("IPv6:{address}"),
                _ => plain.clone(),
            };
            tell("j", told.hostname);
            // Sendmail has a name for each of its doors, Postfix its host name.
            tell("{daemon_name}", told.hostname);
            tell("v", concat!("Fastpath ", env!("CARGO_PKG_VERSION")));
            tell("_", &format!("{name} [{plain}]"));
            tell("{client_addr}", &literal);
            tell("{client_name}", &name);
            tell("{client_port}", "0");
        }
        MilterStage::Helo | MilterStage::Field | MilterStage::Body => return None,
        _ => tell("i", &message.id.to_string()),
    }
    if stage == MilterStage::Mail {
        if let Some(login) = &client.login {
            // Which mechanism it was is not kept. Both hand over the same, and what milters ask is
            // whether there was one.
            tell("{auth_type}", Mechanism::Plain.name());
            tell("{auth_authen}", login);
        }
        tell("{mail_addr}", told.draft.envelope.sender.as_str());
    }
    if let Some(recipient) = to.filter(|_| stage == MilterStage::Recipient) {
        tell("{rcpt_addr}", recipient.address.as_str());
    }
    Some(data)
}

fn address_of(client: &Client) -> Option<IpAddr> {
    client.address.map(|address| address.to_canonical())
}

fn client_name(client: &Client) -> String {
    match address_of(client) {
        Some(address) => format!("[{address}]"),
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::header::Header;
    use crate::conditions::testing::message;
    use crate::smtp::command::{Notify, Return};

    fn client(address: Option<&str>) -> Client {
        Client {
            address: address.map(|address| address.parse().expect("an address")),
            helo: "client.example.org".into(),
            login: None,
        }
    }

    fn check(data: &[u8], expected: &str) {
        assert_eq!(data.escape_ascii().to_string(), expected);
    }

    #[test]
    fn the_client_is_told() {
        for (address, expected) in [
            (Some("192.0.2.1"), r"[192.0.2.1]\x004\x00\x00192.0.2.1\x00"),
            (
                Some("2001:db8::1"),
                r"[2001:db8::1]\x006\x00\x002001:db8::1\x00",
            ),
            (
                Some("::ffff:192.0.2.1"),
                r"[192.0.2.1]\x004\x00\x00192.0.2.1\x00",
            ),
            (None, r"unknown\x00U"),
        ] {
            check(&connect(&client(address)), expected);
        }
        check(&helo(&client(None)), r"client.example.org\x00");
    }

    #[test]
    fn the_envelope_is_told_with_its_parameters() {
        let message = message("anna@example.org", &["\"b c\"@example.net"], b"");
        let mut envelope = message.envelope.clone();
        check(&mail(&envelope), r"<anna@example.org>\x00");
        envelope.body_type = BodyType::EightBitMime;
        envelope.smtputf8 = true;
        envelope.ret = Some(Return::Headers);
        envelope.envelope_id = Some("x+20y".to_owned());
        let expected =
            r"<anna@example.org>\x00BODY=8BITMIME\x00SMTPUTF8\x00RET=HDRS\x00ENVID=x+20y\x00";
        check(&mail(&envelope), expected);
        let bounce = crate::conditions::testing::message("", &["b@example.net"], b"");
        check(&mail(&bounce.envelope), r"<>\x00");

        let mut to = envelope.recipients.remove(0);
        check(&recipient(&to), r#"<\"b c\"@example.net>\x00"#);
        to.notify = Some(Notify {
            never: true,
            ..Notify::default()
        });
        to.original_recipient = Some("rfc822;b@c".to_owned());
        let expected = r#"<\"b c\"@example.net>\x00NOTIFY=NEVER\x00ORCPT=rfc822;b@c\x00"#;
        check(&recipient(&to), expected);
    }

    #[test]
    fn fields_are_told_as_sendmail_tells_them() {
        for (written, without, with) in [
            ("To: a\r\n", r"To\x00a\x00", r"To\x00 a\x00"),
            ("To:a\r\n", r"To\x00a\x00", r"To\x00a\x00"),
            ("To:  a \r\n", r"To\x00 a \x00", r"To\x00  a \x00"),
            ("To:\ta\r\n", r"To\x00\ta\x00", r"To\x00\ta\x00"),
            ("To : a\r\n", r"To\x00a\x00", r"To\x00 a\x00"),
            ("To:\r\n", r"To\x00\x00", r"To\x00\x00"),
            (
                "To: a,\r\n\tb\r\n",
                r"To\x00a,\n\tb\x00",
                r"To\x00 a,\n\tb\x00",
            ),
            ("To: a\0b\r\n", r"To\x00a b\x00", r"To\x00 a b\x00"),
        ] {
            let header = Header::read(written.as_bytes());
            let [one] = &header.fields[..] else {
                panic!("{written} is one field");
            };
            check(&field(one, false), without);
            check(&field(one, true), with);
        }
    }

    #[tokio::test]
    async fn an_address_of_ipv6_is_told_with_its_tag() {
        let message = message("anna@example.org", &["bert@example.net"], b"A: 1\r\n\r\n");
        let mut message = (*message).clone();
        message.client = client(Some("2001:db8::1"));
        let draft = Draft::of(message.into()).await.expect("readable");
        let told = Announced {
            hostname: "relay.example.org",
            draft: &draft,
        };
        let data = macros(MilterStage::Connect, &told, None).expect("macros");
        let text = String::from_utf8(data).expect("text");
        assert!(text.contains("_\0[2001:db8::1] [2001:db8::1]\0"), "{text}");
        assert!(text.contains("{client_addr}\0IPv6:2001:db8::1\0"), "{text}");
    }

    #[tokio::test]
    async fn macros_belong_to_their_stage() {
        let message = message("anna@example.org", &["bert@example.net"], b"A: 1\r\n\r\n");
        let mut message = (*message).clone();
        message.client.login = Some("printer".into());
        let id = message.id.to_string();
        let draft = Draft::of(message.into()).await.expect("readable");
        let told = Announced {
            hostname: "relay.example.org",
            draft: &draft,
        };
        let check = |stage, expected: &[&str]| {
            let to = &draft.envelope.recipients[0];
            let data = macros(stage, &told, Some(to));
            let data = data.map(|data| String::from_utf8(data).expect("text"));
            let found: Vec<&str> = data.iter().flat_map(|data| data.split('\0')).collect();
            assert_eq!(found, expected);
        };
        check(
            MilterStage::Connect,
            &[
                "Cj",
                "relay.example.org",
                "{daemon_name}",
                "relay.example.org",
                "v",
                concat!("Fastpath ", env!("CARGO_PKG_VERSION")),
                "_",
                "[192.0.2.1] [192.0.2.1]",
                "{client_addr}",
                "192.0.2.1",
                "{client_name}",
                "[192.0.2.1]",
                "{client_port}",
                "0",
                "",
            ],
        );
        check(MilterStage::Helo, &[]);
        check(
            MilterStage::Mail,
            &[
                "Mi",
                &id,
                "{auth_type}",
                "PLAIN",
                "{auth_authen}",
                "printer",
                "{mail_addr}",
                "anna@example.org",
                "",
            ],
        );
        check(
            MilterStage::Recipient,
            &["Ri", &id, "{rcpt_addr}", "bert@example.net", ""],
        );
        check(MilterStage::Data, &["Ti", &id, ""]);
        check(MilterStage::Field, &[]);
        check(MilterStage::EndOfHeader, &["Ni", &id, ""]);
        check(MilterStage::Body, &[]);
        check(MilterStage::EndOfBody, &["Ei", &id, ""]);
    }
}
