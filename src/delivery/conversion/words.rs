//! 8-bit bytes in unstructured fields and comments become encoded words: RFC 2047 §5.

use super::folding::{Folding, UNFOLDABLE_BYTES};
use super::plan::Charset;
use crate::mime::lexical::{is_blank, split_where, unescaped};

/// Writes the text of an unstructured field anew. Words without 8-bit bytes stay as they are.
pub(super) fn rewrite(body: &[u8], charset: Charset, folding: &mut Folding<'_>) {
    let mut text = EncodedText::new(charset, false);
    for (blanks, word) in words(body) {
        if word.is_ascii() && word.len() <= UNFOLDABLE_BYTES {
            text.end(blanks, word, folding);
            folding.blanks(blanks);
            folding.word(word);
        } else {
            text.add(blanks, word, folding);
        }
    }
    text.finish(folding);
}

/// Writes a comment anew, parentheses included.
pub(super) fn rewrite_comment(comment: &[u8], charset: Charset, folding: &mut Folding<'_>) {
    let mut text = EncodedText::new(charset, true);
    let mut rest = comment;
    let mut blanks: &[u8] = b"";
    while let Some(first) = rest.first() {
        if matches!(first, b'(' | b')') {
            text.finish(folding);
            folding.blanks(blanks);
            folding.glue(if *first == b'(' { b"(" } else { b")" });
            text = EncodedText::new(charset, *first == b'(');
            rest = rest.get(1..).unwrap_or_default();
            blanks = b"";
            continue;
        }
        let (before, behind) = split_where(rest, |byte| !is_blank(byte));
        let (word, behind) = behind.split_at(comment_word_bytes(behind));
        rest = behind;
        if word.is_empty() {
            blanks = before;
        } else if word.is_ascii() {
            text.end(before, word, folding);
            folding.blanks(before);
            folding.word(word);
            text = EncodedText::new(charset, false);
        } else {
            text.add(before, &unescaped(word), folding);
        }
    }
    text.finish(folding);
}

/// Up to a blank or a parenthesis; a backslash takes the next byte with it.
fn comment_word_bytes(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        let ends = !is_escaped && (is_blank(*byte) || matches!(byte, b'(' | b')'));
        is_escaped = !is_escaped && *byte == b'\\';
        ends
    });
    end.unwrap_or(text.len())
}

/// Words that become encoded words together with the blanks between them, which are dropped between two
/// encoded words when they are shown (§6.2).
pub(super) struct EncodedText {
    text: Vec<u8>,
    charset: Charset,
    /// Behind an opening parenthesis.
    is_glued: bool,
    /// The last word was an encoded word already.
    is_behind_encoded: bool,
}

impl EncodedText {
    pub(super) fn new(charset: Charset, is_glued: bool) -> Self {
        Self {
            text: Vec::new(),
            charset,
            is_glued,
            is_behind_encoded: false,
        }
    }

    /// A word that must be encoded.
    pub(super) fn add(&mut self, blanks: &[u8], word: &[u8], folding: &mut Folding<'_>) {
        if self.text.is_empty() {
            folding.blanks(blanks);
        }
        if !self.text.is_empty() || self.is_behind_encoded {
            self.text.extend(without_line_ends(blanks));
        }
        self.text.extend_from_slice(word);
    }

    /// The words end, because one comes that stays.
    pub(super) fn end(&mut self, blanks: &[u8], word: &[u8], folding: &mut Folding<'_>) {
        let is_encoded = word.starts_with(b"=?") && word.ends_with(b"?=");
        if !self.text.is_empty() && is_encoded {
            self.text.extend(without_line_ends(blanks));
        }
        self.finish(folding);
        self.is_glued = false;
        self.is_behind_encoded = is_encoded;
    }

    /// The words end, because no other comes.
    pub(super) fn finish(&mut self, folding: &mut Folding<'_>) {
        if !self.text.is_empty() {
            folding.encoded(&self.text, self.charset, self.is_glued);
            self.text.clear();
        }
        self.is_behind_encoded = false;
    }
}

fn without_line_ends(blanks: &[u8]) -> impl Iterator<Item = u8> {
    let blanks = blanks.iter().copied();
    blanks.filter(|byte| matches!(byte, b' ' | b'\t'))
}

/// Words, each with the blanks before it. Those at the end are dropped.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (blanks, behind) = split_where(rest, |byte| !is_blank(byte));
        let (word, behind) = split_where(behind, is_blank);
        rest = behind;
        (!word.is_empty()).then_some((blanks, word))
    })
}
