//! The parameters of Content-Type and Content-Disposition: RFC 2045 §5.1, RFC 2231, and what people's
//! programs write instead.

use super::encoded_word::decoded;
use super::header_fields::unfolded;
use super::{charset, lexical, transfer_encoding};

/// A value with parameters: `head; name=value; …`.
#[derive(Debug)]
pub(crate) struct Parameters {
    /// Before the first semicolon, in small letters, without comments.
    pub(crate) head: Vec<u8>,
    given: Vec<Parameter>,
}

/// A parameter that has a value.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// In small letters, without what RFC 2231 puts behind it.
    pub(crate) name: Vec<u8>,
    /// RFC 2231 §3: it is a piece of a value.
    pub(crate) section: Option<u32>,
    /// RFC 2231 §4: its value is percent-encoded.
    pub(crate) is_extended: bool,
    pub(crate) value: Vec<u8>,
}

impl Parameters {
    /// Reads the body of a field.
    pub(crate) fn read(body: &[u8]) -> Self {
        let body = unfolded(body);
        let (head, rest) = split_head(&body);
        Self {
            head: lexical::token(head).to_ascii_lowercase(),
            given: parameters(rest)
                .filter_map(|written| written.read())
                .collect(),
        }
    }

    /// The first value of a name: of those that stand there whole, or else the one that stands there in pieces.
    pub(crate) fn value(&self, name: &str) -> Option<Vec<u8>> {
        let mut values = self.values(name).into_iter();
        values.next().map(|(value, _)| value)
    }

    /// All values of a name as text. Encoded words, which have no business there (RFC 2047 §5), are decoded as
    /// people's programs do.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = String> {
        let values = self.values(name).into_iter();
        values.map(|(value, charset)| decoded(&charset::text(&value, charset)).trim().to_owned())
    }

    /// All values of a name, with the character sets that they say: those that stand there as they are, those
    /// that are encoded, and the one that stands there in pieces.
    fn values(&self, name: &str) -> Vec<(Vec<u8>, Option<&[u8]>)> {
        let named = self
            .given
            .iter()
            .filter(|given| given.name == name.as_bytes());
        let (mut pieces, whole): (Vec<_>, Vec<_>) =
            named.partition(|given| given.section.is_some());
        pieces.sort_by_key(|piece| piece.section);
        let whole = whole.iter().map(std::slice::from_ref);
        let in_pieces = Some(&pieces[..]).filter(|pieces| !pieces.is_empty());
        whole.chain(in_pieces).map(joined).collect()
    }
}

/// RFC 2231 §4.1: pieces in their order, each encoded or not; the first one says the character set.
fn joined<'a>(pieces: &[&'a Parameter]) -> (Vec<u8>, Option<&'a [u8]>) {
    let mut charset = None;
    let mut bytes = Vec::new();
    for (position, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_slice();
        if !piece.is_extended {
            bytes.extend_from_slice(value);
            continue;
        }
        if position == 0 {
            let mut words = value.splitn(3, |byte| *byte == b'\'');
            if let (Some(named), Some(_), Some(rest)) = (words.next(), words.next(), words.next()) {
                charset = Some(named);
                value = rest;
            }
        }
        transfer_encoding::unescape(b'%', value, &mut bytes);
    }
    (bytes, charset)
}

/// A parameter as it stands in a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrittenParameter<'a> {
    /// Everything, without the semicolon before it and blanks around it.
    pub(crate) whole: &'a [u8],
    pub(crate) name: &'a [u8],
    /// With its quotes. None: there is no equals sign.
    pub(crate) value: Option<&'a [u8]>,
}

impl WrittenParameter<'_> {
    /// What it says. None: it has no value.
    pub(crate) fn read(&self) -> Option<Parameter> {
        let value = self.value?;
        let name = self.name.to_ascii_lowercase();
        let mut words = name.split(|byte| *byte == b'*');
        let plain = words.next().unwrap_or_default().to_vec();
        let mut section = None;
        let mut is_extended = false;
        for word in words {
            match word {
                b"" => is_extended = true,
                digits => section = Some(number(digits)),
            }
        }
        Some(Parameter {
            name: plain,
            section,
            is_extended,
            value: match value.first() {
                Some(b'"') => lexical::unquoted(value),
                _ => value.to_vec(),
            },
        })
    }
}

fn number(digits: &[u8]) -> u32 {
    let digits = str::from_utf8(digits).ok();
    let number = digits.and_then(|digits| digits.parse().ok());
    number.unwrap_or(u32::MAX)
}

/// What stands before the first semicolon, and the rest from there on.
pub(crate) fn split_head(body: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b';', body);
    body.split_at(end.unwrap_or(body.len()))
}

/// The parameters behind the head, which stand on one line.
pub(crate) fn parameters(rest: &[u8]) -> impl Iterator<Item = WrittenParameter<'_>> {
    let mut rest = rest;
    std::iter::from_fn(move || {
        let begin = rest
            .iter()
            .position(|byte| !byte.is_ascii_whitespace() && *byte != b';')?;
        let from = rest.get(begin..)?;
        let end = memchr::memchr2(b'=', b';', from);
        let (name, behind) = from.split_at(end.unwrap_or(from.len()));
        let value = behind.strip_prefix(b"=").map(value_at_front);
        let end = name.len() + value.map_or(0, |value| 1 + value.len());
        let (whole, behind) = from.split_at_checked(end)?;
        rest = behind;
        Some(WrittenParameter {
            whole: whole.trim_ascii_end(),
            name: name.trim_ascii_end(),
            value: value.map(<[u8]>::trim_ascii),
        })
    })
}

/// The value at the front, with blanks around it.
fn value_at_front(text: &[u8]) -> &[u8] {
    let quoted = text.trim_ascii_start();
    let length = match quoted.first() {
        Some(b'"') => text.len() - quoted.len() + lexical::quoted_bytes(quoted),
        // A name with blanks and without quotes is common, and wrong.
        _ => split_head(text).0.len(),
    };
    text.get(..length).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, head: &str, name: &str, expected: &[&str]) {
        let parameters = Parameters::read(text.as_bytes());
        assert_eq!(parameters.head, head.as_bytes(), "{text}");
        let found: Vec<String> = parameters.texts(name).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn parameters_are_read_as_people_write_them() {
        check("Text/Plain", "text/plain", "charset", &[]);
        check("", "", "charset", &[]);
        check(
            "text/plain (really); CharSet = utf-8 ;x",
            "text/plain",
            "charset",
            &["utf-8"],
        );
        check(";;=;a;charset", "", "charset", &[]);
        check(
            r#"a/b; name="a \"b\"; c.exe"; x=y"#,
            "a/b",
            "name",
            &[r#"a "b"; c.exe"#],
        );
        check(
            "a/b; name=my report.exe; x=y",
            "a/b",
            "name",
            &["my report.exe"],
        );
        check(r#"a/b; name="open.exe"#, "a/b", "name", &["open.exe"]);
        check(
            "a/b; name=one.txt; name=two.exe",
            "a/b",
            "name",
            &["one.txt", "two.exe"],
        );
        check(
            "a/b; name=\"=?utf-8?B?YsO2c2UuZXhl?=\"",
            "a/b",
            "name",
            &["böse.exe"],
        );
    }

    #[test]
    fn rfc_2231_is_read() {
        check(
            "attachment; filename*=utf-8'de'b%C3%B6se.exe",
            "attachment",
            "filename",
            &["böse.exe"],
        );
        check(
            "attachment; filename*1*=%2Eex; filename*0*=iso-8859-1''b%F6se; filename*2=e",
            "attachment",
            "filename",
            &["böse.exe"],
        );
        check(
            "attachment; filename=harmless.txt; filename*0=evil; filename*1=.exe",
            "attachment",
            "filename",
            &["harmless.txt", "evil.exe"],
        );
        // Broken: no character set, digits that are none.
        check(
            "attachment; filename*=%zz%41%",
            "attachment",
            "filename",
            &["%zzA%"],
        );
    }

    #[test]
    fn bytes_of_any_character_set_are_read() {
        for (body, name, expected) in [
            (
                &b"a/b; boundary=\"\xe4 \""[..],
                "boundary",
                Some(&b"\xe4 "[..]),
            ),
            (b"a/b; boundary; boundary=\" x\"", "boundary", Some(b" x")),
            (
                b"a/b;\r\n boundary*1*=%62; boundary*0=a",
                "boundary",
                Some(b"ab"),
            ),
            (b"a/b; boundary*0=a; boundary=c", "boundary", Some(b"c")),
            (b"a/b; charset", "charset", None),
            (b"a/b; charset=", "charset", Some(b"")),
        ] {
            let found = Parameters::read(body).value(name);
            assert_eq!(found.as_deref(), expected, "{}", body.escape_ascii());
        }
        let latin = Parameters::read(b"a/b; name=\"\xe4\x80\"; \xe4=x");
        assert_eq!(latin.texts("name").collect::<Vec<_>>(), ["\u{e4}\u{20ac}"]);
    }
}
