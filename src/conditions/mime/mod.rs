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

use self::delimiters::{Delimiters, Place};
use self::fields::PartFields;
use self::text::TransferEncoding;
use crate::limits;
use crate::settings::quantity::write_count;

pub(super) use encoded_word::decoded;

/// A part of a message that holds no other parts.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// `type/subtype`, in small letters.
    pub(super) media_type: String,
    /// The names it gives itself, decoded: more than one when its fields do not agree.
    pub(super) names: Vec<String>,
    /// It is not for reading in line: it says so, has a name, or is no text.
    pub(super) is_attachment: bool,
    charset: Option<String>,
    encoding: TransferEncoding,
    content: &'a [u8],
}

impl Part<'_> {
    /// It is text of whatever kind.
    pub(super) fn is_text(&self) -> bool {
        self.media_type.starts_with("text/")
    }

    /// Its content as text, with `\n` at the end of lines.
    pub(super) fn text(&self) -> String {
        text::of(&self.encoding.decode(self.content), self.charset.as_deref())
    }
}

/// Shows each part of a message in its order, until `show` has seen enough. Messages within it are shown
/// as parts, and then their own parts.
///
/// # Errors
/// Why it does not go on: what was shown is not all.
pub(super) fn walk(
    content: &[u8],
    mut show: impl FnMut(&Part<'_>) -> ControlFlow<()>,
) -> Result<(), String> {
    let mut walk = Walk {
        show: &mut show,
        parts: 0,
        wrapped: Vec::new(),
        wrappings: 0,
    };
    if walk.message(content)?.is_break() {
        return Ok(());
    }
    // Each of these is smaller than what it was wrapped in.
    while let Some((content, wrappings)) = walk.wrapped.pop() {
        walk.wrappings = wrappings;
        if walk.message(&content)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

struct Walk<'s, S> {
    show: &'s mut S,
    parts: usize,
    /// Messages that were encoded, to be walked over when the one that they came in is done; and how
    /// often they were wrapped.
    wrapped: Vec<(Vec<u8>, usize)>,
    /// Of the one that is walked over.
    wrappings: usize,
}

/// How a part goes on behind its header.
enum Kind {
    /// With other parts.
    Multipart,
    /// With the header of a message.
    Message,
    /// To the next delimiter.
    Leaf,
}

impl<S: FnMut(&Part<'_>) -> ControlFlow<()>> Walk<'_, S> {
    /// Walks over a message; breaks when enough was seen.
    fn message(&mut self, content: &[u8]) -> Result<ControlFlow<()>, String> {
        let mut delimiters = Delimiters::default();
        let mut at = 0;
        loop {
            let (fields, begin) = PartFields::read(content, at, &delimiters)?;
            if let Some(stray) = fields.stray.clone()
                && self.show_stray(&content[stray]).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            let media_type = fields.media_type(delimiters.is_digest());
            match self.part(&fields, media_type, content, begin, &mut delimiters)? {
                ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
                ControlFlow::Continue(None) => return Ok(ControlFlow::Continue(())),
                ControlFlow::Continue(Some(next)) => at = next,
            }
        }
    }

    /// Deals with one part, whose content begins at `begin`; gives where the header of the next one
    /// does, none when there is no other.
    fn part(
        &mut self,
        fields: &PartFields,
        media_type: String,
        content: &[u8],
        begin: usize,
        delimiters: &mut Delimiters,
    ) -> Result<ControlFlow<(), Option<usize>>, String> {
        self.parts += 1;
        if self.parts > limits::CONTENT_PARTS {
            let most = write_count(limits::CONTENT_PARTS as u64);
            return Err(format!("it has more than {most} parts"));
        }
        let encoding = fields.encoding();
        let boundary = fields.boundary();
        let kind = match media_type.as_str() {
            // RFC 2045 §6.4: its encoding says nothing. Without a boundary it is shown as text.
            multipart if multipart.starts_with("multipart/") && boundary.is_some() => {
                Kind::Multipart
            }
            "message/rfc822" | "message/global" | "message/news" => Kind::Message,
            _ => Kind::Leaf,
        };
        match (kind, boundary) {
            (Kind::Multipart, Some(boundary)) => {
                delimiters.push(boundary, media_type == "multipart/digest");
                // What stands before the first part is not shown.
                let next = delimiters.next_part(content, begin);
                return Ok(ControlFlow::Continue(next));
            }
            (Kind::Message, _) if encoding == TransferEncoding::Identity => {
                let part = leaf(fields, media_type, encoding, &[]);
                let shown = (self.show)(&part);
                return Ok(shown.map_continue(|()| Some(begin)));
            }
            _ => {}
        }
        let (end, place) = delimiters.next(content, begin);
        let inner = &content[begin..end];
        let is_message =
            media_type.starts_with("message/") && encoding != TransferEncoding::Identity;
        if is_message {
            self.wrap(encoding.decode(inner).into_owned())?;
        }
        let media_type = match media_type.split_once('/') {
            Some(("multipart", _)) => "text/plain".to_owned(),
            _ => media_type,
        };
        let shown = (self.show)(&leaf(fields, media_type, encoding, inner));
        if shown.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(match place {
            Place::Part(next) => Some(next),
            Place::Behind(next) => delimiters.next_part(content, next),
            Place::End => None,
        }))
    }

    /// Keeps an encoded message for later.
    fn wrap(&mut self, content: Vec<u8>) -> Result<(), String> {
        let wrappings = self.wrappings + 1;
        if wrappings > limits::CONTENT_WRAPPINGS {
            return Err("it has encoded messages within encoded messages".to_owned());
        }
        self.wrapped.push((content, wrappings));
        Ok(())
    }

    /// Lines of a header that are no fields are text for those who take them for the body's beginning.
    fn show_stray(&mut self, content: &[u8]) -> ControlFlow<()> {
        (self.show)(&Part {
            media_type: "text/plain".to_owned(),
            names: Vec::new(),
            is_attachment: false,
            charset: None,
            encoding: TransferEncoding::Identity,
            content,
        })
    }
}

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
