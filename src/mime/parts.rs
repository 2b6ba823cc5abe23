//! The parts of a message, for the content filter: a reader that is made for hostile mail.
//!
//! It goes over the bytes once, from front to back, in time in proportion to the message whatever its parts say of
//! themselves. Where programs that show mail differ in how they read what is broken, it takes what any of them may
//! show.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use memchr::memchr;

use super::charset;
use super::header_fields::{RawField, fields};
use super::part_header::{PartHeader, PartKind};
use super::structure::{
    ContentEnd, SeenBy, Structure, StructureBound, StructureVisitor, VisitedHeader,
};
use super::transfer_encoding::TransferEncoding;
use crate::limits;
use crate::message::Reservation;
use crate::settings::quantity::write_count;

/// A part of a message that holds no other parts.
#[derive(Debug)]
pub(crate) struct LeafPart<'a> {
    /// `type/subtype`, in small letters.
    pub(crate) media_type: String,
    /// The names it gives itself, decoded: more than one when its fields do not agree.
    pub(crate) names: Vec<String>,
    /// It is not for reading in line: it says so, has a name, or is no text.
    pub(crate) is_attachment: bool,
    charset: Option<Vec<u8>>,
    encoding: TransferEncoding,
    content: &'a [u8],
}

impl LeafPart<'_> {
    /// It is text of whatever kind.
    pub(crate) fn is_text(&self) -> bool {
        self.media_type.starts_with("text/")
    }

    /// Bytes that it may take to make its text, the text included: what is decoded, and up to three bytes for
    /// each of them.
    pub(crate) fn text_memory_bytes(&self) -> u64 {
        4 * self.content.len() as u64
    }

    /// Its content as text, with `\n` at the end of lines.
    pub(crate) fn text(&self) -> String {
        let bytes = self.encoding.decode(self.content);
        charset::text(&bytes, self.charset.as_deref())
    }
}

/// Shows each part of a message in its order, until `show` has seen enough. Messages within it are shown
/// as parts, and then their own parts. What it decodes is taken from the memory budget of `share`.
///
/// # Errors
/// Why it does not go on: what was shown is not all.
pub(crate) fn walk(
    content: &[u8],
    share: &Reservation,
    show: impl FnMut(&LeafPart<'_>) -> ControlFlow<()>,
) -> Result<(), String> {
    let mut walk = PartWalk {
        show,
        share,
        parts: 0,
        wrapped: Vec::new(),
        end: None,
    };
    walk.message(content, 0);
    // Each of these is smaller than what it was wrapped in.
    while walk.end.is_none()
        && let Some((content, wrappings)) = walk.wrapped.pop()
    {
        walk.message(&content, wrappings);
    }
    walk.end.unwrap_or(Ok(()))
}

struct PartWalk<'a, S> {
    show: S,
    share: &'a Reservation,
    /// So many were met.
    parts: usize,
    /// Messages that were encoded, to be walked over when the one that they came in is done; and how
    /// often they were wrapped.
    wrapped: Vec<(Bytes, usize)>,
    /// It does not go on: enough was seen, or why it must not.
    end: Option<Result<(), String>>,
}

impl<S: FnMut(&LeafPart<'_>) -> ControlFlow<()>> PartWalk<'_, S> {
    /// Walks over a message that was wrapped so often.
    fn message(&mut self, content: &[u8], wrappings: usize) {
        let mut structure = Structure::new(SeenBy::AnyReader);
        let mut visitor = MessageWalk {
            walk: self,
            content,
            wrappings,
            line: 0..0,
            text: None,
            part: None,
        };
        while visitor.line.end < content.len() && visitor.walk.end.is_none() {
            let begin = visitor.line.end;
            let length = memchr(b'\n', &content[begin..]).map(|end| end + 1);
            let end = length.map_or(content.len(), |length| begin + length);
            visitor.line = begin..end;
            structure.line(&content[begin..end], &mut visitor);
        }
        visitor.line = content.len()..content.len();
        structure.finish(&mut visitor);
        visitor.end_epilogue();
    }

    /// One part more, of whatever kind.
    fn count(&mut self) {
        self.parts += 1;
        if self.parts > limits::CONTENT_PARTS {
            let most = write_count(limits::CONTENT_PARTS as u64);
            self.fail(format!("it has more than {most} parts"));
        }
    }

    fn fail(&mut self, why: String) {
        self.end.get_or_insert(Err(why));
    }

    fn show(&mut self, part: &LeafPart<'_>) {
        self.count();
        if self.end.is_none() && (self.show)(part).is_break() {
            self.end = Some(Ok(()));
        }
    }

    /// Keeps an encoded message for later.
    fn wrap(&mut self, encoding: TransferEncoding, content: &[u8], wrappings: usize) {
        let mut share = self.share.another();
        if wrappings > limits::CONTENT_WRAPPINGS {
            self.fail("it has encoded messages within encoded messages".to_owned());
        } else if !share.grow(content.len() as u64) {
            self.fail("there is no memory for the encoded messages in it".to_owned());
        } else {
            let content = encoding.decode(content).into_owned();
            self.wrapped.push((share.held_by(content), wrappings));
        }
    }
}

/// The walk over one message.
struct MessageWalk<'w, 'a, 'c, S> {
    walk: &'w mut PartWalk<'a, S>,
    content: &'c [u8],
    wrappings: usize,
    /// The line that the machine was given last; at the end of the content there is none.
    line: Range<usize>,
    /// Where the content of the part begins, or what stands behind the last part of a multipart.
    text: Option<usize>,
    /// The part whose content it is. None: it belongs to no part; some programs show it.
    part: Option<PartHeader>,
}

impl<'c, S: FnMut(&LeafPart<'_>) -> ControlFlow<()>> MessageWalk<'_, '_, 'c, S> {
    /// From `begin` to the line that the machine has met: its last line end is the delimiter's.
    fn content_from(&self, begin: usize) -> &'c [u8] {
        let content = &self.content[begin..self.line.start];
        if self.line.is_empty() {
            return content;
        }
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        content.strip_suffix(b"\r").unwrap_or(content)
    }

    /// Lines that belong to no part, or to a header without being fields, are text for some programs.
    fn show_stray(&mut self, content: &[u8]) {
        if content.trim_ascii().is_empty() {
            return;
        }
        self.walk.show(&LeafPart {
            media_type: "text/plain".to_owned(),
            names: Vec::new(),
            is_attachment: false,
            charset: None,
            encoding: TransferEncoding::Identity,
            content,
        });
    }

    fn show_leaf(&mut self, fields: &PartHeader, content: &[u8]) {
        let names = fields.names();
        self.walk.show(&LeafPart {
            media_type: fields.media_type.clone(),
            is_attachment: fields.says_attachment() || !names.is_empty() || !fields.is_text(),
            names,
            charset: fields.charset(),
            encoding: fields.encoding,
            content,
        });
    }

    fn end_epilogue(&mut self) {
        if let Some(begin) = self.text.take() {
            self.show_stray(self.content_from(begin));
        }
    }
}

impl<S: FnMut(&LeafPart<'_>) -> ControlFlow<()>> StructureVisitor for MessageWalk<'_, '_, '_, S> {
    fn header(&mut self, header: VisitedHeader<'_>) {
        // A header without an empty line behind it ends before the line that the machine was given.
        let begin = match header.text.separator {
            b"" => self.line.start,
            _ => self.line.end,
        };
        if let Some(stray) = stray_bytes(header.text.block) {
            let end = begin - header.text.separator.len();
            self.show_stray(&self.content[end - stray..end]);
        }
        match header.kind {
            PartKind::Message => return self.show_leaf(&header.fields, b""),
            PartKind::Leaf if !header.fields.is_multipart() => self.part = Some(header.fields),
            PartKind::Leaf | PartKind::Multipart => {
                self.part = None;
                self.walk.count();
            }
        }
        self.text = Some(begin);
    }

    fn content_end(&mut self, _end: ContentEnd) {
        let Some(begin) = self.text.take() else {
            return;
        };
        let content = self.content_from(begin);
        let Some(fields) = self.part.take() else {
            return self.show_stray(content);
        };
        self.show_leaf(&fields, content);
        if fields.is_message() {
            self.walk.wrap(fields.encoding, content, self.wrappings + 1);
        }
    }

    fn epilogue(&mut self, _line: &[u8], _is_signed: bool) {
        self.text.get_or_insert(self.line.start);
    }

    fn delimiter(&mut self, _bytes: &[u8]) {
        self.end_epilogue();
    }

    fn beyond(&mut self, _bound: StructureBound) {
        let most = limits::HEADER_BYTES;
        self.walk
            .fail(format!("a header in it is longer than {most} bytes"));
    }
}

/// How much of a header stands behind its first line that is no field, that line included.
fn stray_bytes(block: &[u8]) -> Option<usize> {
    let mut rest = block.len();
    for lines in fields(block) {
        let line = lines.split_inclusive(|byte| *byte == b'\n').next();
        if line.and_then(RawField::of).is_none() {
            return Some(rest);
        }
        rest -= lines.len();
    }
    None
}
