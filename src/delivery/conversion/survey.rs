//! The first pass: what each part holds, what becomes of it, and how long it gets.

use super::content::ContentSurvey;
use super::encode;
use super::header;
use super::lines::{Lines, split_line_end};
use super::plan::{Plan, Treatment, Unconvertible, Verdict};
use super::structure::{End, Header, HeaderText, Kind, Structure, Visitor};
use super::{LINE_BYTES, PARTS};

/// Looks at one message.
#[derive(Debug)]
pub(in crate::delivery) struct Survey {
    lines: Lines,
    structure: Structure,
    findings: Findings,
    /// Of the message as it is.
    bytes: u64,
    is_eight_bit: bool,
}

impl Default for Survey {
    fn default() -> Survey {
        Survey::new()
    }
}

impl Survey {
    /// The survey of one message.
    #[must_use]
    pub(in crate::delivery) fn new() -> Survey {
        Survey {
            lines: Lines::default(),
            structure: Structure::new(),
            findings: Findings::default(),
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
    pub(in crate::delivery) fn finish(self) -> Result<Plan, Unconvertible> {
        let mut findings = self.findings;
        let mut structure = self.structure;
        if !self.is_eight_bit {
            return Ok(Plan {
                verdicts: Vec::new(),
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
            None => Ok(Plan {
                verdicts: findings.verdicts,
                is_needed: true,
                bytes: findings.bytes,
            }),
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings {
    /// The first one. Bounds matter only in a message that holds 8-bit bytes anywhere.
    trouble: Option<Unconvertible>,
    verdicts: Vec<Verdict>,
    /// What is open, from the outside in.
    open: Vec<Outer>,
    content: ContentSurvey,
    /// Of the converted message so far, without the headers of what is open.
    bytes: u64,
    /// What is counted is written here.
    scratch: Vec<u8>,
}

/// A multipart, or a message within the message.
#[derive(Debug)]
struct Outer {
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

impl Findings {
    fn line(&mut self, line: &[u8], structure: &mut Structure) {
        if line.len() > LINE_BYTES {
            self.beyond(Unconvertible::LineTooLong);
        }
        if self.trouble.is_none() {
            structure.line(line, self);
        }
    }

    /// 8-bit bytes stand within the innermost of what is open.
    fn note_eight_bit(&mut self, is_signed: bool) {
        if is_signed {
            self.beyond(Unconvertible::Signed);
        }
        if let Some(outer) = self.open.last_mut() {
            outer.is_eight_bit = true;
        }
    }

    fn decide(&mut self, number: usize, verdict: Verdict) {
        if let Some(place) = self.verdicts.get_mut(number) {
            *place = verdict;
        }
    }

    fn header_bytes(&mut self, text: &HeaderText<'_>, verdict: Verdict) -> u64 {
        self.scratch.clear();
        header::write(text, verdict, &mut self.scratch);
        self.scratch.len() as u64
    }
}

impl Visitor for Findings {
    fn header(&mut self, header: &Header<'_>) {
        let number = self.verdicts.len();
        if number >= PARTS {
            self.beyond(Unconvertible::TooManyParts);
            return;
        }
        self.verdicts.push(Verdict::KEEP);
        if !header.text.block.is_ascii() {
            self.note_eight_bit(header.is_signed);
            if header::has_foreign_address(header.text.block) {
                self.beyond(Unconvertible::Address);
            }
        }
        if header.kind != Kind::Leaf {
            let changed = Verdict::of(Treatment::SevenBit);
            let outer = Outer {
                number,
                changed_bytes: self.header_bytes(&header.text, changed),
                kept_bytes: self.header_bytes(&header.text, Verdict::KEEP),
                is_eight_bit: false,
                is_decided: false,
            };
            self.open.push(outer);
        }
        self.content.begin(number, header);
    }

    fn text(&mut self, text: &[u8]) {
        self.content.text(text, &mut self.scratch);
        if text.is_ascii() {
            return;
        }
        if let Some(trouble) = self.content.forbids_eight_bit {
            self.beyond(trouble);
        }
        self.note_eight_bit(self.content.is_signed);
    }

    fn line_end(&mut self, line_end: &'static [u8]) {
        self.content.line_end(line_end);
    }

    fn content_end(&mut self, end: End) {
        if end == End::Parts {
            self.bytes += self.content.masked_bytes;
            return;
        }
        let (verdict, bytes) = self.content.verdict(end == End::Message);
        let content = std::mem::take(&mut self.content);
        self.bytes += bytes + self.header_bytes(&content.header(), verdict);
        self.decide(content.number, verdict);
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
        self.scratch.clear();
        encode::mask(text, &mut self.scratch);
        self.bytes += (self.scratch.len() + line_end.len()) as u64;
    }

    fn delimiter(&mut self, bytes: &[u8]) {
        if !bytes.is_ascii() {
            self.beyond(Unconvertible::Boundary);
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
            self.decide(outer.number, Verdict::of(treatment));
            self.bytes += bytes;
        }
        if outer.is_eight_bit
            && let Some(around) = self.open.last_mut()
        {
            around.is_eight_bit = true;
        }
    }

    fn beyond(&mut self, bound: Unconvertible) {
        self.trouble.get_or_insert(bound);
    }
}
