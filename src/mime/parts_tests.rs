use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::parts::walk;
use crate::limits;
use crate::message::MemoryBudget;
use crate::message::Reservation;

/// Each part in one line: type, names, whether it is an attachment, and its text.
fn parts(content: &[u8]) -> Result<Vec<String>, String> {
    parts_within(u64::MAX, content)
}

/// The same with so many bytes of memory for what is decoded.
fn parts_within(budget_bytes: u64, content: &[u8]) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let share = Reservation::empty(MemoryBudget::new(budget_bytes));
    walk(content, &share, |part| {
        let mut line = part.media_type.clone();
        for name in &part.names {
            let _ = write!(line, " “{name}”");
        }
        if part.is_attachment {
            line.push_str(" attached");
        }
        if part.is_text() {
            let _ = write!(line, ": {}", part.text());
        }
        parts.push(line);
        ControlFlow::Continue(())
    })?;
    Ok(parts)
}

#[track_caller]
fn check(content: &str, expected: &[&str]) {
    let content = content.replace('\n', "\r\n");
    let found = parts(content.as_bytes()).expect("it is walked over");
    assert_eq!(found, expected, "{content}");
}

#[test]
fn a_message_without_parts_is_its_text() {
    check("Subject: x\n\nhello\nyou\n", &["text/plain: hello\nyou\n"]);
    check("", &["text/plain: "]);
    check("\nonly a body", &["text/plain: only a body"]);
    check("no header\n", &["text/plain: no header\n"]);
    check("Subject: x\n", &["text/plain: "]);
    check(
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: BASE64\n\nPGI+aGk8L2I+\n",
        &["text/html: <b>hi</b>"],
    );
    check(
        "Content-Type: application/pdf;\n name=\"a.pdf\"\n\nxx\n",
        &["application/pdf “a.pdf” attached"],
    );
    check("Content-Type: nonsense\n\nhello", &["text/plain: hello"]);
}

#[test]
fn parts_of_parts_are_found() {
    check(
        "Content-Type: multipart/mixed; boundary=\"outer\"\n\npreamble\n\
         --outer\nContent-Type: multipart/alternative; boundary=inner\n\n\
         --inner\n\nplain\n\
         --inner \nContent-Type: text/html\n\n<p>html\n\
         --inner--\nepilogue\n\
         --outer\nContent-Disposition: attachment; filename=\"x.exe\"\n\n text\n\n\
         --outer--\nepilogue\n",
        &[
            "text/plain: preamble",
            "text/plain: plain",
            "text/html: <p>html",
            "text/plain: epilogue",
            "text/plain “x.exe” attached:  text\n",
            "text/plain: epilogue\n",
        ],
    );
}

#[test]
fn messages_in_messages_are_looked_into() {
    let inner = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ndeep\n--b--\n";
    let expected = ["message/rfc822 attached", "text/plain: deep"];
    check(
        &format!("Content-Type: message/rfc822\n\n{inner}"),
        &expected,
    );
    let digest = format!("Content-Type: multipart/digest; boundary=d\n\n--d\n\n{inner}--d--\n");
    check(&digest, &expected);
    // Its messages hold text when they do not say otherwise, with a header or without one.
    let digest = "Content-Type: multipart/digest; boundary=d\n\n\
                  --d\n\nSubject: one\n\nfirst\n--d\n\n\nsecond\n--d--\n";
    check(
        digest,
        &[
            "message/rfc822 attached",
            "text/plain: first",
            "message/rfc822 attached",
            "text/plain: second",
        ],
    );
    // RFC 2046 §5.2.1 forbids the encoding; it comes all the same.
    let encoded = inner.replace('=', "=3D");
    check(
        &format!(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n{encoded}"
        ),
        &expected,
    );
}

#[test]
fn what_is_broken_is_read_as_it_may_be_shown() {
    // No boundary, or one that never comes.
    check(
        "Content-Type: multipart/mixed\n\nhello",
        &["text/plain: hello"],
    );
    check(
        "Content-Type: multipart/mixed; boundary=b\n\nhello",
        &["text/plain: hello"],
    );
    // The end is missing; an inner multipart is not closed.
    check(
        "Content-Type: multipart/mixed; boundary=a\n\n\
         --a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--a\n\ntwo\n",
        &["text/plain: one", "text/plain: two\n"],
    );
    // More parts behind the last one.
    check(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a--\nxx\n--a\n\ntwo\n",
        &["text/plain: one", "text/plain: xx", "text/plain: two\n"],
    );
    // A delimiter of an inner multipart that has ended is text.
    check(
        "Content-Type: multipart/mixed; boundary=a\n\n\
         --a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n\
         --a\n\ntwo\n--b\nX: y\n--a--\n",
        &["text/plain: one", "text/plain: two\n--b\nX: y"],
    );
    // A header that ends at a delimiter.
    check(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nX: y\n--a\n\ntwo\n--a--\n",
        &["text/plain: ", "text/plain: two"],
    );
    // The line of a mailbox file is skipped by some, and the body's first for others.
    check(
        "From a@b Mon Jan  1\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGI+aGk8L2I+\n",
        &[
            "text/plain: From a@b Mon Jan  1\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n",
            "text/html: <b>hi</b>",
        ],
    );
    // A line in a header that is no field is skipped by some, and the body's first for others.
    check(
        "Subject: x\nstray line\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGk=\n",
        &[
            "text/plain: stray line\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n",
            "text/plain: hi",
        ],
    );
    // Two fields of one name: some take the first name, some the last.
    check(
        "Content-Disposition: attachment; filename=a.txt\n\
         Content-Disposition: attachment; filename=b.exe\n\nx",
        &["text/plain “a.txt” “b.exe” attached: x"],
    );
    check(
        "Content-Type: multipart/mixed; boundary=\" \"\n\n-- \nx\n",
        &["text/plain: -- \nx\n"],
    );
}

#[test]
fn boundaries_are_bytes() {
    let content = b"Content-Type: multipart/mixed; boundary=\"\xe4\"\r\n\r\n--\xe4\r\n\r\none\r\n--\xe4--\r\n";
    assert_eq!(parts(content), Ok(vec!["text/plain: one".to_owned()]));
}

#[test]
fn enough_is_enough() {
    let mut shown = 0;
    let share = Reservation::empty(MemoryBudget::new(0));
    let walked = walk(
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\n--a\n\n--a\n\n",
        &share,
        |_| {
            shown += 1;
            ControlFlow::Break(())
        },
    );
    assert_eq!((walked, shown), (Ok(()), 1));
}

#[test]
fn encoded_messages_are_decoded_where_there_is_memory() {
    let encoded = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        DQpoZWxsbw==\r\n";
    let wrapped = encoded.len() as u64;
    let shown = parts_within(wrapped, encoded.as_bytes()).expect("it is walked over");
    assert_eq!(shown.last().map(String::as_str), Some("text/plain: hello"));
    let why = parts_within(5, encoded.as_bytes()).expect_err("it is not");
    assert!(why.contains("no memory"), "{why}");
}

/// Hostile mail must be told off, or read, in a moment; far more than it takes, for loaded machines and
/// builds that are not optimised.
#[track_caller]
fn is_quick(what: &str, content: &[u8]) -> Result<Vec<String>, String> {
    let began = Instant::now();
    let found = parts(content);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{what}: {took:?}");
    found
}

#[test]
fn hostile_mail_takes_no_time() {
    let mixed =
        |boundary: &str| format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n");
    let many = mixed("a")
        + "--a\r\n\r\nx\r\n"
            .repeat(limits::CONTENT_PARTS - 1)
            .as_str();
    let found = is_quick("as many parts as there may be", many.as_bytes());
    assert_eq!(found.expect("walked over").len(), limits::CONTENT_PARTS - 1);
    let more = many + "--a\r\n\r\nx\r\n";
    let found = is_quick("one part more", more.as_bytes());
    assert!(found.expect_err("too many").contains("10,000 parts"));

    // A tree in memory would be as deep, and taking it down as well.
    let mut deep = String::new();
    for depth in 0..9_000 {
        deep += &format!("{}--{depth}\r\n", mixed(&depth.to_string()));
    }
    let found = is_quick("deep multiparts", (deep + "\r\nhello").as_bytes());
    assert_eq!(found, Ok(vec!["text/plain: hello".to_owned()]));
    let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(9_000) + "\r\nhello";
    let found = is_quick("deep messages", deep.as_bytes());
    assert_eq!(found.expect("walked over").len(), 9_001);

    // Whoever looks for each boundary to the end of the message takes hours.
    let mut never = mixed("a");
    for number in 0..4_000 {
        never += &format!("--a\r\nContent-Type: multipart/mixed; boundary=n{number}\r\n\r\n");
        never += &"--\r\n".repeat(100);
    }
    let found = is_quick("boundaries that never come", never.as_bytes());
    assert_eq!(found.expect("walked over").len(), 4_000);

    let header = "A: b\r\n".repeat(1 << 20);
    let found = is_quick("an endless header", header.as_bytes());
    assert!(found.expect_err("too long").contains("header"));
    let field = format!("Content-Type: a/b{}\r\n\r\n", "; name*1=x".repeat(20_000));
    assert!(is_quick("a field of pieces", field.as_bytes()).is_ok());
    let words = format!(
        "Content-Type: a/b; name=\"{}\"\r\n\r\n",
        "=?a?q?b".repeat(30_000)
    );
    assert!(is_quick("words without an end", words.as_bytes()).is_ok());
}

#[test]
fn encoded_messages_are_unwrapped_a_few_times() {
    let mut content = "Subject: x\r\n\r\nhello\r\n".to_owned();
    for wrapping in 1..=limits::CONTENT_WRAPPINGS + 1 {
        let encoded = content.replace('=', "=3D");
        content = format!(
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{encoded}"
        );
        let found = parts(content.as_bytes());
        if wrapping > limits::CONTENT_WRAPPINGS {
            assert!(found.expect_err("too often").contains("encoded messages"));
        } else {
            let found = found.expect("walked over");
            assert_eq!(
                found.last().map(String::as_str),
                Some("text/plain: hello\n")
            );
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics(content in "(--a|--b|--| |\r\n|\n|x|:|;|\"|Content-Type: multipart/(mixed|digest); boundary=(a|b|\"a)|Content-Type: message/rfc822|Content-Transfer-Encoding: (base64|quoted-printable)|name\\*0\\*=|=|\\?|ä){0,40}") {
        let _ = parts(content.as_bytes());
    }

    #[test]
    fn nor_with_bytes(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parts(&content);
    }

    #[test]
    fn every_text_is_found(texts in proptest::collection::vec("[a-z -]{0,20}", 1..8), deep in any::<bool>()) {
        let mut content = String::new();
        for (number, text) in texts.iter().enumerate() {
            let boundary = if deep { number } else { 0 };
            if deep || number == 0 {
                content += &format!("Content-Type: multipart/mixed; boundary=\"b{boundary}\"\r\n\r\n");
            }
            content += &format!("--b{boundary}\r\n\r\n{text}\r\n--b{boundary}\r\n");
        }
        let found = parts(content.as_bytes()).expect("it is walked over");
        for text in &texts {
            prop_assert!(found.contains(&format!("text/plain: {text}")), "{} {:?}", text, found);
        }
    }
}
