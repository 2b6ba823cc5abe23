//! The first pass: what each part holds, what becomes of it, and how long it gets.

use super::content::{ContentSurvey, length};
use super::encode;
use super::header;
use super::plan::{ConversionPlan, PartChange, Treatment, Unconvertible};
use crate::limits;
use crate::mime::lines::{Lines, split_line_end};
use crate::mime::part_header::PartKind;
use crate::mime::structure::{
    ContentEnd, HeaderText, SeenBy, Structure, StructureBound, StructureVisitor, VisitedHeader,
};

/// Looks at one message.
#[derive(Debug)]
pub(in crate::delivery) struct Survey {
    lines: Lines,
    structure: Structure,
    findings: SurveyFindings,
    /// Of the message as it is.
    bytes: u64,
    is_eight_bit: bool,
}

impl Survey {
    pub(in crate::delivery) fn new() -> Survey {
        Survey {
            lines: Lines::default(),
            structure: Structure::new(SeenBy::MostReaders),
            findings: SurveyFindings::default(),
            bytes: 0,
            is_eight_bit: false,
        }
    }

    /// Takes the next bytes of the message, cut anywhere: canonical lines without dot stuffing.
    pub(in crate::delivery) fn look(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.is_eight_bit |= !chunk.is_ascii();
        let findings = &mut self.findings;
        if findings.trouble.is_none() {
            let structure = &mut self.structure;
            self.lines
                .take(chunk, |line| findings.line(line, structure));
        }
    }

    /// What becomes of the message.
    ///
    /// # Errors
    /// Why nothing can become of it.
    pub(in crate::delivery) fn finish(self) -> Result<ConversionPlan, Unconvertible> {
        let mut findings = self.findings;
        let mut structure = self.structure;
        if !self.is_eight_bit {
            return Ok(ConversionPlan {
                changes: Vec::new(),
                is_needed: false,
                bytes: self.bytes,
            });
        }
        if let Some(line) = self.lines.finish() {
            findings.line(&line, &mut structure);
        }
        structure.finish(&mut findings);
        match findings.trouble {
            Some(trouble) => Err(trouble),
            None => Ok(ConversionPlan {
                changes: findings.changes,
                is_needed: true,
                bytes: findings.bytes,
            }),
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
struct SurveyFindings {
    /// The first one. Bounds matter only in a message that holds 8-bit bytes anywhere.
    trouble: Option<Unconvertible>,
    changes: Vec<PartChange>,
    /// What is open, from the outside in.
    open: Vec<OuterPart>,
    content: ContentSurvey,
    /// Of the converted message so far, without the headers of what is open.
    bytes: u64,
    /// What is counted is written here.
    scratch: Vec<u8>,
}

/// A multipart, or a message within the message.
#[derive(Debug)]
struct OuterPart {
    /// Its header's.
    number: usize,
    /// The length of its header if something changes below it, and if nothing does.
    changed_bytes: u64,
    kept_bytes: u64,
    /// There are 8-bit bytes below its header.
    is_eight_bit: bool,
    /// It is decided already: there are no parts in it.
    is_decided: bool,
}

impl SurveyFindings {
    fn line(&mut self, line: &[u8], structure: &mut Structure) {
        if line.len() > limits::WHOLE_LINE_BYTES {
            self.trouble(Unconvertible::LineTooLong);
        }
        if self.trouble.is_none() {
            structure.line(line, self);
        }
    }

    /// 8-bit bytes stand within the innermost of what is open.
    fn note_eight_bit(&mut self, is_signed: bool) {
        if is_signed {
            self.trouble(Unconvertible::Signed);
        }
        if let Some(outer) = self.open.last_mut() {
            outer.is_eight_bit = true;
        }
    }

    fn trouble(&mut self, trouble: Unconvertible) {
        self.trouble.get_or_insert(trouble);
    }

    fn decide(&mut self, number: usize, change: PartChange) {
        if let Some(place) = self.changes.get_mut(number) {
            *place = change;
        }
    }

    fn header_bytes(&mut self, text: &HeaderText<'_>, change: PartChange) -> u64 {
        length(&mut self.scratch, |out| header::write(text, change, out))
    }
}

impl StructureVisitor for SurveyFindings {
    fn header(&mut self, header: VisitedHeader<'_>) {
        let number = self.changes.len();
        if number >= limits::CONTENT_PARTS {
            self.trouble(Unconvertible::TooManyParts);
            return;
        }
        self.changes.push(PartChange::KEEP);
        if !header.text.block.is_ascii() {
            self.note_eight_bit(header.is_signed);
            if header::has_foreign_address(header.text.block) {
                self.trouble(Unconvertible::Address);
            }
        }
        if header.kind != PartKind::Leaf {
            let changed = PartChange::of(Treatment::SevenBit);
            let outer = OuterPart {
                number,
                changed_bytes: self.header_bytes(&header.text, changed),
                kept_bytes: self.header_bytes(&header.text, PartChange::KEEP),
                is_eight_bit: false,
                is_decided: false,
            };
            self.open.push(outer);
        }
        self.content = ContentSurvey::begin(number, &header);
    }

    fn text(&mut self, text: &[u8]) {
        self.content.text(text, &mut self.scratch);
        if text.is_ascii() {
            return;
        }
        if let Some(trouble) = self.content.forbids_eight_bit {
            self.trouble(trouble);
        }
        self.note_eight_bit(self.content.is_signed);
    }

    fn line_end(&mut self, line_end: &'static [u8]) {
        self.content.line_end(line_end, &mut self.scratch);
    }

    fn content_end(&mut self, end: ContentEnd) {
        if end == ContentEnd::Parts {
            self.bytes += self.content.masked_bytes;
            return;
        }
        let (change, bytes) = self.content.change(end == ContentEnd::Message);
        let content = std::mem::take(&mut self.content);
        self.bytes += bytes + self.header_bytes(&content.header(), change);
        self.decide(content.number, change);
        if content.is_multipart
            && let Some(outer) = self.open.last_mut()
        {
            outer.is_decided = true;
        }
        self.content = content;
    }

    fn epilogue(&mut self, line: &[u8], is_signed: bool) {
        if !line.is_ascii() {
            self.note_eight_bit(is_signed);
        }
        let (text, line_end) = split_line_end(line);
        let masked = length(&mut self.scratch, |out| encode::mask(text, out));
        self.bytes += masked + line_end.len() as u64;
    }

    fn delimiter(&mut self, bytes: &[u8]) {
        if !bytes.is_ascii() {
            self.trouble(Unconvertible::Boundary);
        }
        self.bytes += bytes.len() as u64;
    }

    fn close(&mut self) {
        let Some(outer) = self.open.pop() else {
            return;
        };
        if !outer.is_decided {
            let (treatment, bytes) = match outer.is_eight_bit {
                true => (Treatment::SevenBit, outer.changed_bytes),
                false => (Treatment::Keep, outer.kept_bytes),
            };
            self.decide(outer.number, PartChange::of(treatment));
            self.bytes += bytes;
        }
        if outer.is_eight_bit
            && let Some(around) = self.open.last_mut()
        {
            around.is_eight_bit = true;
        }
    }

    fn beyond(&mut self, bound: StructureBound) {
        self.trouble(match bound {
            StructureBound::Header => Unconvertible::HeaderTooLong,
            StructureBound::Boundary => Unconvertible::Boundary,
            StructureBound::Depth => Unconvertible::TooDeep,
        });
    }
}
