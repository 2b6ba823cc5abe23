//! Writes the header of a message or a part as it is from now on: fields without 8-bit bytes stay as they
//! are, but for those that say what the content is.

use super::addresses::{self, FieldSyntax};
use super::folding::{Folding, UNFOLDABLE_BYTES};
use super::plan::{Charset, PartChange, Treatment};
use super::{encoded_words, parameters, words};
use crate::mime::header_fields::{RawField, fields};
use crate::mime::lexical::{split_where, token};
use crate::mime::structure::HeaderText;

/// A line beyond this is folded: RFC 5322 §2.1.1, without its CRLF.
const LINE_BYTES: usize = 78;

/// Writes a header with the empty line behind it.
pub(super) fn write(header: &HeaderText<'_>, change: PartChange, out: &mut Vec<u8>) {
    let is_changed = change.is_change() || !header.block.is_ascii();
    if is_changed {
        let writer = HeaderWriter {
            change,
            out,
            has_version: false,
            has_type: false,
            has_encoding: false,
        };
        writer.header(header);
    } else {
        out.extend_from_slice(header.block);
    }
    // Where it is missing the content is not what programs take for a field; it might be when it is encoded.
    if header.separator.is_empty() && change.is_change() {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(header.separator);
}

struct HeaderWriter<'o> {
    change: PartChange,
    out: &'o mut Vec<u8>,
    has_version: bool,
    has_type: bool,
    has_encoding: bool,
}

impl HeaderWriter<'_> {
    fn header(mut self, header: &HeaderText<'_>) {
        for lines in fields(header.block) {
            match RawField::of(lines) {
                Some(field) => self.field(lines, field),
                None => self.of_mailbox(lines),
            }
        }
        if !self.change.is_change() {
            return;
        }
        // RFC 2045 §4: it stands in the header of a message, not in that of a part.
        if header.is_of_message && !self.has_version {
            self.write(&["MIME-Version: 1.0\r\n"]);
        }
        if let Some(charset) = self.change.charset
            && !self.has_type
        {
            let charset = charset.name();
            self.write(&["Content-Type: text/plain; charset=", charset, "\r\n"]);
        }
        if let Some(encoding) = encoding_name(self.change.treatment)
            && !self.has_encoding
        {
            self.write(&["Content-Transfer-Encoding: ", encoding, "\r\n"]);
        }
    }

    fn field(&mut self, lines: &[u8], field: RawField<'_>) {
        let is_type = field.is("Content-Type");
        let charset = self.change.charset.filter(|_| is_type && !self.has_type);
        self.has_type |= is_type;
        self.has_version |= field.is("MIME-Version");
        if field.is("Content-Transfer-Encoding") && self.relabels(field) {
            return;
        }
        if !lines.is_ascii() {
            let mut folding = Folding::begin(field.label, self.out);
            rewrite(field, charset, &mut folding);
            folding.finish();
        } else if let Some(charset) = charset {
            self.with_charset(field, charset);
        } else {
            self.out.extend_from_slice(lines);
        }
    }

    /// The content's new encoding in place of the old one. Says no if the field stays.
    fn relabels(&mut self, field: RawField<'_>) -> bool {
        let is_first = !self.has_encoding;
        self.has_encoding = true;
        let label = match encoding_name(self.change.treatment) {
            // Programs differ in which of several they believe.
            Some(_) if !is_first => return true,
            Some(name) => name,
            None if self.change.treatment == Treatment::SevenBit && claims_more(field) => "7bit",
            None => return false,
        };
        self.out.extend_from_slice(field.label);
        self.write(&[" ", label, "\r\n"]);
        true
    }

    /// Content-Type with the character set behind the type, where nothing that is broken further back can
    /// swallow it.
    fn with_charset(&mut self, field: RawField<'_>, charset: Charset) {
        let (front, parameters) = split_where(field.body, |byte| byte == b';');
        let head = front.trim_ascii_end();
        let behind = field.body.get(head.len()..).unwrap_or_default();
        self.out.extend_from_slice(field.label);
        // RFC 2045 §5.2: what says nothing means this.
        let (head, behind) = match head.is_empty() {
            true if parameters.is_empty() => (b" text/plain".as_slice(), b"\r\n".as_slice()),
            true => (b" text/plain".as_slice(), parameters),
            false => (head, behind),
        };
        self.out.extend_from_slice(head);
        let length = behind.iter().position(|byte| *byte == b'\n');
        let line = field.label.len() + head.len() + length.unwrap_or(behind.len());
        let addition = ["; charset=", charset.name()];
        if line + addition.concat().len() <= LINE_BYTES {
            self.write(&addition);
            self.out.extend_from_slice(behind);
            return;
        }
        // A head that fills its line is none, but it must not get longer.
        let fold = match field.label.len() + head.len() > UNFOLDABLE_BYTES {
            true => "\r\n\t;",
            false => ";\r\n\t",
        };
        self.write(&[fold, "charset=", charset.name()]);
        match behind.strip_prefix(b";") {
            Some(others) if !others.trim_ascii().is_empty() => {
                self.out.extend_from_slice(b";\r\n\t");
                self.out.extend_from_slice(others.trim_ascii_start());
            }
            _ => self.out.extend_from_slice(behind),
        }
    }

    fn write(&mut self, words: &[&str]) {
        for word in words {
            self.out.extend_from_slice(word.as_bytes());
        }
    }

    /// The line of a mailbox file.
    fn of_mailbox(&mut self, lines: &[u8]) {
        if lines.is_ascii() {
            self.out.extend_from_slice(lines);
            return;
        }
        let (label, body) = split_where(lines, |byte| byte == b' ');
        let mut folding = Folding::begin(label, self.out);
        addresses::rewrite(body, Charset::Unknown, FieldSyntax::Tokens, &mut folding);
        folding.finish();
    }
}

fn encoding_name(treatment: Treatment) -> Option<&'static str> {
    match treatment {
        Treatment::QuotedPrintable => Some("quoted-printable"),
        Treatment::Base64 => Some("base64"),
        Treatment::Keep
        | Treatment::SevenBit
        | Treatment::RepairQuotedPrintable
        | Treatment::RepairBase64 => None,
    }
}

/// What holds parts says that they are not 7-bit. An encoding, which RFC 2045 §6.4 forbids there, stays.
fn claims_more(field: RawField<'_>) -> bool {
    let token = token(field.body);
    let names = ["7bit", "quoted-printable", "base64"];
    !names
        .iter()
        .any(|name| token.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether an address in this header cannot be written in ASCII: an answer to what would be left of it would go astray.
pub(super) fn has_foreign_address(block: &[u8]) -> bool {
    let fields = fields(block).filter(|lines| !lines.is_ascii());
    fields.filter_map(RawField::of).any(|field| {
        let mut nowhere = Vec::new();
        let mut folding = Folding::begin(field.label, &mut nowhere);
        let is_used = field.is_one_of(ANSWERED) || field.is_one_of(WRITTEN_TO);
        let whole = !is_used || rewrite(field, None, &mut folding);
        folding.finish();
        !whole
    })
}

/// Writes a field with 8-bit bytes anew. False: some of them could not be kept.
fn rewrite(field: RawField<'_>, charset: Option<Charset>, folding: &mut Folding<'_>) -> bool {
    let body = &*encoded_words::repaired(field.body);
    let written_in = Charset::of(body);
    if field.is_one_of(WITH_PARAMETERS) {
        parameters::rewrite(body, written_in, charset, folding);
        true
    } else if field.is_one_of(ANSWERED) || field.is_one_of(WITH_PHRASES) {
        addresses::rewrite(body, written_in, FieldSyntax::Addresses, folding)
    } else if field.is_one_of(WRITTEN_TO) || field.is_one_of(WITH_TOKENS) {
        addresses::rewrite(body, written_in, FieldSyntax::Tokens, folding)
    } else {
        words::rewrite(body, written_in, folding);
        true
    }
}

const WITH_PARAMETERS: &str = "Content-Type Content-Disposition";

/// Addresses with display names, to which answers and reports go. An identifier that loses letters is one all the
/// same; an address is not.
const ANSWERED: &str = "\
    From Sender Reply-To To Cc Bcc Resent-From Resent-Sender Resent-Reply-To Resent-To \
    Resent-Cc Resent-Bcc Disposition-Notification-To Return-Receipt-To Errors-To \
    Mail-Followup-To Mail-Reply-To X-Original-From Author";

/// Other addresses to which something is sent; no word in them may be encoded.
const WRITTEN_TO: &str = "Return-Path List-Owner List-Post List-Subscribe List-Unsubscribe";

/// Other addresses with display names, and phrases.
const WITH_PHRASES: &str =
    "Apparently-To Approved Followup-To Keywords List-Id Generate-Delivery-Report";

/// Other fields in which no word may be encoded: RFC 2047 §5 leaves their comments.
const WITH_TOKENS: &str = "\
    Delivered-To X-Original-To Received Received-SPF Date Message-ID In-Reply-To References \
    Resent-Date Resent-Message-ID Original-Message-ID Supersedes Content-ID Content-Location \
    Content-Base Content-Language Content-MD5 Content-Duration Content-Transfer-Encoding \
    MIME-Version Auto-Submitted Authentication-Results ARC-Authentication-Results \
    ARC-Message-Signature ARC-Seal DKIM-Signature DomainKey-Signature List-Archive List-Help \
    List-Unsubscribe-Post Newsgroups Path";
