//! What becomes of messages, one kind after another.

use super::Unconvertible;
use super::reading::{converted, planned};

/// Line ends of the wire, and `\xNN` as the byte that it means.
fn message(text: &str) -> Vec<u8> {
    let text = text.replace('\n', "\r\n").into_bytes();
    let mut bytes = Vec::new();
    let mut rest = text.as_slice();
    loop {
        rest = match rest {
            [] => return bytes,
            [b'\\', b'x', high, low, behind @ ..] => {
                let digits = String::from_utf8(vec![*high, *low]).unwrap();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
                behind
            }
            [byte, behind @ ..] => {
                bytes.push(*byte);
                behind
            }
        };
    }
}

#[track_caller]
fn check(input: &str, expected: &str) {
    let input = message(input);
    let output = converted(&[&input]).unwrap();
    let expected = message(expected);
    assert_eq!(
        String::from_utf8_lossy(&output),
        String::from_utf8_lossy(&expected)
    );
}

#[track_caller]
fn check_refused(input: &str, expected: Unconvertible) {
    assert_eq!(planned(&message(input)).err(), Some(expected));
}

#[track_caller]
fn check_kept(input: &str) {
    check(input, input);
    assert!(!planned(&message(input)).unwrap().is_needed());
}

const MIME: &str = "MIME-Version: 1.0\n";
const LABELS: &str = "Content-Transfer-Encoding: quoted-printable\n";

#[test]
fn seven_bit_stays() {
    for text in [
        "",
        "\n",
        "a",
        "Subject: a\n",
        "Subject: a\n\nb\n",
        "Content-Type: multipart/mixed; boundary=a\n\n--a\n--a\n--a--\n--a\n",
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nb",
    ] {
        check_kept(text);
    }
    check_kept(&format!("Subject: a\n\n{}\n", "x".repeat(100_000)));
    check_kept(&"Content-Type: message/rfc822\n\n".repeat(1_000));
}

#[test]
fn text_without_a_header() {
    check(
        "Subject: a\n\nä\n",
        &format!("Subject: a\n{MIME}Content-Type: text/plain; charset=utf-8\n{LABELS}\n=C3=A4\n"),
    );
    check(
        "\nä",
        &format!("{MIME}Content-Type: text/plain; charset=utf-8\n{LABELS}\n=C3=A4"),
    );
    check(
        "\\xe4 : x\ny\n",
        &format!("{MIME}Content-Type: text/plain; charset=unknown-8bit\n{LABELS}\n=E4 : x\ny\n"),
    );
    // The empty line is missing: what becomes of the line must not be a field.
    check(
        "Subject: a\nä: x\n",
        &format!(
            "Subject: a\n{MIME}Content-Type: text/plain; charset=utf-8\n{LABELS}\n=C3=A4: x\n"
        ),
    );
    // One line of UTF-8 and another that is none.
    check(
        "Content-Type: text/html\n\nä\n\\xe4\n",
        &format!("Content-Type: text/html; charset=unknown-8bit\n{MIME}{LABELS}\n=C3=A4\n=E4\n"),
    );
}

#[test]
fn labels_change_in_their_place() {
    check(
        "content-transfer-encoding : 8BIT (really)\nMIME-Version: 1.0\nX:  y\n\tz\nContent-type: text/plain; charset=iso-8859-1\n\n\\xe4\n",
        "content-transfer-encoding : quoted-printable\nMIME-Version: 1.0\nX:  y\n\tz\nContent-type: text/plain; charset=iso-8859-1\n\n=E4\n",
    );
    // Programs differ in which of two they believe.
    check(
        "Mime-version: 1.0\nContent-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: base64\n\nä\n",
        "Mime-version: 1.0\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8\n\n=C3=A4\n",
    );
    let long = format!("name=\"{}\"", "x".repeat(60));
    check(
        &format!("Content-Type: text/plain; {long}\n{MIME}{LABELS}\nä\n"),
        &format!("Content-Type: text/plain; {long}\n{MIME}{LABELS}\n=C3=A4\n"),
    );
    check(
        &format!("Content-Type: text/plain; {long}\n{MIME}\nä\n"),
        &format!("Content-Type: text/plain;\n\tcharset=utf-8;\n\t{long}\n{MIME}{LABELS}\n=C3=A4\n"),
    );
    check(
        &format!("Content-Type: ; a=b\n{MIME}\nä\n"),
        &format!("Content-Type: text/plain; charset=utf-8; a=b\n{MIME}{LABELS}\n=C3=A4\n"),
    );
}

#[test]
fn the_shorter_encoding_is_taken() {
    let header = |kind: &str, encoding: &str| {
        format!("{MIME}Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n")
    };
    let cases = [
        ("text/plain; charset=x", "8bit", "ääääääää", "base64"),
        (
            "text/plain; charset=x",
            "8bit",
            "äää aaaaaaa",
            "quoted-printable",
        ),
        (
            "text/plain; charset=x",
            "binary",
            "äää aaaaaaa",
            "quoted-printable",
        ),
        ("image/x", "8bit", "äää aaa", "base64"),
        ("image/x", "8bit", "ä aaaaaaaaaaaaa", "quoted-printable"),
        ("image/x", "binary", "ä aaaaaaaaaaaaa", "base64"),
        (
            "message/delivery-status",
            "8bit",
            "ääääääää",
            "quoted-printable",
        ),
        ("multipart/mixed", "8bit", "ääääääää", "quoted-printable"),
    ];
    for (kind, encoding, content, expected) in cases {
        let input = message(&(header(kind, encoding) + content + "\n"));
        let output = String::from_utf8(converted(&[&input]).unwrap()).unwrap();
        let expected = header(kind, expected).replace('\n', "\r\n");
        assert!(output.starts_with(&expected), "{output}");
    }
}

#[test]
fn parts_are_converted_one_by_one() {
    let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n";
    check(
        &format!(
            "{head}Content-Transfer-Encoding: 8bit\n\nä\n--a\n\nb\n--a\nContent-Transfer-Encoding: 8bit\n\nä\n\n--a  \nX: y\n--a--\nö--\n--a\n\nß"
        ),
        &format!(
            "{head}Content-Transfer-Encoding: 7bit\n\n??\n--a\n\nb\n--a\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8\n\n=C3=A4\n\n--a  \nX: y\n--a--\n??--\n--a\nContent-Type: text/plain; charset=utf-8\n{LABELS}\n=C3=9F"
        ),
    );
    // A parameter without a value is none, and blanks within quotes count.
    check(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary; boundary=\" a\"\n\n-- a\n\nä\n-- a--\n",
        &format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary; boundary=\" a\"\n\n-- a\nContent-Type: text/plain; charset=utf-8\n{LABELS}\n=C3=A4\n-- a--\n"
        ),
    );
    // An outer delimiter ends the inner parts.
    check(
        &format!(
            "{head}\n--a\nContent-Type: multipart/mixed; boundary=a--\n\n--a--\n\n\n\nä\n--a\n\nö\n"
        ),
        &format!(
            "{head}\n--a\nContent-Type: multipart/mixed; boundary=a--\n\n--a--\n\n\n\n??\n--a\nContent-Type: text/plain; charset=utf-8\n{LABELS}\n=C3=B6\n"
        )
        .replace("--a--\n\n\n\n??", "--a--\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\n\n=C3=A4"),
    );
}

#[test]
fn a_multipart_without_parts_is_text() {
    for boundary in ["", "; boundary=a", "; boundary=\" \""] {
        let head = format!("{MIME}Content-Type: multipart/mixed{boundary}\n");
        check(
            &format!("{head}\nä\n"),
            &format!("{head}{LABELS}\n=C3=A4\n"),
        );
    }
    // The inner one has the outer one's boundary, so it has no delimiters of its own.
    let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n";
    let inner = "Content-Type: multipart/mixed; boundary=a\n";
    check(
        &format!("{head}\n--a\n{inner}\nä\n--a--\n"),
        &format!("{head}\n--a\n{inner}{LABELS}\n=C3=A4\n--a--\n"),
    );
}

#[test]
fn messages_within_are_converted() {
    check(
        "MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: ä\n\nb\n",
        "MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: =?utf-8?q?=C3=A4?=\n\nb\n",
    );
    check(
        "Content-Type: message/rfc822\nä: b\n",
        &format!(
            "Content-Type: message/rfc822\n{MIME}\n{MIME}Content-Type: text/plain; charset=utf-8\n{LABELS}\n=C3=A4: b\n"
        ),
    );
    // An encoded one is a content like others.
    check(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nYW\\xa0-Jj\n",
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\nMIME-Version: 1.0\n\nYWJj\n",
    );
}

#[test]
fn signed_parts_stay_or_prevent_it() {
    let signed =
        "--a\nContent-Type: multipart/signed; boundary=s; name=\"b\"\n\n--s\nX: y\n\nb\n--s--\n";
    let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n";
    check(
        &format!("{head}{signed}--a\nContent-Type: text/plain; charset=x\n\nä\n--a--\n"),
        &format!(
            "{head}{signed}--a\nContent-Type: text/plain; charset=x\n{LABELS}\n=C3=A4\n--a--\n"
        ),
    );
    for (from, to) in [
        ("b\n--s--", "ä\n--s--"),
        ("X: y", "X: ä"),
        ("X: y\n\nb", "Content-Type: message/rfc822\n\n\nä"),
        (
            "X: y\n\nb",
            "Content-Type: multipart/mixed; boundary=t\n\nä\n--t--",
        ),
        (
            "X: y\n\nb",
            "Content-Type: multipart/mixed; boundary=t\n\n--t--\nä",
        ),
        ("X: y\n\nb", "Content-Transfer-Encoding: base64\n\nä"),
    ] {
        check_refused(
            &format!("{head}{}--a--\n", signed.replace(from, to)),
            Unconvertible::Signed,
        );
    }
    // What stands around the parts is not signed.
    check(
        &format!(
            "{head}{}ä\n",
            signed
                .replace("\n\n--s", "\n\nä\n--s")
                .replace("\"b\"", "ä")
        ),
        &format!(
            "{head}{}??\n",
            signed
                .replace("\n\n--s", "\n\n??\n--s")
                .replace("name=\"b\"", "name*=utf-8''%C3%A4")
        ),
    );
}

#[test]
fn some_cannot_be_converted() {
    check_refused(
        "Content-Type: message/partial; id=x\n\nä",
        Unconvertible::Partial,
    );
    check_refused(
        "Content-Type: message/external-body\n\nSubject: ä\n\n",
        Unconvertible::ExternalBody,
    );
    check_refused(
        "Content-Type: multipart/mixed; boundary=\"ä\"\n\n--ä\n\nb\n--ä--\n",
        Unconvertible::Boundary,
    );
    let long = "b".repeat(251);
    check_refused(
        &format!("Content-Type: multipart/mixed; boundary={long}\n\nä\n"),
        Unconvertible::Boundary,
    );
    check_refused(
        &("Content-Type: message/rfc822\n\n".repeat(101) + "\nä"),
        Unconvertible::TooDeep,
    );
    check_refused(
        &format!(
            "Content-Type: multipart/mixed; boundary=a\n\n{}ä",
            "--a\n".repeat(10_000)
        ),
        Unconvertible::TooManyParts,
    );
    check_refused(
        &("Subject: a\n".to_owned() + " a\n".repeat(100_000).as_str() + "\nä"),
        Unconvertible::HeaderTooLong,
    );
    check_refused(
        &format!("\n{}\nä", "a".repeat(65_540)),
        Unconvertible::LineTooLong,
    );
    check_refused(
        &format!("\nä\n{}", "a".repeat(65_540)),
        Unconvertible::LineTooLong,
    );
    let text = Unconvertible::Signed.to_string();
    assert_eq!(
        text,
        "a signed part holds 8-bit bytes, and converting it would break its signature"
    );
}
