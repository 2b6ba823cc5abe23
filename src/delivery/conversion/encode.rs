//! The content encodings of RFC 2045 §6, line after line and without holding a content.

/// An encoded line without its CRLF: RFC 2045 §6.7 (5) and §6.8.
const ENCODED_LINE_BYTES: usize = 76;
/// So many bytes make a line of base64.
const BASE64_LINE_INPUT_BYTES: usize = 57;
/// A line that nobody reads is broken here: RFC 5321 §4.5.3.1.6, without its CRLF.
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
                line.escape(*high, *low, out);
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
            self.escape(hex_digit(byte >> 4), hex_digit(byte), out);
            return;
        }
        self.make_room(1, out);
        // Two dashes at its beginning could make it a delimiter that was none: here lines are broken anew.
        if self.is_dash && byte == b'-' {
            self.escape(b'2', b'D', out);
            return;
        }
        self.is_dash = self.column == 0 && byte == b'-';
        self.column += 1;
        out.push(byte);
    }

    fn escape(&mut self, high: u8, low: u8, out: &mut Vec<u8>) {
        self.make_room(3, out);
        self.is_dash = false;
        self.column += 3;
        out.extend_from_slice(&[b'=', high, low]);
    }

    /// Breaks the line where a soft line break would not fit any more.
    fn make_room(&mut self, bytes: usize, out: &mut Vec<u8>) {
        if self.column + bytes >= ENCODED_LINE_BYTES {
            out.extend_from_slice(b"=\r\n");
            *self = Self::default();
        }
    }
}

/// The hexadecimal digit of a byte's low half: capital, as RFC 2045 §6.7 (1) has it.
pub(super) fn hex_digit(byte: u8) -> u8 {
    match byte & 15 {
        low @ 0..=9 => b'0' + low,
        low => b'A' + low - 10,
    }
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
    for group in bytes.chunks(3) {
        let (first, second, third) = match *group {
            [first, second, third] => (first, Some(second), Some(third)),
            [first, second] => (first, Some(second), None),
            [first] => (first, None, None),
            _ => return,
        };
        let middle = second.unwrap_or(0);
        out.push(base64_digit(first >> 2));
        out.push(base64_digit(first << 4 | middle >> 4));
        out.push(second.map_or(b'=', |_| {
            base64_digit(middle << 2 | third.unwrap_or(0) >> 6)
        }));
        out.push(third.map_or(b'=', base64_digit));
    }
}

/// The digit of a byte's low six bits.
fn base64_digit(byte: u8) -> u8 {
    match byte & 63 {
        value @ 0..=25 => b'A' + value,
        value @ 26..=51 => b'a' + value - 26,
        value @ 52..=61 => b'0' + value - 52,
        62 => b'+',
        _ => b'/',
    }
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

/// Makes a line that nobody reads 7-bit. A line without 8-bit bytes stays as it is.
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
        out.extend(piece.iter().map(|byte| masked(*byte)));
    }
}

/// What stands in place of an 8-bit byte that cannot be encoded.
pub(super) fn masked(byte: u8) -> u8 {
    if byte.is_ascii() { byte } else { b'?' }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
