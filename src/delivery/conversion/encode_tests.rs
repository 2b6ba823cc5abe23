//! The content encodings, one after another.

use super::*;

fn quoted_printable(content: &str) -> String {
    let mut encoder = QuotedPrintable::default();
    let mut out = Vec::new();
    for (number, line) in content.split('\n').enumerate() {
        if number > 0 {
            encoder.line_end(&mut out);
        }
        encoder.text(line.as_bytes(), &mut out);
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn quoted_printable_is_that_of_rfc_2045() {
    let check = |content: &str, expected: &str| {
        assert_eq!(quoted_printable(content), expected.replace('\n', "\r\n"));
    };
    check("", "");
    check("\n\n", "\n\n");
    check("a = ä\tb", "a =3D =C3=A4\tb");
    check("blank \ntab\t\n ", "blank=20\ntab=09\n=20");
    check(" a\u{7f}\u{0}", " a=7F=00");
    check("--a\n-- \n-a\n---", "-=2Da\n-=2D=20\n-a\n-=2D-");
    let full = "a".repeat(76);
    check(&full, &full);
    check(&"a".repeat(77), &format!("{}=\naa", "a".repeat(75)));
    check(
        &"ä".repeat(13),
        &format!("{}=C3=\n=A4", "=C3=A4".repeat(12)),
    );
    // A line that is broken anew must not begin like a delimiter.
    check(
        &format!("{}--b", "a".repeat(75)),
        &format!("{}=\n-=2Db", "a".repeat(75)),
    );
}

#[test]
fn base64_is_that_of_rfc_2045() {
    for (length, expected) in [
        (0, 0),
        (1, 4),
        (3, 4),
        (57, 76),
        (58, 82),
        (114, 154),
        (115, 160),
    ] {
        let mut encoder = Base64::default();
        let mut out = Vec::new();
        vec![b'a'; length]
            .chunks(5)
            .for_each(|bytes| encoder.bytes(bytes, &mut out));
        encoder.finish(false, &mut out);
        assert_eq!(out.len(), expected, "{length}");
        assert_eq!(base64_bytes(length as u64), expected as u64, "{length}");
    }
    let mut out = Vec::new();
    base64(b"\xff\xef\x00>?a", &mut out);
    base64(b"a", &mut out);
    base64(b"ab", &mut out);
    assert_eq!(out, b"/+8APj9hYQ==YWI=");
}

#[test]
fn what_is_encoded_already_is_repaired() {
    let check = |text: &str, expected: &str| {
        let mut out = Vec::new();
        repair_quoted_printable(text.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    };
    check("a=C3=A4 =3 \t=", "a=C3=A4 =3 \t=");
    check("ä=C3=a4 =3 == \t=", "=C3=A4=C3=a4 =3D3 =3D=3D \t=");
    check("ä = ", "=C3=A4 = ");
    check("--aä", "-=2Da=C3=A4");
    let long = "a".repeat(74);
    check(
        &format!("{long}=C3=A4ä"),
        &format!("{long}=\r\n=C3=A4=C3=A4"),
    );

    let mut out = Vec::new();
    repair_base64("--YW ä\u{a0}Jj==".as_bytes(), &mut out);
    repair_base64(b"-YWJj-", &mut out);
    assert_eq!(out, b"YWJj==-YWJj-");
}

#[test]
fn what_nobody_reads_is_masked() {
    let check = |text: &str, expected: &str| {
        let mut out = Vec::new();
        mask(text.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    };
    check("--a", "--a");
    check("--ä", "?-??");
    check("a ä", "a ??");
    let long = "a".repeat(996);
    check(&format!("{long}ä--b"), &format!("{long}??\r\n?-b"));
}
