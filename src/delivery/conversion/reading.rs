//! What a reader finds in a message, for the tests: the contents of its parts, decoded.

use super::{ConversionPlan, Converter, Survey, Unconvertible};
use crate::mime::header_fields::{RawField, fields};
use crate::mime::lines::Lines;
use crate::mime::structure::{ContentEnd, SeenBy, Structure, StructureVisitor, VisitedHeader};
use crate::mime::transfer_encoding::TransferEncoding;

/// What stands in a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct MessageReading {
    pub(super) contents: Vec<ReadContent>,
    pub(super) delimiters: Vec<Vec<u8>>,
    pub(super) closed: usize,
    encoding: Option<TransferEncoding>,
    raw: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReadContent {
    pub(super) media_type: String,
    pub(super) fields: Vec<String>,
    /// None: it holds parts, and what stands before them is not shown.
    pub(super) decoded: Option<Vec<u8>>,
}

impl MessageReading {
    pub(in crate::delivery) fn of(message: &[u8]) -> MessageReading {
        let mut reading = MessageReading::default();
        let mut structure = Structure::new(SeenBy::MostReaders);
        let mut lines = Lines::default();
        lines.take(message, |line| structure.line(line, &mut reading));
        if let Some(line) = lines.finish() {
            structure.line(&line, &mut reading);
        }
        structure.finish(&mut reading);
        reading.encoding = None;
        reading.raw.clear();
        reading
    }

    /// The same in lines.
    pub(in crate::delivery) fn record(&self) -> String {
        let contents = self.contents.iter().map(|content| {
            let decoded = content.decoded.as_ref().map(|decoded| {
                let shown = &decoded[..decoded.len().min(2_000)];
                format!("{} {}", decoded.len(), shown.escape_ascii())
            });
            let decoded = decoded.unwrap_or_else(|| "parts".to_owned());
            format!("{} {:?}\n  {decoded}\n", content.media_type, content.fields)
        });
        let delimiters = self.delimiters.iter();
        let delimiters = delimiters.map(|line| format!("delimiter {}\n", line.escape_ascii()));
        contents
            .chain(delimiters)
            .chain([format!("closed {}\n", self.closed)])
            .collect()
    }
}

impl StructureVisitor for MessageReading {
    fn header(&mut self, header: VisitedHeader<'_>) {
        self.encoding = Some(header.fields.encoding);
        self.raw.clear();
        let names = fields(header.text.block).filter_map(RawField::of);
        let names = names.map(|field| String::from_utf8_lossy(field.name()).to_ascii_lowercase());
        self.contents.push(ReadContent {
            media_type: header.fields.media_type,
            fields: names
                .filter(|name| !ADDED.contains(&name.as_str()))
                .collect(),
            decoded: None,
        });
    }

    fn text(&mut self, text: &[u8]) {
        self.raw.extend_from_slice(text);
    }

    fn line_end(&mut self, line_end: &'static [u8]) {
        self.raw.extend_from_slice(line_end);
    }

    fn content_end(&mut self, end: ContentEnd) {
        let decoded = self
            .encoding
            .unwrap_or_default()
            .decode(&self.raw)
            .into_owned();
        if let Some(content) = self.contents.last_mut() {
            content.decoded = (end != ContentEnd::Parts).then_some(decoded);
        }
    }

    fn delimiter(&mut self, bytes: &[u8]) {
        self.delimiters.push(bytes.to_vec());
    }

    fn close(&mut self) {
        self.closed += 1;
    }
}

const ADDED: [&str; 3] = ["mime-version", "content-type", "content-transfer-encoding"];

pub(super) fn planned(message: &[u8]) -> Result<ConversionPlan, Unconvertible> {
    let mut survey = Survey::new();
    survey.look(message);
    survey.finish()
}

/// Converts a message that comes in these chunks.
pub(super) fn converted(chunks: &[&[u8]]) -> Result<Vec<u8>, Unconvertible> {
    let mut survey = Survey::new();
    for chunk in chunks {
        survey.look(chunk);
    }
    let plan = survey.finish()?;
    let bytes = plan.bytes;
    let mut converter = Converter::new(plan);
    let mut out = Vec::new();
    // The second pass is cut differently.
    for chunk in chunks.concat().chunks(7) {
        converter.convert(chunk, &mut out);
    }
    converter.finish(&mut out);
    assert_eq!(bytes, out.len() as u64, "the size that was planned");
    Ok(out)
}
