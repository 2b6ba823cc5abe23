//! The parameters of Content-Type and Content-Disposition: RFC 2045 §5.1, RFC 2231, and what people's
//! programs write instead.

use super::encoded_word::decoded;
use super::text;

/// A value with parameters: `head; name=value; …`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// Before the first semicolon, in small letters, without comments.
    pub(crate) head: String,
    given: Vec<Parameter>,
}

#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    /// In small letters, without what RFC 2231 puts behind it.
    name: String,
    /// RFC 2231 §3: it is a piece of a value.
    section: Option<u32>,
    /// RFC 2231 §4: its value is percent-encoded.
    is_extended: bool,
    value: String,
}

impl Parameters {
    /// Reads a value that stands on one line.
    pub(crate) fn read(text: &str) -> Self {
        let (head, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let head = head.split(|c: char| c.is_whitespace() || c == '(');
        let head = head.into_iter().find(|word| !word.is_empty());
        let mut parameters = Self {
            head: head.unwrap_or_default().to_ascii_lowercase(),
            given: Vec::new(),
        };
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
            if rest.is_empty() {
                return parameters;
            }
            let Some(end) = rest.find(['=', ';']) else {
                return parameters;
            };
            let (name, behind) = rest.split_at(end);
            let Some(behind) = behind.strip_prefix('=') else {
                rest = behind;
                continue;
            };
            let (value, behind) = value(behind);
            parameters.given.push(Parameter::of(name, value));
            rest = behind;
        }
    }

    /// All values of a name: those that stand there as they are, those that are encoded, and the one
    /// that stands there in pieces.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let named = self.given.iter().filter(|given| given.name == name);
        let (mut pieces, whole): (Vec<_>, Vec<_>) =
            named.partition(|given| given.section.is_some());
        let mut values: Vec<String> = whole
            .into_iter()
            .map(|given| match given.is_extended {
                true => joined(&[given]),
                false => given.value.clone(),
            })
            .collect();
        if !pieces.is_empty() {
            pieces.sort_by_key(|piece| piece.section);
            values.push(joined(&pieces));
        }
        values
    }
}

/// All values of a name; encoded words, which have no business there (RFC 2047 §5), are decoded as
/// people's programs do.
pub(crate) fn decoded_values(parameters: &Parameters, name: &str) -> Vec<String> {
    let values = parameters.values(name).into_iter();
    values
        .map(|value| decoded(&value).trim().to_owned())
        .collect()
}

impl Parameter {
    fn of(name: &str, value: String) -> Self {
        let name = name.trim().to_ascii_lowercase();
        let mut words = name.split('*');
        let plain = words.next().unwrap_or_default().to_owned();
        let mut section = None;
        let mut is_extended = false;
        for word in words {
            match word {
                "" => is_extended = true,
                digits => section = Some(digits.parse().unwrap_or(u32::MAX)),
            }
        }
        Self {
            name: plain,
            section,
            is_extended,
            value,
        }
    }
}

/// The value that `text` begins with, and what follows it.
fn value(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        // A name with blanks and without quotes is common, and wrong.
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.trim().to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

/// RFC 2231 §4.1: pieces in their order, each encoded or not; the first one says the character set.
fn joined(pieces: &[&Parameter]) -> String {
    let mut charset = None;
    let mut bytes = Vec::new();
    for (position, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_str();
        if !piece.is_extended {
            bytes.extend_from_slice(value.as_bytes());
            continue;
        }
        if position == 0 {
            let mut words = value.splitn(3, '\'');
            if let (Some(named), Some(_), Some(rest)) = (words.next(), words.next(), words.next()) {
                charset = Some(named);
                value = rest;
            }
        }
        text::unescape(b'%', value.as_bytes(), &mut bytes);
    }
    text::of(&bytes, charset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, head: &str, name: &str, expected: &[&str]) {
        let parameters = Parameters::read(text);
        assert_eq!(parameters.head, head, "{text}");
        assert_eq!(decoded_values(&parameters, name), expected, "{text}");
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
}
