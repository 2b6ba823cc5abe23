//! The content encodings of RFC 2045 §6, line after line and without holding a content.

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// An encoded line without its CRLF: RFC 2045 §6.7 (5) and §6.8.
const ENCODED_LINE_BYTES: usize = 76;
/// So many bytes make a line of base64.
const BASE64_LINE_INPUT_BYTES: usize = 57;
/// A line that is not shown is broken here: RFC 5321 §4.5.3.1.6, without its CRLF.
const TEXT_LINE_BYTES: usize = 998;

/// Encodes a content as quoted-printable.
#[derive(Debug, Default)]
pub(super) struct QuotedPrintable {
    line: OutputLine,
}

impl QuotedPrintable {
    /// Encodes a line without its end.
    pub(super) fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let (last, rest) = match text.split_last() {
            Some((last, rest)) => (*last, rest),
            None => return,
        };
        let is_whole = self.line.column == 0 && text.len() <= ENCODED_LINE_BYTES;
        if is_whole
            && !text.starts_with(b"--")
            && last > b' '
            && text.iter().all(|byte| is_literal(*byte))
        {
            out.extend_from_slice(text);
            self.line.column = text.len();
            return;
        }
        for byte in rest {
            self.line.byte(*byte, is_literal(*byte), out);
        }
        // RFC 2045 §6.7 (3): blanks at the end of a line are taken for padding.
        self.line.byte(last, last > b' ' && is_literal(last), out);
    }

    /// Ends the line.
    pub(super) fn line_end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
        self.line = OutputLine::default();
    }
}

fn is_literal(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~') && byte != b'='
}

/// Makes a line of quoted-printable that holds raw bytes 7-bit, without a change to what it decodes to. A
/// line without raw bytes stays as it is.
pub(super) fn repair_quoted_printable(text: &[u8], out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend_from_slice(text);
        return;
    }
    let mut line = OutputLine::default();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return,
            [b'=', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                line.escape([b'=', *high, *low], out);
                behind
            }
            [b'=', behind @ ..] if behind.iter().all(|byte| matches!(byte, b' ' | b'\t')) => {
                // RFC 2045 §6.7 (5): the line goes on, and blanks may have been added behind that.
                out.extend_from_slice(rest);
                return;
            }
            // An equals sign that begins nothing: programs show it.
            [byte, behind @ ..] => {
                line.byte(*byte, byte.is_ascii() && *byte != b'=', out);
                behind
            }
        };
    }
}

/// A line of quoted-printable that is written.
#[derive(Debug, Default)]
struct OutputLine {
    column: usize,
    /// It is a dash so far.
    is_dash: bool,
}

impl OutputLine {
    fn byte(&mut self, byte: u8, is_literal: bool, out: &mut Vec<u8>) {
        if !is_literal {
            self.escape(escaped(b'=', byte), out);
            return;
        }
        self.make_room(1, out);
        // Two dashes at its beginning could make it a delimiter that was none: here lines are broken anew.
        if self.is_dash && byte == b'-' {
            self.escape(escaped(b'=', byte), out);
            return;
        }
        self.is_dash = self.column == 0 && byte == b'-';
        self.column += 1;
        out.push(byte);
    }

    fn escape(&mut self, escaped: [u8; 3], out: &mut Vec<u8>) {
        self.make_room(3, out);
        self.is_dash = false;
        self.column += 3;
        out.extend_from_slice(&escaped);
    }

    /// Breaks the line where a soft line break would not fit any more.
    fn make_room(&mut self, bytes: usize, out: &mut Vec<u8>) {
        if self.column + bytes >= ENCODED_LINE_BYTES {
            out.extend_from_slice(b"=\r\n");
            *self = Self::default();
        }
    }
}

/// A byte as a sign and its hexadecimal digits: capital, as RFC 2045 §6.7 (1) has it.
pub(super) fn escaped(sign: u8, byte: u8) -> [u8; 3] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |half: u8| DIGITS[usize::from(half)];
    [sign, digit(byte >> 4), digit(byte & 15)]
}

/// Encodes a content as base64.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    /// Less than a line's input.
    begun: Vec<u8>,
    has_lines: bool,
}

impl Base64 {
    /// Encodes the next bytes of the content.
    pub(super) fn bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let missing = BASE64_LINE_INPUT_BYTES - self.begun.len();
            let (next, behind) = rest.split_at(missing.min(rest.len()));
            self.begun.extend_from_slice(next);
            rest = behind;
            if self.begun.len() == BASE64_LINE_INPUT_BYTES {
                self.line(out);
            }
        }
    }

    /// Ends the content. A delimiter brings its own CRLF, the end of a message does not.
    pub(super) fn finish(mut self, ends_message: bool, out: &mut Vec<u8>) {
        if !self.begun.is_empty() {
            self.line(out);
        }
        if ends_message {
            out.extend_from_slice(b"\r\n");
        }
    }

    fn line(&mut self, out: &mut Vec<u8>) {
        if self.has_lines {
            out.extend_from_slice(b"\r\n");
        }
        base64(&self.begun, out);
        self.begun.clear();
        self.has_lines = true;
    }
}

/// How long a content of so many bytes gets as base64, line ends included but the last.
pub(super) fn base64_bytes(content: u64) -> u64 {
    let line = BASE64_LINE_INPUT_BYTES as u64;
    let line_ends = content.div_ceil(line).saturating_sub(1) * 2;
    content.div_ceil(3) * 4 + line_ends
}

/// Encodes bytes as base64 on one line.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
}

/// Makes a line of base64 that holds raw bytes 7-bit. Decoders skip what is not in the alphabet (RFC 2045
/// §6.8), so all of it goes: dashes that stay might begin a delimiter. A line without raw bytes stays.
pub(super) fn repair_base64(text: &[u8], out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend_from_slice(text);
        return;
    }
    let digits = text
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    for (position, digit) in digits.enumerate() {
        if position > 0 && position % ENCODED_LINE_BYTES == 0 {
            out.extend_from_slice(b"\r\n");
        }
        out.push(*digit);
    }
}

/// Makes a line that is not shown 7-bit. A line without 8-bit bytes stays as it is.
pub(super) fn mask(text: &[u8], out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend_from_slice(text);
        return;
    }
    for (position, piece) in text.chunks(TEXT_LINE_BYTES).enumerate() {
        if position > 0 {
            out.extend_from_slice(b"\r\n");
        }
        // It might have become a delimiter.
        let piece = match piece.strip_prefix(b"--") {
            Some(behind) => {
                out.extend_from_slice(b"?-");
                behind
            }
            None => piece,
        };
        out.extend(masked(piece));
    }
}

/// A text with something in the place of each 8-bit byte, which cannot be encoded where it stands.
pub(super) fn masked(text: &[u8]) -> Vec<u8> {
    let bytes = text.iter().copied();
    bytes
        .map(|byte| if byte.is_ascii() { byte } else { b'?' })
        .collect()
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
