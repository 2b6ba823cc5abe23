//! The address of an author in a From field, exchanged for another; everything around it stays as it is.
//!
//! A field is not parsed and written anew, which would lose what a parser does not keep: it is read for
//! the place of the address, and only that is changed. What cannot be read is left alone.

use std::ops::Range;

use super::header::Field;
use crate::mime::lexical::AddressToken;
use crate::smtp::address::Mailbox;

/// The field with `new` in the places where `old` is the address of an author; none when it is nowhere.
pub(super) fn replaced(field: &Field, old: &Mailbox, new: &Mailbox) -> Option<Field> {
    let raw = field.raw();
    let begin = raw.len() - field.split().1.len();
    let mut changed: Option<Field> = None;
    // Nobody writes more authors than this, and each costs a copy of the field.
    const AUTHORS: usize = 100;
    // From the last to the first, so that the places before stay where they are.
    let places = addresses(&raw[begin..]);
    for place in places.into_iter().take(AUTHORS).rev() {
        let place = begin + place.start..begin + place.end;
        let text = std::str::from_utf8(&raw[place.clone()]).unwrap_or_default();
        if text.eq_ignore_ascii_case(old.as_str()) {
            let field = changed.as_ref().unwrap_or(field);
            changed = Some(field.with(place, new.as_str()));
        }
    }
    changed
}

/// Where the addresses of a list of mailboxes stand (RFC 5322 §3.4): what stands in angle brackets, or
/// the one word of a mailbox that has none. Display names and comments are none, whatever stands in them.
fn addresses(list: &[u8]) -> Vec<Range<usize>> {
    let mut reader = MailboxReader::default();
    let mut begin = 0;
    while let Some((token, behind)) = AddressToken::read(&list[begin..]) {
        let end = list.len() - behind.len();
        reader.token(token, begin..end);
        begin = end;
    }
    reader.end_mailbox();
    reader.addresses
}

/// What was read of a list of mailboxes.
#[derive(Debug, Default)]
struct MailboxReader {
    addresses: Vec<Range<usize>>,
    /// The words of this mailbox outside angle brackets.
    words: Vec<Range<usize>>,
    /// The words within.
    in_brackets: Vec<Range<usize>>,
    has_brackets: bool,
    is_in_brackets: bool,
}

impl MailboxReader {
    /// A word, or more of the one that ends where it begins.
    fn word(&mut self, place: Range<usize>) {
        let words = match self.is_in_brackets {
            true => &mut self.in_brackets,
            false => &mut self.words,
        };
        match words.last_mut() {
            Some(last) if last.end == place.start => last.end = place.end,
            _ => words.push(place),
        }
    }

    fn token(&mut self, token: AddressToken<'_>, place: Range<usize>) {
        match token {
            AddressToken::Special(b"<") => {
                self.is_in_brackets = true;
                self.has_brackets = true;
            }
            AddressToken::Special(b">") => self.is_in_brackets = false,
            // A mailbox ends, or the name of a group.
            AddressToken::Special(_) if !self.is_in_brackets => self.end_mailbox(),
            AddressToken::Blanks(_) | AddressToken::Comment(_) => {}
            _ => self.word(place),
        }
    }

    fn end_mailbox(&mut self) {
        let words = match self.has_brackets {
            true => &self.in_brackets,
            false => &self.words,
        };
        if let [address] = &words[..] {
            self.addresses.push(address.clone());
        }
        let addresses = std::mem::take(&mut self.addresses);
        *self = Self {
            addresses,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conditions::header::Header;

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse(text).expect("a mailbox")
    }

    fn field(value: &str) -> Field {
        let header = Header::read(format!("From:{value}\r\n\r\n").as_bytes());
        header.fields[0].clone()
    }

    fn check(value: &str, expected: Option<&str>) {
        let old = mailbox("anna@example.org");
        let new = mailbox("a.smith@example.com");
        let found = replaced(&field(value), &old, &new);
        let found = found.map(|field| String::from_utf8_lossy(field.raw()).into_owned());
        let expected = expected.map(|value| format!("From:{value}\r\n"));
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn only_the_address_is_changed() {
        for (value, expected) in [
            (" anna@example.org", " a.smith@example.com"),
            ("anna@example.org", "a.smith@example.com"),
            (" <Anna@Example.ORG>", " <a.smith@example.com>"),
            (
                " Anna Smith <anna@example.org>",
                " Anna Smith <a.smith@example.com>",
            ),
            (
                " \"anna@example.org\" <anna@example.org>",
                " \"anna@example.org\" <a.smith@example.com>",
            ),
            (
                " anna@example.org <anna@example.org>",
                " anna@example.org <a.smith@example.com>",
            ),
            (
                " Anna (anna@example.org)\r\n\t< anna@example.org > (x)",
                " Anna (anna@example.org)\r\n\t< a.smith@example.com > (x)",
            ),
            (
                " anna@example.org (Anna (the \\) one))",
                " a.smith@example.com (Anna (the \\) one))",
            ),
            (
                " Bert <bert@example.org>, Änna <anna@example.org>",
                " Bert <bert@example.org>, Änna <a.smith@example.com>",
            ),
            (
                " anna@example.org, anna@example.org",
                " a.smith@example.com, a.smith@example.com",
            ),
            (
                " Us: bert@example.org, anna@example.org;",
                " Us: bert@example.org, a.smith@example.com;",
            ),
        ] {
            check(value, Some(expected));
        }
    }

    #[test]
    fn what_is_not_the_sender_stays() {
        for value in [
            "",
            " ",
            " bert@example.org",
            " joanna@example.org",
            " anna@example.org.uk",
            " \"anna@example.org\" <bert@example.org>",
            " anna@example.org <bert@example.org>",
            " (anna@example.org) bert@example.org",
            " <bert@example.org> anna@example.org",
            " anna @example.org",
            " anna@example.org bert@example.org",
            " <@relay.example:anna@example.org>",
            " \"anna@example.org",
            " (anna@example.org",
            " \"a\\\"anna@example.org\"",
        ] {
            check(value, None);
        }
    }

    #[test]
    fn quoted_local_parts_are_found() {
        let old = mailbox("\"anna, the <one>\"@example.org");
        let new = mailbox("anna@example.org");
        let found = replaced(&field(" A <\"anna, the <one>\"@example.org>"), &old, &new);
        let found = found.expect("it is there");
        assert_eq!(&found.raw()[..], b"From: A <anna@example.org>\r\n");
    }

    proptest! {
        #[test]
        fn whatever_the_field_one_field_comes_of_it(value in "[ -~äß\t]{0,60}", at in 0..60_usize) {
            let at = (at.min(value.len())..=value.len()).find(|at| value.is_char_boundary(*at));
            let (before, behind) = value.split_at(at.unwrap_or(0));
            let value = format!("{before}anna@example.org{behind}");
            let field = field(&value);
            let new = mailbox("b@example.com");
            if let Some(changed) = replaced(&field, &mailbox("anna@example.org"), &new) {
                let text = String::from_utf8_lossy(changed.raw()).into_owned();
                prop_assert!(text.contains("b@example.com"));
                prop_assert_eq!(Header::read(changed.raw()).fields.len(), 1);
            }
        }

        #[test]
        fn without_the_sender_nothing_changes(value in "[ -~]{0,60}") {
            let old = mailbox("somebody-else@example.org");
            prop_assert!(replaced(&field(&value), &old, &mailbox("b@example.com")).is_none());
        }
    }
}
