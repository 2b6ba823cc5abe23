//! What becomes of header fields with 8-bit bytes.

use proptest::prelude::*;

use super::Unconvertible;
use super::header;
use super::plan::PartChange;
use super::reading::converted;
use crate::mime::encoded_word::{EncodedWord, decoded};
use crate::mime::parameters::Parameters;
use crate::mime::structure::HeaderText;

fn rewritten(field: &[u8]) -> String {
    let mut out = Vec::new();
    let text = HeaderText {
        block: field,
        separator: b"",
        is_of_message: true,
    };
    header::write(&text, PartChange::KEEP, &mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(field: &str, expected: &str) {
    let wire = |text: &str| text.replace('\n', "\r\n") + "\r\n";
    assert_eq!(rewritten(wire(field).as_bytes()), wire(expected), "{field}");
}

/// As it stands in ISO 8859-1.
#[track_caller]
fn check_latin1(field: &str, expected: &str) {
    let field: Vec<u8> = field
        .chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap())
        .collect();
    let field = [&field, b"\r\n".as_slice()].concat();
    assert_eq!(rewritten(&field), format!("{expected}\r\n"));
}

/// What a body says. Each encoded word in it is short enough, and decodes to whole characters.
fn decode_words(body: &str) -> String {
    for word in body.split_ascii_whitespace() {
        if let Some(word) = EncodedWord::read(word.as_bytes()) {
            assert!(word.length <= 75);
            assert!(str::from_utf8(&word.decode()).is_ok());
        }
    }
    decoded(&body.replace("\r\n", ""))
}

#[test]
fn what_is_seven_bit_stays() {
    check("Subject:  a\n\tb  c ", "Subject:  a\n\tb  c ");
    check("From: \"a\" <b@example.org>", "From: \"a\" <b@example.org>");
}

#[test]
fn unstructured_fields_hold_encoded_words() {
    check("Subject: ä", "Subject: =?utf-8?q?=C3=A4?=");
    check("Subject:ä", "Subject: =?utf-8?q?=C3=A4?=");
    check(
        "X-Any: keiner für alle",
        "X-Any: keiner =?utf-8?q?f=C3=BCr?= alle",
    );
    // Blanks between two of them would be dropped.
    check("Subject: ä  ö\n ü", "Subject: =?utf-8?b?w6QgIMO2IMO8?=");
    check("Subject: a ä\n  b ", "Subject: a =?utf-8?q?=C3=A4?=\n  b");
    check(
        "Subject: =?utf-8?q?a?= ä =?utf-8?q?b?=",
        "Subject: =?utf-8?q?a?= =?utf-8?q?_=C3=A4_?= =?utf-8?q?b?=",
    );
    check_latin1("Subject: a für b", "Subject: a =?unknown-8bit?q?f=FCr?= b");
    // Long ones are folded, between characters.
    check(
        &format!("Subject: {}", "€".repeat(20)),
        "Subject: =?utf-8?b?4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=\n =?utf-8?b?4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=",
    );
    check(
        &format!("Subject: ä {}", "Wort ".repeat(20)),
        "Subject: =?utf-8?q?=C3=A4?= Wort Wort Wort Wort Wort Wort Wort Wort Wort\n Wort Wort Wort Wort Wort Wort Wort Wort Wort Wort Wort",
    );
}

#[test]
fn addresses_keep_their_form() {
    check(
        "From: Jörg Müller <j@example.org>",
        "From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <j@example.org>",
    );
    check(
        "To: Dr. Jörg <j@example.org>,ben@example.net,  Ö<o@example.org>",
        "To: Dr. =?utf-8?q?J=C3=B6rg?= <j@example.org>,ben@example.net,\n  =?utf-8?q?=C3=96?= <o@example.org>",
    );
    check(
        "Cc: \"Ö, \\\"b\\\"\" \"c, d\" <b@example.org>",
        "Cc: =?utf-8?q?=C3=96=2C_=22b=22?= \"c, d\" <b@example.org>",
    );
    check(
        "Reply-To: a@example.org (Jörg (M\\)ü) b)",
        "Reply-To: a@example.org (=?utf-8?q?J=C3=B6rg?= (=?utf-8?q?M=29=C3=BC?=) b)",
    );
    check(
        "To: Köln: a@example.org, b@example.org;, undisclosed:;",
        "To: =?utf-8?q?K=C3=B6ln?= : a@example.org, b@example.org;, undisclosed:;",
    );
    // Nothing can be encoded in an address.
    check("To: ä@example.org", "To: ??@example.org");
    check("To: \"ä\"@example.org", "To: \"??\"@example.org");
    check("To: b <ä@example.org>", "To: b <??@example.org>");
    check(
        "To: ä@home <b@example.org>",
        "To: =?utf-8?q?=C3=A4=40home?= <b@example.org>",
    );
    // No address at all, and what does not end.
    check("From: Jörg", "From: =?utf-8?q?J=C3=B6rg?=");
    check("From: \"ä", "From: =?utf-8?q?=C3=A4?=");
    check("From: (ä", "From: (=?utf-8?q?=C3=A4?=");
    check("From: <ä", "From: <??");
    check_latin1(
        "From: ä <b@example.org>",
        "From: =?unknown-8bit?q?=E4?= <b@example.org>",
    );
}

#[test]
fn other_fields_lose_what_cannot_stand_there() {
    check(
        "Message-ID: <ä@example.org>",
        "Message-ID: <??@example.org>",
    );
    check(
        "Received: from ä (ö) by b;\n Mon",
        "Received: from ?? (=?utf-8?q?=C3=B6?=) by b;\n Mon",
    );
    check("From b@ä Mon", "From b@xn--4ca Mon");
    check("Errors-To: <ä@b>", "Errors-To: <??@b>");
}

/// Whom an answer goes to is kept, or the message does not leave.
#[test]
fn addresses_of_people_are_kept() {
    check(
        "From: Jörg <info@bücher.test>, c@d",
        "From: =?utf-8?q?J=C3=B6rg?= <info@xn--bcher-kva.test>, c@d",
    );
    for field in [
        "From: Jörg <jörg@src.test>",
        "To: a@b, ä@b",
        "Cc: <ä@b>",
        "Reply-To: \"ä\"@b",
        "Resent-From: ä@b",
        "List-Post: <mailto:ä@b>",
    ] {
        let message = format!("{field}\r\n\r\n");
        assert_eq!(
            converted(&[message.as_bytes()]),
            Err(Unconvertible::Address)
        );
    }
}

#[test]
fn an_encoded_word_with_raw_bytes_is_one() {
    let raw = b"Subject: =?iso-8859-1?Q?Pr\xfcfung morgen?= \xe4\r\n\r\n";
    let out = converted(&[raw]).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "Subject: =?iso-8859-1?Q?Pr=FCfung_morgen?= =?unknown-8bit?q?_=E4?=\r\n\r\n"
    );
}

#[test]
fn parameters_are_encoded() {
    check(
        "Content-Disposition: attachment; filename=\"ä \\\"b\\\".txt\"; size=1",
        "Content-Disposition: attachment; filename*=utf-8''%C3%A4%20%22b%22.txt;\n size=1",
    );
    check(
        "Content-Type: text/plain; name=ä b.txt; charset=x",
        "Content-Type: text/plain; name*=utf-8''%C3%A4%20b.txt; charset=x",
    );
    check_latin1(
        "Content-Type: a/b;name=ä",
        "Content-Type: a/b; name*=unknown-8bit''%E4",
    );
    // One for older programs beside it.
    check(
        "Content-Disposition: inline; filename=\"ä\"; filename*=utf-8''%C3%A4",
        "Content-Disposition: inline; filename=\"??\"; filename*=utf-8''%C3%A4",
    );
    check(
        "Content-Disposition: inline; filename*0=\"ä\"; filename*1=\"ö\"",
        "Content-Disposition: inline; filename*0*=utf-8''%C3%A4; filename*1*=%C3%B6",
    );
    check(
        "Content-Disposition: inline; filename*=utf-8''%C3%A4ö",
        "Content-Disposition: inline; filename*=utf-8''%C3%A4%C3%B6",
    );
    check("Content-Type: a/ä; ö; x=y", "Content-Type: a/??; ??; x=y");
    check(
        &format!("Content-Type: a/b; name={}", "ä".repeat(14)),
        "Content-Type: a/b; name*0*=utf-8''%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4;\n name*1*=%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4",
    );
}

proptest! {
    #[test]
    fn text_reads_the_same(
        words in prop::collection::vec("[a-z=?_]{1,9}|[ä€a]{1,60}|\u{1d11e}{1,30}|[!-~]{1,70}", 1..20),
        blanks in prop::collection::vec(" {1,3}|\r\n {1,2}", 20),
    ) {
        let words = words.iter().filter(|word| !word.contains("=?"));
        let body: String = blanks.iter().zip(words).flat_map(|(blank, word)| [blank.as_str(), word]).collect();
        let out = rewritten(format!("Subject:{body}\r\n").as_bytes());
        let text = out.strip_prefix("Subject:").and_then(|out| out.strip_suffix("\r\n")).unwrap();
        prop_assert_eq!(decode_words(text), body.replace("\r\n", ""));
        if !body.is_ascii() {
            prop_assert!(out.lines().all(|line| line.len() <= 76 || !line.contains("=?")));
        }
    }

    /// Also where the bytes are of no UTF-8: no escape is parted.
    #[test]
    fn parameters_of_any_charset_are_whole(value in prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 1..120)) {
        let value: Vec<u8> = value.into_iter().filter(|byte| !b"\"\\".contains(byte)).collect();
        let field = [b"Content-Type: a/b; boundary=\"", &value[..], b"\xe9\"\r\n"].concat();
        let out = rewritten(&field);
        for line in out.lines() {
            let value = line.split_once("*=").map_or("", |(_, value)| value.trim_end_matches(';'));
            let mut escapes = value.split('%').skip(1);
            let is_whole = |escape: &str| escape.len() >= 2 && escape.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
            prop_assert!(escapes.all(is_whole), "{}", out);
        }
    }

    /// The boundary is the parameter that is read back here.
    #[test]
    fn parameters_read_the_same(value in "[ -~ä€\u{1d11e}]{0,80}[ä€\u{1d11e}]", is_quoted in any::<bool>()) {
        let field = match is_quoted {
            true => format!("Content-Type: a/b; boundary=\"{}\"\r\n", value.replace('\\', "\\\\").replace('"', "\\\"")),
            false => format!("Content-Type: a/b; boundary={}\r\n", value.replace([';', '"'], "")),
        };
        let before = Parameters::read(field.strip_prefix("Content-Type:").unwrap().as_bytes());
        let out = rewritten(field.as_bytes());
        let after = Parameters::read(out.strip_prefix("Content-Type:").unwrap().as_bytes());
        prop_assert_eq!(before.value("boundary"), after.value("boundary"));
        prop_assert!(out.lines().all(|line| line.len() <= 78), "{}", out);
    }
}
