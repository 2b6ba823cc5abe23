//! Replies: a code, an enhanced code and words; how they are written, and how a peer's are passed on.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::BufMut;

use crate::limits::{self, REPLY_WORDS_BYTES};

/// Stands behind words that were cut.
const CUT: &str = " [...]";

/// An enhanced status code, RFC 3463: `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced {
    /// 2, 4 or 5, like the first digit of the reply's code.
    pub class: u8,
    /// What it is about: addressing, mailbox, system …
    pub subject: u16,
    /// The particular.
    pub detail: u16,
}

impl Enhanced {
    /// `class.subject.detail`.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Enhanced {
        Enhanced {
            class,
            subject,
            detail,
        }
    }

    /// Takes `5.1.1` off the front of a reply's text, when its class is the code's; what follows
    /// must be a blank or nothing. Gives the rest without that blank.
    pub fn split(code: u16, text: &str) -> Option<(Enhanced, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = word.split('.');
        let class = u8::try_from(number(parts.next()?)?).ok()?;
        let enhanced = Enhanced::new(class, number(parts.next()?)?, number(parts.next()?)?);
        let agrees = u16::from(class) == code / 100 && matches!(class, 2 | 4 | 5);
        (agrees && parts.next().is_none()).then_some((enhanced, rest))
    }
}

/// One to three digits, RFC 3463 §2.
fn number(digits: &str) -> Option<u16> {
    let valid = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for Enhanced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// One reply, ours or a peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits, RFC 5321 §4.2.
    pub code: u16,
    /// Missing in greetings, 3xx, EHLO, and in what simple peers say.
    pub enhanced: Option<Enhanced>,
    /// The words; the lines of a reply of several are joined by `\n`.
    pub text: Cow<'static, str>,
    /// The server that said it, by the name under which it was reached; none: these are our own words.
    pub said_by: Option<Arc<str>>,
    /// What that server said, where this says it in other words or with another code.
    pub original: Option<Box<Reply>>,
}

impl Reply {
    /// A reply with an enhanced code: `Reply::new(550, (5, 1, 1), "no such user")`.
    pub fn new(
        code: u16,
        (class, subject, detail): (u8, u16, u16),
        text: impl Into<Cow<'static, str>>,
    ) -> Reply {
        let enhanced = Enhanced::new(class, subject, detail);
        Reply::of(code, Some(enhanced), text.into())
    }

    /// One that always has the same words, as it is written: `550 5.1.1 no such user`. A 3xx has no enhanced
    /// code (RFC 2034 §4); of all others the class has to be that of the code.
    pub(super) const fn fixed(line: &'static str) -> Reply {
        let (code, rest) = leading_number(line);
        if code / 100 == 3 {
            return Reply::of(code, None, Cow::Borrowed(rest));
        }
        let (class, rest) = leading_number(rest);
        let (subject, rest) = leading_number(rest);
        let (detail, words) = leading_number(rest);
        assert!(class == code / 100, "the codes are of different classes");
        let enhanced = Enhanced::new(class as u8, subject, detail);
        Reply::of(code, Some(enhanced), Cow::Borrowed(words))
    }

    /// A reply that has no enhanced code: the greeting, EHLO, 3xx (RFC 2034 §4).
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Reply {
        Reply::of(code, None, text.into())
    }

    /// A reply that repeats nobody's.
    pub(super) const fn of(
        code: u16,
        enhanced: Option<Enhanced>,
        text: Cow<'static, str>,
    ) -> Reply {
        Reply {
            code,
            enhanced,
            text,
            said_by: None,
            original: None,
        }
    }

    /// 2xx: done.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3xx: go on.
    pub fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// 4xx: try again later.
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5xx: do not try again.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// Writes the reply with its CRLFs into a `Vec<u8>` or `BytesMut`.
    ///
    /// Nothing in the words can end the reply early: a line feed in them makes a continuation line, any
    /// other control a blank, a letter outside ASCII a question mark (RFC 5321 §4.2 allows ASCII only),
    /// and a line that would be too long is continued on the next.
    pub fn write(&self, out: &mut impl BufMut) {
        let mut code = [0; 3];
        for (place, divisor) in code.iter_mut().zip([100, 10, 1]) {
            *place = b'0' + (self.code / divisor % 10) as u8;
        }
        let enhanced = self
            .enhanced
            .map(|enhanced| format!("{enhanced} "))
            .unwrap_or_default();
        let text_bytes = limits::REPLY_LINE_BYTES - "250-".len() - enhanced.len();

        let mut lines = self
            .text
            .split('\n')
            .flat_map(|line| wrapped(line, text_bytes))
            .peekable();
        while let Some(line) = lines.next() {
            out.put_slice(&code);
            out.put_u8(if lines.peek().is_some() { b'-' } else { b' ' });
            out.put_slice(enhanced.as_bytes());
            for letter in line.chars() {
                out.put_u8(printable(letter));
            }
            out.put_slice(b"\r\n");
        }
    }

    /// The code, and the enhanced one where there is one: `550 5.1.1`.
    pub fn codes(&self) -> String {
        match self.enhanced {
            Some(enhanced) => format!("{} {enhanced}", self.code),
            None => self.code.to_string(),
        }
    }

    /// The words as they are passed on: one printable line of ASCII, at most [`REPLY_WORDS_BYTES`]. What
    /// is cut has a mark.
    pub fn passed_words(&self) -> String {
        self.one_line(REPLY_WORDS_BYTES, |letter| char::from(printable(letter)))
    }

    /// The words as people here are shown them, and as they are kept: the same with the letters of all
    /// languages.
    pub fn shown_words(&self) -> String {
        self.shown_words_within(REPLY_WORDS_BYTES)
    }

    /// The same in so many bytes.
    pub fn shown_words_within(&self, bytes_max: usize) -> String {
        self.one_line(bytes_max, |letter| match letter {
            _ if letter.is_control() || is_invisible(letter) => ' ',
            letter => letter,
        })
    }

    fn one_line(&self, bytes_max: usize, as_shown: impl Fn(char) -> char) -> String {
        if self.is_presentable(bytes_max) {
            return self.text.clone().into_owned();
        }
        let mut words = String::with_capacity(self.text.len().min(bytes_max));
        // Up to here there is room for the mark behind it.
        let mut whole = 0;
        for letter in self.text.chars().map(as_shown) {
            if words.len() + letter.len_utf8() > bytes_max {
                words.truncate(whole);
                words.push_str(CUT);
                break;
            }
            // Runs of blanks, which line ends and controls have become, are one.
            if letter != ' ' || !(words.is_empty() || words.ends_with(' ')) {
                words.push(letter);
            }
            if words.len() + CUT.len() <= bytes_max {
                whole = words.len();
            }
        }
        words.truncate(words.trim_end().len());
        words
    }

    /// Whether the words are what [`Self::passed_words`] would make of them: so they nearly always are,
    /// and every reply is shown several times.
    fn is_presentable(&self, bytes_max: usize) -> bool {
        let bytes = self.text.as_bytes();
        bytes.len() <= bytes_max
            && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
            && memchr::memmem::find(bytes, b"  ").is_none()
            && !bytes.starts_with(b" ")
            && !bytes.ends_with(b" ")
    }

    /// A next hop's reply made fit for our client.
    ///
    /// 421 becomes 451, because it would speak of *our* connection; the enhanced code is there in
    /// any case, because we offer ENHANCEDSTATUSCODES (RFC 2034 §4).
    pub fn passed_on(&self) -> Reply {
        let class = (self.code / 100) as u8;
        Reply {
            code: if self.code == 421 { 451 } else { self.code },
            enhanced: self
                .enhanced
                .or_else(|| matches!(class, 2 | 4 | 5).then_some(Enhanced::new(class, 0, 0))),
            text: Cow::Owned(self.passed_words()),
            said_by: self.said_by.clone(),
            original: self.original.clone(),
        }
    }
}

/// The number that a text begins with, and what is behind the sign that ends it.
const fn leading_number(text: &'static str) -> (u16, &'static str) {
    let (mut number, mut at) = (0, 0);
    while text.as_bytes()[at].is_ascii_digit() {
        number = 10 * number + (text.as_bytes()[at] - b'0') as u16;
        at += 1;
    }
    (number, text.split_at(at + 1).1)
}

/// One line for logs, trails and pages: `550 5.1.1 no such user`.
impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(formatter, " {enhanced}")?;
        }
        if self.text.is_empty() {
            return Ok(());
        }
        if self.is_presentable(REPLY_WORDS_BYTES) {
            return write!(formatter, " {}", self.text);
        }
        let words = self.shown_words();
        if !words.is_empty() {
            write!(formatter, " {words}")?;
        }
        Ok(())
    }
}

/// Letters that show nothing and change how their neighbours are shown: their order, or where lines end.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// The byte for `letter` on the wire.
fn printable(letter: char) -> u8 {
    match letter {
        ' '..='~' => letter as u8,
        _ if letter.is_control() => b' ',
        _ => b'?',
    }
}

/// Cuts a line into pieces of at most `letters_max` letters, each of which becomes one byte; behind a
/// blank when there is one in the second half of the piece.
fn wrapped(line: &str, letters_max: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some((limit, _)) = text.char_indices().nth(letters_max) else {
            rest = None;
            return Some(text);
        };
        let end = match text[..limit].rfind(' ') {
            Some(blank) if blank > limit / 2 => blank + 1,
            _ => limit,
        };
        rest = Some(&text[end..]);
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_and_several() {
        let reply = Reply::new(550, (5, 1, 1), "no such user");
        assert_eq!(written(&reply), "550 5.1.1 no such user\r\n");
        assert_eq!(reply.to_string(), "550 5.1.1 no such user");
        let reply = Reply::new(550, (5, 7, 1), "no\nnever");
        assert_eq!(written(&reply), "550-5.7.1 no\r\n550 5.7.1 never\r\n");
        assert_eq!(reply.to_string(), "550 5.7.1 no never");
        assert_eq!(written(&Reply::plain(354, "go on")), "354 go on\r\n");
        assert_eq!(written(&Reply::plain(250, "")), "250 \r\n");
    }

    #[test]
    fn words_cannot_forge_a_reply() {
        let reply = Reply::new(550, (5, 0, 0), "a\r\n250 ok\0\tü\u{85}");
        assert_eq!(written(&reply), "550-5.0.0 a \r\n550 5.0.0 250 ok  ? \r\n");
        assert_eq!(reply.passed_words(), "a 250 ok ?");
        assert_eq!(reply.to_string(), "550 5.0.0 a 250 ok ü");
    }

    #[test]
    fn words_of_all_languages_are_shown_as_they_are() {
        for (text, shown, passed) in [
            (
                "Postfach überfüllt",
                "Postfach überfüllt",
                "Postfach ?berf?llt",
            ),
            ("邮箱已满", "邮箱已满", "????"),
            ("\u{1b}[31mred\u{7}  x", "[31mred x", "[31mred x"),
            ("a\u{202e}b\u{2028}c", "a b c", "a?b?c"),
            ("\u{fffd}", "\u{fffd}", "?"),
        ] {
            let reply = Reply::plain(452, text);
            assert_eq!(reply.shown_words(), shown);
            assert_eq!(reply.passed_words(), passed);
        }
        let long = Reply::plain(452, "ü".repeat(500));
        assert_eq!(long.shown_words(), "ü".repeat(500));
        let cut = format!("{} [...]", "ü".repeat(197));
        assert_eq!(long.shown_words_within(401), cut);
        let long = Reply::plain(452, "ü".repeat(REPLY_WORDS_BYTES + 1));
        assert!(long.passed_words().ends_with("??? [...]"));
    }

    #[test]
    fn long_lines_are_wrapped() {
        let reply = Reply::new(
            550,
            (5, 0, 0),
            format!("{} {}", "a".repeat(400), "b".repeat(600)),
        );
        let lines: Vec<String> = written(&reply).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], format!("550-5.0.0 {} ", "a".repeat(400)));
        assert_eq!(lines[1].len(), limits::REPLY_LINE_BYTES);
    }

    #[test]
    fn enhanced_codes() {
        for (code, text, expected) in [
            (550, "5.1.1 no", Some((Enhanced::new(5, 1, 1), "no"))),
            (550, "5.7.26", Some((Enhanced::new(5, 7, 26), ""))),
            (250, "2.0.0  ok", Some((Enhanced::new(2, 0, 0), " ok"))),
            (550, "4.1.1 no", None),
            (354, "3.0.0 go", None),
            (550, "5.1 no", None),
            (550, "5.1.1.1 no", None),
            (550, "5.1.1000 no", None),
            (550, "5..1 no", None),
            (550, "5.1.1no", None),
            (550, "", None),
        ] {
            assert_eq!(Enhanced::split(code, text), expected, "{code} {text}");
        }
    }

    #[test]
    fn passing_on() {
        let reply = Reply::plain(421, format!("too busy\n{}", "x".repeat(9_000)));
        let passed = reply.passed_on();
        assert_eq!(passed.code, 451);
        assert_eq!(passed.enhanced, Some(Enhanced::new(4, 0, 0)));
        assert!(passed.text.starts_with("too busy xxx"));
        assert_eq!(passed.text.len(), REPLY_WORDS_BYTES);
        let refusal = Reply::new(554, (5, 7, 1), "spam");
        assert_eq!(refusal.passed_on(), refusal);
    }

    proptest! {
        #[test]
        fn whatever_the_words_the_form_holds(text in any::<String>(), long in 0..3_500_usize) {
            let reply = Reply::new(452, (4, 3, 1), format!("{text}{}", "w ".repeat(long)));
            let wire = written(&reply);
            let lines: Vec<&str> = wire.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            for (place, line) in lines.iter().enumerate() {
                let mark = if place + 1 == lines.len() { ' ' } else { '-' };
                let prefix = format!("452{mark}4.3.1 ");
                prop_assert!(line.starts_with(&prefix));
                prop_assert!(line.len() <= limits::REPLY_LINE_BYTES);
                prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
            prop_assert!(reply.passed_words().len() <= REPLY_WORDS_BYTES);
            prop_assert!(reply.shown_words().len() <= REPLY_WORDS_BYTES);
        }
    }
}
