//! What a reader finds in a message, for the tests: the contents of its parts, decoded.

use super::fields::{Field, TransferEncoding, fields};
use super::lines::Lines;
use super::structure::{End, Header, Structure, Visitor};
use super::{Converter, Plan, Survey, Unconvertible};

/// What stands in a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::delivery) struct Reading {
    pub(super) contents: Vec<Content>,
    pub(super) delimiters: Vec<Vec<u8>>,
    pub(super) closed: usize,
    encoding: Option<TransferEncoding>,
    raw: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) media_type: String,
    pub(super) fields: Vec<String>,
    /// None: it holds parts, and what stands before them is not shown.
    pub(super) decoded: Option<Vec<u8>>,
}

impl Reading {
    pub(in crate::delivery) fn of(message: &[u8]) -> Reading {
        let mut reading = Reading::default();
        let mut structure = Structure::new();
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

impl Visitor for Reading {
    fn header(&mut self, header: &Header<'_>) {
        self.encoding = Some(header.fields.encoding);
        self.raw.clear();
        let names = fields(header.text.block).filter_map(Field::of);
        let names = names.map(|field| String::from_utf8_lossy(field.name()).to_ascii_lowercase());
        self.contents.push(Content {
            media_type: String::from_utf8_lossy(&header.fields.media_type).into_owned(),
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

    fn content_end(&mut self, end: End) {
        let decoded = match self.encoding {
            Some(TransferEncoding::QuotedPrintable) => decode_quoted_printable(&self.raw),
            Some(TransferEncoding::Base64) => decode_base64(&self.raw),
            _ => self.raw.clone(),
        };
        if let Some(content) = self.contents.last_mut() {
            content.decoded = (end != End::Parts).then_some(decoded);
        }
    }

    fn epilogue(&mut self, _line: &[u8], _is_signed: bool) {}

    fn delimiter(&mut self, bytes: &[u8]) {
        self.delimiters.push(bytes.to_vec());
    }

    fn close(&mut self) {
        self.closed += 1;
    }

    fn beyond(&mut self, _bound: Unconvertible) {}
}

const ADDED: [&str; 3] = ["mime-version", "content-type", "content-transfer-encoding"];

pub(super) fn decode_quoted_printable(mut text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    loop {
        text = match text {
            [] => return decoded,
            [b'=', b'\r', b'\n', rest @ ..] => rest,
            [b'=', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap();
                decoded.push(u8::try_from(digit(high) * 16 + digit(low)).unwrap());
                rest
            }
            [byte, rest @ ..] => {
                decoded.push(*byte);
                rest
            }
        };
    }
}

pub(super) fn decode_base64(text: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.iter().filter_map(|byte| {
        let digit = ALPHABET.iter().position(|known| known == byte)?;
        u32::try_from(digit).ok()
    });
    let mut decoded = Vec::new();
    let (mut held, mut bits) = (0_u32, 0);
    for digit in digits {
        held = held << 6 | digit;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.push(u8::try_from(held >> bits & 0xff).unwrap());
        }
    }
    decoded
}

/// The text of a field's body, with its encoded words decoded: RFC 2047 §6.2.
pub(super) fn decode_words(body: &str) -> String {
    let body = body.replace("\r\n", "");
    let mut text = Vec::new();
    let mut blanks = String::new();
    let mut is_behind_encoded = false;
    for word in body.split_inclusive(' ') {
        let (word, blank) = match word.strip_suffix(' ') {
            Some(word) => (word, " "),
            None => (word, ""),
        };
        let decoded = decode_word(word);
        if !word.is_empty() {
            if !(is_behind_encoded && decoded.is_some()) {
                text.extend_from_slice(blanks.as_bytes());
            }
            blanks.clear();
            is_behind_encoded = decoded.is_some();
            text.extend(decoded.unwrap_or_else(|| word.as_bytes().to_vec()));
        }
        blanks.push_str(blank);
    }
    String::from_utf8(text).unwrap()
}

/// What an encoded word holds. Each one decodes to whole characters, or this panics.
fn decode_word(word: &str) -> Option<Vec<u8>> {
    let word = word.strip_prefix("=?utf-8?")?.strip_suffix("?=")?;
    assert!(word.len() <= 75 - "=?utf-8??=".len());
    let bytes = match word.split_once('?')? {
        ("q", text) => decode_quoted_printable(text.replace('_', " ").as_bytes()),
        ("b", text) => decode_base64(text.as_bytes()),
        _ => return None,
    };
    assert!(std::str::from_utf8(&bytes).is_ok());
    Some(bytes)
}

pub(super) fn planned(message: &[u8]) -> Result<Plan, Unconvertible> {
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
    let bytes = plan.bytes();
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
