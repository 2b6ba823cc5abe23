//! A report as a message (RFC 3464): multipart/report of a text, the machine's part, and the original.
//!
//! A part whose bytes are not all ASCII says so with its encoding (RFC 2045 §6). The machine's part is ASCII
//! wherever it can be: its plain form must be (RFC 3464 §2.1), and who has an address in ASCII may not
//! understand the other one (RFC 6533).

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use memchr::memmem;

use crate::message::date::HeaderDate;
use crate::message::{Message, MessageId};
use crate::smtp::address::Mailbox;
use crate::smtp::reply::Reply;
use crate::smtp::xtext;

/// A line of a report is folded when it has more (RFC 5322 §2.1.1), unless it would be very short then.
const FOLDED_BYTES: usize = 78;
const LEAST_FOLDED_BYTES: usize = 40;
/// And has never more.
const LONGEST_LINE_BYTES: usize = 900;

/// What a report is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Failed,
    Delayed,
    Relayed,
}

/// One recipient in a report.
pub(super) struct ReportEntry<'a> {
    pub(super) address: ReportedAddress<'a>,
    /// ORCPT, as it was sent.
    pub(super) original: Option<&'a str>,
    /// RFC 3464 §2.3.3.
    pub(super) action: &'static str,
    /// RFC 3464 §2.3.4.
    pub(super) status: String,
    /// What a person reads.
    pub(super) explanation: &'static str,
    pub(super) reply: &'a Reply,
    pub(super) retried_until: Option<Timestamp>,
}

/// The recipient of an entry.
pub(super) enum ReportedAddress<'a> {
    Known(&'a Mailbox),
    /// What is left of an address.
    Unreadable(String),
}

impl fmt::Display for ReportedAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => address.fmt(f),
            Self::Unreadable(text) => text.fmt(f),
        }
    }
}

/// The message that a report is about.
pub(super) struct Original {
    pub(super) text: Bytes,
    /// It is all there, not its header only.
    pub(super) whole: bool,
}

impl Original {
    /// RFC 6532 §3.7: a header in UTF-8 makes it another type.
    fn media_type(&self) -> &'static str {
        let end = memmem::find(&self.text, b"\r\n\r\n").unwrap_or(self.text.len());
        let header = &self.text[..end];
        let is_global = !header.is_ascii() && std::str::from_utf8(header).is_ok();
        match (self.whole, is_global) {
            (true, false) => "message/rfc822",
            (true, true) => "message/global",
            (false, false) => "text/rfc822-headers",
            (false, true) => "message/global-headers",
        }
    }
}

/// RFC 2045 §6.2.
fn encoding_of(part: &[u8]) -> &'static str {
    if part.is_ascii() { "7bit" } else { "8bit" }
}

/// A report.
pub(super) struct Report<'a> {
    pub(super) id: MessageId,
    pub(super) hostname: &'a str,
    pub(super) to: &'a Mailbox,
    pub(super) subject: Subject,
    pub(super) now: Timestamp,
    /// What it is about.
    pub(super) message: &'a Message,
    pub(super) entries: &'a [ReportEntry<'a>],
}

impl Report<'_> {
    /// As a message.
    pub(super) fn render(&self, original: &Original) -> Bytes {
        let boundary = format!("report-{}", self.id);
        let mut words = String::with_capacity(1_024);
        self.explanation(&mut words);
        let mut fields = String::with_capacity(1_024);
        self.status(&mut fields);
        let is_ascii = original.text.is_ascii() && words.is_ascii() && fields.is_ascii();
        let mut text = String::with_capacity(2_048 + words.len() + fields.len());
        self.head(&mut text, &boundary, !is_ascii);
        // RFC 6533 §4.
        let status_type = match fields.is_ascii() {
            true => "message/delivery-status",
            false => "message/global-delivery-status",
        };
        part(
            &mut text,
            &boundary,
            "text/plain; charset=utf-8",
            words.as_bytes(),
        );
        text.push_str(&words);
        text.push_str("\r\n");
        part(&mut text, &boundary, status_type, fields.as_bytes());
        text.push_str(&fields);
        text.push_str("\r\n");
        part(&mut text, &boundary, original.media_type(), &original.text);
        let mut content = BytesMut::with_capacity(text.len() + original.text.len() + 64);
        content.put_slice(text.as_bytes());
        content.put_slice(&original.text);
        if !original.text.ends_with(b"\r\n") {
            content.put_slice(b"\r\n");
        }
        content.put_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        content.freeze()
    }

    fn head(&self, text: &mut String, boundary: &str, eight_bit: bool) {
        let Self {
            id, hostname, to, ..
        } = self;
        let subject = match self.subject {
            Subject::Failed => "Your message could not be delivered",
            Subject::Delayed => "Your message is delayed",
            Subject::Relayed => "Your message was handed on",
        };
        let date = HeaderDate(self.now);
        let to = to.in_ascii().unwrap_or_else(|| to.as_str().into());
        // RFC 3834 §5: so that no vacation program answers a report.
        let _ = write!(
            text,
            "From: Mail system <MAILER-DAEMON@{hostname}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n\
         Date: {date}\r\nMessage-ID: <{id}@{hostname}>\r\nAuto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\
         \tboundary=\"{boundary}\"\r\n"
        );
        if eight_bit {
            text.push_str("Content-Transfer-Encoding: 8bit\r\n");
        }
        text.push_str("\r\n");
    }

    fn explanation(&self, text: &mut String) {
        let _ = write!(
            text,
            "This is the mail system at {}.\r\n\r\nYour message of {} (our id {}):\r\n\r\n",
            self.hostname,
            HeaderDate(self.message.received_at),
            self.message.id,
        );
        for entry in self.entries {
            let _ = write!(text, "<{}> {}.\r\n", entry.address, entry.explanation);
            let reply = entry.reply.original.as_deref().unwrap_or(entry.reply);
            let answer = match &reply.said_by {
                Some(server) => format!("    The last answer of {server} was: {reply}"),
                None => format!("    The reason is: {}", entry.reply.shown_words()),
            };
            folded(text, &answer);
            text.push_str("\r\n");
        }
        text.push_str(match self.subject {
            Subject::Failed => "It will not be tried again.\r\n",
            Subject::Delayed => "You need not do anything now.\r\n",
            Subject::Relayed => "No further report will come unless it fails there.\r\n",
        });
    }

    /// RFC 3464 §2: the fields of the message, then those of each recipient. A sender whose address is not
    /// ASCII gets them in UTF-8, all others in ASCII.
    fn status(&self, text: &mut String) {
        let in_utf8 = self.to.needs_smtputf8();
        if let Some(envelope_id) = &self.message.envelope.envelope_id {
            let _ = write!(text, "Original-Envelope-Id: {}\r\n", decoded(envelope_id));
        }
        let _ = write!(
            text,
            "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n",
            self.hostname,
            HeaderDate(self.message.received_at)
        );
        for entry in self.entries {
            text.push_str("\r\n");
            if let Some((kind, address)) =
                entry.original.and_then(|original| original.split_once(';'))
            {
                let address = match kind.eq_ignore_ascii_case("utf-8") {
                    true if in_utf8 => Cow::Borrowed(address),
                    true => Cow::Owned(xtext::letters_in_ascii(address)),
                    false => decoded(address),
                };
                let _ = write!(text, "Original-Recipient: {kind};{address}\r\n");
            }
            let (kind, address) = final_recipient(&entry.address, in_utf8);
            let _ = write!(
                text,
                "Final-Recipient: {kind};{address}\r\nAction: {}\r\nStatus: {}\r\n",
                entry.action, entry.status,
            );
            let reply = entry.reply.original.as_deref().unwrap_or(entry.reply);
            if let Some(server) = &reply.said_by {
                let _ = write!(text, "Remote-MTA: dns; {}\r\n", name_or_literal(server));
            }
            diagnosis(text, reply, in_utf8);
            if let Some(until) = entry.retried_until {
                let _ = write!(text, "Will-Retry-Until: {}\r\n", HeaderDate(until));
            }
        }
    }
}

/// The beginning of a part that holds `bytes`.
fn part(text: &mut String, boundary: &str, media_type: &str, bytes: &[u8]) {
    let encoding = encoding_of(bytes);
    let _ = write!(
        text,
        "--{boundary}\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    );
}

/// RFC 3464 §2.3.6: the reply of a server, with its code (RFC 3461 §9.2); what is our own word is no SMTP.
fn diagnosis(text: &mut String, reply: &Reply, in_utf8: bool) {
    let (kind, code) = match reply.said_by {
        Some(_) => ("smtp", format!(" {}", reply.codes())),
        None => ("x-fastpath", String::new()),
    };
    let words = match in_utf8 {
        true => reply.shown_words(),
        false => reply.passed_words(),
    };
    folded(text, &format!("Diagnostic-Code: {kind};{code} {words}"));
}

/// Writes a line, folded at blanks where it is long (RFC 5322 §2.1.1).
fn folded(text: &mut String, line: &str) {
    let mut rest = line.trim_end();
    while let Some(end) = fold(rest) {
        text.push_str(&rest[..end]);
        text.push_str("\r\n");
        rest = &rest[end..];
        if !rest.starts_with(' ') {
            text.push(' ');
        }
    }
    text.push_str(rest);
    text.push_str("\r\n");
}

/// Where a long line is folded: at its last blank that leaves the line short, or else at the first behind that;
/// without a blank where no line may go on. None: it is not.
fn fold(line: &str) -> Option<usize> {
    if line.len() <= FOLDED_BYTES {
        return None;
    }
    let short = line.floor_char_boundary(FOLDED_BYTES);
    let longest = line.floor_char_boundary(LONGEST_LINE_BYTES);
    let first = || line[short..longest].find(' ').map(|at| at + short);
    let last = line[..short].rfind(' ');
    match last.filter(|at| *at > LEAST_FOLDED_BYTES).or_else(first) {
        Some(end) => Some(end),
        None => (longest < line.len()).then_some(longest),
    }
}

/// RFC 3464 §2.1.2 and RFC 5321 §4.1.3: an address is written in brackets.
fn name_or_literal(server: &str) -> String {
    match server.parse() {
        Ok(IpAddr::V4(address)) => format!("[{address}]"),
        Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => server.to_owned(),
    }
}

/// RFC 3464 §2.3.2 and RFC 6533 §3.
fn final_recipient<'a>(
    address: &'a ReportedAddress<'_>,
    in_utf8: bool,
) -> (&'static str, Cow<'a, str>) {
    match address {
        ReportedAddress::Known(address) if address.is_ascii() => {
            ("rfc822", address.as_str().into())
        }
        ReportedAddress::Known(address) if in_utf8 => ("utf-8", address.as_str().into()),
        ReportedAddress::Known(address) => {
            ("utf-8", xtext::encode_letters(address.as_str()).into())
        }
        ReportedAddress::Unreadable(text) => ("x-unreadable", xtext::letters_in_ascii(text).into()),
    }
}

/// The text of xtext; the xtext itself where that is no line of ASCII, which it may not be
/// (RFC 3461 §4), and which could begin a field of its own.
fn decoded(xtext: &str) -> Cow<'_, str> {
    let is_line = |text: &String| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    match xtext::decode(xtext).filter(is_line) {
        Some(text) => text.into(),
        None => xtext.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_server_said_has_its_code_and_its_name() {
        let ours = Reply::new(451, (4, 4, 1), "could not connect: Connection refused");
        let said = |reply: Reply| Reply {
            said_by: Some("mx.example.net".into()),
            ..reply
        };
        for (reply, in_utf8, expected) in [
            (
                said(Reply::new(550, (5, 1, 1), "no such user here")),
                false,
                "Diagnostic-Code: smtp; 550 5.1.1 no such user here\r\n",
            ),
            (
                said(Reply::plain(552, "voll\nüberfüllt")),
                false,
                "Diagnostic-Code: smtp; 552 voll ?berf?llt\r\n",
            ),
            (
                said(Reply::plain(552, "überfüllt")),
                true,
                "Diagnostic-Code: smtp; 552 überfüllt\r\n",
            ),
            (
                ours,
                false,
                "Diagnostic-Code: x-fastpath; could not connect: Connection refused\r\n",
            ),
        ] {
            let mut text = String::new();
            diagnosis(&mut text, &reply, in_utf8);
            assert_eq!(text, expected);
        }
        assert_eq!(name_or_literal("mx.example.net"), "mx.example.net");
        assert_eq!(name_or_literal("192.0.2.1"), "[192.0.2.1]");
        assert_eq!(name_or_literal("2001:db8::1"), "[IPv6:2001:db8::1]");
    }

    proptest! {
        #[test]
        fn folding_loses_nothing(words in proptest::collection::vec("[a-zä]{1,2000}", 1..20)) {
            let line = format!("Diagnostic-Code: smtp; 550 {}", words.join(" "));
            let mut text = String::new();
            folded(&mut text, &line);
            let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            for (place, part) in lines.iter().enumerate() {
                prop_assert!(part.len() <= LONGEST_LINE_BYTES + 1);
                prop_assert_eq!(place > 0, part.starts_with(' '));
                prop_assert!(!part.trim().is_empty());
            }
            // A word that is longer than a line falls into several.
            let letters = |text: &str| text.replace([' ', '\r', '\n'], "");
            prop_assert_eq!(letters(&text), letters(&line));
        }
    }
}
