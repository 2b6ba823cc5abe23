//! The second pass: writes the message as the plan has it.

use super::Unconvertible;
use super::encode::{self, Base64, QuotedPrintable};
use super::header;
use super::lines::{Lines, split_line_end};
use super::plan::{Plan, Treatment};
use super::structure::{End, Header, Kind, Structure, Visitor};

/// Converts one message. It is fed the bytes that the survey looked at.
#[derive(Debug)]
pub(in crate::delivery) struct Converter {
    lines: Lines,
    structure: Structure,
    progress: Progress,
}

#[derive(Debug)]
struct Progress {
    plan: Plan,
    /// So many headers were met.
    headers: usize,
    content: Content,
}

/// What is done to the content that the machine stands in.
#[derive(Debug)]
enum Content {
    Copy,
    Mask,
    QuotedPrintable(QuotedPrintable),
    Base64(Base64),
    RepairQuotedPrintable,
    RepairBase64,
}

impl Converter {
    /// The converter for one message.
    #[must_use]
    pub(in crate::delivery) fn new(plan: Plan) -> Converter {
        Converter {
            lines: Lines::default(),
            structure: Structure::new(),
            progress: Progress {
                plan,
                headers: 0,
                content: Content::Copy,
            },
        }
    }

    /// Takes the next bytes of the message, cut anywhere, and adds to `out` what they become. The last line
    /// and a header that has begun are held back.
    pub(in crate::delivery) fn convert(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if !self.progress.plan.is_needed {
            out.extend_from_slice(chunk);
            return;
        }
        let progress = &mut self.progress;
        let mut writing = Writing { progress, out };
        self.lines
            .take(chunk, |line| self.structure.line(line, &mut writing));
    }

    /// Adds what was held back.
    pub(in crate::delivery) fn finish(mut self, out: &mut Vec<u8>) {
        if !self.progress.plan.is_needed {
            return;
        }
        let progress = &mut self.progress;
        let mut writing = Writing { progress, out };
        if let Some(line) = self.lines.finish() {
            self.structure.line(&line, &mut writing);
        }
        self.structure.finish(&mut writing);
    }
}

struct Writing<'a> {
    progress: &'a mut Progress,
    out: &'a mut Vec<u8>,
}

impl Visitor for Writing<'_> {
    fn header(&mut self, header: &Header<'_>) {
        let verdict = self.progress.plan.verdict(self.progress.headers);
        self.progress.headers += 1;
        header::write(&header.text, verdict, self.out);
        self.progress.content = match verdict.treatment {
            Treatment::SevenBit if header.kind == Kind::Multipart => Content::Mask,
            Treatment::Keep | Treatment::SevenBit => Content::Copy,
            Treatment::QuotedPrintable => Content::QuotedPrintable(QuotedPrintable::default()),
            Treatment::Base64 => Content::Base64(Base64::default()),
            Treatment::RepairQuotedPrintable => Content::RepairQuotedPrintable,
            Treatment::RepairBase64 => Content::RepairBase64,
        };
    }

    fn text(&mut self, text: &[u8]) {
        match &mut self.progress.content {
            Content::Copy => self.out.extend_from_slice(text),
            Content::Mask => encode::mask(text, self.out),
            Content::QuotedPrintable(encoder) => encoder.text(text, self.out),
            Content::Base64(encoder) => encoder.bytes(text, self.out),
            Content::RepairQuotedPrintable => encode::repair_quoted_printable(text, self.out),
            Content::RepairBase64 => encode::repair_base64(text, self.out),
        }
    }

    fn line_end(&mut self, line_end: &'static [u8]) {
        match &mut self.progress.content {
            Content::QuotedPrintable(encoder) => encoder.line_end(self.out),
            Content::Base64(encoder) => encoder.bytes(line_end, self.out),
            Content::Copy
            | Content::Mask
            | Content::RepairQuotedPrintable
            | Content::RepairBase64 => self.out.extend_from_slice(line_end),
        }
    }

    fn content_end(&mut self, end: End) {
        let content = std::mem::replace(&mut self.progress.content, Content::Copy);
        if let Content::Base64(encoder) = content {
            encoder.finish(end == End::Message, self.out);
        }
    }

    fn epilogue(&mut self, line: &[u8], _is_signed: bool) {
        let (text, line_end) = split_line_end(line);
        encode::mask(text, self.out);
        self.out.extend_from_slice(line_end);
    }

    fn delimiter(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn close(&mut self) {}

    fn beyond(&mut self, _bound: Unconvertible) {}
}
