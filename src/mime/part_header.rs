//! What the header of a part says of it.

use super::charset;
use super::header_fields::{RawField, fields};
use super::parameters::Parameters;
use super::transfer_encoding::TransferEncoding;

/// The fields of a part's header that say what it is. Of fields that stand there more than once the first counts, as
/// with most programs.
#[derive(Debug)]
pub(crate) struct PartHeader {
    /// `type/subtype`, in small letters.
    pub(crate) media_type: String,
    pub(crate) encoding: TransferEncoding,
    content_type: Option<Parameters>,
    disposition: Option<Parameters>,
    /// Of fields that stand there once more: some programs take the last one. Only names are looked for
    /// in them.
    others: Vec<Parameters>,
}

/// What a part is to those who go over a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// It holds parts between delimiters.
    Multipart,
    /// It holds a message.
    Message,
    /// It holds neither, or nothing that can be told apart.
    Leaf,
}

/// Types of parts that are messages.
const MESSAGES: [&str; 3] = ["message/rfc822", "message/global", "message/news"];

impl PartHeader {
    /// Reads a header; `is_of_digest`: it is that of a part of a digest.
    pub(crate) fn read(block: &[u8], is_of_digest: bool) -> Self {
        let mut header = Self {
            media_type: String::new(),
            encoding: TransferEncoding::default(),
            content_type: None,
            disposition: None,
            others: Vec::new(),
        };
        let mut encoding = None;
        for field in fields(block).filter_map(RawField::of) {
            let place = if field.is("Content-Type") {
                &mut header.content_type
            } else if field.is("Content-Disposition") {
                &mut header.disposition
            } else {
                if encoding.is_none() && field.is("Content-Transfer-Encoding") {
                    encoding = TransferEncoding::named(field.body);
                }
                continue;
            };
            let read = Parameters::read(field.body);
            match place {
                None => *place = Some(read),
                Some(_) => header.others.push(read),
            }
        }
        header.encoding = encoding.unwrap_or_default();
        header.media_type = match &header.content_type {
            Some(given) if is_type(&given.head) => charset::text(&given.head, None),
            // RFC 2046 §5.1.5: the parts of a digest are messages unless they say otherwise.
            None if is_of_digest => MESSAGES[0].to_owned(),
            // RFC 2045 §5.2.
            _ => "text/plain".to_owned(),
        };
        header
    }

    /// The boundary of a multipart.
    pub(crate) fn boundary(&self) -> Option<Vec<u8>> {
        let mut value = self.content_type.as_ref()?.value("boundary")?;
        // RFC 2046 §5.1.1: it does not end with a blank.
        value.truncate(value.trim_ascii_end().len());
        (!value.is_empty()).then_some(value)
    }

    pub(crate) fn charset(&self) -> Option<Vec<u8>> {
        self.content_type.as_ref()?.value("charset")
    }

    /// Without a boundary the parts of a multipart cannot be told apart, and programs show it as text.
    pub(super) fn kind(&self, has_boundary: bool) -> PartKind {
        if self.is_multipart() {
            // RFC 2045 §6.4: its encoding says nothing.
            return match has_boundary {
                true => PartKind::Multipart,
                false => PartKind::Leaf,
            };
        }
        match self.is_message() && !self.encoding.is_encoded() {
            true => PartKind::Message,
            false => PartKind::Leaf,
        }
    }

    pub(crate) fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }

    /// It is a message, which may be encoded although RFC 2046 §5.2.1 forbids that.
    pub(crate) fn is_message(&self) -> bool {
        MESSAGES.contains(&self.media_type.as_str())
    }

    pub(crate) fn is_text(&self) -> bool {
        self.media_type.starts_with("text/")
    }

    /// It says that it is an attachment: RFC 2183 §2.2.
    pub(crate) fn says_attachment(&self) -> bool {
        let disposition = self.disposition.as_ref();
        disposition.is_some_and(|read| read.head == b"attachment")
    }

    /// All names that it gives itself, decoded.
    pub(crate) fn names(&self) -> Vec<String> {
        let read = self.disposition.iter().chain(&self.content_type);
        let mut names: Vec<String> = read
            .chain(&self.others)
            .flat_map(|read| read.texts("filename").chain(read.texts("name")))
            .filter(|name| !name.is_empty())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// It is `type/subtype`.
fn is_type(head: &[u8]) -> bool {
    let slash = memchr::memchr(b'/', head);
    slash.is_some_and(|slash| slash > 0 && slash + 1 < head.len())
}
