//! The second pass: writes the message as the plan has it.

use super::content_writer::ContentWriter;
use super::encode;
use super::header;
use super::plan::ConversionPlan;
use crate::mime::lines::{Lines, split_line_end};
use crate::mime::structure::{ContentEnd, SeenBy, Structure, StructureVisitor, VisitedHeader};

/// Converts one message. It is fed the bytes that the survey looked at.
#[derive(Debug)]
pub(in crate::delivery) struct Converter {
    lines: Lines,
    structure: Structure,
    progress: ConversionProgress,
}

#[derive(Debug)]
struct ConversionProgress {
    plan: ConversionPlan,
    /// So many headers were met.
    headers: usize,
    content: ContentWriter,
}

impl Converter {
    pub(in crate::delivery) fn new(plan: ConversionPlan) -> Converter {
        Converter {
            lines: Lines::default(),
            structure: Structure::new(SeenBy::MostReaders),
            progress: ConversionProgress {
                plan,
                headers: 0,
                content: ContentWriter::Copy,
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
    progress: &'a mut ConversionProgress,
    out: &'a mut Vec<u8>,
}

impl StructureVisitor for Writing<'_> {
    fn header(&mut self, header: VisitedHeader<'_>) {
        let change = self.progress.plan.change(self.progress.headers);
        self.progress.headers += 1;
        header::write(&header.text, change, self.out);
        self.progress.content = ContentWriter::of(change.treatment, header.kind);
    }

    fn text(&mut self, text: &[u8]) {
        self.progress.content.text(text, self.out);
    }

    fn line_end(&mut self, line_end: &'static [u8]) {
        self.progress.content.line_end(line_end, self.out);
    }

    fn content_end(&mut self, end: ContentEnd) {
        let content = std::mem::take(&mut self.progress.content);
        content.finish(end == ContentEnd::Message, self.out);
    }

    fn epilogue(&mut self, line: &[u8], _is_signed: bool) {
        let (text, line_end) = split_line_end(line);
        encode::mask(text, self.out);
        self.out.extend_from_slice(line_end);
    }

    fn delimiter(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}
