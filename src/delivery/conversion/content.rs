//! What the survey finds out about one content, and how it is to be encoded.

use super::Unconvertible;
use super::content_writer::ContentWriter;
use super::encode::{self, base64_bytes};
use super::plan::{Charset, PartChange, Treatment};
use crate::mime::part_header::PartKind;
use crate::mime::structure::{HeaderText, VisitedHeader};
use crate::mime::transfer_encoding::TransferEncoding;

/// The content that the survey is in.
#[derive(Debug, Default)]
pub(super) struct ContentSurvey {
    /// Of its header, which is kept to its end: what becomes of it shows there.
    pub(super) number: usize,
    block: Vec<u8>,
    separator: Vec<u8>,
    is_of_message: bool,
    /// It stands before the first delimiter of a multipart, if there is any.
    pub(super) is_multipart: bool,
    pub(super) is_signed: bool,
    pub(super) forbids_eight_bit: Option<Unconvertible>,
    needs_charset: bool,
    choice: EncodingChoice,
    repair: Option<Treatment>,

    bytes: u64,
    is_eight_bit: bool,
    is_utf8: bool,
    /// Repairs it, or makes it quoted-printable.
    writer: ContentWriter,
    written_bytes: u64,
    pub(super) masked_bytes: u64,
}

/// How the encoding is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum EncodingChoice {
    /// People read it in its raw form, too: quoted-printable unless it is much longer.
    #[default]
    Text,
    /// Quoted-printable in any case.
    QuotedPrintable,
    /// Whichever is shorter.
    Shorter,
    /// Base64 in any case.
    Base64,
}

impl EncodingChoice {
    fn of(header: &VisitedHeader<'_>) -> EncodingChoice {
        let media_type = header.fields.media_type.as_str();
        if header.fields.is_text() {
            return EncodingChoice::Text;
        }
        // A report of a delivery and the like is made for programs that read lines, and readable so. A multipart
        // comes here if it has no parts: programs show it as text.
        if media_type.starts_with("message/") || header.fields.is_multipart() {
            return EncodingChoice::QuotedPrintable;
        }
        match header.fields.encoding {
            // RFC 2045 §6.7 (4): line ends that are data and not line ends do not stay in quoted-printable.
            TransferEncoding::Binary => EncodingChoice::Base64,
            _ => EncodingChoice::Shorter,
        }
    }

    fn treatment(self, quoted_printable: u64, base64: u64) -> Treatment {
        let is_base64 = match self {
            EncodingChoice::QuotedPrintable => false,
            EncodingChoice::Base64 => true,
            EncodingChoice::Shorter => base64 < quoted_printable,
            // Half as long again. Text in a Latin alphabet never is, text in another one always is.
            EncodingChoice::Text => base64.saturating_mul(3) < quoted_printable.saturating_mul(2),
        };
        match is_base64 {
            true => Treatment::Base64,
            false => Treatment::QuotedPrintable,
        }
    }
}

impl ContentSurvey {
    /// A content begins below a header.
    pub(super) fn begin(number: usize, header: &VisitedHeader<'_>) -> Self {
        let fields = &header.fields;
        let repair = match fields.encoding {
            TransferEncoding::QuotedPrintable => Some(Treatment::RepairQuotedPrintable),
            TransferEncoding::Base64 => Some(Treatment::RepairBase64),
            TransferEncoding::Binary | TransferEncoding::Identity | TransferEncoding::Foreign => {
                None
            }
        };
        let treatment = repair.unwrap_or(Treatment::QuotedPrintable);
        Self {
            number,
            block: header.text.block.to_vec(),
            separator: header.text.separator.to_vec(),
            is_of_message: header.text.is_of_message,
            is_multipart: header.kind == PartKind::Multipart,
            is_signed: header.is_signed,
            forbids_eight_bit: match fields.media_type.as_str() {
                "message/partial" => Some(Unconvertible::Partial),
                "message/external-body" => Some(Unconvertible::ExternalBody),
                _ if header.kind == PartKind::Leaf
                    && fields.encoding == TransferEncoding::Foreign =>
                {
                    Some(Unconvertible::Encoding)
                }
                _ => None,
            },
            needs_charset: fields.is_text() && fields.charset().is_none(),
            choice: EncodingChoice::of(header),
            repair,
            writer: ContentWriter::of(treatment, header.kind),
            is_utf8: true,
            ..Self::default()
        }
    }

    /// The header that stands above it.
    pub(super) fn header(&self) -> HeaderText<'_> {
        HeaderText {
            block: &self.block,
            separator: &self.separator,
            is_of_message: self.is_of_message,
        }
    }

    /// A line without its end. `scratch` is for what is only counted.
    pub(super) fn text(&mut self, text: &[u8], scratch: &mut Vec<u8>) {
        let is_ascii = text.is_ascii();
        self.is_eight_bit |= !is_ascii;
        // A line end is no part of a character: lines are valid one by one or not at all.
        self.is_utf8 &= is_ascii || Charset::of(text) == Charset::Utf8;
        self.bytes += text.len() as u64;
        if self.is_multipart {
            self.masked_bytes += length(scratch, |out| encode::mask(text, out));
        }
        self.written_bytes += length(scratch, |out| self.writer.text(text, out));
    }

    /// The end of that line.
    pub(super) fn line_end(&mut self, line_end: &[u8], scratch: &mut Vec<u8>) {
        let bytes = line_end.len() as u64;
        self.bytes += bytes;
        self.masked_bytes += bytes;
        self.written_bytes += length(scratch, |out| self.writer.line_end(line_end, out));
    }

    /// What becomes of it, and how long it gets.
    pub(super) fn change(&self, ends_message: bool) -> (PartChange, u64) {
        if !self.is_eight_bit {
            return (PartChange::KEEP, self.bytes);
        }
        if let Some(repair) = self.repair {
            return (PartChange::of(repair), self.written_bytes);
        }
        let last_line_end = if ends_message { 2 } else { 0 };
        let base64 = base64_bytes(self.bytes) + last_line_end;
        let treatment = self.choice.treatment(self.written_bytes, base64);
        let charset = match self.is_utf8 {
            true => Charset::Utf8,
            false => Charset::Unknown,
        };
        let change = PartChange {
            treatment,
            charset: Some(charset).filter(|_| self.needs_charset),
        };
        match treatment {
            Treatment::Base64 => (change, base64),
            _ => (change, self.written_bytes),
        }
    }
}

/// How much is written.
pub(super) fn length(scratch: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
    scratch.clear();
    write(scratch);
    scratch.len() as u64
}
