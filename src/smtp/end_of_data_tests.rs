//! Every interesting end of data, cut in every way, against a machine too simple to be wrong.

use super::*;
use proptest::prelude::*;

/// What a decoder made of an input.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    content: Vec<u8>,
    consumed: usize,
    finished: bool,
    findings: DataFindings,
}

fn decode(pieces: &[&[u8]]) -> Outcome {
    let mut decoder = DataDecoder::default();
    let mut content = Vec::new();
    let mut consumed = 0;
    let mut finished = false;
    for piece in pieces {
        let decoded = decoder.decode(piece, &mut |bytes| content.extend_from_slice(bytes));
        consumed += decoded.consumed;
        finished = decoded.finished;
        assert!(finished || decoded.consumed == piece.len());
    }
    Outcome {
        content,
        consumed,
        finished,
        findings: decoder.findings(),
    }
}

/// The same rules a byte at a time, with the whole input in hand and nothing clever. What is held back
/// at the end of the input is not given out, as in the real one.
fn reference(input: &[u8]) -> Outcome {
    let mut content = Vec::new();
    let mut findings = DataFindings::default();
    let mut line_start = true;
    let mut finished = false;
    let mut at = 0;
    while at < input.len() {
        if line_start && input[at] == b'.' {
            if input[at..].starts_with(b".\r\n") {
                at += 3;
                finished = true;
                break;
            }
            at += 1;
            line_start = false;
            continue;
        }
        line_start = false;
        let run = input[at..].iter().take_while(|&&byte| byte == b'\r');
        let run = run.count();
        match input[at] {
            b'\r' if at + run == input.len() => at += run - 1,
            b'\r' if input[at + run] == b'\n' => {
                content.extend(b"\r\n");
                findings.bare_carriage_returns += run as u64 - 1;
                at += run;
                line_start = true;
            }
            b'\r' => {
                if !content.is_empty() && !content.ends_with(b"\n") {
                    content.push(b' ');
                }
                findings.bare_carriage_returns += run as u64;
                at += run - 1;
            }
            b'\n' => {
                content.extend(b"\r\n");
                findings.bare_line_feeds += 1;
            }
            byte => content.push(byte),
        }
        at += 1;
    }
    findings.nuls = input[..at].iter().filter(|&&byte| byte == 0).count() as u64;
    findings.eight_bit = input[..at].iter().any(|&byte| byte >= 128);
    findings.longest_line_bytes = content
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line).len() as u64)
        .max()
        .unwrap_or(0);
    Outcome {
        content,
        consumed: at,
        finished,
        findings,
    }
}

/// Decodes `input` whole and in every way to cut it in two and in three.
fn check_cuts(input: &[u8]) -> Outcome {
    let whole = decode(&[input]);
    assert_eq!(whole, reference(input), "{}", input.escape_ascii());
    for first in 0..=input.len() {
        for second in first..=input.len() {
            let cut = decode(&[&input[..first], &input[first..second], &input[second..]]);
            assert_eq!(
                cut,
                whole,
                "{} cut at {first}, {second}",
                input.escape_ascii()
            );
        }
    }
    whole
}

fn check(input: &str, content: &str, rest: &str) {
    let outcome = check_cuts(input.as_bytes());
    assert!(outcome.finished, "{input:?} did not end");
    assert_eq!(
        outcome.content.escape_ascii().to_string(),
        content.as_bytes().escape_ascii().to_string()
    );
    assert_eq!(&input[outcome.consumed..], rest, "{input:?}");
}

fn check_open(input: &str, content: &str) {
    let outcome = check_cuts(input.as_bytes());
    assert!(!outcome.finished, "{input:?} ended");
    assert_eq!(
        outcome.content.escape_ascii().to_string(),
        content.as_bytes().escape_ascii().to_string()
    );
}

#[test]
fn ordinary_messages() {
    check(".\r\n", "", "");
    check(".\r\nQUIT\r\n", "", "QUIT\r\n");
    check("a\r\n.\r\n", "a\r\n", "");
    check("a\r\n\r\nb\r\n.\r\nRSET\r\n", "a\r\n\r\nb\r\n", "RSET\r\n");
    check("\r\n.\r\n", "\r\n", "");
    check("a\r\n.\r\n.\r\n", "a\r\n", ".\r\n");
}

#[test]
fn stuffed_dots() {
    check("..\r\n.\r\n", ".\r\n", "");
    check("..a\r\n...\r\n.\r\n", ".a\r\n..\r\n", "");
    check(".a\r\n.\r\n", "a\r\n", "");
    check("a.\r\n.b.\r\n.\r\n", "a.\r\nb.\r\n", "");
}

#[test]
fn what_resembles_an_end_is_none() {
    check_open("a\n.\n", "a\r\n.\r\n");
    check_open(
        "a\n.\r\nMAIL FROM:<x@y>\r\n",
        "a\r\n.\r\nMAIL FROM:<x@y>\r\n",
    );
    check_open("a\r\n.\nMAIL\r\n", "a\r\n\r\nMAIL\r\n");
    check_open("a\r.\rMAIL\r\n", "a . MAIL\r\n");
    check_open("a\r\n.\rMAIL\r\n", "a\r\nMAIL\r\n");
    check_open("a\r\n.\r\r\nMAIL\r\n", "a\r\n\r\nMAIL\r\n");
    check_open("a\r.\r\nMAIL\r\n", "a .\r\nMAIL\r\n");
    check_open("a\r\r\n.b\r\n", "a\r\nb\r\n");
    check_open("a\r\n\r.\r\nMAIL\r\n", "a\r\n.\r\nMAIL\r\n");
    check_open("a\n\r.\n\rMAIL\n\r", "a\r\n.\r\nMAIL\r\n");
    check_open(".\n", "\r\n");
    check_open("\n.\r\n", "\r\n.\r\n");
    check_open("a\r\n.\0\r\n", "a\r\n\0\r\n");
    check_open("a\r\n. \r\n", "a\r\n \r\n");
    check_open("a\r\n..\r\n", "a\r\n.\r\n");
}

#[test]
fn after_a_bare_line_feed_a_dot_is_a_dot() {
    check("a\n..b\r\n.\r\n", "a\r\n..b\r\n", "");
    check("a\n.b\n\r\n.\r\n", "a\r\n.b\r\n\r\n", "");
}

/// A text of a header, an empty line and a body, with each line end that devices make.
#[test]
fn line_ends_of_devices_are_line_ends() {
    for end in ["\r\n", "\n", "\r\r\n", "\r\r\r\n", "\n\r", "\r\n\r"] {
        let sent = ["Subject: a", "", "one", "two"].map(|line| line.to_owned() + end);
        let last = if end.ends_with("\r\n") { "" } else { "\r\n" };
        let outcome = check_cuts(format!("{}{last}.\r\n", sent.concat()).as_bytes());
        let content = String::from_utf8(outcome.content).unwrap();
        let text = content.strip_suffix(last).unwrap();
        assert_eq!(text, "Subject: a\r\n\r\none\r\ntwo\r\n", "{end:?}");
    }
}

#[test]
fn what_is_held_back() {
    check_open("", "");
    check_open("a\r", "a");
    check_open("a\r\n.", "a\r\n");
    check_open("a\r\n.\r", "a\r\n");
    check_open(".\r", "");
    check_open("\r", "");
}

#[test]
fn findings() {
    let outcome = check_cuts("ab\rc\nd\0\0\r\n\u{e9}fghijk\r\n.x\r\n.\r\n\0\r".as_bytes());
    assert_eq!(
        outcome.findings,
        DataFindings {
            bare_carriage_returns: 1,
            bare_line_feeds: 1,
            nuls: 2,
            longest_line_bytes: 8,
            eight_bit: true,
        }
    );
}

#[test]
fn refusals() {
    let strays = DataFindings {
        bare_line_feeds: 1,
        ..DataFindings::default()
    };
    assert_eq!(strays.refusal(LineEnds::Normalise), None);
    assert_eq!(strays.refusal(LineEnds::Reject).unwrap().code, 550);
    let nuls = DataFindings {
        nuls: 1,
        ..DataFindings::default()
    };
    assert_eq!(nuls.refusal(LineEnds::Normalise).unwrap().code, 550);
    let long = TEXT_LINE_BYTES as u64;
    for (longest_line_bytes, refused) in [(long, false), (long + 1, true)] {
        let lines = DataFindings {
            longest_line_bytes,
            ..DataFindings::default()
        };
        assert_eq!(lines.refusal(LineEnds::Normalise).is_some(), refused);
    }
}

#[test]
fn past_the_end_nothing_is_consumed() {
    let mut decoder = DataDecoder::default();
    assert!(decoder.decode(b".\r\n", &mut |_| ()).finished);
    let again = decoder.decode(b"a\r\n", &mut |_| panic!("nothing to give out"));
    assert_eq!(
        again,
        Decoded {
            consumed: 0,
            finished: true
        }
    );
}

#[test]
fn ordinary_lines_are_given_out_as_one_slice() {
    let mut slices = 0;
    let decoded = DataDecoder::default().decode(b"a\r\nb\r\nc\r\n.\r\n", &mut |_| slices += 1);
    assert!(decoded.finished);
    assert_eq!(slices, 1);
}

#[test]
fn every_short_input_over_the_letters_that_matter() {
    const LETTERS: &[u8] = b"\r\n.a";
    for length in 0..=7_u32 {
        for number in 0..LETTERS.len().pow(length) {
            let input: Vec<u8> = (0..length)
                .map(|place| LETTERS[number / LETTERS.len().pow(place) % LETTERS.len()])
                .collect();
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            let expected = reference(&input);
            assert_eq!(decode(&[&input]), expected, "{}", input.escape_ascii());
            assert_eq!(
                decode(&bytes),
                expected,
                "{} in bytes",
                input.escape_ascii()
            );
        }
    }
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![
        Just(b'\r'),
        Just(b'\n'),
        Just(b'.'),
        Just(b'a'),
        Just(0),
        Just(0xE9)
    ];
    let word = prop_oneof![
        proptest::collection::vec(byte, 0..6),
        Just(b"\r\n".to_vec()),
        Just(b"\r\n.\r\n".to_vec()),
        Just(vec![b'x'; 100]),
    ];
    proptest::collection::vec(word, 0..20)
}

proptest! {
    #[test]
    fn any_cut_is_the_reference(pieces in pieces()) {
        let whole = pieces.concat();
        let slices: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(decode(&slices), reference(&whole));
    }

    #[test]
    fn what_leaves_is_canonical(pieces in pieces()) {
        let slices: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let content = decode(&slices).content;
        for (at, &byte) in content.iter().enumerate() {
            prop_assert!(byte != b'\r' || at + 1 == content.len() || content[at + 1] == b'\n');
            prop_assert!(byte != b'\n' || at > 0 && content[at - 1] == b'\r');
        }
    }
}

fn check_chunks(input: &str, expected: &str) {
    for cut in 0..=input.len() {
        let mut decoder = DataDecoder::without_dots();
        let mut content = Vec::new();
        let mut output = |bytes: &[u8]| content.extend_from_slice(bytes);
        decoder.decode(&input.as_bytes()[..cut], &mut output);
        decoder.decode(&input.as_bytes()[cut..], &mut output);
        decoder.finish(&mut output);
        assert_eq!(
            content.escape_ascii().to_string(),
            expected.as_bytes().escape_ascii().to_string(),
            "{input:?} cut at {cut}"
        );
    }
}

#[test]
fn chunks_become_canonical() {
    check_chunks("", "");
    check_chunks("a\r\n", "a\r\n");
    check_chunks("a", "a\r\n");
    check_chunks("a\r", "a\r\n");
    check_chunks("a\r\rb\r\r\n", "a b\r\n");
    check_chunks("a\nb", "a\r\nb\r\n");
    check_chunks("a\n", "a\r\n");
    check_chunks("\n", "\r\n");
    check_chunks(".\r\n..a\r\n.", ".\r\n..a\r\n.\r\n");
    check_chunks("a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n");
}

#[test]
fn a_last_carriage_return_is_counted() {
    let mut decoder = DataDecoder::without_dots();
    decoder.decode(b"a\r", &mut |_| ());
    let findings = decoder.finish(&mut |_| ());
    assert_eq!(findings.bare_carriage_returns, 1);
    assert_eq!(findings.longest_line_bytes, 1);
}
