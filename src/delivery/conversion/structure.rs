//! The machine that both passes share: goes over the lines of a message and says what each belongs to.
//!
//! There is no tree and no recursion: it remembers the header that it is in and what is open around it.

use super::delimiters::{Delimiter, Delimiters};
use super::fields::{HeaderLine, PartFields};
use super::lines::split_line_end;
use super::{BOUNDARY_BYTES, DEPTH, HEADER_BYTES, Unconvertible};

/// Who goes over a message with the machine.
pub(super) trait Visitor {
    /// A header has ended.
    fn header(&mut self, header: &Header<'_>);
    /// A line of the content that stands below the last header, without its end. What stands before the first
    /// delimiter of a multipart comes this way too: whether it is content shows at its end.
    fn text(&mut self, text: &[u8]);
    /// The end of that line; not so the line end that belongs to a delimiter.
    fn line_end(&mut self, line_end: &'static [u8]);
    /// That content has ended.
    fn content_end(&mut self, end: End);
    /// A line that nobody reads, with its end: behind the last part of a multipart.
    fn epilogue(&mut self, line: &[u8], is_signed: bool);
    /// A delimiter, or the line end that belongs to it.
    fn delimiter(&mut self, bytes: &[u8]);
    /// The innermost multipart or message within the message has ended.
    fn close(&mut self);
    /// A bound was met: what follows is not seen as it is.
    fn beyond(&mut self, bound: Unconvertible);
}

/// A header that has ended.
pub(super) struct Header<'a> {
    pub(super) fields: &'a PartFields,
    pub(super) text: HeaderText<'a>,
    pub(super) kind: Kind,
    /// It is under a signature with the content below it; a signed multipart itself is not.
    pub(super) is_signed: bool,
}

/// How a header stands in the message.
pub(super) struct HeaderText<'a> {
    /// Its fields.
    pub(super) block: &'a [u8],
    /// The empty line behind them, if there is one.
    pub(super) separator: &'a [u8],
    /// It is that of a message, not of a part.
    pub(super) is_of_message: bool,
}

/// What a part is to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It holds parts between delimiters.
    Multipart,
    /// It holds a message.
    Message,
    /// It holds neither, or nothing that can be told apart.
    Leaf,
}

/// How a content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the first delimiter of the multipart that it stands in: nobody reads it.
    Parts,
    /// At another delimiter, or with the message where that is missing.
    Delimiter,
    /// With the message, outside any multipart.
    Message,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    #[default]
    Header,
    Content,
    Epilogue,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Structure {
    open: Delimiters,
    position: Position,
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
    pub(super) fn new() -> Self {
        Self {
            open: Delimiters::default(),
            position: Position::Header,
            block: Vec::new(),
            is_of_message: true,
            is_before_parts: false,
            held: b"",
        }
    }

    /// Takes the next line, with its end.
    pub(super) fn line(&mut self, line: &[u8], visitor: &mut impl Visitor) {
        loop {
            // Looked for again behind a header that ends without an empty line: what it opened counts.
            if let Some(delimiter) = self.open.delimiter(line) {
                self.delimiter(delimiter, line, visitor);
                return;
            }
            match self.position {
                Position::Header => {}
                Position::Content => return self.content_line(line, visitor),
                Position::Epilogue => return visitor.epilogue(line, self.open.is_signed()),
            }
            match HeaderLine::of(line, self.block.is_empty()) {
                HeaderLine::Empty => return self.end_header(line, visitor),
                HeaderLine::OfField if self.block.len() + line.len() <= HEADER_BYTES => {
                    self.block.extend_from_slice(line);
                    return;
                }
                HeaderLine::OfField => {
                    visitor.beyond(Unconvertible::HeaderTooLong);
                    self.end_header(b"", visitor);
                }
                // The empty line is missing: programs take this for the content's first line.
                HeaderLine::Other => self.end_header(b"", visitor),
            }
        }
    }

    /// The message has ended.
    pub(super) fn finish(mut self, visitor: &mut impl Visitor) {
        while self.position == Position::Header {
            self.end_header(b"", visitor);
        }
        if self.position == Position::Content && self.open.has_delimiters() {
            // The last delimiter is missing. Programs take its line end from the content all the same.
            visitor.content_end(End::Delimiter);
            visitor.delimiter(self.held);
        } else if self.position == Position::Content {
            if !self.held.is_empty() {
                visitor.line_end(self.held);
            }
            visitor.content_end(End::Message);
        }
        while self.open.close() {
            visitor.close();
        }
    }

    fn content_line(&mut self, line: &[u8], visitor: &mut impl Visitor) {
        if !self.held.is_empty() {
            visitor.line_end(self.held);
        }
        let (text, line_end) = split_line_end(line);
        visitor.text(text);
        self.held = line_end;
    }

    fn delimiter(&mut self, delimiter: Delimiter, line: &[u8], visitor: &mut impl Visitor) {
        while self.position == Position::Header {
            self.end_header(b"", visitor);
        }
        let innermost = self.open.depth().saturating_sub(1);
        if self.position == Position::Content {
            let is_own = self.is_before_parts && innermost == delimiter.level;
            visitor.content_end(if is_own { End::Parts } else { End::Delimiter });
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
            true => Position::Epilogue,
            false => Position::Header,
        };
        self.is_of_message = false;
    }

    fn end_header(&mut self, separator: &[u8], visitor: &mut impl Visitor) {
        let block = std::mem::take(&mut self.block);
        let is_of_digest = !self.is_of_message && self.open.has_messages();
        let fields = PartFields::read(&block, is_of_digest);
        let kind = self.kind(&fields, visitor);
        let is_signed = self.open.signs_parts();
        visitor.header(&Header {
            fields: &fields,
            text: HeaderText {
                block: &block,
                separator,
                is_of_message: self.is_of_message,
            },
            kind,
            is_signed,
        });
        self.is_of_message = false;
        self.is_before_parts = kind == Kind::Multipart;
        self.position = Position::Content;
        match (kind, &fields.boundary) {
            (Kind::Multipart, Some(boundary)) => {
                let media_type = fields.media_type.as_slice();
                let is_digest = media_type == b"multipart/digest";
                let signs = media_type == b"multipart/signed";
                self.open.open_multipart(boundary, is_digest, signs);
            }
            (Kind::Message, _) => {
                self.open.open_message();
                self.is_of_message = true;
                self.position = Position::Header;
            }
            _ => {}
        }
        self.block = block;
        self.block.clear();
    }

    fn kind(&self, fields: &PartFields, visitor: &mut impl Visitor) -> Kind {
        let kind = fields.kind();
        let boundary_bytes = fields.boundary.as_ref().map_or(0, Vec::len);
        if kind == Kind::Multipart && boundary_bytes > BOUNDARY_BYTES {
            visitor.beyond(Unconvertible::Boundary);
        } else if kind != Kind::Leaf && self.open.depth() >= DEPTH {
            visitor.beyond(Unconvertible::TooDeep);
        } else {
            return kind;
        }
        Kind::Leaf
    }
}
