//! What the header of a part says of it.

use std::ops::Range;

use memchr::memchr;

use super::delimiters::Delimiters;
use super::parameters::{Parameters, decoded_values};
use super::text::TransferEncoding;
use crate::limits;

/// The fields of a part's header that say what it is.
#[derive(Debug, Default)]
pub(crate) struct PartFields {
    content_type: Option<Parameters>,
    disposition: Option<Parameters>,
    /// Of fields that stand there once more: some programs take the last one. Only names are looked for
    /// in them.
    others: Vec<Parameters>,
    transfer_encoding: String,
    /// From the first line that is no field to the header's end.
    pub(crate) stray: Option<Range<usize>>,
}

impl PartFields {
    /// Reads the header that begins at `begin`: up to the empty line, a delimiter or the end. Gives where the
    /// content begins.
    ///
    /// Some programs skip a line in it that is no field, others take it for the beginning of the
    /// content: the fields behind it count, and the lines are noted as stray. A header whose very first
    /// line is no field is none.
    ///
    /// # Errors
    /// When it is longer than any header that we read.
    pub(crate) fn read(
        content: &[u8],
        begin: usize,
        delimiters: &Delimiters,
    ) -> Result<(Self, usize), String> {
        let mut fields = Self::default();
        let mut at = begin;
        let mut field = begin..begin;
        while at < content.len() && !delimiters.is_at(content, at) {
            let end = memchr(b'\n', &content[at..]).map_or(content.len(), |found| at + found + 1);
            let line = &content[at..end];
            let is_empty = line.trim_ascii_end().is_empty() && !matches!(line[0], b' ' | b'\t');
            let is_folded = matches!(line[0], b' ' | b'\t') && at > begin;
            if is_empty || !is_folded {
                fields.take(&content[field.clone()]);
                field = at..at;
            }
            if is_empty {
                return Ok((fields.with_stray_to(at), end));
            }
            if !is_folded && !is_field(line) {
                if at == begin {
                    return Ok((fields, begin));
                }
                fields.stray.get_or_insert(at..at);
            }
            at = end;
            field.end = at;
            if at - begin > limits::HEADER_BYTES {
                let most = limits::HEADER_BYTES;
                return Err(format!("a header in it is longer than {most} bytes"));
            }
        }
        fields.take(&content[field]);
        Ok((fields.with_stray_to(at), at))
    }

    fn with_stray_to(mut self, end: usize) -> Self {
        if let Some(stray) = &mut self.stray {
            stray.end = end;
        }
        self
    }

    /// Takes a field in, if it is one of those that count.
    fn take(&mut self, field: &[u8]) {
        let Some(colon) = memchr(b':', field) else {
            return;
        };
        let (name, value) = (field[..colon].trim_ascii(), &field[colon + 1..]);
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let parameters = |place: &mut Option<Parameters>, others: &mut Vec<Parameters>| {
            let read = Parameters::read(&unfolded(value));
            match place {
                None => *place = Some(read),
                Some(_) => others.push(read),
            }
        };
        if is("Content-Type") {
            parameters(&mut self.content_type, &mut self.others);
        } else if is("Content-Disposition") {
            parameters(&mut self.disposition, &mut self.others);
        } else if is("Content-Transfer-Encoding") && self.transfer_encoding.is_empty() {
            let value = unfolded(value).to_ascii_lowercase();
            self.transfer_encoding = value
                .split(|c: char| c.is_whitespace() || c == ';' || c == '(')
                .find(|word| !word.is_empty())
                .unwrap_or_default()
                .to_owned();
        }
    }

    /// `type/subtype` in small letters: RFC 2045 §5.2 and RFC 2046 §5.1.5 say what it is when it does not.
    pub(crate) fn media_type(&self, in_digest: bool) -> String {
        let given = self.content_type.as_ref().map(|read| read.head.as_str());
        match given {
            Some(given) if given.split_once('/').is_some_and(both_parts) => given.to_owned(),
            None if in_digest => "message/rfc822".to_owned(),
            _ => "text/plain".to_owned(),
        }
    }

    /// The boundary of a multipart.
    pub(crate) fn boundary(&self) -> Option<Vec<u8>> {
        let content_type = self.content_type.as_ref()?;
        let mut values = content_type.values("boundary").into_iter();
        // RFC 2046 §5.1.1: it does not end with a blank.
        let value = values.next()?.trim_end().as_bytes().to_vec();
        (!value.is_empty()).then_some(value)
    }

    pub(crate) fn charset(&self) -> Option<String> {
        let content_type = self.content_type.as_ref()?;
        content_type.values("charset").into_iter().next()
    }

    pub(crate) fn encoding(&self) -> TransferEncoding {
        match self.transfer_encoding.as_str() {
            "base64" => TransferEncoding::Base64,
            "quoted-printable" => TransferEncoding::QuotedPrintable,
            _ => TransferEncoding::Identity,
        }
    }

    /// It says that it is an attachment.
    pub(crate) fn says_attachment(&self) -> bool {
        let disposition = self.disposition.as_ref();
        disposition.is_some_and(|read| read.head == "attachment")
    }

    /// All names that it gives itself, decoded.
    pub(crate) fn names(&self) -> Vec<String> {
        let fields = [&self.disposition, &self.content_type]
            .into_iter()
            .flatten();
        let mut names: Vec<String> = fields
            .chain(&self.others)
            .flat_map(|read| ["filename", "name"].map(|name| decoded_values(read, name)))
            .flatten()
            .filter(|name| !name.is_empty())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn both_parts((kind, subtype): (&str, &str)) -> bool {
    !kind.is_empty() && !subtype.is_empty()
}

/// RFC 5322 §2.2, and the blanks before the colon that §4.5 has.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else {
        return false;
    };
    let name = line[..colon].trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

/// A value on one line; what is no UTF-8 is taken for Latin-1, so that no letter is lost.
fn unfolded(value: &[u8]) -> String {
    let text = match str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|&byte| char::from(byte)).collect(),
    };
    let text = text.replace(['\r', '\n'], "");
    text.trim().to_owned()
}
