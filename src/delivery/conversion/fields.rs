//! What the header of a part says of it, as far as its place in the message and its encoding go.

use memchr::memchr;

use super::NAME_BYTES;
use super::parameters::Parameters;
use super::structure::Kind;

/// What a line is to a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderLine {
    /// It ends the header.
    Empty,
    /// It is a field or goes on with one.
    OfField,
    /// It is none of these: the header has ended before it.
    Other,
}

impl HeaderLine {
    pub(super) fn of(line: &[u8], is_first: bool) -> HeaderLine {
        match line {
            [] | b"\n" | b"\r\n" => HeaderLine::Empty,
            [b' ' | b'\t', ..] if !is_first => HeaderLine::OfField,
            _ if Field::of(line).is_some() || is_of_mailbox(line) => HeaderLine::OfField,
            _ => HeaderLine::Other,
        }
    }
}

/// The line before a message in a mailbox file, which gets into headers when mail is moved about. Programs
/// skip it.
fn is_of_mailbox(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// A header field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    /// With the colon, and the blanks before it that RFC 5322 §4.5 has.
    pub(super) label: &'a [u8],
    /// Behind the colon, with the line end.
    pub(super) body: &'a [u8],
}

impl<'a> Field<'a> {
    /// The field in these lines. None: they are no field.
    pub(super) fn of(lines: &'a [u8]) -> Option<Self> {
        let (label, body) = lines.split_at_checked(memchr(b':', lines)? + 1)?;
        let field = Self { label, body };
        let name = field.name();
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        (is_name && label.len() <= NAME_BYTES).then_some(field)
    }

    pub(super) fn name(&self) -> &'a [u8] {
        let name = self.label.strip_suffix(b":").unwrap_or(self.label);
        name.trim_ascii_end()
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    pub(super) fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }
}

/// The fields of a header, each with the lines that go on with it. The first lines are none if they are those
/// of a mailbox file.
pub(super) fn fields(block: &[u8]) -> impl Iterator<Item = &[u8]> {
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

/// What a header says of the content below it.
#[derive(Debug)]
pub(super) struct PartFields {
    /// `type/subtype`, in small letters.
    pub(super) media_type: Vec<u8>,
    pub(super) boundary: Option<Vec<u8>>,
    pub(super) has_charset: bool,
    pub(super) encoding: TransferEncoding,
}

/// What Content-Transfer-Encoding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferEncoding {
    QuotedPrintable,
    Base64,
    /// The content has no lines: RFC 2045 §2.9.
    Binary,
    /// 7bit and 8bit, nothing, and words that mean the same to readers, such as misspelled ones.
    Identity,
    /// One that is not MIME's: what it stands for only readers know that know it.
    Foreign,
}

impl PartFields {
    /// Of fields that stand there more than once the first counts, as with most programs.
    pub(super) fn read(block: &[u8], is_of_digest: bool) -> Self {
        let mut content_type = None;
        let mut encoding = None;
        for field in fields(block).filter_map(Field::of) {
            if content_type.is_none() && field.is("Content-Type") {
                content_type = Some(Parameters::read(field.body));
            } else if encoding.is_none() && field.is("Content-Transfer-Encoding") {
                encoding = Some(TransferEncoding::read(field.body));
            }
        }
        let media_type = match &content_type {
            Some(given) if given.is_type() => given.head.clone(),
            // RFC 2046 §5.1.5.
            None if is_of_digest => b"message/rfc822".to_vec(),
            // RFC 2045 §5.2.
            _ => b"text/plain".to_vec(),
        };
        let boundary = content_type.as_ref().and_then(Parameters::boundary);
        Self {
            media_type,
            boundary,
            has_charset: content_type.is_some_and(|given| given.has("charset")),
            encoding: encoding.unwrap_or(TransferEncoding::Identity),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        if self.media_type.starts_with(b"multipart/") {
            // RFC 2045 §6.4: its encoding says nothing. Without a boundary its parts cannot be told apart, and
            // programs show it as text.
            return match self.boundary {
                Some(_) => Kind::Multipart,
                None => Kind::Leaf,
            };
        }
        let is_encoded = self.encoding.is_encoded();
        match MESSAGES.contains(&self.media_type.as_slice()) && !is_encoded {
            true => Kind::Message,
            false => Kind::Leaf,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        self.media_type.starts_with(b"text/")
    }
}

/// Types of parts that are messages.
const MESSAGES: [&[u8]; 3] = [b"message/rfc822", b"message/global", b"message/news"];

/// What says in whatever words that the content stands there as it is: no word, 7bit and 8bit in all their
/// spellings, and the name of a character set.
fn is_no_encoding(token: &[u8]) -> bool {
    const OTHERS: [&[u8]; 9] = [
        b"",
        b"none",
        b"text",
        b"plain",
        b"raw",
        b"ascii",
        b"us-ascii",
        b"identity",
        b"ansi",
    ];
    const BEGINNINGS: [&[u8]; 6] = [b"7", b"8", b"utf", b"iso-8859", b"windows-", b"unicode"];
    OTHERS.contains(&token) || BEGINNINGS.iter().any(|begins| token.starts_with(begins))
}

impl TransferEncoding {
    fn read(body: &[u8]) -> Self {
        match token(body).to_ascii_lowercase().as_slice() {
            b"quoted-printable" => Self::QuotedPrintable,
            b"base64" => Self::Base64,
            b"binary" => Self::Binary,
            token if is_no_encoding(token) => Self::Identity,
            _ => Self::Foreign,
        }
    }

    pub(super) fn is_encoded(self) -> bool {
        matches!(self, Self::QuotedPrintable | Self::Base64)
    }
}

/// The first word of a field that may have comments and parameters behind it.
pub(super) fn token(body: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b';' | b'(');
    let mut words = body.split(is_end);
    words.find(|word| !word.is_empty()).unwrap_or_default()
}
