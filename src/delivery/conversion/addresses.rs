//! 8-bit bytes in address fields and other structured fields: RFC 2047 §5 (3) allows encoded words in
//! display names and comments, and nothing in an address.

use super::encode::masked;
use super::folding::Folding;
use super::plan::Charset;
use super::words::{EncodedText, is_blank, quoted_bytes, rewrite_comment, split_where, unescaped};
use crate::smtp::domain::ascii_domain;

/// What stands in a field outside its comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Addresses with display names, or phrases: words may be encoded.
    Addresses,
    /// Identifiers and the like: no word may be encoded.
    Tokens,
}

/// Writes the body of a structured field anew. False: it has 8-bit bytes where they cannot be kept.
pub(super) fn rewrite(
    body: &[u8],
    charset: Charset,
    syntax: Syntax,
    folding: &mut Folding<'_>,
) -> bool {
    let mut writer = Writer {
        folding,
        charset,
        syntax,
        item: Vec::new(),
        is_in_angles: false,
        is_whole: true,
    };
    let mut rest = body;
    while let Some((token, behind)) = Token::read(rest) {
        writer.token(token);
        rest = behind;
    }
    writer.end_item(false);
    writer.folding.forget_blanks();
    writer.is_whole
}

#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    Blanks(&'a [u8]),
    Comment(&'a [u8]),
    Quoted(&'a [u8]),
    /// One of `,;:<>`.
    Special(&'a [u8]),
    /// Anything else, up to one of these: atoms, dots and at signs.
    Word(&'a [u8]),
}

impl<'a> Token<'a> {
    fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let first = *text.first()?;
        let is_special = |byte| matches!(byte, b',' | b';' | b':' | b'<' | b'>');
        let is_end = |byte| is_blank(byte) || is_special(byte) || matches!(byte, b'"' | b'(');
        let length = match first {
            b'"' => quoted_bytes(text),
            b'(' => comment_bytes(text),
            _ if is_special(first) => 1,
            _ if is_blank(first) => split_where(text, |byte| !is_blank(byte)).0.len(),
            _ => split_where(text, is_end).0.len(),
        };
        let (token, behind) = text.split_at_checked(length)?;
        let token = match first {
            b'"' => Token::Quoted(token),
            b'(' => Token::Comment(token),
            _ if is_special(first) => Token::Special(token),
            _ if is_blank(first) => Token::Blanks(token),
            _ => Token::Word(token),
        };
        Some((token, behind))
    }

    /// An address, or a part of one.
    fn is_of_address(self) -> bool {
        matches!(self, Token::Word(word) if word.contains(&b'@'))
    }
}

/// How long the comment is that `text` begins with; comments may stand within it.
fn comment_bytes(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        match byte {
            b'(' if !is_escaped => depth += 1,
            b')' if !is_escaped => depth = depth.saturating_sub(1),
            _ => {}
        }
        is_escaped = !is_escaped && *byte == b'\\';
        depth == 0
    });
    end.map_or(text.len(), |end| end + 1)
}

struct Writer<'a, 'f, 'o> {
    folding: &'f mut Folding<'o>,
    charset: Charset,
    syntax: Syntax,
    /// Since the last comma and the like: whether it is a display name shows at its end.
    item: Vec<Token<'a>>,
    is_in_angles: bool,
    /// Nothing was masked so far.
    is_whole: bool,
}

impl<'a> Writer<'a, '_, '_> {
    fn token(&mut self, token: Token<'a>) {
        let Token::Special(special) = token else {
            self.item.push(token);
            return;
        };
        // Before these stands the display name of an address or of a group.
        let is_phrase = matches!(special, b"<" | b":");
        self.end_item(is_phrase);
        self.is_in_angles = match special {
            b"<" => true,
            b">" => false,
            _ => self.is_in_angles,
        };
        if special == b"<" {
            self.folding.may_fold();
        }
        self.folding.word(special);
        if !self.is_in_angles {
            self.folding.may_fold();
        }
    }

    fn end_item(&mut self, is_phrase: bool) {
        let mut text = EncodedText::new(self.charset, false);
        let item = std::mem::take(&mut self.item);
        let mut tokens = item.iter().copied().peekable();
        let mut blanks: &[u8] = b"";
        while let Some(token) = tokens.next() {
            let is_of_address = |token: &Token<'_>| token.is_of_address();
            let is_encodable = self.syntax == Syntax::Addresses
                && !self.is_in_angles
                && (is_phrase
                    || !is_of_address(&token) && !tokens.peek().is_some_and(is_of_address));
            match token {
                Token::Blanks(before) => {
                    blanks = before;
                    continue;
                }
                Token::Comment(comment) if !comment.is_ascii() => {
                    text.finish(self.folding);
                    self.folding.blanks(blanks);
                    rewrite_comment(comment, self.charset, self.folding);
                }
                Token::Word(word) if is_encodable && !word.is_ascii() => {
                    text.add(blanks, word, self.folding);
                }
                Token::Quoted(quoted) if is_encodable && !quoted.is_ascii() => {
                    text.add(blanks, &between_quotes(quoted), self.folding);
                }
                Token::Word(bytes)
                | Token::Quoted(bytes)
                | Token::Comment(bytes)
                | Token::Special(bytes) => {
                    text.end(blanks, bytes, self.folding);
                    self.folding.blanks(blanks);
                    let in_ascii = with_ascii_domain(bytes);
                    let bytes = in_ascii.as_deref().unwrap_or(bytes);
                    self.is_whole &= bytes.is_ascii();
                    let masked: Vec<u8> = bytes.iter().map(|byte| masked(*byte)).collect();
                    self.folding.word(&masked);
                }
            }
            blanks = b"";
        }
        text.finish(self.folding);
        self.folding.blanks(blanks);
        self.item = item;
        self.item.clear();
    }
}

/// An address whose 8-bit bytes all stand in its domain, which has a form in ASCII (RFC 5891). None: it is none.
fn with_ascii_domain(word: &[u8]) -> Option<Vec<u8>> {
    let word = std::str::from_utf8(word).ok()?;
    let (local_part, domain) = word.rsplit_once('@')?;
    let has_form = local_part.is_ascii() && !domain.is_ascii();
    let domain = ascii_domain(domain).filter(|_| has_form)?;
    Some(format!("{local_part}@{domain}").into_bytes())
}

fn between_quotes(quoted: &[u8]) -> Vec<u8> {
    let text = quoted.strip_prefix(b"\"").unwrap_or(quoted);
    unescaped(text.strip_suffix(b"\"").unwrap_or(text))
}
