//! 8-bit bytes in the parameters of Content-Type and Content-Disposition: RFC 2231.

use std::collections::HashSet;

use super::encode::{escaped, masked};
use super::folding::Folding;
use super::plan::Charset;
use crate::mime::header_fields::unfolded;
use crate::mime::lexical::split_where;
use crate::mime::parameters::{Parameter, parameters, split_head};

/// A parameter that is longer goes in pieces: it would not fit on a line.
const WHOLE_BYTES: usize = 900;
/// What fits on a line with the blank before it and the semicolon behind it: RFC 2047 §2 has 76.
const LINE_BYTES: usize = 75;
/// A piece of an encoded parameter: with its name it fits on a line of 76 mostly.
const PIECE_BYTES: usize = 50;

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
    let encoded: HashSet<Vec<u8>> = parameters(rest)
        .filter(|written| written.name.ends_with(b"*"))
        .filter_map(|written| Some(written.read()?.name))
        .collect();
    for written in parameters(rest) {
        folding.glue(b";");
        folding.blanks(b" ");
        let whole = written.whole;
        if whole.is_ascii() && whole.len() <= WHOLE_BYTES {
            folding.word(whole);
            continue;
        }
        let parameter = written.read().filter(|parameter| {
            // A form for older programs may stand beside the encoded one.
            let has_encoded = !parameter.is_extended && encoded.contains(&parameter.name);
            written.name.is_ascii() && !has_encoded
        });
        match parameter {
            Some(parameter) => write_encoded(&parameter, written.name, written_in, folding),
            None => folding.word(&masked(whole)),
        }
    }
}

fn write_head(head: &[u8], folding: &mut Folding<'_>) {
    let head = head.trim_ascii();
    for word in head.split(u8::is_ascii_whitespace) {
        folding.word(&masked(word));
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
    let (name, _) = split_where(written_name, |byte| byte == b'*');
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
            encoded.extend_from_slice(&escaped(b'%', *byte));
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
