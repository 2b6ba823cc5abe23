//! A message's header as its fields stand in it, byte for byte.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::limits;
use crate::mime::header_fields::{RawField, unfolded_text};

/// The header at the beginning of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    pub(super) fields: Vec<Field>,
    /// Of its fields; what follows is the empty line, when there is one.
    pub(super) bytes: usize,
    /// Its end was found: it may be written anew.
    pub(super) is_whole: bool,
}

/// One header field, folded as it came, with its CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field(Bytes);

impl Header {
    /// The header that `content` begins with: up to the empty line, the first line that is no field, or
    /// [`limits::HEADER_BYTES`].
    pub(super) fn read(content: &[u8]) -> Self {
        let content = &content[..content.len().min(limits::HEADER_BYTES)];
        let mut is_whole = false;
        let mut begins = Vec::new();
        let mut end = 0;
        while let Some(line) = line_at(content, end) {
            let is_continuation = matches!(line.first(), Some(b' ' | b'\t'));
            if line == b"\r\n" || !(RawField::of(line).is_some() || is_continuation && end > 0) {
                is_whole = true;
                break;
            }
            if !is_continuation {
                begins.push(end);
            }
            end += line.len();
        }
        // One copy for all, since there may be very many that are very short.
        let bytes = Bytes::copy_from_slice(&content[..end]);
        let ends = begins.iter().skip(1).chain([&end]);
        let fields = begins.iter().zip(ends);
        Self {
            fields: fields
                .map(|(begin, end)| Field(bytes.slice(begin..end)))
                .collect(),
            bytes: end,
            is_whole,
        }
    }

    /// The same, where `content` is all there is: a header that goes on to its end ends there.
    pub(super) fn read_whole(content: &[u8]) -> Self {
        let mut header = Self::read(content);
        header.is_whole |= header.bytes == content.len();
        header
    }

    /// Bytes of memory that it takes together with a draft of other fields.
    pub(super) fn memory_bytes(&self) -> u64 {
        (self.bytes + 2 * self.fields.len() * size_of::<Field>()) as u64
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.is_named(name))
    }
}

/// The line with its CRLF that begins at `start`; none when no whole one does.
fn line_at(content: &[u8], start: usize) -> Option<&[u8]> {
    let rest = &content[start..];
    Some(&rest[..=memchr(b'\n', rest)?])
}

impl Field {
    /// A field of ours. Whatever would end it or begin another one is replaced, long values are folded
    /// at blanks.
    pub(super) fn new(name: &str, value: &str) -> Self {
        /// RFC 5322 §2.1.1.
        const LINE: usize = 78;
        let clean = value.replace(|character: char| character.is_control(), " ");
        let mut text = format!("{name}:");
        let mut line = text.len();
        for word in clean.split_ascii_whitespace() {
            if line + 1 + word.len() > LINE && line > name.len() + 1 {
                text.push_str("\r\n\t");
                line = 1;
            } else {
                text.push(' ');
                line += 1;
            }
            text.push_str(word);
            line += word.len();
        }
        text.push_str("\r\n");
        Self(text.into())
    }

    /// The same with another text in the place of some of its bytes; control characters of that text are
    /// replaced.
    pub(super) fn with(&self, place: std::ops::Range<usize>, text: &str) -> Self {
        let text = text.replace(|character: char| character.is_control(), " ");
        let (before, behind) = (&self.0[..place.start], &self.0[place.end..]);
        Self([before, text.as_bytes(), behind].concat().into())
    }

    /// A field whose value stands behind the colon exactly as a service wrote it, which may have signed
    /// it; line ends are made ours, each further line is made a continuation.
    pub(super) fn exact(name: &str, value: &[u8]) -> Self {
        let mut bytes = BytesMut::from(name.as_bytes());
        bytes.extend_from_slice(b":");
        for (position, line) in value.split(|byte| *byte == b'\n').enumerate() {
            let end = line.iter().rposition(|byte| *byte != b'\r');
            let line = &line[..end.map_or(0, |last| last + 1)];
            if position > 0 {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let is_continuation = line.starts_with(b" ") || line.starts_with(b"\t");
                bytes.extend_from_slice(if is_continuation { b"\r\n" } else { b"\r\n\t" });
            }
            let clean = line.iter().map(|byte| match byte {
                b'\r' | b'\0' => b' ',
                other => *other,
            });
            bytes.extend(clean);
        }
        bytes.extend_from_slice(b"\r\n");
        Self(bytes.freeze())
    }

    /// Its bytes, with the CRLF.
    pub(super) fn raw(&self) -> &Bytes {
        &self.0
    }

    /// Its name; bytes that are no ASCII are replaced.
    pub(super) fn name(&self) -> String {
        String::from_utf8_lossy(self.split().0).into_owned()
    }

    /// Whether this is its name, whatever the case.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.split().0.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Its value without folding, and without the blanks around it.
    pub(super) fn value(&self) -> String {
        unfolded_text(self.split().1)
    }

    /// Name, and everything behind the colon.
    pub(super) fn split(&self) -> (&[u8], &[u8]) {
        let colon = memchr(b':', &self.0).unwrap_or(0);
        (self.0[..colon].trim_ascii_end(), &self.0[colon + 1..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A field as a service wrote it: its value as it stands behind a blank.
    fn verbatim(name: &str, value: &str) -> Field {
        let blank = if value.starts_with([' ', '\t']) {
            ""
        } else {
            " "
        };
        Field::exact(name, format!("{blank}{value}").as_bytes())
    }

    fn check(content: &[u8], fields: &[(&str, &str)], is_whole: bool) {
        let header = Header::read(content);
        let found: Vec<(String, String)> = header
            .fields
            .iter()
            .map(|field| (field.name(), field.value()))
            .collect();
        let expected: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(found, expected, "{}", content.escape_ascii());
        assert_eq!(header.is_whole, is_whole, "{}", content.escape_ascii());
    }

    #[test]
    fn fields_are_taken_apart() {
        check(b"", &[], false);
        check(b"\r\nbody", &[], true);
        check(
            b"A: 1\r\nSubject: one\r\n two\r\n\tthree\r\n\r\nB: 2\r\n",
            &[("A", "1"), ("Subject", "one two\tthree")],
            true,
        );
        check(b"A: 1\r\nno field\r\n\r\n", &[("A", "1")], true);
        check(b" folded\r\n\r\n", &[], true);
        check(b"A : 1\r\n\r\n", &[("A", "1")], true);
        check(b"A: 1\r\nB: 2", &[("A", "1")], false);
        check(b"A:\r\n\r\n", &[("A", "")], true);
    }

    #[test]
    fn our_fields_stay_one_field() {
        let field = Field::new("X-Virus", "Eicar\r\nBcc: everybody\0");
        assert_eq!(&field.raw()[..], b"X-Virus: Eicar Bcc: everybody\r\n");
        let long = Field::new("X", &"word ".repeat(40));
        let text = String::from_utf8_lossy(long.raw()).into_owned();
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
        assert_eq!(Header::read(text.as_bytes()).fields.len(), 1);
        let endless = Field::new("X", &"w".repeat(200));
        assert_eq!(endless.raw().len(), 205);
    }

    #[test]
    fn fields_of_services_keep_their_folding() {
        for (value, expected) in [
            (" a=b;\n\tc=d", "X: a=b;\r\n\tc=d\r\n"),
            ("a\r\n b", "X: a\r\n b\r\n"),
            ("a\nBcc: b", "X: a\r\n\tBcc: b\r\n"),
            ("a\n\nb", "X: a\r\n\tb\r\n"),
            ("a\n", "X: a\r\n"),
        ] {
            assert_eq!(&verbatim("X", value).raw()[..], expected.as_bytes());
        }
    }

    #[test]
    fn exact_values_stand_as_they_are() {
        for (value, expected) in [
            (&b" a=b;\n\tc=d"[..], &b"X: a=b;\r\n\tc=d\r\n"[..]),
            (b"a", b"X:a\r\n"),
            (b"  a ", b"X:  a \r\n"),
            (b" \xfc\r\n b\r", b"X: \xfc\r\n b\r\n"),
            (b" a\nBcc: b", b"X: a\r\n\tBcc: b\r\n"),
            (b" a\rb\n\nc\n", b"X: a b\r\n\tc\r\n"),
        ] {
            let field = Field::exact("X", value);
            assert_eq!(&field.raw()[..], expected, "{}", value.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn an_exact_field_is_one_field(value in any::<Vec<u8>>()) {
            let field = Field::exact("X-Mine", &value);
            let header = Header::read(field.raw());
            prop_assert_eq!(header.fields.len(), 1);
            prop_assert_eq!(header.bytes, field.raw().len());
        }

        #[test]
        fn the_fields_are_the_beginning_of_the_content(content in "([A-Za-z-]{1,4}:? ?[a-z ]{0,6}(\r\n)?[ \t]?){0,12}") {
            let header = Header::read(content.as_bytes());
            let joined: Vec<u8> = header.fields.iter().flat_map(|field| field.raw().to_vec()).collect();
            prop_assert_eq!(joined.len(), header.bytes);
            prop_assert!(content.as_bytes().starts_with(&joined));
        }

        #[test]
        fn a_field_of_ours_is_one_field(value in any::<String>()) {
            for field in [Field::new("X-Mine", &value), verbatim("X-Mine", &value)] {
                let header = Header::read(field.raw());
                prop_assert_eq!(header.fields.len(), 1);
                prop_assert_eq!(header.bytes, field.raw().len());
            }
        }
    }
}
