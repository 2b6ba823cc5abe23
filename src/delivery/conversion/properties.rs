//! What holds for every message, broken and hostile ones included.

use std::collections::HashSet;

use proptest::prelude::*;

use super::Unconvertible;
use super::reading::{MessageReading, converted, planned};

/// What messages are put together from here: lines that mean something to the machine, in any order.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let fixed = prop::sample::select(vec![
        "",
        "",
        "--a",
        "--a",
        "--a--",
        "--ab",
        "--ab--",
        "--a ",
        "--a=",
        "---a",
        "--",
        "--\u{e4}",
        "--a\u{e4}",
        "Content-Type: multipart/mixed; boundary=a",
        "Content-Type: multipart/mixed; boundary=\"ab\"",
        "Content-Type: multipart/alternative;\r\n boundary*0=a; boundary*1*=%62",
        "Content-Type: multipart/mixed; boundary=\"a=\"",
        "Content-Type: multipart/digest; boundary=a",
        "Content-Type: multipart/mixed",
        "Content-Type: multipart/mixed; boundary=\u{e4}",
        "Content-Type: message/rfc822",
        "Content-Type: message/delivery-status",
        "Content-Type: text/html",
        "Content-Type: text/plain; charset=iso-8859-1",
        "Content-Type: text/plain; name=\"\u{e4} ; b\"; charset=utf-8",
        "Content-Type: application/octet-stream; name=\u{e4}",
        "Content-Type:",
        "Content-Type: ;",
        "Content-Transfer-Encoding: 8bit",
        "Content-Transfer-Encoding: binary",
        "Content-Transfer-Encoding: quoted-printable",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: x-\u{e4}",
        "Content-Disposition: attachment; filename=\"\u{e4}\u{f6}.txt\"",
        "MIME-Version: 1.0",
        "Subject: \u{e4} b =?utf-8?q?c?= \u{f6}",
        "From: \u{c4} B \"C \\\" \u{d6}\" (\u{fc} (x)) <\u{df}@example.org>, d@example.net",
        "X: y",
        " continued \u{e4}",
        "From someone",
        "text",
        "text \u{e4}",
        "=C3=A4 = =3",
        "YWJj",
        "blank at the end ",
        "=",
        ".",
    ]);
    let fixed = fixed.prop_map(|line| line.as_bytes().to_vec());
    let any = prop::collection::vec(any::<u8>(), 0..40).prop_map(|mut bytes| {
        bytes.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        bytes
    });
    // Lines that must be broken, so that a delimiter might come out of them.
    let long = (
        "[-a =]{0,90}",
        "(\u{e4}|--a|--ab--|-| |=){0,20}",
        0..1_200_usize,
    )
        .prop_map(|(front, back, more)| [front, "-".repeat(more), back].concat().into_bytes());
    prop_oneof![8 => fixed, 1 => any, 1 => long]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(line(), 0..40).prop_map(|mut lines| {
        lines.push(Vec::new());
        lines.join(b"\r\n".as_slice())
    })
}

/// A multipart whose parts are mostly whole.
fn multipart() -> impl Strategy<Value = Vec<u8>> {
    message().prop_map(|body| {
        let header =
            b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n";
        [header.as_slice(), &body].concat()
    })
}

/// A header whose fields have quotes, parentheses and encoded bytes in any order.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "Subject",
        "From",
        "Message-ID",
        "Content-Disposition",
        "Content-Description",
        "X-Long-And-Longer-And-Longer-And-Longer-And-Longer-And-Longer-Than-Any",
    ]);
    let piece = prop::sample::select(vec![
        "\u{e4}",
        "\u{20ac}\u{1d11e}",
        "a",
        "=?utf-8?q?a?=",
        " ",
        " ",
        " ",
        "\t",
        "\r\n ",
        "\r\n\t\t",
        "\"",
        "(",
        ")",
        "<",
        ">",
        ",",
        ";",
        ":",
        "@",
        "\\",
        "=",
        "=",
        "*",
        "'",
        "%",
        "filename",
        "x*0*",
        "b.c@example.org",
    ]);
    let odd = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3),
        (0..1_500_usize).prop_map(|length| vec![b'z'; length]),
        (0..1_500_usize).prop_map(|length| "\u{fc}".repeat(length).into_bytes()),
    ];
    let odd = odd.prop_map(|mut bytes| {
        bytes.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        bytes
    });
    let piece = prop_oneof![30 => piece.prop_map(|piece| piece.as_bytes().to_vec()), 1 => odd];
    let field = (name, prop::collection::vec(piece, 0..25))
        .prop_map(|(name, pieces)| [name.as_bytes(), b":", &pieces.concat()].concat());
    prop::collection::vec(field, 0..4).prop_map(|mut fields| {
        fields.push(b"\r\nbody\r\n".to_vec());
        fields.join(b"\r\n".as_slice())
    })
}

/// What holds for a message and what it became.
fn check(message: &[u8], out: &[u8]) -> Result<(), TestCaseError> {
    prop_assert!(out.is_ascii());
    let lines = message.split(|byte| *byte == b'\n');
    let known: HashSet<&[u8]> = lines.map(<[u8]>::trim_ascii_end).collect();
    for line in out.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        prop_assert!(!text.contains(&b'\n'));
        let is_known = known.contains(text.trim_ascii_end());
        prop_assert!(text.len() <= 998 || is_known, "a line of {}", text.len());
    }
    let (before, after) = (MessageReading::of(message), MessageReading::of(out));
    prop_assert_eq!(before.delimiters, after.delimiters);
    prop_assert_eq!(before.closed, after.closed);
    prop_assert_eq!(before.contents.len(), after.contents.len());
    for (before, after) in before.contents.iter().zip(&after.contents) {
        prop_assert_eq!(&before.media_type, &after.media_type);
        prop_assert_eq!(&before.fields, &after.fields);
        // A byte that is no digit has no meaning in base64, and one that is none in a QP escape none either.
        prop_assert_eq!(&before.decoded, &after.decoded);
    }
    prop_assert!(!planned(out).is_ok_and(|plan| plan.is_needed()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_comes_out_is_seven_bit_and_reads_the_same(message in prop_oneof![message(), multipart()]) {
        if let Ok(out) = converted(&[&message]) {
            check(&message, &out)?;
        }
    }

    #[test]
    fn fields_stay_fields(message in header()) {
        match converted(&[&message]) {
            Ok(out) => check(&message, &out)?,
            Err(trouble) => prop_assert_eq!(trouble, Unconvertible::Address),
        }
    }

    #[test]
    fn where_it_is_cut_does_not_matter(
        message in prop_oneof![message(), multipart()],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(message.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts {
            chunks.push(&message[from..cut]);
            from = cut;
        }
        chunks.push(&message[from..]);
        prop_assert_eq!(converted(&chunks), converted(&[&message]));
    }

    #[test]
    fn what_is_seven_bit_stays(message in prop_oneof![message(), multipart()]) {
        let message: Vec<u8> = message.into_iter().filter(u8::is_ascii).collect();
        prop_assert_eq!(converted(&[&message]).unwrap(), message);
    }

    #[test]
    fn no_bytes_make_it_panic(message in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(out) = converted(&[&message]) {
            prop_assert!(out.is_ascii());
        }
    }

    #[test]
    fn another_message_than_the_surveyed_makes_no_panic(one in multipart(), other in multipart()) {
        if let Ok(plan) = planned(&one) {
            let mut converter = super::Converter::new(plan);
            let mut out = Vec::new();
            converter.convert(&other, &mut out);
            converter.finish(&mut out);
        }
    }
}
