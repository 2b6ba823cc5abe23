//! The parameters of Content-Type and Content-Disposition: RFC 2045 §5.1, RFC 2231, and what people's
//! programs write instead.

use std::collections::HashSet;

use super::encode::{hex_digit, masked};
use super::fields::token;
use super::folding::Folding;
use super::plan::Charset;
use super::words;

/// A parameter that is longer goes in pieces: it would not fit on a line.
const WHOLE_BYTES: usize = 900;
/// What fits on a line with the blank before it and the semicolon behind it: RFC 2047 §2 has 76.
const LINE_BYTES: usize = 75;
/// A piece of an encoded parameter: with its name it fits on a line of 76 mostly.
const PIECE_BYTES: usize = 50;

/// A value with parameters: `head; name=value; …`.
#[derive(Debug)]
pub(super) struct Parameters {
    /// Before the first semicolon, in small letters, without comments.
    pub(super) head: Vec<u8>,
    given: Vec<Parameter>,
}

#[derive(Debug)]
struct Parameter {
    /// In small letters, without what RFC 2231 puts behind it.
    name: Vec<u8>,
    /// RFC 2231 §3: it is a piece of a value.
    section: Option<u32>,
    /// RFC 2231 §4: its value is percent-encoded.
    is_extended: bool,
    value: Vec<u8>,
}

impl Parameters {
    /// Reads the body of a field.
    pub(super) fn read(body: &[u8]) -> Self {
        let body = unfolded(body);
        let (head, rest) = split_head(&body);
        Self {
            head: token(head).to_ascii_lowercase(),
            given: pieces(rest).map(|piece| Parameter::of(&piece)).collect(),
        }
    }

    /// The head is `type/subtype`.
    pub(super) fn is_type(&self) -> bool {
        let mut words = self.head.splitn(2, |byte| *byte == b'/');
        let is_word = |word: Option<&[u8]>| word.is_some_and(|word| !word.is_empty());
        is_word(words.next()) && is_word(words.next())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let name = name.as_bytes();
        self.given.iter().any(|given| given.name == name)
    }

    /// The boundary of a multipart: one that stands there whole before one in pieces.
    pub(super) fn boundary(&self) -> Option<Vec<u8>> {
        let named = self.given.iter().filter(|given| given.name == b"boundary");
        let (mut pieces, whole): (Vec<_>, Vec<_>) =
            named.partition(|given| given.section.is_some());
        pieces.sort_by_key(|piece| piece.section);
        let mut value = match whole.first() {
            Some(whole) => joined(&[whole]),
            None => joined(&pieces),
        };
        // RFC 2046 §5.1.1: it does not end with a blank.
        value.truncate(value.trim_ascii_end().len());
        (!value.is_empty()).then_some(value)
    }
}

impl Parameter {
    fn of(piece: &Piece<'_>) -> Self {
        let name = piece.name.to_ascii_lowercase();
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
        Self {
            name: plain,
            section,
            is_extended,
            value: piece.unquoted(),
        }
    }
}

/// RFC 2231 §4.1: pieces in their order, each encoded or not; the first one says the character set.
fn joined(pieces: &[&Parameter]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (position, piece) in pieces.iter().enumerate() {
        let value = piece.value.as_slice();
        if !piece.is_extended {
            bytes.extend_from_slice(value);
            continue;
        }
        // The character set and the language stand before the first one.
        let behind = value.splitn(3, |byte| *byte == b'\'').nth(2);
        unescape(
            behind.filter(|_| position == 0).unwrap_or(value),
            &mut bytes,
        );
    }
    bytes
}

fn number(digits: &[u8]) -> u32 {
    let digits = std::str::from_utf8(digits).ok();
    let number = digits.and_then(|digits| digits.parse().ok());
    number.unwrap_or(u32::MAX)
}

/// RFC 2231 §4: percent signs and two digits.
fn unescape(value: &[u8], bytes: &mut Vec<u8>) {
    let mut rest = value;
    loop {
        rest = match rest {
            [] => return,
            [b'%', high, low, behind @ ..] => match (value_of(*high), value_of(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    behind
                }
                _ => {
                    bytes.push(b'%');
                    rest.get(1..).unwrap_or_default()
                }
            },
            [byte, behind @ ..] => {
                bytes.push(*byte);
                behind
            }
        };
    }
}

fn value_of(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// A parameter as it stands in the field.
struct Piece<'a> {
    /// Everything, without the semicolon before it and blanks around it.
    whole: &'a [u8],
    name: &'a [u8],
    /// None: there is no equals sign.
    value: Option<&'a [u8]>,
}

impl Piece<'_> {
    fn unquoted(&self) -> Vec<u8> {
        let value = self.value.unwrap_or_default();
        let Some(quoted) = value.strip_prefix(b"\"") else {
            return value.to_vec();
        };
        words::unescaped(quoted.strip_suffix(b"\"").unwrap_or(quoted))
    }
}

fn split_head(body: &[u8]) -> (&[u8], &[u8]) {
    let end = body.iter().position(|byte| *byte == b';');
    body.split_at(end.unwrap_or(body.len()))
}

/// The parameters behind the head, which stand on one line.
fn pieces(rest: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = rest;
    std::iter::from_fn(move || {
        let begin = rest
            .iter()
            .position(|byte| !byte.is_ascii_whitespace() && *byte != b';')?;
        let from = rest.get(begin..)?;
        let equals = from.iter().position(|byte| matches!(byte, b'=' | b';'));
        let (name, behind) = from.split_at(equals.unwrap_or(from.len()));
        let value = behind.strip_prefix(b"=").map(value_at_front);
        let end = name.len() + value.map_or(0, |value| 1 + value.len());
        let (whole, behind) = from.split_at_checked(end)?;
        rest = behind;
        Some(Piece {
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
        Some(b'"') => text.len() - quoted.len() + words::quoted_bytes(quoted),
        // A name with blanks and without quotes is common, and wrong.
        _ => split_head(text).0.len(),
    };
    text.get(..length).unwrap_or(text)
}

/// Without line ends, so that the blanks behind them stay.
pub(super) fn unfolded(body: &[u8]) -> Vec<u8> {
    let body = body.trim_ascii().iter().copied();
    body.filter(|byte| !matches!(byte, b'\r' | b'\n')).collect()
}

/// Writes a field with 8-bit bytes anew; `charset` is what Content-Type says from now on.
pub(super) fn rewrite(
    body: &[u8],
    written_in: Charset,
    charset: Option<Charset>,
    folding: &mut Folding<'_>,
) {
    let body = unfolded(body);
    let (head, rest) = split_head(&body);
    folding.blanks(b" ");
    write_head(head, folding);
    if let Some(charset) = charset {
        folding.glue(b";");
        folding.blanks(b" ");
        folding.word(format!("charset={}", charset.name()).as_bytes());
    }
    let encoded: HashSet<Vec<u8>> = pieces(rest)
        .filter(|piece| piece.name.ends_with(b"*"))
        .map(|piece| Parameter::of(&piece).name)
        .collect();
    for piece in pieces(rest) {
        folding.glue(b";");
        folding.blanks(b" ");
        let whole = piece.whole;
        if whole.is_ascii() && whole.len() <= WHOLE_BYTES {
            folding.word(whole);
            continue;
        }
        let parameter = Parameter::of(&piece);
        let has_encoded = !parameter.is_extended && encoded.contains(&parameter.name);
        if piece.value.is_none() || !piece.name.is_ascii() || has_encoded {
            // Nothing that could be encoded; or a form for older programs beside the encoded one.
            let masked: Vec<u8> = whole.iter().map(|byte| masked(*byte)).collect();
            folding.word(&masked);
        } else {
            write_encoded(&parameter, piece.name, written_in, folding);
        }
    }
}

fn write_head(head: &[u8], folding: &mut Folding<'_>) {
    let head = head.trim_ascii();
    for word in head.split(u8::is_ascii_whitespace) {
        let masked: Vec<u8> = word.iter().map(|byte| masked(*byte)).collect();
        folding.word(&masked);
        folding.blanks(b" ");
    }
    folding.forget_blanks();
}

/// RFC 2231 §4: `name*=utf-8''…`, in pieces (§3) if it is long.
fn write_encoded(
    parameter: &Parameter,
    written_name: &[u8],
    written_in: Charset,
    folding: &mut Folding<'_>,
) {
    let (name, _) = words::split_where(written_name, |byte| byte == b'*');
    let encoded = percent_encoded(parameter, written_in);
    let write = |label: &str, value: &[u8], folding: &mut Folding<'_>| {
        folding.word(&[name, label.as_bytes(), value].concat());
    };
    if let Some(section) = parameter.section {
        write(&format!("*{section}*="), &encoded, folding);
        return;
    }
    if name.len() + "*=".len() + encoded.len() < LINE_BYTES {
        write("*=", &encoded, folding);
        return;
    }
    let mut rest = encoded.as_slice();
    let mut section = 0_u32;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(piece_bytes(rest));
        if section > 0 {
            folding.glue(b";");
            folding.blanks(b" ");
        }
        write(&format!("*{section}*="), piece, folding);
        rest = behind;
        section += 1;
    }
}

/// The value behind `*=`, with the character set before it.
fn percent_encoded(parameter: &Parameter, written_in: Charset) -> Vec<u8> {
    let mut encoded = match (parameter.is_extended, parameter.section) {
        // It says its character set already, or the first piece does.
        (true, _) | (false, Some(1..)) => Vec::new(),
        _ => format!("{}''", written_in.name()).into_bytes(),
    };
    for byte in &parameter.value {
        let is_encoding = parameter.is_extended && matches!(byte, b'%' | b'\'');
        if is_encoding || is_attribute_char(*byte) {
            encoded.push(*byte);
        } else {
            encoded.extend_from_slice(&[b'%', hex_digit(byte >> 4), hex_digit(*byte)]);
        }
    }
    encoded
}

/// How much makes a piece. No percent sign is parted from its digits, and no character of UTF-8 is cut: some
/// programs decode the pieces one by one.
fn piece_bytes(encoded: &[u8]) -> usize {
    if encoded.len() <= PIECE_BYTES {
        return encoded.len();
    }
    let mut cut = match encoded.get(..PIECE_BYTES) {
        Some([.., b'%']) => PIECE_BYTES - 1,
        Some([.., b'%', _]) => PIECE_BYTES - 2,
        _ => PIECE_BYTES,
    };
    // Three bytes of a character go on with it at most. In another charset such a byte may stand behind a
    // letter that is none of its beginning.
    for _ in 0..3 {
        let goes_on = matches!(
            encoded.get(cut..),
            Some([b'%', b'8' | b'9' | b'A' | b'B', ..])
        );
        let before = cut.checked_sub(3);
        let behind_escape = before.and_then(|at| encoded.get(at)) == Some(&b'%');
        if goes_on && behind_escape {
            cut -= 3;
        }
    }
    cut
}

/// RFC 2231 §7, from RFC 2045 §5.1.
fn is_attribute_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&byte)
}
