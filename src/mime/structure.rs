//! The machine that goes over the lines of a message and says what each belongs to: RFC 2046 §5.1.
//!
//! There is no tree and no recursion: it remembers the header that it is in and what is open around it.

use super::delimiters::{Delimiter, Delimiters};
use super::header_fields::HeaderLine;
use super::lines::split_line_end;
use super::part_header::{PartHeader, PartKind};
use crate::limits;

/// What goes over a message with the machine.
pub(crate) trait StructureVisitor {
    /// A header has ended.
    fn header(&mut self, header: VisitedHeader<'_>);
    /// A line of the content that stands below the last header, without its end. What stands before the first
    /// delimiter of a multipart comes this way too: whether it is content shows at its end.
    fn text(&mut self, _text: &[u8]) {}
    /// The end of that line; not so the line end that belongs to a delimiter.
    fn line_end(&mut self, _line_end: &'static [u8]) {}
    /// That content has ended.
    fn content_end(&mut self, end: ContentEnd);
    /// A line behind the last part of a multipart, with its end: mail readers do not show it.
    fn epilogue(&mut self, _line: &[u8], _is_signed: bool) {}
    /// A delimiter, or the line end that belongs to it.
    fn delimiter(&mut self, bytes: &[u8]);
    /// The innermost multipart or message within the message has ended.
    fn close(&mut self) {}
    /// A bound was met: what follows is not seen as it is.
    fn beyond(&mut self, _bound: StructureBound) {}
}

/// A header that has ended.
pub(crate) struct VisitedHeader<'a> {
    pub(crate) fields: PartHeader,
    pub(crate) text: HeaderText<'a>,
    pub(crate) kind: PartKind,
    /// It is under a signature with the content below it; a signed multipart itself is not.
    pub(crate) is_signed: bool,
}

/// How a header stands in the message.
pub(crate) struct HeaderText<'a> {
    /// Its fields.
    pub(crate) block: &'a [u8],
    /// The empty line behind them, if there is one.
    pub(crate) separator: &'a [u8],
    /// It is that of a message, not of a part.
    pub(crate) is_of_message: bool,
}

/// How a content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentEnd {
    /// At the first delimiter of the multipart that it stands in: mail readers do not show it.
    Parts,
    /// At another delimiter, or with the message where that is missing.
    Delimiter,
    /// With the message, outside any multipart.
    Message,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum StructurePosition {
    #[default]
    Header,
    Content,
    Epilogue,
}

/// Whose reading of what is broken counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeenBy {
    /// That of most mail readers: what is changed must be what they show. A line that is no field ends a header.
    MostReaders,
    /// That of any: what is looked for must not be hidden from us. A line that is no field is skipped, and
    /// boundaries and depth have no bounds of their own: the visitor counts the parts.
    AnyReader,
}

/// What is bounded in a message, beside the number of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StructureBound {
    /// [`limits::HEADER_BYTES`].
    Header,
    /// [`limits::BOUNDARY_BYTES`].
    Boundary,
    /// [`limits::PART_DEPTH`].
    Depth,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Structure {
    seen_by: SeenBy,
    open: Delimiters,
    position: StructurePosition,
    /// The header so far.
    block: Vec<u8>,
    /// It is that of a message.
    is_of_message: bool,
    /// The content stands before the first delimiter of a multipart.
    is_before_parts: bool,
    /// A line end in a content, whose owner the next line shows: RFC 2046 §5.1.1 gives it to a delimiter.
    held: &'static [u8],
}

impl Structure {
    pub(crate) fn new(seen_by: SeenBy) -> Self {
        Self {
            seen_by,
            open: Delimiters::default(),
            position: StructurePosition::Header,
            block: Vec::new(),
            is_of_message: true,
            is_before_parts: false,
            held: b"",
        }
    }

    /// Takes the next line, with its end.
    pub(crate) fn line(&mut self, line: &[u8], visitor: &mut impl StructureVisitor) {
        loop {
            // Looked for again behind a header that ends without an empty line: what it opened counts.
            if let Some(delimiter) = self.open.delimiter(line) {
                self.delimiter(delimiter, line, visitor);
                return;
            }
            match self.position {
                StructurePosition::Header => {}
                StructurePosition::Content => return self.content_line(line, visitor),
                StructurePosition::Epilogue => {
                    return visitor.epilogue(line, self.open.is_signed());
                }
            }
            let is_first = self.block.is_empty();
            let skips = self.seen_by == SeenBy::AnyReader && !is_first;
            match HeaderLine::of(line, is_first) {
                HeaderLine::Empty => return self.end_header(line, visitor),
                // The empty line is missing: programs take this for the content's first line.
                HeaderLine::Other if !skips => self.end_header(b"", visitor),
                _ if self.block.len() + line.len() <= limits::HEADER_BYTES => {
                    self.block.extend_from_slice(line);
                    return;
                }
                _ => {
                    visitor.beyond(StructureBound::Header);
                    self.end_header(b"", visitor);
                }
            }
        }
    }

    /// The message has ended.
    pub(crate) fn finish(mut self, visitor: &mut impl StructureVisitor) {
        while self.position == StructurePosition::Header {
            self.end_header(b"", visitor);
        }
        if self.position == StructurePosition::Content && self.open.has_delimiters() {
            // The last delimiter is missing. Programs take its line end from the content all the same.
            visitor.content_end(ContentEnd::Delimiter);
            visitor.delimiter(self.held);
        } else if self.position == StructurePosition::Content {
            if !self.held.is_empty() {
                visitor.line_end(self.held);
            }
            visitor.content_end(ContentEnd::Message);
        }
        while self.open.close() {
            visitor.close();
        }
    }

    fn content_line(&mut self, line: &[u8], visitor: &mut impl StructureVisitor) {
        if !self.held.is_empty() {
            visitor.line_end(self.held);
        }
        let (text, line_end) = split_line_end(line);
        visitor.text(text);
        self.held = line_end;
    }

    fn delimiter(
        &mut self,
        delimiter: Delimiter,
        line: &[u8],
        visitor: &mut impl StructureVisitor,
    ) {
        while self.position == StructurePosition::Header {
            self.end_header(b"", visitor);
        }
        let innermost = self.open.depth().saturating_sub(1);
        if self.position == StructurePosition::Content {
            let is_own = self.is_before_parts && innermost == delimiter.level;
            visitor.content_end(if is_own {
                ContentEnd::Parts
            } else {
                ContentEnd::Delimiter
            });
            visitor.delimiter(std::mem::take(&mut self.held));
        }
        // A delimiter of an outer multipart ends the inner ones, whether they were closed or not.
        for _ in delimiter.level..innermost {
            self.open.close();
            visitor.close();
        }
        visitor.delimiter(line);
        // A multipart stays open behind its last delimiter: if there is another, some programs show the part.
        self.position = match delimiter.is_last {
            true => StructurePosition::Epilogue,
            false => StructurePosition::Header,
        };
        self.is_of_message = false;
    }

    fn end_header(&mut self, separator: &[u8], visitor: &mut impl StructureVisitor) {
        let block = std::mem::take(&mut self.block);
        let is_of_digest = !self.is_of_message && self.open.has_messages();
        let fields = PartHeader::read(&block, is_of_digest);
        let boundary = fields.boundary();
        let kind = self.kind(&fields, boundary.as_deref(), visitor);
        let is_digest = fields.media_type == "multipart/digest";
        let is_signed = fields.media_type == "multipart/signed";
        visitor.header(VisitedHeader {
            fields,
            text: HeaderText {
                block: &block,
                separator,
                is_of_message: self.is_of_message,
            },
            kind,
            is_signed: self.open.signs_parts(),
        });
        self.is_of_message = kind == PartKind::Message;
        self.is_before_parts = kind == PartKind::Multipart;
        self.position = StructurePosition::Content;
        match kind {
            PartKind::Multipart => self.open.open(boundary, is_digest, is_signed),
            PartKind::Message => {
                self.position = StructurePosition::Header;
                self.open.open(None, false, false);
            }
            PartKind::Leaf => {}
        }
        self.block = block;
        self.block.clear();
    }

    fn kind(
        &self,
        fields: &PartHeader,
        boundary: Option<&[u8]>,
        visitor: &mut impl StructureVisitor,
    ) -> PartKind {
        let kind = fields.kind(boundary.is_some());
        if self.seen_by == SeenBy::AnyReader || kind == PartKind::Leaf {
            return kind;
        }
        if boundary.is_some_and(|boundary| boundary.len() > limits::BOUNDARY_BYTES) {
            visitor.beyond(StructureBound::Boundary);
        } else if self.open.depth() >= limits::PART_DEPTH {
            visitor.beyond(StructureBound::Depth);
        } else {
            return kind;
        }
        PartKind::Leaf
    }
}
