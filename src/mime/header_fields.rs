//! The fields of a header as they stand in it: RFC 5322 §2.2 and §3.6.8.

use memchr::memchr;

use super::charset;

/// What a line is to a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderLine {
    /// It ends the header.
    Empty,
    /// It is a field or goes on with one.
    OfField,
    /// It is none of these.
    Other,
}

impl HeaderLine {
    pub(super) fn of(line: &[u8], is_first: bool) -> Self {
        match line {
            [] | b"\n" | b"\r\n" => Self::Empty,
            [b' ' | b'\t', ..] if !is_first => Self::OfField,
            _ if RawField::of(line).is_some() || is_of_mailbox(line) => Self::OfField,
            _ => Self::Other,
        }
    }
}

/// The line before a message in a mailbox file, which gets into headers when mail is moved about. Programs
/// skip it.
pub(super) fn is_of_mailbox(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// A header field, byte for byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawField<'a> {
    /// With the colon, and the blanks before it that RFC 5322 §4.5 has.
    pub(crate) label: &'a [u8],
    /// Behind the colon, with the line end.
    pub(crate) body: &'a [u8],
}

impl<'a> RawField<'a> {
    /// The field in these lines. None: they are no field.
    pub(crate) fn of(lines: &'a [u8]) -> Option<Self> {
        let (label, body) = lines.split_at_checked(memchr(b':', lines)? + 1)?;
        let field = Self { label, body };
        let name = field.name();
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        is_name.then_some(field)
    }

    pub(crate) fn name(&self) -> &'a [u8] {
        let name = self.label.strip_suffix(b":").unwrap_or(self.label);
        name.trim_ascii_end()
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether it has one of these names, which blanks separate.
    pub(crate) fn is_one_of(&self, names: &str) -> bool {
        names.split_ascii_whitespace().any(|name| self.is(name))
    }
}

/// The fields of a header, each with the lines that go on with it. Lines that are no field come as one.
pub(crate) fn fields(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let mut end = 0;
        loop {
            let behind = rest.get(end..)?;
            end += memchr(b'\n', behind).map_or(behind.len(), |found| found + 1);
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, behind) = rest.split_at_checked(end)?;
        rest = behind;
        (!field.is_empty()).then_some(field)
    })
}

/// A body on one line, without the blanks around it; the blanks behind its line ends stay (RFC 5322 §2.2.3).
pub(crate) fn unfolded(body: &[u8]) -> Vec<u8> {
    let body = body.trim_ascii().iter().copied();
    body.filter(|byte| !matches!(byte, b'\r' | b'\n')).collect()
}

/// The same as text. RFC 6532 has UTF-8 there; bytes that are none are letters all the same.
pub(crate) fn unfolded_text(body: &[u8]) -> String {
    charset::text(&unfolded(body), None)
}
