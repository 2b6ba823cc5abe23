//! Capabilities: what one side of a connection offers in its reply to EHLO.

use std::fmt::Write;

use bytes::BufMut;

use super::reply::Reply;
use super::xclient;

/// What is offered. The default offers nothing, like a peer that knows only HELO.
///
/// Read here rather than by smtp-proto, which wants the raw bytes that the reply reader has digested,
/// and knows AUTH mechanisms as bits only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// SIZE, RFC 1870: bytes of the largest message. None: not offered; `Some(0)`: no fixed limit.
    pub size: Option<u64>,
    /// PIPELINING, RFC 2920.
    pub pipelining: bool,
    /// 8BITMIME, RFC 6152.
    pub eight_bit_mime: bool,
    /// SMTPUTF8, RFC 6531.
    pub smtputf8: bool,
    /// ENHANCEDSTATUSCODES, RFC 2034.
    pub enhanced_status_codes: bool,
    /// DSN, RFC 3461.
    pub dsn: bool,
    /// CHUNKING, RFC 3030.
    pub chunking: bool,
    /// PRDR, draft-hall-prdr.
    pub prdr: bool,
    /// STARTTLS, RFC 3207.
    pub starttls: bool,
    /// AUTH mechanisms in upper case, RFC 4954; none: AUTH is not offered.
    pub auth: Vec<String>,
    /// XCLIENT, as Postfix has it. Only offered by us, never used.
    pub xclient: bool,
}

impl Capabilities {
    /// Reads a peer's reply to EHLO; of any other reply nothing comes. Unknown keywords are passed over.
    pub fn parse(reply: &Reply) -> Capabilities {
        let mut capabilities = Capabilities::default();
        if reply.is_positive() {
            // The first line is the greeting.
            for line in reply.text.split('\n').skip(1) {
                capabilities.add(line);
            }
        }
        capabilities
    }

    fn add(&mut self, line: &str) {
        // Some peers still write the form of an old draft, `AUTH=LOGIN`, beside the right one.
        let mut words = line.split([' ', '=', '\t']).filter(|word| !word.is_empty());
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match keyword.as_str() {
            "SIZE" => {
                // A limit that we cannot read is none: the peer will say 552 by itself.
                let bytes = words.next().and_then(|digits| digits.parse().ok());
                self.size = Some(bytes.unwrap_or(0));
            }
            "AUTH" => {
                for mechanism in words.map(str::to_ascii_uppercase) {
                    if !self.offers_auth(&mechanism) {
                        self.auth.push(mechanism);
                    }
                }
            }
            _ => {
                let mut known = self.without_parameters().into_iter();
                if let Some((_, offered)) = known.find(|(known, _)| *known == keyword) {
                    *offered = true;
                }
            }
        }
    }

    /// The extensions without parameters, by their keywords.
    fn without_parameters(&mut self) -> [(&'static str, &mut bool); 8] {
        [
            ("PIPELINING", &mut self.pipelining),
            ("8BITMIME", &mut self.eight_bit_mime),
            ("SMTPUTF8", &mut self.smtputf8),
            ("ENHANCEDSTATUSCODES", &mut self.enhanced_status_codes),
            ("DSN", &mut self.dsn),
            ("CHUNKING", &mut self.chunking),
            ("PRDR", &mut self.prdr),
            ("STARTTLS", &mut self.starttls),
        ]
    }

    /// Whether `mechanism`, in upper case, is offered.
    pub fn offers_auth(&self, mechanism: &str) -> bool {
        self.auth.iter().any(|offered| offered == mechanism)
    }

    /// Writes our own reply to EHLO, RFC 5321 §4.1.1.1.
    pub fn write_ehlo(mut self, hostname: &str, out: &mut impl BufMut) {
        let mut text = hostname.to_owned();
        if let Some(bytes) = self.size {
            // Writing to a String cannot fail.
            let _ = write!(text, "\nSIZE {bytes}");
        }
        for (keyword, offered) in self.without_parameters() {
            if *offered {
                text.push('\n');
                text.push_str(keyword);
            }
        }
        if !self.auth.is_empty() {
            text.push_str("\nAUTH ");
            text.push_str(&self.auth.join(" "));
        }
        if self.xclient {
            text.push('\n');
            text.push_str(xclient::CAPABILITY);
        }
        Reply::plain(250, text).write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply_reader::ReplyReader;
    use bytes::BytesMut;

    fn check(text: &'static str, expected: Capabilities) {
        assert_eq!(
            Capabilities::parse(&Reply::plain(250, text)),
            expected,
            "{text}"
        );
    }

    #[test]
    fn peers() {
        check("host.example greets you", Capabilities::default());
        check("SIZE 10", Capabilities::default());
        check(
            "h\nSIZE",
            Capabilities {
                size: Some(0),
                ..Capabilities::default()
            },
        );
        check(
            "h\nSIZE many",
            Capabilities {
                size: Some(0),
                ..Capabilities::default()
            },
        );
        check(
            "h\nsize 35882577 ",
            Capabilities {
                size: Some(35_882_577),
                ..Capabilities::default()
            },
        );
        check(
            "h\nAUTH PLAIN login\nAUTH=LOGIN PLAIN\nXCLIENT\n\n8bitMIME",
            Capabilities {
                auth: vec!["PLAIN".into(), "LOGIN".into()],
                eight_bit_mime: true,
                ..Capabilities::default()
            },
        );
        let refusal = Reply::plain(502, "no\nPIPELINING");
        assert_eq!(Capabilities::parse(&refusal), Capabilities::default());
    }

    #[test]
    fn what_we_offer_is_read_again() {
        let offered = Capabilities {
            size: Some(26_214_400),
            pipelining: true,
            eight_bit_mime: true,
            smtputf8: true,
            enhanced_status_codes: true,
            dsn: true,
            chunking: true,
            prdr: true,
            starttls: true,
            auth: vec!["PLAIN".into(), "LOGIN".into()],
            xclient: false,
        };
        let mut wire = BytesMut::new();
        offered.clone().write_ehlo("relay.example", &mut wire);
        assert!(wire.starts_with(b"250-relay.example\r\n250-SIZE 26214400\r\n"));
        assert!(wire.ends_with(b"\r\n250 AUTH PLAIN LOGIN\r\n"));
        let reply = ReplyReader::default().next(&mut wire).unwrap().unwrap();
        assert_eq!(Capabilities::parse(&reply), offered);
        assert!(offered.offers_auth("LOGIN") && !offered.offers_auth("GSSAPI"));
    }
}
