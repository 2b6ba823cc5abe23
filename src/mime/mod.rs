//! The parts of a message, for those who look into its content: a reader that is made for hostile mail.
//!
//! It goes over the bytes once, from front to back, and remembers nothing but the delimiters that may still
//! come: no tree, no recursion, time in proportion to the message whatever its parts say of themselves.
//! Where programs that show mail differ in how they read what is broken, it takes what any of them may
//! show. Why it is our own: `docs/decisions/0009-a-mime-reader-of-our-own.md`.

mod delimiters;
mod encoded_word;
mod fields;
mod parameters;
#[cfg(test)]
mod tests;
mod text;

use std::ops::ControlFlow;

use bytes::Bytes;

use self::delimiters::{Delimiters, Place};
use self::fields::PartFields;
use self::text::TransferEncoding;
use crate::limits;
use crate::message::Reservation;
use crate::settings::quantity::write_count;

pub(crate) use encoded_word::decoded;

/// A part of a message that holds no other parts.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// `type/subtype`, in small letters.
    pub(crate) media_type: String,
    /// The names it gives itself, decoded: more than one when its fields do not agree.
    pub(crate) names: Vec<String>,
    /// It is not for reading in line: it says so, has a name, or is no text.
    pub(crate) is_attachment: bool,
    charset: Option<String>,
    encoding: TransferEncoding,
    content: &'a [u8],
}

impl Part<'_> {
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
        text::of(&self.encoding.decode(self.content), self.charset.as_deref())
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
    show: impl FnMut(&Part<'_>) -> ControlFlow<()>,
) -> Result<(), String> {
    let mut walk = Walk {
        show,
        share,
        parts: 0,
        wrapped: Vec::new(),
        wrappings: 0,
        enters_message: false,
    };
    match walk.everything(content) {
        Ok(()) | Err(Stop::Enough) => Ok(()),
        Err(Stop::Trouble(why)) => Err(why),
    }
}

struct Walk<'a, S> {
    show: S,
    share: &'a Reservation,
    /// So many were met.
    parts: usize,
    /// Messages that were encoded, to be walked over when the one that they came in is done; and how
    /// often they were wrapped.
    wrapped: Vec<(Bytes, usize)>,
    /// Of the one that is walked over.
    wrappings: usize,
    /// The next header is that of a message, not of a part.
    enters_message: bool,
}

/// Why a walk ends before the message does.
enum Stop {
    /// Enough was seen.
    Enough,
    /// It must not go on.
    Trouble(String),
}

impl<S: FnMut(&Part<'_>) -> ControlFlow<()>> Walk<'_, S> {
    fn everything(&mut self, content: &[u8]) -> Result<(), Stop> {
        self.message(content)?;
        // Each of these is smaller than what it was wrapped in.
        while let Some((content, wrappings)) = self.wrapped.pop() {
            self.wrappings = wrappings;
            self.message(&content)?;
        }
        Ok(())
    }

    /// Walks over a message, from one part's header to the next.
    fn message(&mut self, content: &[u8]) -> Result<(), Stop> {
        let mut delimiters = Delimiters::default();
        let mut header = Some(0);
        while let Some(at) = header {
            let read = PartFields::read(content, at, &delimiters);
            let (fields, begin) = read.map_err(Stop::Trouble)?;
            if let Some(stray) = fields.stray.clone() {
                self.show_stray(&content[stray])?;
            }
            header = self.part(&fields, content, begin, &mut delimiters)?;
        }
        Ok(())
    }

    /// Deals with one part, whose content begins at `begin`; gives where the header of the next one
    /// does, none when there is no other.
    fn part(
        &mut self,
        fields: &PartFields,
        content: &[u8],
        begin: usize,
        delimiters: &mut Delimiters,
    ) -> Result<Option<usize>, Stop> {
        // RFC 2046 §5.1.5: the parts of a digest are messages unless they say otherwise; what a message
        // holds is text again.
        let is_of_digest = delimiters.is_digest() && !std::mem::take(&mut self.enters_message);
        let media_type = fields.media_type(is_of_digest);
        let encoding = fields.encoding();
        if media_type.starts_with("multipart/") {
            self.count()?;
            // RFC 2045 §6.4: its encoding says nothing. Without a boundary it is shown as text, as all is that
            // stands before the first delimiter.
            if let Some(boundary) = fields.boundary() {
                delimiters.push(boundary, media_type == "multipart/digest");
            }
            return self.next_part(content, begin, delimiters);
        }
        let is_message = MESSAGES.contains(&media_type.as_str());
        if is_message && encoding == TransferEncoding::Identity {
            self.show(&leaf(fields, media_type, encoding, &[]))?;
            self.enters_message = true;
            return Ok(Some(begin));
        }
        let (end, place) = delimiters.next(content, begin);
        let inner = &content[begin..end];
        self.show(&leaf(fields, media_type, encoding, inner))?;
        if is_message {
            self.wrap(encoding, inner)?;
        }
        match place {
            Place::Part(next) => Ok(Some(next)),
            Place::Behind(next) => self.next_part(content, next, delimiters),
            Place::End => Ok(None),
        }
    }

    /// Where the header of the next part begins, none when there is none. What stands before it belongs to no
    /// part; some programs show it.
    fn next_part(
        &mut self,
        content: &[u8],
        mut from: usize,
        delimiters: &mut Delimiters,
    ) -> Result<Option<usize>, Stop> {
        loop {
            let (end, place) = delimiters.next(content, from);
            self.show_stray(&content[from..end])?;
            match place {
                Place::Part(next) => return Ok(Some(next)),
                Place::Behind(next) => from = next,
                Place::End => return Ok(None),
            }
        }
    }

    /// Keeps an encoded message for later.
    fn wrap(&mut self, encoding: TransferEncoding, content: &[u8]) -> Result<(), Stop> {
        let wrappings = self.wrappings + 1;
        if wrappings > limits::CONTENT_WRAPPINGS {
            let why = "it has encoded messages within encoded messages";
            return Err(Stop::Trouble(why.to_owned()));
        }
        let mut share = self.share.another();
        if !share.grow(content.len() as u64) {
            let why = "there is no memory for the encoded messages in it";
            return Err(Stop::Trouble(why.to_owned()));
        }
        let content = encoding.decode(content).into_owned();
        self.wrapped.push((share.held_by(content), wrappings));
        Ok(())
    }

    /// Lines that belong to no part, or to a header without being fields, are text for some programs.
    fn show_stray(&mut self, content: &[u8]) -> Result<(), Stop> {
        if content.trim_ascii().is_empty() {
            return Ok(());
        }
        self.show(&Part {
            media_type: "text/plain".to_owned(),
            names: Vec::new(),
            is_attachment: false,
            charset: None,
            encoding: TransferEncoding::Identity,
            content,
        })
    }

    /// One part more, of whatever kind.
    fn count(&mut self) -> Result<(), Stop> {
        self.parts += 1;
        if self.parts > limits::CONTENT_PARTS {
            let most = write_count(limits::CONTENT_PARTS as u64);
            return Err(Stop::Trouble(format!("it has more than {most} parts")));
        }
        Ok(())
    }

    fn show(&mut self, part: &Part<'_>) -> Result<(), Stop> {
        self.count()?;
        match (self.show)(part) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop::Enough),
        }
    }
}

/// Types of parts that are messages.
const MESSAGES: [&str; 3] = ["message/rfc822", "message/global", "message/news"];

fn leaf<'a>(
    fields: &PartFields,
    media_type: String,
    encoding: TransferEncoding,
    content: &'a [u8],
) -> Part<'a> {
    let names = fields.names();
    Part {
        is_attachment: fields.says_attachment()
            || !names.is_empty()
            || !media_type.starts_with("text/"),
        names,
        media_type,
        charset: fields.charset(),
        encoding,
        content,
    }
}
