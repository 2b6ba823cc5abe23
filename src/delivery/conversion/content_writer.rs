//! Writes a content, line after line, as its treatment has it.

use super::encode::{self, Base64, QuotedPrintable};
use super::plan::Treatment;
use crate::mime::part_header::PartKind;

/// What is done to a content.
#[derive(Debug, Default)]
pub(super) enum ContentWriter {
    #[default]
    Copy,
    Mask,
    QuotedPrintable(QuotedPrintable),
    Base64(Base64),
    RepairQuotedPrintable,
    RepairBase64,
}

impl ContentWriter {
    pub(super) fn of(treatment: Treatment, kind: PartKind) -> Self {
        match treatment {
            Treatment::SevenBit if kind == PartKind::Multipart => Self::Mask,
            Treatment::Keep | Treatment::SevenBit => Self::Copy,
            Treatment::QuotedPrintable => Self::QuotedPrintable(QuotedPrintable::default()),
            Treatment::Base64 => Self::Base64(Base64::default()),
            Treatment::RepairQuotedPrintable => Self::RepairQuotedPrintable,
            Treatment::RepairBase64 => Self::RepairBase64,
        }
    }

    /// A line without its end.
    pub(super) fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Copy => out.extend_from_slice(text),
            Self::Mask => encode::mask(text, out),
            Self::QuotedPrintable(encoder) => encoder.text(text, out),
            Self::Base64(encoder) => encoder.bytes(text, out),
            Self::RepairQuotedPrintable => encode::repair_quoted_printable(text, out),
            Self::RepairBase64 => encode::repair_base64(text, out),
        }
    }

    /// The end of that line.
    pub(super) fn line_end(&mut self, line_end: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::QuotedPrintable(encoder) => encoder.line_end(out),
            Self::Base64(encoder) => encoder.bytes(line_end, out),
            _ => out.extend_from_slice(line_end),
        }
    }

    /// Ends the content, and with it the message or not.
    pub(super) fn finish(self, ends_message: bool, out: &mut Vec<u8>) {
        if let Self::Base64(encoder) = self {
            encoder.finish(ends_message, out);
        }
    }
}
