//! The Received field that we put before every message (RFC 5321 §4.4).

use std::fmt::{self, Write as _};

use bytes::Bytes;
use jiff::Timestamp;

use super::date::HeaderDate;
use super::{Client, MessageId};
use crate::smtp::Protocol;

/// What the field says of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct With {
    /// What was spoken.
    pub protocol: Protocol,
    /// EHLO was said, not HELO.
    pub extended: bool,
    /// Under TLS.
    pub tls: bool,
    /// After AUTH.
    pub authenticated: bool,
    /// With SMTPUTF8.
    pub smtputf8: bool,
}

/// The keyword of the `with` clause, RFC 3848 and RFC 6531 §4.3.
impl fmt::Display for With {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.protocol, self.extended, self.smtputf8) {
            (Protocol::Smtp, false, _) => return f.write_str("SMTP"),
            (Protocol::Smtp, true, false) => "ESMTP",
            (Protocol::Smtp, true, true) => "UTF8SMTP",
            (Protocol::Lmtp, _, false) => "LMTP",
            (Protocol::Lmtp, _, true) => "UTF8LMTP",
        };
        let tls = if self.tls { "S" } else { "" };
        let authenticated = if self.authenticated { "A" } else { "" };
        write!(f, "{name}{tls}{authenticated}")
    }
}

/// The field with its CRLF. It names no recipient: the others must not learn of each other.
#[must_use]
pub fn field(
    client: &Client,
    with: With,
    hostname: &str,
    id: MessageId,
    received_at: Timestamp,
) -> Bytes {
    let mut text = String::with_capacity(192);
    text.push_str("Received: from ");
    text.extend(
        client
            .helo
            .chars()
            .map(|letter| match is_host_letter(letter) {
                true => letter,
                false => '?',
            }),
    );
    if let Some(address) = client.address {
        // RFC 5321 §4.1.3: an IPv6 literal carries its tag.
        let tag = if address.is_ipv6() { "IPv6:" } else { "" };
        let _ = write!(text, " ([{tag}{address}])");
    }
    let date = HeaderDate(received_at);
    let _ = write!(
        text,
        "\r\n\tby {hostname} (Fastpath) with {with} id {id};\r\n\t{date}\r\n"
    );
    Bytes::from(text)
}

/// What a client calls itself may hold anything; only what a domain or an address literal can hold
/// goes into the header.
fn is_host_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._:[]".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_two_folded_lines() {
        let client = Client {
            address: Some("192.0.2.7".parse().expect("an address")),
            helo: "mail.example.org\r\nBcc: (x)".into(),
            login: None,
        };
        let with = With {
            protocol: Protocol::Smtp,
            extended: true,
            tls: true,
            authenticated: false,
            smtputf8: false,
        };
        let field = field(
            &client,
            with,
            "relay.example.net",
            MessageId::from_i64(33),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(
            std::str::from_utf8(&field),
            Ok(
                "Received: from mail.example.org??Bcc:??x? ([192.0.2.7])\r\n\tby relay.example.net \
                 (Fastpath) with ESMTPS id 0000000000011;\r\n\tThu, 01 Jan 1970 00:00:00 +0000\r\n"
            )
        );
    }
}
