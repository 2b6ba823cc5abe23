//! What is open around the place that the machine stands at, and the delimiters that may come: RFC 2046 §5.1.1.

use std::collections::HashMap;
use std::sync::Arc;

/// The multiparts and messages that are open, from the outside in.
#[derive(Debug, Default)]
pub(super) struct Delimiters {
    open: Vec<OpenPart>,
    /// Where a boundary stands in `open`: a line is looked up once, however deep the parts are nested.
    places: HashMap<Arc<[u8]>, usize>,
}

/// A part that holds others.
#[derive(Debug)]
struct OpenPart {
    boundary: Option<Arc<[u8]>>,
    is_digest: bool,
    /// Its parts are under a signature, its own or that of another around it.
    signs_parts: bool,
}

/// Whose delimiter a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delimiter {
    pub(super) level: usize,
    pub(super) is_last: bool,
}

impl Delimiters {
    /// A multipart with this boundary begins, or a message within the message, which has none. A boundary that is
    /// open already is that of the multipart around it.
    pub(super) fn open(&mut self, boundary: Option<Vec<u8>>, is_digest: bool, is_signed: bool) {
        let boundary: Option<Arc<[u8]>> = boundary.map(Arc::from);
        let boundary = boundary.filter(|boundary| !self.places.contains_key(boundary));
        if let Some(boundary) = &boundary {
            self.places.insert(Arc::clone(boundary), self.open.len());
        }
        self.open.push(OpenPart {
            boundary,
            is_digest,
            signs_parts: is_signed || self.signs_parts(),
        });
    }

    /// The innermost one ends, if there is one.
    pub(super) fn close(&mut self) -> bool {
        let Some(closed) = self.open.pop() else {
            return false;
        };
        if let Some(boundary) = &closed.boundary {
            self.places.remove(boundary);
        }
        true
    }

    /// A multipart is open that has delimiters of its own.
    pub(super) fn has_delimiters(&self) -> bool {
        !self.places.is_empty()
    }

    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The innermost one is a digest, whose parts are messages unless they say otherwise: RFC 2046 §5.1.5.
    pub(super) fn has_messages(&self) -> bool {
        self.open.last().is_some_and(|open| open.is_digest)
    }

    /// What stands in the innermost one is under a signature.
    pub(super) fn signs_parts(&self) -> bool {
        self.open.last().is_some_and(|open| open.signs_parts)
    }

    /// The innermost one itself is under a signature, with what stands around its parts.
    pub(super) fn is_signed(&self) -> bool {
        let outer = self.open.iter().rev().nth(1);
        outer.is_some_and(|open| open.signs_parts)
    }

    /// Whether a line is a delimiter. A whole line is compared, although RFC 2046 §5.1.1 would have a
    /// boundary's length of it compared: programs do it so, and boundaries often begin with each other.
    pub(super) fn delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        let text = line.strip_prefix(b"--")?;
        if self.places.is_empty() {
            return None;
        }
        // Blanks may have been added behind it on its way.
        let text = text.trim_ascii_end();
        let at = |boundary: &[u8]| self.places.get(boundary).copied();
        if let Some(level) = at(text) {
            let is_last = false;
            return Some(Delimiter { level, is_last });
        }
        let level = at(text.strip_suffix(b"--")?)?;
        let is_last = true;
        Some(Delimiter { level, is_last })
    }
}
