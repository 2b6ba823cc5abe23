//! The delimiters between the parts of a message: RFC 2046 §5.1.1.

use std::collections::HashMap;
use std::rc::Rc;

use memchr::{memchr, memmem};

/// The boundaries of the multiparts that are open, and where they occur.
#[derive(Debug, Default)]
pub(crate) struct Delimiters {
    /// From the outside in.
    open: Vec<Open>,
    /// Where a boundary stands in `open`: a line is looked up once, however deep the parts are nested.
    places: HashMap<Rc<[u8]>, usize>,
}

#[derive(Debug)]
struct Open {
    boundary: Rc<[u8]>,
    is_digest: bool,
}

/// What follows a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The header of a part, from here on.
    Part(usize),
    /// What stands behind the last part of a multipart, from here on.
    Behind(usize),
    /// Nothing: there was no delimiter.
    End,
}

impl Delimiters {
    /// A multipart begins. One with the boundary of another that is open adds nothing: its delimiters
    /// are that other's.
    pub(crate) fn push(&mut self, boundary: Vec<u8>, is_digest: bool) {
        let boundary: Rc<[u8]> = boundary.into();
        if self.places.contains_key(&boundary) {
            return;
        }
        self.places.insert(Rc::clone(&boundary), self.open.len());
        self.open.push(Open {
            boundary,
            is_digest,
        });
    }

    /// The innermost multipart is a digest, whose parts are messages unless they say otherwise.
    pub(crate) fn is_digest(&self) -> bool {
        self.open.last().is_some_and(|open| open.is_digest)
    }

    /// The next delimiter at or behind `from`, where a line begins: the end of what stands before it, whose
    /// last line end is the delimiter's, and what follows.
    pub(crate) fn next(&mut self, content: &[u8], from: usize) -> (usize, Place) {
        if self.open.is_empty() {
            return (content.len(), Place::End);
        }
        let mut line = from;
        loop {
            if content[line..].starts_with(b"--")
                && let Some((level, is_last, behind)) = self.delimiter(content, line)
            {
                self.close_below(level);
                let end = without_line_end(content, from, line);
                let place = match is_last {
                    // It stays open: if there is another delimiter of it, some show what follows.
                    true => Place::Behind(behind),
                    false => Place::Part(behind),
                };
                return (end, place);
            }
            match memmem::find(&content[line..], b"\n--") {
                Some(found) => line += found + 1,
                None => return (content.len(), Place::End),
            }
        }
    }

    /// Whether the line that begins at `line` is a delimiter.
    pub(crate) fn is_at(&self, content: &[u8], line: usize) -> bool {
        content[line..].starts_with(b"--") && self.delimiter(content, line).is_some()
    }

    /// The delimiter in a line: whose it is, whether it is the last one, and where the next line begins.
    fn delimiter(&self, content: &[u8], line: usize) -> Option<(usize, bool, usize)> {
        let rest = &content[line..];
        let length = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        // Blanks may have been added behind it on its way.
        let text = rest[..length].trim_ascii_end().strip_prefix(b"--")?;
        let behind = line + length;
        if let Some(&level) = self.places.get(text) {
            return Some((level, false, behind));
        }
        let level = *self.places.get(text.strip_suffix(b"--")?)?;
        Some((level, true, behind))
    }

    /// A delimiter of an outer multipart ends the inner ones.
    fn close_below(&mut self, level: usize) {
        for closed in self.open.drain(level + 1..) {
            self.places.remove(&closed.boundary);
        }
    }
}

/// Where what stands between `from` and `line` ends without its last line end.
fn without_line_end(content: &[u8], from: usize, line: usize) -> usize {
    let before = &content[from..line];
    let before = before.strip_suffix(b"\n").unwrap_or(before);
    from + before.strip_suffix(b"\r").unwrap_or(before).len()
}
