//! Writes a header field anew, folded where its lines would get too long: RFC 5322 §2.2.3.

use std::borrow::Cow;

use memchr::memrchr;

use super::encode;
use super::plan::Charset;
use crate::mime::encoded_word::WordEncoding;
use crate::mime::header_fields::unfolded;

/// A line with encoded words, without its CRLF: RFC 2047 §2. RFC 5322 §2.1.1 asks for 78 with others.
const LINE_BYTES: usize = 76;
/// An encoded word: RFC 2047 §2.
const WORD_BYTES: usize = 75;
/// A word that cannot be folded is cut here, so that no line is longer than the 998 bytes of RFC 5322 §2.1.1.
pub(super) const UNFOLDABLE_BYTES: usize = 900;
/// More blanks in a row become one: they would leave no room on a line.
const BLANKS: usize = 20;
/// The longest character of UTF-8 as `=XX`: a line with less room for an encoded word is ended.
const CHARACTER_BYTES: usize = 12;

/// A field that is written.
pub(super) struct Folding<'o> {
    out: &'o mut Vec<u8>,
    column: usize,
    /// Nothing but the field's name is on the line.
    is_bare: bool,
    /// Before the next word.
    blanks: Vec<u8>,
    /// The next word begins a line.
    folds: bool,
    /// It may, although there are no blanks before it.
    may_fold: bool,
    /// RFC 2047 §5: an encoded word is parted from its neighbours.
    is_behind_encoded: bool,
}

impl<'o> Folding<'o> {
    /// Begins a field with its name and colon.
    pub(super) fn begin(label: &[u8], out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(label);
        Self {
            out,
            column: label.len(),
            is_bare: true,
            blanks: Vec::new(),
            folds: false,
            may_fold: false,
            is_behind_encoded: false,
        }
    }

    /// Blanks, maybe with a line end among them, which stays one.
    pub(super) fn blanks(&mut self, blanks: &[u8]) {
        self.folds |= blanks.contains(&b'\n');
        let kept = blanks.iter().filter(|byte| matches!(byte, b' ' | b'\t'));
        self.blanks.extend(kept);
        if self.blanks.len() > BLANKS || self.blanks.is_empty() && !blanks.is_empty() {
            self.blanks.clear();
            self.blanks.push(b' ');
        }
    }

    /// There are none at the end of a line.
    pub(super) fn forget_blanks(&mut self) {
        self.blanks.clear();
        self.folds = false;
    }

    /// A line may end here.
    pub(super) fn may_fold(&mut self) {
        self.may_fold = true;
    }

    /// What is no encoded word.
    pub(super) fn word(&mut self, word: &[u8]) {
        if self.is_behind_encoded && self.blanks.is_empty() {
            self.blanks.push(b' ');
        }
        self.glue(word);
    }

    /// What may touch an encoded word: RFC 2047 §5 (2) has that for parentheses.
    pub(super) fn glue(&mut self, word: &[u8]) {
        // What begins with a quote or a parenthesis and does not end goes on to the end of the field.
        let word = match word.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            true => Cow::Owned(unfolded(word)),
            false => Cow::Borrowed(word),
        };
        for piece in word.chunks(UNFOLDABLE_BYTES) {
            let end = self.column + self.blanks.len() + piece.len();
            let has_place = (!self.blanks.is_empty() || self.may_fold) && !self.is_bare;
            self.folds |= has_place && end > LINE_BYTES || end > UNFOLDABLE_BYTES + LINE_BYTES;
            self.lead();
            self.out.extend_from_slice(piece);
            self.column += piece.len();
        }
        self.is_behind_encoded = false;
    }

    /// Text as encoded words, each with whole characters: RFC 2047 §5. `is_glued`: behind a parenthesis.
    pub(super) fn encoded(&mut self, text: &[u8], charset: Charset, is_glued: bool) {
        if self.blanks.is_empty() && !is_glued {
            self.blanks.push(b' ');
        }
        let encoding = WordEncoding::of(text);
        let overhead = "=??q??=".len() + charset.name().len();
        let mut rest = text;
        // What fits on a line of its own is not cut.
        let whole = overhead + encoding.bytes(text);
        self.folds |=
            !self.is_bare && whole > self.room() && whole <= WORD_BYTES - self.blanks.len();
        while !rest.is_empty() {
            if self.room() < overhead + CHARACTER_BYTES {
                self.folds = true;
            }
            let room = self.room().min(WORD_BYTES).saturating_sub(overhead);
            let (next, behind) = rest.split_at(encoding.fitting(rest, charset, room));
            self.lead();
            let before = self.out.len();
            encoding.write(next, charset, self.out);
            self.column += self.out.len() - before;
            self.folds = !behind.is_empty();
            rest = behind;
        }
        self.is_behind_encoded = true;
    }

    /// Ends the field.
    pub(super) fn finish(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    /// What is left of the line that the next word stands on.
    fn room(&self) -> usize {
        let before = if self.folds { 0 } else { self.column };
        LINE_BYTES.saturating_sub(before + self.blanks.len().max(usize::from(self.folds)))
    }

    /// Writes what stands before a word.
    fn lead(&mut self) {
        if self.folds {
            self.out.extend_from_slice(b"\r\n");
            self.column = 0;
            if self.blanks.is_empty() {
                self.blanks.push(b' ');
            }
        }
        self.out.extend_from_slice(&self.blanks);
        self.column += self.blanks.len();
        self.blanks.clear();
        self.folds = false;
        self.may_fold = false;
        self.is_bare = false;
    }
}

impl WordEncoding {
    /// What people can read in its raw form, too, unless it is half as long again as the other.
    fn of(text: &[u8]) -> WordEncoding {
        match WordEncoding::Q.bytes(text) * 2 <= WordEncoding::B.bytes(text) * 3 {
            true => WordEncoding::Q,
            false => WordEncoding::B,
        }
    }

    /// How long a text gets.
    fn bytes(self, text: &[u8]) -> usize {
        match self {
            WordEncoding::Q => text.iter().map(|byte| q_bytes(*byte)).sum(),
            WordEncoding::B => text.len().div_ceil(3) * 4,
        }
    }

    /// How many bytes of the text fit: whole characters, and one at least. Words stay whole if there are blanks
    /// to cut at: some programs show one where a text was cut.
    fn fitting(self, text: &[u8], charset: Charset, room: usize) -> usize {
        let mut taken = 0;
        let mut encoded = 0;
        while let Some(rest) = text.get(taken..)
            && let Some(character) = character(rest, charset)
        {
            encoded += match self {
                WordEncoding::Q => self.bytes(character),
                WordEncoding::B => character.len(),
            };
            let fits = match self {
                WordEncoding::Q => encoded <= room,
                WordEncoding::B => encoded <= room / 4 * 3,
            };
            if taken > 0 && !fits {
                break;
            }
            taken += character.len();
        }
        let fitting = text.get(..taken).filter(|_| taken < text.len());
        let blank = fitting.and_then(|fitting| memrchr(b' ', fitting));
        match blank {
            Some(blank) if blank > taken / 2 => blank + 1,
            _ => taken,
        }
    }

    fn write(self, text: &[u8], charset: Charset, out: &mut Vec<u8>) {
        out.extend_from_slice(b"=?");
        out.extend_from_slice(charset.name().as_bytes());
        match self {
            WordEncoding::Q => {
                out.extend_from_slice(b"?q?");
                for byte in text {
                    q(*byte, out);
                }
            }
            WordEncoding::B => {
                out.extend_from_slice(b"?b?");
                encode::base64(text, out);
            }
        }
        out.extend_from_slice(b"?=");
    }
}

/// The character at the front, none at the end.
fn character(text: &[u8], charset: Charset) -> Option<&[u8]> {
    let goes_on = |byte: &&u8| charset == Charset::Utf8 && matches!(byte, 0x80..=0xbf);
    let (_, rest) = text.split_first()?;
    text.get(..=rest.iter().take_while(goes_on).count())
}

/// RFC 2047 §5 (3): what is allowed in a phrase is allowed everywhere.
fn q(byte: u8, word: &mut Vec<u8>) {
    match byte {
        b' ' => word.push(b'_'),
        _ if q_bytes(byte) == 1 => word.push(byte),
        _ => word.extend_from_slice(&encode::escaped(b'=', byte)),
    }
}

fn q_bytes(byte: u8) -> usize {
    let stays = byte.is_ascii_alphanumeric() || b" !*+-/".contains(&byte);
    if stays { 1 } else { 3 }
}
