//! 8-bit bytes in address fields and other structured fields: RFC 2047 §5 (3) allows encoded words in
//! display names and comments, and nothing in an address.

use super::encode::masked;
use super::folding::Folding;
use super::plan::Charset;
use super::words::{EncodedText, rewrite_comment};
use crate::mime::lexical::{AddressToken, unquoted};
use crate::smtp::domain::ascii_domain;

/// What stands in a field outside its comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldSyntax {
    /// Addresses with display names, or phrases: words may be encoded.
    Addresses,
    /// Identifiers and the like: no word may be encoded.
    Tokens,
}

/// Writes the body of a structured field anew. False: it has 8-bit bytes where they cannot be kept.
pub(super) fn rewrite(
    body: &[u8],
    charset: Charset,
    syntax: FieldSyntax,
    folding: &mut Folding<'_>,
) -> bool {
    let mut writer = AddressWriter {
        folding,
        charset,
        syntax,
        item: Vec::new(),
        is_in_angles: false,
        is_whole: true,
    };
    let mut rest = body;
    while let Some((token, behind)) = AddressToken::read(rest) {
        writer.token(token);
        rest = behind;
    }
    writer.end_item(false);
    writer.folding.forget_blanks();
    writer.is_whole
}

struct AddressWriter<'a, 'f, 'o> {
    folding: &'f mut Folding<'o>,
    charset: Charset,
    syntax: FieldSyntax,
    /// Since the last comma and the like: whether it is a display name shows at its end.
    item: Vec<AddressToken<'a>>,
    is_in_angles: bool,
    /// Nothing was masked so far.
    is_whole: bool,
}

impl<'a> AddressWriter<'a, '_, '_> {
    fn token(&mut self, token: AddressToken<'a>) {
        let AddressToken::Special(special) = token else {
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
            let is_of_address = |token: &AddressToken<'_>| token.is_of_address();
            let is_encodable = self.syntax == FieldSyntax::Addresses
                && !self.is_in_angles
                && (is_phrase
                    || !is_of_address(&token) && !tokens.peek().is_some_and(is_of_address));
            match token {
                AddressToken::Blanks(before) => {
                    blanks = before;
                    continue;
                }
                AddressToken::Comment(comment) if !comment.is_ascii() => {
                    text.finish(self.folding);
                    self.folding.blanks(blanks);
                    rewrite_comment(comment, self.charset, self.folding);
                }
                AddressToken::Word(word) if is_encodable && !word.is_ascii() => {
                    text.add(blanks, word, self.folding);
                }
                AddressToken::Quoted(quoted) if is_encodable && !quoted.is_ascii() => {
                    text.add(blanks, &unquoted(quoted), self.folding);
                }
                AddressToken::Word(bytes)
                | AddressToken::Quoted(bytes)
                | AddressToken::Comment(bytes)
                | AddressToken::Special(bytes) => {
                    text.end(blanks, bytes, self.folding);
                    self.folding.blanks(blanks);
                    let in_ascii = with_ascii_domain(bytes);
                    let bytes = in_ascii.as_deref().unwrap_or(bytes);
                    self.is_whole &= bytes.is_ascii();
                    self.folding.word(&masked(bytes));
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
